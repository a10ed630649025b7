/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/map.h"
#include "base/vec.h"
#include "compose/resolve.h"

/* <names> grows with every service that one of them depends on. */
static void add_needed(const struct yaml_node *services, struct map *needed, const char *name)
{
    VEC(const char *) names = {0};

    VEC_PUSH(&names, name);
    while (names.len > 0) {
        const char *next = names.ptr[--names.len];
        const struct yaml_node *service = yaml_find(services, next);
        const struct yaml_node *depends_on = yaml_find(service, "depends_on");

        if (service == NULL || map_set(needed, str_of(next), needed) != NULL)
            continue;
        for (size_t i = 0; depends_on != NULL && i < depends_on->count; i++)
            VEC_PUSH(&names, depends_on->items[i].key);
    }
    VEC_DONE(&names);
}

static void drop_dependencies(const struct map *needed, struct yaml_node *service)
{
    struct yaml_node *depends_on = yaml_find(service, "depends_on");

    for (size_t i = depends_on == NULL ? 0 : depends_on->count; i-- > 0;)
        if (map_find(needed, str_of(depends_on->items[i].key)) == NULL)
            yaml_remove(depends_on, i);
}

void resolve_selected(const struct resolve *with, struct yaml_node *services)
{
    AUTO(map_done) struct map needed = {0};

    for (size_t i = 0; i < with->target_count; i++) {
        if (yaml_find(services, with->targets[i]) == NULL)
            load_error(with->load, NULL, NULL, "'ishizue config --services' lists them",
                       "no such service: '%.80s'", with->targets[i]);
        add_needed(services, &needed, with->targets[i]);
    }
    for (size_t i = services->count; i-- > 0;)
        if (map_find(&needed, str_of(services->items[i].key)) == NULL)
            yaml_remove(services, i);
    for (size_t i = 0; i < services->count; i++)
        drop_dependencies(&needed, services->items[i].node);
}
