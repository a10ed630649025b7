/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations on some of the services: which ones are meant, and the release that
 * has those of the file and, for all others, what the release before it said.
 */
#include "base/base.h"

#include "base/err.h"
#include "compose/load.h"
#include "control/daemon_priv.h"

bool scope_has(const struct compose_texts *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return true;
    return names->count == 0;
}

void scope_add(struct compose_texts *names, const char *name, struct arena *arena)
{
    if (names->count > 0 && scope_has(names, name))
        return;
    const char **items = ARENA_ARRAY(arena, const char *, names->count + 1);
    for (size_t i = 0; i < names->count; i++)
        items[i] = names->items[i];
    items[names->count++] = arena_text(arena, name);
    names->items = items;
}

bool system_has_instance(const struct system *system, const char *service)
{
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (!instance->is_job && instance->state != INSTANCE_GONE &&
            strcmp(instance->made_of->service->name, service) == 0)
            return true;
    }
    return false;
}

/* Of the file, or of an instance that is left, also one that `run` made. */
static bool is_known(const struct system *system, const char *service)
{
    if (release_find(system->wanted, service) != SIZE_MAX)
        return true;
    LIST_FOR_EACH (node, &system->instances)
        if (strcmp(CONTAINER_OF(node, struct instance, link)->made_of->service->name, service) == 0)
            return true;
    return false;
}

bool scope_choose(const struct system *system, const json_t *services, struct arena *arena,
                  struct compose_texts *ret, struct err *err)
{
    *ret = (struct compose_texts){0};
    if (services != NULL && !json_is_array(services))
        return err_set(err, ERR_INVALID, "'services' must be a list of names");
    for (size_t i = 0; i < json_array_size(services); i++) {
        const char *name = json_string_value(json_array_get(services, i));
        if (name == NULL || !is_known(system, name))
            return err_set(err, ERR_NO_SERVICE, "there is no service '%.100s'",
                           name == NULL ? "" : name);
        scope_add(ret, name, arena);
    }
    return true;
}

void scope_add_needed(const json_t *config, struct arena *arena, struct compose_texts *names)
{
    const json_t *services = json_object_get(config, "services");

    for (size_t i = 0; i < names->count; i++) { /* it grows meanwhile */
        const json_t *deps =
            json_object_get(json_object_get(services, names->items[i]), "depends_on");
        void *at = json_object_iter((json_t *)(uintptr_t)deps);
        for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)deps, at))
            if (json_object_get(services, json_object_iter_key(at)) != NULL)
                scope_add(names, json_object_iter_key(at), arena);
    }
}

/* What the services of <former> refer to at the top of the file. */
static void add_missing(json_t *config, const json_t *former, const char *section)
{
    json_t *into = json_object_get(config, section);
    json_t *from = json_object_get(former, section);

    if (from == NULL)
        return;
    if (into == NULL)
        (void)json_object_set(config, section, from);
    else
        (void)json_object_update_missing(into, from);
}

bool scope_merge(json_t *config, const struct release *former, const struct compose_texts *keep,
                 bool keep_others, struct err *err)
{
    static const char *const sections[] = {"networks", "volumes", "secrets", "configs"};
    AUTO(json_unref) json_t *before = NULL;
    json_t *services = json_object_get(config, "services");

    if (!json_parse(str_of(former->text), COMPOSE_RESOLVED_BYTES, &before, err))
        return false;
    if (!json_is_object(services))
        return err_set(err, ERR_INVALID, "'config' has no services");
    json_t *from = json_object_get(before, "services");
    for (void *at = json_object_iter(from); at != NULL; at = json_object_iter_next(from, at)) {
        const char *name = json_object_iter_key(at);
        bool is_kept = keep->count > 0 && scope_has(keep, name);
        bool is_other = keep_others && json_object_get(services, name) == NULL;
        if (is_kept || is_other)
            (void)json_object_set(services, name, json_object_iter_value(at));
    }
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        add_missing(config, before, sections[i]);
    return true;
}
