/* SPDX-License-Identifier: Apache-2.0
 *
 * Health checks: x-ishizue.health is a probe that the edge makes, when the daemon
 * asks until the instance is ready, then of its own accord (edge_checks.h); a
 * compose healthcheck is a program run inside. Until the first success they come more
 * often than the file says, so that a start is not longer than it must be; the
 * deadline is what the file says. A service without any check is healthy when
 * its process has lived for a second, and a port that traffic is sent to takes a
 * connection. Nobody promised that it listens, so that is not waited for long;
 * unless another instance of the service does listen: then it has to as well.
 */
#include "base/base.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "control/daemon_priv.h"
#include "control/edge_checks.h"
#include "control/rollout.h"

enum {
    QUICK_FIRST_MS = 150,
    QUICK_MAX_MS = 2000,
    ALIVE_MS = 1000,
    PORT_MS = 10000,        /* without a check: its port is waited for so long */
    PORT_KNOWN_MS = 120000, /* and so long when another instance listens there */
    PORT_ASK_MS = 1000,
    PORT_PAUSE_MS = 100,
    PORT_SICK_PAUSE_MS = 1000,
};

/* In place of the number of a check: another instance needs to know whether this one listens. */
static const uint32_t PORT_LOOK = UINT32_MAX;

static const struct compose_healthcheck *healthcheck_of(const struct instance *instance)
{
    const struct compose_healthcheck *own = &instance->made_of->service->healthcheck;

    if (own->disabled || own->test.count > 0)
        return own;
    return &instance->made_of->image->healthcheck;
}

static bool is_probed(const struct instance *instance)
{
    return instance->made_of->service->x.health.present;
}

bool check_exists(const struct instance *instance)
{
    const struct compose_healthcheck *check = healthcheck_of(instance);

    if (instance->is_job)
        return false;
    return is_probed(instance) || (!check->disabled && check->test.count > 0);
}

/* Once it has been ready, or should have been. */
static bool is_left_to_edge(const struct instance *instance)
{
    return edge_checks_has(instance) && instance->state != INSTANCE_WARMING;
}

/* The figures of whichever check is made. */
struct figures {
    uint64_t interval_ms;
    uint64_t timeout_ms;
    uint64_t start_period_ms;
    uint64_t start_interval_ms;
    uint32_t retries;
    uint32_t rise; /* successes until healthy again */
};

static struct figures figures_of(const struct instance *instance)
{
    const struct compose_x_service *x = &instance->made_of->service->x;
    const struct compose_healthcheck *check = healthcheck_of(instance);

    if (is_probed(instance))
        return (struct figures){x->health.interval_ms,     x->health.timeout_ms,
                                x->health.start_period_ms, 0,
                                x->health.retries,         x->health.rise};
    return (struct figures){check->interval_ms,       check->timeout_ms, check->start_period_ms,
                            check->start_interval_ms, check->retries,    1};
}

static void on_due(struct timer *timer, uint64_t now_ns);

static void next_check(struct instance *instance, uint64_t after_ms)
{
    struct loop *loop = instance->system->daemon->loop;
    timer_set(loop, &instance->check_timer, loop_now_ns(loop) + after_ms * NS_PER_MS, on_due);
}

static uint64_t pause_ms(const struct instance *instance, const struct figures *figures)
{
    uint64_t quick_ms = QUICK_FIRST_MS;

    if (instance->state != INSTANCE_WARMING)
        return figures->interval_ms;
    for (uint32_t i = 1; i < instance->check_failures && quick_ms < QUICK_MAX_MS; i++)
        quick_ms = quick_ms * 3 / 2;
    return MIN(MIN(quick_ms, (uint64_t)QUICK_MAX_MS),
               figures->start_interval_ms == 0
                   ? figures->interval_ms
                   : MIN(figures->interval_ms, figures->start_interval_ms));
}

static void judge(struct instance *instance, bool healthy, const char *detail)
{
    struct figures figures = figures_of(instance);
    uint64_t now_ns = loop_now_ns(instance->system->daemon->loop);

    if (healthy) {
        instance->check_failures = 0;
        instance->check_detail[0] = '\0';
    } else {
        instance->check_failures++;
        str_format(instance->check_detail, sizeof instance->check_detail, "%s", detail);
    }
    bool sick = !healthy &&
                (instance->state == INSTANCE_WARMING ? now_ns >= instance->check_deadline_ns
                                                     : instance->check_failures >= figures.retries);
    if (instance->state == INSTANCE_UNHEALTHY)
        sick = sick && restart_applies_to_unhealthy(instance);
    next_check(instance, pause_ms(instance, &figures));
    bool rises = instance->state == INSTANCE_UNHEALTHY;
    instance->check_successes = healthy && rises ? instance->check_successes + 1 : 0;
    if (healthy && (!rises || instance->check_successes >= figures.rise))
        instance_event(instance, INSTANCE_ON_HEALTHY, NULL);
    else if (sick)
        instance_event(instance, INSTANCE_ON_SICK, instance->check_detail);
    if (instance->state == INSTANCE_UNHEALTHY && is_probed(instance))
        daemon_publish(instance->system->daemon); /* from now on the edge looks by itself */
}

/* ---- ports of those without a check ---- */

static uint16_t routed_port(const struct instance *instance)
{
    const struct compose_service *service = instance->made_of->service;

    for (size_t i = 0; i < instance->release->compose->x.route_count; i++) {
        const struct compose_route *route = &instance->release->compose->x.routes[i];
        if (route->service != NULL && strcmp(route->service, service->name) == 0)
            return route->port;
    }
    return 0;
}

static uint16_t published_port(const struct instance *instance)
{
    const struct compose_service *service = instance->made_of->service;

    for (size_t i = 0; i < service->port_count; i++)
        if (service->ports[i].protocol != PORT_UDP)
            return service->ports[i].target;
    return 0;
}

/* What is said to be open inside, but nobody need use. */
static uint16_t inner_port(const struct instance *instance)
{
    const struct compose_service *service = instance->made_of->service;

    if (service->expose_count > 0)
        return service->expose[0];
    return service->port_count > 0 ? 0 : instance->made_of->image->port;
}

static uint16_t probed_port(const struct instance *instance)
{
    const struct compose_service *service = instance->made_of->service;
    uint16_t port = service->x.health.port;

    port = port == 0 ? routed_port(instance) : port;
    port = port == 0 ? inner_port(instance) : port;
    return port == 0 && service->port_count > 0 ? service->ports[0].target : port;
}

/* The port without which it is of no use to the edge; 0: there is none. One that is only said to be
 * open counts while it takes the place of another. */
static uint16_t awaited_port(const struct instance *instance)
{
    uint16_t port = routed_port(instance);

    if (instance->is_job || instance->made_of->service->healthcheck.disabled)
        return 0;
    port = port == 0 ? published_port(instance) : port;
    return port == 0 && rollout_is_active(instance->system) ? inner_port(instance) : port;
}

/* One of the same service that is ready; NULL: none. */
static struct instance *find_ready(const struct instance *instance)
{
    LIST_FOR_EACH (node, &instance->system->instances) {
        struct instance *other = CONTAINER_OF(node, struct instance, link);
        if (other != instance && !other->is_job && other->state == INSTANCE_READY &&
            strcmp(other->made_of->service->name, instance->made_of->service->name) == 0)
            return other;
    }
    return NULL;
}

static bool ask_about_port(struct instance *instance, uint32_t check)
{
    return edge_link_probe(instance->system->daemon->edge, instance, check, NULL,
                           awaited_port(instance), PORT_ASK_MS);
}

/* Does another instance of the service listen? One that has not been asked yet is asked. */
static bool others_listen(const struct instance *instance)
{
    struct instance *other = find_ready(instance);

    if (other != NULL && other->port == INSTANCE_PORT_UNKNOWN && awaited_port(other) != 0)
        (void)ask_about_port(other, PORT_LOOK);
    return other != NULL && other->port == INSTANCE_PORT_OPEN;
}

static void refuse_port(struct instance *instance)
{
    str_format(instance->check_detail, sizeof instance->check_detail,
               "nothing listens on its port %u after %d seconds, but another instance of the "
               "service does; 'healthcheck: {disable: true}' takes it as it is",
               (unsigned)awaited_port(instance), PORT_KNOWN_MS / 1000);
    instance_event(instance, INSTANCE_ON_SICK, instance->check_detail);
}

static void port_refused(struct instance *instance, uint64_t now_ns)
{
    uint64_t age_ms = (now_ns - instance->started_ns) / NS_PER_MS;
    bool others = others_listen(instance);

    instance->port = INSTANCE_PORT_CLOSED;
    next_check(instance, instance->state == INSTANCE_WARMING ? PORT_PAUSE_MS : PORT_SICK_PAUSE_MS);
    if (instance->state == INSTANCE_WARMING && others && age_ms >= PORT_KNOWN_MS)
        refuse_port(instance);
}

/* <listens> false: not yet, or the question was not answered. */
static void port_answered(struct instance *instance, bool listens)
{
    if (!listens) {
        port_refused(instance, loop_now_ns(instance->system->daemon->loop));
        return;
    }
    timer_clear(&instance->check_timer);
    instance->port = INSTANCE_PORT_OPEN;
    instance_event(instance, INSTANCE_ON_HEALTHY, NULL);
}

/* It lives: is it ready, or is it asked first whether it listens? */
static void look_at_port(struct instance *instance, uint64_t now_ns)
{
    bool known_to = instance->state == INSTANCE_UNHEALTHY || others_listen(instance);
    uint16_t port = awaited_port(instance);

    if (port == 0 || network_address(instance) == NULL) {
        instance_event(instance, INSTANCE_ON_HEALTHY, NULL);
        return;
    }
    if (!known_to && (now_ns - instance->started_ns >= PORT_MS * NS_PER_MS ||
                      check_port_is_elsewhere(instance, port, now_ns))) {
        check_port_tell(instance, port);
        instance_event(instance, INSTANCE_ON_HEALTHY, NULL);
        return;
    }
    next_check(instance, PORT_ASK_MS + PORT_PAUSE_MS); /* should no answer come */
    (void)ask_about_port(instance, instance->checks);
}

/* ---- answers and times ---- */

void check_answered(struct daemon *daemon, const char *id, uint32_t check, bool healthy,
                    const char *detail)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;) {
        struct instance *instance = system_find_instance(entry->value, id);
        if (instance == NULL)
            continue;
        if (check == PORT_LOOK)
            instance->port = healthy ? INSTANCE_PORT_OPEN : INSTANCE_PORT_CLOSED;
        if (instance->checks != check || !timer_is_set(&instance->check_timer))
            return;
        if (check_exists(instance))
            judge(instance, healthy, detail);
        else
            port_answered(instance, healthy);
        return;
    }
}

/* The answer of a program finds its instance by id: it may be gone. */
struct asked {
    struct daemon *daemon;
    char id[RUNTIME_ID_MAX + 1];
    uint32_t check;
};

static void on_exec_done(void *arg, int exit_status, struct str output, const struct err *err)
{
    struct asked *asked = arg;
    char detail[400];
    struct str text = str_trim(output);

    if (err != NULL)
        str_format(detail, sizeof detail, "%s", err->text);
    else
        str_format(detail, sizeof detail, "check ended with status %d: %.*s", exit_status,
                   (int)MIN(text.len, (size_t)300), text.ptr == NULL ? "" : text.ptr);
    check_answered(asked->daemon, asked->id, asked->check, err == NULL && exit_status == 0, detail);
    free(asked);
}

static void run_program(struct instance *instance, const struct figures *figures)
{
    struct daemon *daemon = instance->system->daemon;
    struct asked *asked = NEW(struct asked);
    struct err err;

    asked->daemon = daemon;
    asked->check = instance->checks;
    str_format(asked->id, sizeof asked->id, "%s", instance->id);
    if (!daemon->runtime->ops->exec(daemon->runtime, instance->id, &healthcheck_of(instance)->test,
                                    figures->timeout_ms, on_exec_done, asked, &err)) {
        free(asked);
        judge(instance, false, err.text);
    }
}

/* No answer counts as none at all: an edge that is away is not the instance's fault. */
static void on_due(struct timer *timer, uint64_t now_ns)
{
    struct instance *instance = CONTAINER_OF(timer, struct instance, check_timer);
    struct figures figures = figures_of(instance);

    instance->checks++;
    if (is_left_to_edge(instance))
        return;
    if (instance->state == INSTANCE_WARMING && check_exists(instance) &&
        now_ns >= instance->check_deadline_ns + (figures.timeout_ms + 1000) * NS_PER_MS) {
        judge(instance, false, "the check was not answered");
        return;
    }
    if (!check_exists(instance)) {
        look_at_port(instance, now_ns);
        return;
    }
    next_check(instance, figures.timeout_ms + 1000); /* should no answer come */
    if (!is_probed(instance))
        run_program(instance, &figures);
    else
        (void)edge_link_probe(instance->system->daemon->edge, instance, instance->checks,
                              instance->made_of->service->x.health.path, probed_port(instance),
                              figures.timeout_ms);
}

uint16_t check_port(const struct instance *instance)
{
    return probed_port(instance);
}

void check_start(struct instance *instance)
{
    struct figures figures = figures_of(instance);
    struct loop *loop = instance->system->daemon->loop;

    instance->check_failures = 0;
    instance->check_detail[0] = '\0';
    instance->port = INSTANCE_PORT_UNKNOWN;
    instance->port_elsewhere_ns = 0;
    instance->check_deadline_ns =
        loop_now_ns(loop) +
        (figures.start_period_ms + figures.interval_ms * figures.retries) * NS_PER_MS;
    if (is_left_to_edge(instance))
        return;
    if (check_exists(instance))
        next_check(instance, instance->state == INSTANCE_WARMING ? QUICK_FIRST_MS / 3 : 1);
    else if (instance->state == INSTANCE_WARMING)
        next_check(instance, instance->is_job ? 0 : ALIVE_MS);
    else if (instance->state == INSTANCE_UNHEALTHY)
        next_check(instance, PORT_SICK_PAUSE_MS);
}

void check_stop(struct instance *instance)
{
    timer_clear(&instance->check_timer);
    instance->checks++;
}
