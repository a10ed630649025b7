/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /v1/systems/NAME/stats and /top: what instances use, and their processes.
 * Counters, not rates: who asks twice has both the difference and the time.
 */
#include "base/base.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "control/api_priv.h"

static bool has_service(const struct system *system, const char *name)
{
    if (system->wanted != NULL && release_find(system->wanted, name) != SIZE_MAX)
        return true;
    LIST_FOR_EACH (node, &system->instances)
        if (strcmp(CONTAINER_OF(node, struct instance, link)->made_of->service->name, name) == 0)
            return true;
    return false;
}

bool api_choice_make(struct api_call *call, const struct system *system, struct arena *arena,
                     struct compose_texts *ret)
{
    const char *name;
    struct err err;
    size_t count = 0;

    while (api_query(call, "service", count, arena) != NULL)
        count++;
    *ret = (struct compose_texts){.items = ARENA_ARRAY(arena, const char *, count + 1)};
    for (size_t i = 0; (name = api_query(call, "service", i, arena)) != NULL; i++) {
        if (!has_service(system, name)) {
            err_set(&err, ERR_NO_SERVICE, "there is no service '%.100s' in '%s'", name,
                    system->name);
            api_refuse(call, &err);
            return false;
        }
        ret->items[ret->count++] = name;
    }
    return true;
}

bool api_choice_has(const struct compose_texts *choice, const char *service)
{
    for (size_t i = 0; i < choice->count; i++)
        if (strcmp(choice->items[i], service) == 0)
            return true;
    return choice->count == 0;
}

/* Appends one object for each instance of the services asked for; <fill> adds what it is about. */
static void answer_instances(struct api_call *call,
                             void (*fill)(const struct instance *instance, json_t *row),
                             json_t *answer)
{
    struct system *system = api_system(call);
    AUTO(json_unref) json_t *owned = answer;
    AUTO(arena_done) struct arena arena = {0};
    struct compose_texts choice;
    json_t *list = json_array();

    (void)json_object_set_new(answer, "instances", list);
    if (system == NULL || !api_choice_make(call, system, &arena, &choice))
        return;
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        const char *service = instance->made_of->service->name;
        char name[RUNTIME_ID_MAX + 1];

        if (instance->state == INSTANCE_GONE || !api_choice_has(&choice, service))
            continue;
        instance_format_name(instance, name);
        json_t *row = json_pack("{s:s, s:s, s:s, s:I, s:s}", "id", instance->id, "name", name,
                                "service", service, "number", (json_int_t)instance->number, "state",
                                instance_state_name(instance->state));
        fill(instance, row);
        (void)json_array_append_new(list, row);
    }
    api_answer(call, 200, TAKE(owned));
}

static void fill_usage(const struct instance *instance, json_t *row)
{
    struct runtime *runtime = instance->system->daemon->runtime;
    struct runtime_usage usage = {0};
    struct err err;

    if (!instance_state_is_live(instance->state) ||
        !runtime->ops->usage(runtime, instance->id, &usage, &err))
        return;
    const struct {
        const char *key;
        uint64_t value;
    } figures[] = {
        {"cpu_ns", usage.cpu_ns},
        {"memory_bytes", usage.memory_bytes},
        {"memory_limit_bytes", usage.memory_limit_bytes},
        {"pids", usage.pids},
        {"received_bytes", usage.received_bytes},
        {"sent_bytes", usage.sent_bytes},
        {"read_bytes", usage.read_bytes},
        {"written_bytes", usage.written_bytes},
    };
    for (size_t i = 0; i < ARRAY_LEN(figures); i++)
        (void)json_object_set_new(row, figures[i].key, json_integer((json_int_t)figures[i].value));
}

void api_stats(struct api_call *call)
{
    uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

    answer_instances(call, fill_usage,
                     json_pack("{s:I, s:I, s:I}", "time_ns", (json_int_t)clock_now_ns(),
                               "machine_memory_bytes", (json_int_t)memory, "processors",
                               (json_int_t)sysconf(_SC_NPROCESSORS_ONLN)));
}

static void fill_processes(const struct instance *instance, json_t *row)
{
    struct runtime *runtime = instance->system->daemon->runtime;
    AUTO(arena_done) struct arena arena = {0};
    struct runtime_process *processes = NULL;
    json_t *list = json_array();
    size_t count = 0;
    struct err err;

    (void)json_object_set_new(row, "processes", list);
    if (!instance_state_is_live(instance->state) ||
        !runtime->ops->processes(runtime, instance->id, &arena, &processes, &count, &err))
        return;
    for (size_t i = 0; i < count; i++) {
        const struct runtime_process *one = &processes[i];
        (void)json_array_append_new(list, json_pack("{s:I, s:i, s:i, s:s, s:I, s:I, s:o}", "uid",
                                                    (json_int_t)one->uid, "pid", (int)one->pid,
                                                    "ppid", (int)one->parent, "tty", one->tty,
                                                    "started_ms", (json_int_t)one->started_wall_ms,
                                                    "cpu_ms", (json_int_t)one->cpu_ms, "command",
                                                    json_from_bytes(str_of(one->command))));
    }
}

void api_top(struct api_call *call)
{
    answer_instances(call, fill_processes, json_object());
}
