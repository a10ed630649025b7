/* SPDX-License-Identifier: Apache-2.0
 *
 * Who takes traffic: told to the network (names inside a system) and to the
 * edge (the outside), both whole and at once, at the end of a round in which it
 * may have changed.
 */
#include "base/base.h"

#include "base/err.h"
#include "base/log.h"
#include "base/vec.h"
#include "control/daemon_priv.h"

struct wish {
    struct arena arena;
    VEC(struct runtime_endpoint) endpoints;
    VEC(struct runtime_service_address) services;
};

struct addresses {
    const char **ptr;
    size_t len, cap;
};

static const char **keep(struct wish *wish, const struct addresses *addresses)
{
    const char **kept = ARENA_ARRAY(&wish->arena, const char *, addresses->len + 1);

    for (size_t i = 0; i < addresses->len; i++)
        kept[i] = addresses->ptr[i];
    return kept;
}

static void mark_traffic(struct system *system)
{
    AUTO(reconcile_view_done) struct reconcile_view view;

    reconcile_view_init(&view, system);
    LIST_FOR_EACH (node, &system->instances)
        CONTAINER_OF(node, struct instance, link)->in_traffic = false;
    for (size_t i = 0; i < view.instance_count; i++)
        view.real[i]->in_traffic =
            plan_takes_traffic(&view.services[view.instances[i].service], view.instances,
                               view.instance_count, &view.instances[i]);
}

static bool has_endpoint(const struct instance *instance)
{
    return instance->address[0] != '\0' && instance_state_is_live(instance->state);
}

/* Is one of its networks open to the world? */
static bool reaches_outside(const struct instance *instance)
{
    const struct compose *compose = instance->release->compose;
    const struct compose_service *service = instance->made_of->service;

    for (size_t i = 0; i < service->network_count; i++)
        for (size_t j = 0; j < compose->network_count; j++)
            if (strcmp(service->networks[i].network, compose->networks[j].key) == 0 &&
                !compose->networks[j].internal)
                return true;
    return false;
}

/* The stable addresses of the services that <instance> shares a network with. */
static void add_reached_services(struct wish *wish, const struct instance *instance,
                                 struct addresses *reaches)
{
    const struct compose *compose = instance->release->compose;
    char address[STATE_ADDRESS_BYTES];
    struct err err;

    for (size_t i = 0; i < compose->service_count; i++)
        if (!compose->services[i].x.provided_by_edge &&
            spec_share_network(instance->made_of->service, &compose->services[i]) &&
            spec_service_address(instance->system, compose->services[i].name, address, &err))
            VEC_PUSH(reaches, arena_text(&wish->arena, address));
}

static void add_endpoint(struct wish *wish, const struct instance *instance)
{
    const struct compose_service *service = instance->made_of->service;
    struct addresses reaches = {0};

    add_reached_services(wish, instance, &reaches);
    LIST_FOR_EACH (node, &instance->system->instances) {
        const struct instance *other = CONTAINER_OF(node, struct instance, link);
        if (has_endpoint(other) && spec_share_network(service, other->made_of->service))
            VEC_PUSH(&reaches, other->address);
    }
    const char **kept = keep(wish, &reaches);
    VEC_PUSH(&wish->endpoints, (struct runtime_endpoint){.id = instance->id,
                                                         .address = instance->address,
                                                         .reaches = kept,
                                                         .reach_count = reaches.len,
                                                         .outside = reaches_outside(instance)});
    VEC_DONE(&reaches);
}

static void add_service(struct wish *wish, struct system *system, const char *service)
{
    char address[STATE_ADDRESS_BYTES];
    struct err err;
    struct addresses ready = {0};

    if (!spec_service_address(system, service, address, &err)) {
        log_error("daemon", "%s/%s: %s", system->name, service, err.text);
        return;
    }
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (instance->in_traffic && instance->address[0] != '\0' &&
            strcmp(instance->made_of->service->name, service) == 0)
            VEC_PUSH(&ready, instance->address);
    }
    const char **kept = keep(wish, &ready);
    VEC_PUSH(&wish->services,
             (struct runtime_service_address){.address = arena_text(&wish->arena, address),
                                              .instances = kept,
                                              .instance_count = ready.len});
    VEC_DONE(&ready);
}

static void add_system(struct wish *wish, struct system *system)
{
    const struct release *release = system->wanted != NULL ? system->wanted : system->current;

    mark_traffic(system);
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (has_endpoint(instance))
            add_endpoint(wish, instance);
    }
    for (size_t i = 0; release != NULL && i < release->compose->service_count; i++)
        if (!release->compose->services[i].x.provided_by_edge)
            add_service(wish, system, release->compose->services[i].name);
}

static void apply_network(struct daemon *daemon, struct wish *wish)
{
    struct runtime_network network = {.endpoints = wish->endpoints.ptr,
                                      .endpoint_count = wish->endpoints.len,
                                      .services = wish->services.ptr,
                                      .service_count = wish->services.len};
    struct err err;

    if (!daemon->runtime->ops->network_apply(daemon->runtime, &network, &err))
        log_error("daemon", "network: %s", err.text);
}

static void on_publish(struct deferred *deferred)
{
    struct daemon *daemon = CONTAINER_OF(deferred, struct daemon, publishing);
    struct wish wish = {0};
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;)
        add_system(&wish, entry->value);
    apply_network(daemon, &wish);
    edge_link_publish(daemon->edge);
    VEC_DONE(&wish.endpoints);
    VEC_DONE(&wish.services);
    arena_done(&wish.arena);
}

void daemon_publish(struct daemon *daemon)
{
    loop_defer(daemon->loop, &daemon->publishing, on_publish);
}

void publish_edge_lost(struct daemon *daemon)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;) {
        struct system *system = entry->value;
        LIST_FOR_EACH (node, &system->instances) {
            CONTAINER_OF(node, struct instance, link)->at_edge = false;
            instance_event(CONTAINER_OF(node, struct instance, link), INSTANCE_ON_DRAINED,
                           "the edge ended");
        }
    }
}

void publish_drained(struct daemon *daemon, const char *id)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;) {
        struct instance *instance = system_find_instance(entry->value, id);
        if (instance == NULL)
            continue;
        instance->at_edge = false; /* until it is in a table again */
        instance_event(instance, INSTANCE_ON_DRAINED, NULL);
    }
}
