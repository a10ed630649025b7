/* SPDX-License-Identifier: Apache-2.0
 *
 * What the daemon keeps of an instance, and its names. What happens to it is in
 * instance_events.c, what is done about it in instance_actions.c.
 */
#include "base/base.h"

#include <stdio.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/err.h"
#include "control/daemon_priv.h"
#include "control/state.h"

struct instance *system_find_instance(const struct system *system, const char *id)
{
    LIST_FOR_EACH (node, &system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (strcmp(instance->id, id) == 0)
            return instance;
    }
    return NULL;
}

void instance_format_name(const struct instance *instance, char *ret)
{
    if (instance->one_off != NULL) {
        str_format(ret, RUNTIME_ID_MAX + 1, "%s", instance->one_off);
        return;
    }
    str_format(ret, RUNTIME_ID_MAX + 1, "%.30s-%.24s%s-%u", instance->system->name,
               instance->made_of->service->name, instance->is_job ? "-migrate" : "",
               instance->number % 10000);
}

static uint32_t draw(void)
{
    uint32_t random = 0;
    ssize_t drawn = getrandom(&random, sizeof random, 0);

    assert(drawn == (ssize_t)sizeof random);
    return random;
}

/* <ret> has RUNTIME_ID_MAX + 1 bytes: <text> with nothing but [a-z0-9-]. */
static void make_id(const char *text, char *ret)
{
    str_format(ret, RUNTIME_ID_MAX + 1, "%s", text);
    for (char *c = ret; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
        else if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9'))
            *c = '-';
}

/* "eshop-backend-1-3f9a": names that are not host names lose what does not fit. */
static void choose_id(struct instance *instance)
{
    char name[RUNTIME_ID_MAX + 1], id[RUNTIME_ID_MAX + 8];

    instance_format_name(instance, name);
    name[RUNTIME_ID_MAX - 9] = '\0';
    str_format(id, sizeof id, "%s-%06x", name, draw() & 0xffffff);
    make_id(id, instance->id);
}

static char *log_path_of(const struct instance *instance)
{
    struct buf path = {0};

    buf_addf(&path, "%s/logs/%s/%s.log", instance->system->daemon->options.state_dir,
             instance->system->name, instance->id);
    return buf_take(&path);
}

static struct instance *make(struct system *system, struct release *release, size_t service)
{
    struct instance *instance = NEW(struct instance);

    instance->system = system;
    instance->release = release_ref(release);
    instance->made_of = &release->services[service];
    list_push(&system->instances, &instance->link);
    return instance;
}

struct instance *instance_load(struct system *system, struct release *release, size_t service,
                               const char *id)
{
    struct instance *instance = make(system, release, service);

    str_format(instance->id, sizeof instance->id, "%s", id);
    instance->log_path = log_path_of(instance);
    return instance;
}

/* Gives it an address and stores it; frees it when that fails. */
static struct instance *keep(struct instance *instance, struct err *err)
{
    struct daemon *daemon = instance->system->daemon;

    instance->created_wall_ms = clock_wall_ms();
    instance->log_path = log_path_of(instance);
    bool has_address = network_has_address(instance->made_of->service);
    if ((has_address && !state_address(daemon->state, instance->id, instance->address, err)) ||
        !state_save_instance(daemon->state, instance, err)) {
        instance_free(instance);
        return NULL;
    }
    return instance;
}

struct instance *instance_new(struct system *system, struct release *release, size_t service,
                              uint32_t number, bool is_job, struct err *err)
{
    struct instance *instance = make(system, release, service);

    instance->number = number;
    instance->is_job = is_job;
    choose_id(instance);
    return keep(instance, err);
}

struct instance *instance_new_one_off(struct system *system, struct release *release,
                                      size_t service, const char *name, struct err *err)
{
    struct instance *instance = make(system, release, service);
    char usual[RUNTIME_ID_MAX + 1];
    uint32_t random = draw();

    str_format(usual, sizeof usual, "%.30s-%.20s-run-%06x", system->name,
               instance->made_of->service->name, random & 0xffffff);
    instance->is_job = true;
    instance->one_off = mem_copy_text(name == NULL ? usual : name);
    make_id(usual, instance->id);
    return keep(instance, err);
}

void instance_free(struct instance *instance)
{
    check_stop(instance);
    timer_clear(&instance->timer);
    timer_clear(&instance->udp_timer);
    list_remove(&instance->link);
    release_unref(instance->release);
    free(instance->one_off);
    free(instance->log_path);
    free(instance);
}
