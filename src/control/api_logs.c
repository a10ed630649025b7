/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /v1/systems/NAME/logs: the instances' logs as JSON lines, what is there
 * and then, on request, what comes. Instances that start while it follows are
 * followed too.
 */
#include "base/base.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/vec.h"
#include "control/api_priv.h"
#include "watch/log_follow.h"

/* One log; the name is kept because the instance may be gone. */
struct log_source {
    char name[RUNTIME_ID_MAX + 1];
    char id[RUNTIME_ID_MAX + 1];
    char *service;
    char *path;
    bool gone; /* its instance is, and nothing more will be written */
};

struct log_stream_call {
    struct subscriber subscriber; /* to events: new instances */
    struct daemon *daemon;
    struct http_exchange *exchange;
    struct log_follow *follow;
    char system[SYSTEM_NAME_MAX + 1];
    VEC(char *) services; /* empty: all */
    VEC(struct log_source *) sources;
    struct buf waiting; /* a line that the client had no room for */
};

static void call_free(struct log_stream_call *call)
{
    list_remove(&call->subscriber.link);
    log_follow_stop(call->follow);
    for (size_t i = 0; i < call->services.len; i++)
        free(call->services.ptr[i]);
    for (size_t i = 0; i < call->sources.len; i++) {
        free(call->sources.ptr[i]->service);
        free(call->sources.ptr[i]->path);
        free(call->sources.ptr[i]);
    }
    VEC_DONE(&call->services);
    VEC_DONE(&call->sources);
    buf_done(&call->waiting);
    free(call);
}

static void on_client_gone(void *arg)
{
    call_free(arg);
}

static void on_drained(void *arg)
{
    struct log_stream_call *call = arg;

    if (call->waiting.len > 0 && !http_stream_push(call->exchange, buf_str(&call->waiting)))
        return;
    buf_clear(&call->waiting);
    log_follow_resume(call->follow);
}

static bool on_line(void *arg, void *source_arg, const struct log_line *line)
{
    struct log_stream_call *call = arg;
    const struct log_source *source = source_arg;
    AUTO(buf_done) struct buf text = {0};
    AUTO(json_unref)
    json_t *row = json_pack("{s:I, s:s, s:s, s:s, s:o}", "time_ms",
                            (json_int_t)(line->wall_ns / (int64_t)NS_PER_MS), "service",
                            source->service, "instance", source->name, "stream",
                            log_stream_name(line->stream), "text", json_from_bytes(line->text));

    json_format(row, false, &text);
    buf_add_char(&text, '\n');
    if (http_stream_push(call->exchange, buf_str(&text)))
        return true;
    buf_add_str(&call->waiting, buf_str(&text));
    return false;
}

static void on_end(void *arg)
{
    struct log_stream_call *call = arg;

    http_stream_end(call->exchange);
    call_free(call);
}

static bool wants_service(const struct log_stream_call *call, const char *service)
{
    for (size_t i = 0; i < call->services.len; i++)
        if (strcmp(call->services.ptr[i], service) == 0)
            return true;
    return call->services.len == 0;
}

static void add_instance(struct log_stream_call *call, const struct instance *instance)
{
    struct err err;

    for (size_t i = 0; i < call->sources.len; i++)
        if (strcmp(call->sources.ptr[i]->id, instance->id) == 0)
            return;
    if (!wants_service(call, instance->made_of->service->name))
        return;
    struct log_source *source = NEW(struct log_source);
    instance_format_name(instance, source->name);
    str_format(source->id, sizeof source->id, "%s", instance->id);
    source->service = mem_copy_text(instance->made_of->service->name);
    source->path = mem_copy_text(instance->log_path);
    if (log_follow_add(call->follow, instance->log_path, source, &err)) {
        VEC_PUSH(&call->sources, source);
    } else {
        free(source->service);
        free(source->path);
        free(source);
    }
}

/* Their files are let go of when they have been read to the end. */
static void remove_gone(struct log_stream_call *call)
{
    const struct system *system = daemon_find_system(call->daemon, call->system);

    for (size_t i = 0; i < call->sources.len; i++) {
        struct log_source *source = call->sources.ptr[i];
        if (source->gone || (system != NULL && system_find_instance(system, source->id) != NULL))
            continue;
        source->gone = true;
        log_follow_remove(call->follow, source->path);
    }
}

static void add_all(struct log_stream_call *call)
{
    const struct system *system = daemon_find_system(call->daemon, call->system);

    if (system == NULL)
        return;
    LIST_FOR_EACH (node, &system->instances)
        add_instance(call, CONTAINER_OF(node, struct instance, link));
}

static void on_event(struct subscriber *subscriber, struct str line)
{
    struct log_stream_call *call = CONTAINER_OF(subscriber, struct log_stream_call, subscriber);

    (void)line;
    remove_gone(call);
    add_all(call);
}

static void on_no_more_events(struct subscriber *subscriber)
{
    (void)subscriber;
}

static bool read_number(const struct api_call *call, const char *key, struct arena *arena,
                        uint64_t max, uint64_t *ret, struct err *err)
{
    const char *text = api_query(call, key, 0, arena);

    if (text == NULL || str_to_u64(str_of(text), max, ret))
        return true;
    return err_set(err, ERR_INVALID, "%s=%.40s is no number up to %llu", key, text,
                   (unsigned long long)max);
}

static bool read_spec(const struct api_call *call, struct log_follow_spec *spec,
                      struct arena *arena, struct err *err)
{
    const char *follow = api_query(call, "follow", 0, arena);
    uint64_t tail = LOG_TAIL_ALL, since_ms = 0, until_ms = 0;

    if (!read_number(call, "tail", arena, SIZE_MAX, &tail, err) ||
        !read_number(call, "since_ms", arena, INT64_MAX / NS_PER_MS, &since_ms, err) ||
        !read_number(call, "until_ms", arena, INT64_MAX / NS_PER_MS, &until_ms, err))
        return false;
    spec->keep_on = follow != NULL && strcmp(follow, "1") == 0;
    if (spec->keep_on)
        spec->end = NULL; /* the client ends it */
    spec->range = (struct log_range){.tail = (size_t)tail,
                                     .since_wall_ns = (int64_t)(since_ms * NS_PER_MS),
                                     .until_wall_ns = (int64_t)(until_ms * NS_PER_MS)};
    return true;
}

static bool read_services(struct log_stream_call *stream, const struct api_call *call,
                          const struct system *system, struct arena *arena, struct err *err)
{
    const char *service;

    for (size_t i = 0; (service = api_query(call, "service", i, arena)) != NULL; i++) {
        if (release_find(system->wanted, service) == SIZE_MAX)
            return err_set(err, ERR_NO_SERVICE, "there is no service '%s'", service);
        VEC_PUSH(&stream->services, mem_copy_text(service));
    }
    return true;
}

void api_logs(struct api_call *call)
{
    struct system *system = api_system(call);
    AUTO(arena_done) struct arena arena = {0};
    struct err err;

    if (system == NULL)
        return;
    struct log_stream_call *stream = NEW(struct log_stream_call);
    *stream = (struct log_stream_call){.daemon = call->daemon, .exchange = call->exchange};
    list_init(&stream->subscriber.link);
    str_format(stream->system, sizeof stream->system, "%s", system->name);
    struct log_follow_spec spec = {
        .loop = call->daemon->loop, .line = on_line, .end = on_end, .arg = stream};
    if (!read_services(stream, call, system, &arena, &err) ||
        !read_spec(call, &spec, &arena, &err) ||
        (stream->follow = log_follow_start(&spec, &err)) == NULL) {
        call_free(stream);
        api_refuse(call, &err);
        return;
    }
    http_exchange_watch(call->exchange, on_client_gone, on_drained, stream);
    http_stream_start(call->exchange, 200, "application/x-ndjson");
    add_all(stream);
    if (spec.keep_on) {
        stream->subscriber.push = on_event;
        stream->subscriber.gone = on_no_more_events;
        list_push(&call->daemon->subscribers, &stream->subscriber.link);
    }
}
