/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /v1/events: what happens, from now on or from a moment on. One subscriber
 * puts the time on every line, adds what happened to an instance in the words
 * of Docker, keeps the last lines, and passes them to whoever listens. What is
 * kept is in memory: it begins anew with the daemon.
 */
#include "base/base.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/vec.h"
#include "control/api_priv.h"

enum { EVENTS_KEPT = 2000, EVENT_BYTES = 64 << 10 };

struct event {
    int64_t wall_ms;
    char *system;
    char *service; /* NULL: of the whole system */
    char *line;
};

struct api_events {
    struct subscriber subscriber; /* to everything */
    struct daemon *daemon;
    struct event kept[EVENTS_KEPT];
    size_t next; /* where the next one goes */
    struct list listeners;
};

struct listener {
    struct list link;
    struct loop *loop;
    struct http_exchange *exchange;
    char *system; /* NULL: all */
    VEC(char *) services;
    struct timer until;
};

/* ---- listeners ---- */

static void listener_free(struct listener *listener)
{
    list_remove(&listener->link);
    timer_clear(&listener->until);
    for (size_t i = 0; i < listener->services.len; i++)
        free(listener->services.ptr[i]);
    VEC_DONE(&listener->services);
    free(listener->system);
    free(listener);
}

static void on_client_gone(void *arg)
{
    listener_free(arg);
}

static void on_until(struct timer *timer, uint64_t now_ns)
{
    struct listener *listener = CONTAINER_OF(timer, struct listener, until);

    (void)now_ns;
    http_stream_end(listener->exchange);
    listener_free(listener);
}

static bool listener_wants(const struct listener *listener, const struct event *event)
{
    if (listener->system != NULL && strcmp(listener->system, event->system) != 0)
        return false;
    for (size_t i = 0; event->service != NULL && i < listener->services.len; i++)
        if (strcmp(listener->services.ptr[i], event->service) == 0)
            return true;
    return listener->services.len == 0;
}

static void listener_push(struct listener *listener, const struct event *event)
{
    if (listener_wants(listener, event)) /* who reads too slowly loses it */
        (void)!http_stream_push(listener->exchange, str_of(event->line));
}

/* ---- events ---- */

static void event_done(struct event *event)
{
    free(event->system);
    free(event->service);
    free(event->line);
    *event = (struct event){0};
}

/* Sends <row>, and keeps it when <keep>. */
static void spread(struct api_events *events, json_t *row, bool keep)
{
    AUTO(buf_done) struct buf text = {0};
    const char *service = json_find_text(row, "service", NULL);
    struct event event = {.wall_ms = clock_wall_ms(),
                          .system = mem_copy_text(json_find_text(row, "system", "")),
                          .service = service == NULL ? NULL : mem_copy_text(service)};

    (void)json_object_set_new(row, "time_ms", json_integer((json_int_t)event.wall_ms));
    json_format(row, false, &text);
    buf_add_char(&text, '\n');
    event.line = mem_copy_text(buf_text(&text));
    LIST_FOR_EACH (node, &events->listeners)
        listener_push(CONTAINER_OF(node, struct listener, link), &event);
    if (!keep) {
        event_done(&event);
        return;
    }
    event_done(&events->kept[events->next]);
    events->kept[events->next] = event;
    events->next = (events->next + 1) % EVENTS_KEPT;
}

/* The instance that a step tells of; NULL for one of the whole service, and for jobs. */
static const struct instance *find_instance(const struct daemon *daemon, const json_t *step)
{
    const struct system *system = daemon_find_system(daemon, json_find_text(step, "system", ""));
    const char *id = json_find_text(step, "id", NULL);
    const struct instance *found =
        system == NULL || id == NULL ? NULL : system_find_instance(system, id);

    return found == NULL || found->is_job ? NULL : found;
}

/* What Docker says when this happens to a container; NULL: nothing. <ret_second> follows it. */
static const char *docker_action(const struct instance *instance, const char *text,
                                 const char **ret_second)
{
    bool was_started = instance->started_wall_ms != 0;

    *ret_second = NULL;
    if (instance->paused)
        return "pause";
    if (str_starts(str_of(text), STR("it goes on")))
        return "unpause";
    switch (instance->state) {
    case INSTANCE_STARTING:
        return was_started ? NULL : "create";
    case INSTANCE_WARMING:
        return "start";
    case INSTANCE_READY:
        return check_exists(instance) ? "health_status: healthy" : NULL;
    case INSTANCE_UNHEALTHY:
        return "health_status: unhealthy";
    case INSTANCE_STOPPING:
    case INSTANCE_RESTARTING:
        return "kill";
    case INSTANCE_BACKOFF:
        return was_started ? "die" : NULL;
    case INSTANCE_EXITED:
        *ret_second = was_started && instance->stopped ? "stop" : NULL;
        return was_started ? "die" : NULL;
    case INSTANCE_GONE:
        return "destroy";
    case INSTANCE_PENDING:
    case INSTANCE_DRAINING:
    case INSTANCE_STATE_COUNT:
        break;
    }
    return NULL;
}

static void tell_action(struct api_events *events, const struct instance *instance,
                        const char *action)
{
    const struct compose_service *service = instance->made_of->service;
    char name[RUNTIME_ID_MAX + 1];

    instance_format_name(instance, name);
    AUTO(json_unref)
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s?}", "event", "container", "system",
                            instance->system->name, "service", service->name, "instance", name,
                            "id", instance->id, "action", action, "image", service->image);
    if (strcmp(action, "die") == 0)
        (void)json_object_update_new(row,
                                     json_pack("{s:i, s:b}", "exit_status", instance->exit_status,
                                               "restarting", instance->state == INSTANCE_BACKOFF));
    spread(events, row, true);
}

static void on_line(struct subscriber *subscriber, struct str line)
{
    struct api_events *events = CONTAINER_OF(subscriber, struct api_events, subscriber);
    AUTO(json_unref) json_t *row = NULL;
    const char *action, *second = NULL;
    struct err err;

    if (!json_parse(line, EVENT_BYTES, &row, &err))
        return; /* longer than a line may be: not for this stream */
    bool is_step = strcmp(json_find_text(row, "event", ""), "step") == 0;
    const struct instance *instance = is_step ? find_instance(events->daemon, row) : NULL;
    spread(events, row, is_step);
    const char *text = json_find_text(row, "text", "");
    if (instance == NULL || strstr(text, "found running") != NULL)
        return; /* a daemon that has just begun looks around: nothing happened */
    action = docker_action(instance, text, &second);
    if (action != NULL)
        tell_action(events, instance, action);
    if (second != NULL)
        tell_action(events, instance, second);
}

static void on_gone(struct subscriber *subscriber)
{
    (void)subscriber; /* the daemon ends: so does this */
}

void api_events_open(struct daemon *daemon)
{
    struct api_events *events = NEW(struct api_events);

    events->daemon = daemon;
    events->subscriber = (struct subscriber){.push = on_line, .gone = on_gone};
    list_init(&events->listeners);
    list_push(&daemon->subscribers, &events->subscriber.link);
    daemon->events = events;
}

void api_events_close(struct daemon *daemon)
{
    struct api_events *events = daemon->events;

    if (events == NULL)
        return;
    daemon->events = NULL;
    list_remove(&events->subscriber.link);
    LIST_FOR_EACH (node, &events->listeners)
        listener_free(CONTAINER_OF(node, struct listener, link));
    for (size_t i = 0; i < EVENTS_KEPT; i++)
        event_done(&events->kept[i]);
    free(events);
}

/* ---- the call ---- */

static bool read_moment(const struct api_call *call, const char *key, struct arena *arena,
                        uint64_t *ret, struct err *err)
{
    const char *text = api_query(call, key, 0, arena);

    *ret = UINT64_MAX;
    if (text == NULL || str_to_u64(str_of(text), INT64_MAX / NS_PER_MS, ret))
        return true;
    return err_set(err, ERR_INVALID, "%s=%.40s is no time in milliseconds", key, text);
}

static void push_kept(const struct api_events *events, struct listener *listener, uint64_t since_ms,
                      uint64_t until_ms)
{
    for (size_t i = 0; i < EVENTS_KEPT; i++) {
        const struct event *event = &events->kept[(events->next + i) % EVENTS_KEPT];
        if (event->line != NULL && (uint64_t)event->wall_ms >= since_ms &&
            (uint64_t)event->wall_ms < until_ms)
            listener_push(listener, event);
    }
}

void api_events(struct api_call *call)
{
    struct api_events *events = call->daemon->events;
    AUTO(arena_done) struct arena arena = {0};
    uint64_t since_ms, until_ms, now_ms = (uint64_t)clock_wall_ms();
    const char *text;
    struct err err;

    if (!read_moment(call, "since_ms", &arena, &since_ms, &err) ||
        !read_moment(call, "until_ms", &arena, &until_ms, &err)) {
        api_refuse(call, &err);
        return;
    }
    struct listener *listener = NEW(struct listener);
    *listener = (struct listener){.loop = call->daemon->loop, .exchange = call->exchange};
    text = api_query(call, "system", 0, &arena);
    listener->system = text == NULL ? NULL : mem_copy_text(text);
    for (size_t i = 0; (text = api_query(call, "service", i, &arena)) != NULL; i++)
        VEC_PUSH(&listener->services, mem_copy_text(text));
    list_push(&events->listeners, &listener->link);
    http_exchange_watch(call->exchange, on_client_gone, NULL, listener);
    http_stream_start(call->exchange, 200, "application/x-ndjson");
    if (since_ms != UINT64_MAX)
        push_kept(events, listener, since_ms, until_ms);
    if (until_ms != UINT64_MAX)
        timer_set(call->daemon->loop, &listener->until,
                  loop_now_ns(call->daemon->loop) +
                      (until_ms > now_ms ? until_ms - now_ms : 0) * NS_PER_MS,
                  on_until);
}
