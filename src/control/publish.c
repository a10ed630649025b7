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
#include "control/edge_checks.h"
#include "control/edge_rollout.h"
#include "control/rollout.h"
#include "deploy/rollout.h"

enum { WEIGHED_TURNS = 100 };

struct wish {
    struct arena arena;
    VEC(struct runtime_endpoint) endpoints;
    VEC(struct runtime_service_address) services;
    struct publications publications;
    VEC(const char *) leaving;
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

/* Were <instance> well, would it take traffic? While a rollout decides who does, the daemon is
 * asked. */
static bool waits_at_edge(const struct reconcile_view *view, size_t instance)
{
    struct plan_instance like = view->instances[instance];
    const struct instance *real = view->real[instance];
    bool is_alone = true;

    if (real->state != INSTANCE_UNHEALTHY || real->paused || !edge_checks_has(real) ||
        rollout_is_active(real->system))
        return false;
    for (size_t i = 0; i < view->instance_count; i++)
        is_alone &= view->instances[i].service != like.service ||
                    view->instances[i].state != INSTANCE_READY || view->instances[i].paused;
    like.state = INSTANCE_READY;
    return is_alone || plan_takes_traffic(&view->services[like.service], view->instances,
                                          view->instance_count, &like);
}

static void mark_traffic(struct system *system)
{
    AUTO(reconcile_view_done) struct reconcile_view view;

    reconcile_view_init(&view, system);
    LIST_FOR_EACH (job, &system->instances) { /* a one-off may answer to its service's names */
        struct instance *instance = CONTAINER_OF(job, struct instance, link);
        if (instance->is_job)
            instance->in_traffic =
                instance->takes_names && !instance->paused && instance->state == INSTANCE_READY;
    }
    for (size_t i = 0; i < view.instance_count; i++) {
        bool before = view.real[i]->in_traffic;
        view.real[i]->in_traffic =
            plan_takes_traffic(&view.services[view.instances[i].service], view.instances,
                               view.instance_count, &view.instances[i]);
        view.real[i]->waits_at_edge = waits_at_edge(&view, i);
        if (view.real[i]->in_traffic)
            timer_clear(&view.real[i]->udp_timer);
        else if (before)
            instance_await_udp(view.real[i]);
    }
}

static bool has_endpoint(const struct instance *instance)
{
    return instance->address[0] != '\0' && instance_state_is_live(instance->state);
}

/* ---- who may talk to whom ---- */

static void push_address(struct wish *wish, struct addresses *list, struct system *system,
                         const char *service, uint32_t number)
{
    char address[STATE_ADDRESS_BYTES];
    struct err err;

    if (network_service_address(system, service, number, address, &err))
        VEC_PUSH(list, arena_text(&wish->arena, address));
    else
        log_error("daemon", "%s/%s: %s", system->name, service, err.text);
}

/* The stable addresses of <system>'s services, as <release> has them. */
static void add_reached_services(struct wish *wish, const struct instance *instance,
                                 struct system *system, const struct release *release,
                                 struct addresses *reaches)
{
    const struct compose *compose = release->compose;

    for (size_t i = 0; i < compose->service_count; i++) {
        const struct compose_service *service = &compose->services[i];
        if (service->x.provided_by_edge ||
            !network_is_shared(instance->release->compose, instance->made_of->service, compose,
                               service))
            continue;
        push_address(wish, reaches, system, service->name, 0);
        for (uint32_t n = 1; service->replicas > 1 && n <= service->replicas; n++)
            push_address(wish, reaches, system, service->name, n);
    }
}

static void add_reached(struct wish *wish, const struct instance *instance, struct system *system,
                        struct addresses *reaches)
{
    const struct release *releases[] = {instance->system == system ? instance->release : NULL,
                                        system->wanted, system->current};

    for (size_t i = 0; i < ARRAY_LEN(releases); i++) {
        bool seen = releases[i] == NULL;
        for (size_t k = 0; !seen && k < i; k++)
            seen = releases[k] == releases[i];
        if (!seen)
            add_reached_services(wish, instance, system, releases[i], reaches);
    }
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *other = CONTAINER_OF(node, struct instance, link);
        if (has_endpoint(other) &&
            network_is_shared(instance->release->compose, instance->made_of->service,
                              other->release->compose, other->made_of->service))
            VEC_PUSH(reaches, other->address);
    }
}

static bool joins_system(const struct instance *instance, const struct system *system)
{
    const struct compose *own = instance->release->compose;

    return instance->system == system ||
           (system->wanted != NULL && network_joins_files(own, system->wanted->compose)) ||
           (system->current != NULL && network_joins_files(own, system->current->compose));
}

/* Asked for by the file: host-gateway is a name of the machine. */
static bool reaches_machine(const struct compose_service *service)
{
    for (size_t i = 0; i < service->extra_host_count; i++)
        if (strcmp(service->extra_hosts[i].address, "host-gateway") == 0)
            return true;
    return false;
}

/* It, or one that shares its network. */
static bool is_let_in(const struct instance *instance)
{
    if (reaches_machine(instance->made_of->service))
        return true;
    LIST_FOR_EACH (node, &instance->system->instances) {
        const struct instance *other = CONTAINER_OF(node, struct instance, link);
        if (reaches_machine(other->made_of->service) && network_joined(other) == instance)
            return true;
    }
    return false;
}

static void add_endpoint(struct wish *wish, const struct instance *instance)
{
    struct daemon *daemon = instance->system->daemon;
    const struct compose_service *service = instance->made_of->service;
    struct addresses reaches = {0};
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;)
        if (joins_system(instance, entry->value))
            add_reached(wish, instance, entry->value, &reaches);
    const char **kept = keep(wish, &reaches);
    VEC_PUSH(&wish->endpoints,
             (struct runtime_endpoint){
                 .id = instance->id,
                 .address = instance->address,
                 .reaches = kept,
                 .reach_count = reaches.len,
                 .outside = network_leads_outside(daemon, instance->release->compose, service),
                 .machine = is_let_in(instance)});
    VEC_DONE(&reaches);
}

/* ---- where service addresses lead ---- */

static bool is_next(const struct system *system, const char *address)
{
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (strcmp(instance->address, address) == 0)
            return edge_rollout_is_next(instance);
    }
    return false;
}

/* The <turn>th of those that are of the new release, or of the others, in turn. */
static const char *find_in_turn(const struct system *system, const struct addresses *from,
                                bool next, size_t turn)
{
    size_t count = 0;

    for (size_t i = 0; i < from->len; i++)
        count += is_next(system, from->ptr[i]) == next;
    for (size_t i = 0, seen = 0; count > 0 && i < from->len; i++)
        if (is_next(system, from->ptr[i]) == next && seen++ == turn % count)
            return from->ptr[i];
    return NULL;
}

/* Connections go to the addresses in turn: one that stands there oftener gets more. While a rollout
 * gives the new release a share of the requests, it gets the same share of these. */
static void weigh(const struct system *system, const char *service, struct addresses *ready)
{
    struct addresses turns = {0};
    uint32_t share;
    size_t next = 0;

    if (!edge_rollout_share(system, service, &share) ||
        find_in_turn(system, ready, true, 0) == NULL ||
        find_in_turn(system, ready, false, 0) == NULL)
        return;
    for (size_t i = 0; i < WEIGHED_TURNS; i++) {
        bool is_due = (i + 1) * share / ROLLOUT_WHOLE > next;
        const char *address = find_in_turn(system, ready, is_due, is_due ? next : i - next);
        next += is_due;
        VEC_PUSH(&turns, address);
    }
    VEC_DONE(ready);
    *ready = turns;
}

/* <number> 0: all of its instances. */
static void add_address(struct wish *wish, struct system *system, const char *service,
                        uint32_t number)
{
    char address[STATE_ADDRESS_BYTES];
    struct err err;
    struct addresses ready = {0};

    if (!network_service_address(system, service, number, address, &err)) {
        log_error("daemon", "%s/%s: %s", system->name, service, err.text);
        return;
    }
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (instance->in_traffic && instance->address[0] != '\0' &&
            (number == 0 || instance->number == number) &&
            strcmp(instance->made_of->service->name, service) == 0)
            VEC_PUSH(&ready, instance->address);
    }
    weigh(system, service, &ready);
    const char **kept = keep(wish, &ready);
    VEC_PUSH(&wish->services,
             (struct runtime_service_address){.address = arena_text(&wish->arena, address),
                                              .instances = kept,
                                              .instance_count = ready.len});
    VEC_DONE(&ready);
}

static void add_services(struct wish *wish, struct system *system, const struct release *release,
                         const struct release *but_of)
{
    for (size_t i = 0; release != NULL && i < release->compose->service_count; i++) {
        const struct compose_service *service = &release->compose->services[i];
        const struct compose_service *done =
            but_of == NULL ? NULL : compose_find_service(but_of->compose, service->name);
        uint32_t from = done == NULL || done->replicas < 2 ? 1 : done->replicas + 1;
        if (service->x.provided_by_edge || !network_has_address(service))
            continue;
        if (done == NULL || !network_has_address(done))
            add_address(wish, system, service->name, 0);
        for (uint32_t n = from; service->replicas > 1 && n <= service->replicas; n++)
            add_address(wish, system, service->name, n);
    }
}

static void add_system(struct wish *wish, struct system *system)
{
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (has_endpoint(instance))
            add_endpoint(wish, instance);
        if (has_endpoint(instance) && timer_is_set(&instance->udp_timer))
            VEC_PUSH(&wish->leaving, instance->address);
    }
    add_services(wish, system, system->wanted, NULL);
    if (system->current != system->wanted)
        add_services(wish, system, system->current, system->wanted);
    ports_publish(system, &wish->arena, &wish->publications);
}

static void apply_network(struct daemon *daemon, struct wish *wish)
{
    struct runtime_network network = {.endpoints = wish->endpoints.ptr,
                                      .endpoint_count = wish->endpoints.len,
                                      .services = wish->services.ptr,
                                      .service_count = wish->services.len,
                                      .publications = wish->publications.ptr,
                                      .publication_count = wish->publications.len,
                                      .leaving = wish->leaving.ptr,
                                      .leaving_count = wish->leaving.len};
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
        mark_traffic(entry->value);
    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;)
        add_system(&wish, entry->value);
    apply_network(daemon, &wish);
    edge_link_publish(daemon->edge);
    names_publish(daemon);
    VEC_DONE(&wish.endpoints);
    VEC_DONE(&wish.services);
    VEC_DONE(&wish.publications);
    VEC_DONE(&wish.leaving);
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
            struct instance *instance = CONTAINER_OF(node, struct instance, link);
            instance->at_edge = false;
            if (!timer_is_set(&instance->udp_timer))
                instance_event(instance, INSTANCE_ON_DRAINED, "the edge ended");
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
        if (!timer_is_set(&instance->udp_timer))
            instance_event(instance, INSTANCE_ON_DRAINED, NULL);
    }
}
