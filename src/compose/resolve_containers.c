/* SPDX-License-Identifier: Apache-2.0
 *
 * `container:NAME` is how files name a neighbour whose name they fix. Where that
 * is a service of this project, the service is meant: it is known before
 * anything runs, starts first, and is replaced together with who shares with it. */
#include "base/base.h"

#include "compose/resolve.h"

/* The service with this `container_name`, or with the name that Compose gives its first one. */
static const char *find_service(const struct resolve *with, const struct yaml_node *services,
                                struct str name)
{
    for (size_t i = 0; i < services->count; i++) {
        const char *key = services->items[i].key;
        const struct yaml_node *given = yaml_find(services->items[i].node, "container_name");
        const char *made = yaml_is_null(given)
                               ? arena_printf(with->load->arena, "%s-%s-1", with->name, key)
                               : given->text;

        if (str_is(name, made))
            return key;
    }
    return NULL;
}

/* The scalar that takes the place of <node>; <node> itself when it names no service of the file. */
static struct yaml_node *translate(const struct resolve *with, const struct yaml_node *services,
                                   struct yaml_node *node, const char *prefix)
{
    struct str rest = str_of(yaml_is_null(node) ? "" : node->text);

    if (!str_starts(rest, STR("container:")))
        return node;
    rest = str_sub(rest, strlen("container:"), rest.len);
    const char *service = find_service(with, services, str_cut(&rest, ':'));
    if (service == NULL)
        return node;
    const char *text = rest.ptr == NULL ? arena_printf(with->load->arena, "%s%s", prefix, service)
                                        : arena_printf(with->load->arena, "%s%s:" STR_FMT, prefix,
                                                       service, STR_ARG(rest));
    return yaml_new_text(with->load->arena, text, node);
}

void resolve_containers(const struct resolve *with, struct yaml_node *services)
{
    static const char *const shared[] = {"network_mode", "ipc", "pid"};

    for (size_t i = 0; i < services->count; i++) {
        struct yaml_node *service = services->items[i].node;
        struct yaml_node *volumes = yaml_find(service, "volumes_from");

        for (size_t k = 0; k < ARRAY_LEN(shared); k++) {
            struct yaml_item *item = yaml_find_item(service, shared[k]);
            if (item != NULL)
                item->node = translate(with, services, item->node, "service:");
        }
        for (size_t k = 0; !yaml_is_null(volumes) && k < volumes->count; k++)
            volumes->items[k].node = translate(with, services, volumes->items[k].node, "");
    }
}
