/* SPDX-License-Identifier: Apache-2.0
 *
 * The API's door: from a request to the function that answers it, and streams.
 */
#include "base/base.h"

#include <unistd.h>

#include "base/err.h"
#include "control/api_priv.h"
#include "control/release.h"
#include "control/state.h"
#include "control/upgrade.h"
#include "guard/local_ca.h"
#include "io/socket.h"

enum { API_BODY_LIMIT = 16 << 20 };

/* ---- answers ---- */

static int status_of(enum err_code code)
{
    switch (code) {
    case ERR_INVALID:
        return 400;
    case ERR_DENIED:
        return 403;
    case ERR_NOT_FOUND:
    case ERR_NO_SERVICE:
        return 404;
    case ERR_EXISTS:
    case ERR_UNHEALTHY:
        return 409;
    case ERR_LIMIT:
        return 422;
    case ERR_LOCKED:
        return 423;
    case ERR_NONE:
    case ERR_SYSTEM:
    case ERR_PROGRAM:
    case ERR_TIMEOUT:
    case ERR_CLOSED:
        break;
    }
    return 500;
}

void api_answer(struct api_call *call, int status, json_t *json)
{
    AUTO(json_unref) json_t *owned = json;
    AUTO(buf_done) struct buf text = {0};

    assert(owned != NULL);
    api_record(call, NULL);
    json_format(owned, true, &text);
    buf_add_char(&text, '\n');
    http_answer(call->exchange, status, buf_str(&text));
}

static json_t *error_json(const struct err *err)
{
    return json_pack("{s:{s:s, s:o}}", "error", "code", err_code_name(err->code), "text",
                     json_from_bytes(str_of(err->text)));
}

void api_refuse(struct api_call *call, const struct err *err)
{
    api_record(call, err->text);
    call->action = NULL; /* once is enough */
    api_answer(call, status_of(err->code), error_json(err));
}

/* ---- query ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static char *decode(struct str text, struct arena *arena)
{
    char *out = arena_alloc(arena, text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        bool encoded = text.ptr[i] == '%' && i + 2 < text.len && hex_digit(text.ptr[i + 1]) >= 0 &&
                       hex_digit(text.ptr[i + 2]) >= 0;
        if (!encoded) {
            out[len++] = text.ptr[i];
            continue;
        }
        out[len++] = (char)(hex_digit(text.ptr[i + 1]) << 4 | hex_digit(text.ptr[i + 2]));
        i += 2;
    }
    return out;
}

const char *api_query(const struct api_call *call, const char *key, size_t nth, struct arena *arena)
{
    for (struct str rest = call->request->query; rest.ptr != NULL;) {
        struct str pair = str_cut(&rest, '&');
        size_t cut = str_find(pair, '=');
        if (str_is(str_sub(pair, 0, cut), key) && nth-- == 0)
            return decode(str_sub(pair, cut + 1, pair.len), arena);
    }
    return NULL;
}

/* ---- streams ---- */

struct api_stream {
    struct subscriber subscriber;
    struct http_exchange *exchange; /* NULL: the client went away */
    struct api_call call;           /* to refuse with */
    bool started;
};

static void on_client_gone(void *arg)
{
    struct api_stream *stream = arg;

    stream->exchange = NULL;
    if (!list_is_empty(&stream->subscriber.link)) {
        list_remove(&stream->subscriber.link);
        free(stream);
    }
}

static void stream_push(struct subscriber *subscriber, struct str line)
{
    struct api_stream *stream = CONTAINER_OF(subscriber, struct api_stream, subscriber);

    if (stream->exchange == NULL)
        return;
    if (!stream->started)
        http_stream_start(stream->exchange, 200, "application/x-ndjson");
    stream->started = true;
    (void)!http_stream_push(stream->exchange, line); /* one that reads too slowly loses it */
}

static void stream_gone(struct subscriber *subscriber)
{
    struct api_stream *stream = CONTAINER_OF(subscriber, struct api_stream, subscriber);

    if (stream->exchange != NULL) {
        if (!stream->started)
            http_stream_start(stream->exchange, 200, "application/x-ndjson");
        http_stream_end(stream->exchange);
    }
    free(stream);
}

struct subscriber *api_stream(struct api_call *call)
{
    struct api_stream *stream = NEW(struct api_stream);

    *stream = (struct api_stream){.subscriber = {.push = stream_push, .gone = stream_gone},
                                  .exchange = call->exchange,
                                  .call = *call};
    list_init(&stream->subscriber.link);
    http_exchange_watch(call->exchange, on_client_gone, NULL, stream);
    return &stream->subscriber;
}

void api_stream_refuse(struct subscriber *subscriber, const struct err *err)
{
    struct api_stream *stream = CONTAINER_OF(subscriber, struct api_stream, subscriber);

    if (stream->exchange != NULL && !stream->started)
        api_refuse(&stream->call, err);
    else if (stream->exchange != NULL)
        http_stream_end(stream->exchange);
    free(stream);
}

/* ---- operations ---- */

static void post_up(struct api_call *call)
{
    AUTO(buf_done) struct buf config = {0};
    AUTO(buf_done) struct buf name = {0};
    struct up_request request;
    struct err err;

    buf_add_str(&name, call->name);
    if (!api_up_request(call, &config, &request, &err)) {
        api_refuse(call, &err);
        return;
    }
    struct subscriber *subscriber = api_stream(call);
    if (!up_begin(call->daemon, buf_text(&name), &request, subscriber, &err))
        api_stream_refuse(subscriber, &err);
}

/* The release that a file describes, of a system whose volumes are all that is left of it. */
static struct release *release_of_file(struct api_call *call, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    const json_t *config = NULL;
    const char *directory = NULL;

    if (!json_get_object(call->body, "config", &config, err) ||
        !json_get_text(call->body, "directory", &directory, err))
        return NULL;
    if (directory[0] != '/') {
        err_set(err, ERR_INVALID, "'directory' must be an absolute path");
        return NULL;
    }
    json_format(config, false, &text);
    struct release *release = release_new(buf_str(&text), directory, call->daemon->runtime, err);
    if (release != NULL && !str_is(call->name, release->compose->name)) {
        err_set(err, ERR_INVALID, "the project is named '%.60s'", release->compose->name);
        release_unref(release);
        return NULL;
    }
    return release;
}

static struct system *make_forgotten(struct api_call *call, struct release **ret, struct err *err)
{
    struct system *system = NULL;

    *ret = release_of_file(call, err);
    if (*ret == NULL || !daemon_get_system(call->daemon, (*ret)->compose->name,
                                           (*ret)->compose->working_dir, &system, err))
        return NULL;
    return system;
}

static void post_down(struct api_call *call)
{
    AUTO(buf_done) struct buf name = {0};
    struct release *release = NULL;
    bool volumes = json_find_bool(call->body, "volumes", false);
    struct system *system;
    struct err err;

    buf_add_str(&name, call->name);
    if (volumes && json_object_get(call->body, "config") != NULL &&
        map_find(&call->daemon->unreadable, call->name) == NULL &&
        daemon_find_system(call->daemon, buf_text(&name)) == NULL) {
        system = make_forgotten(call, &release, &err);
        if (system == NULL)
            api_refuse(call, &err);
    } else {
        system = api_system(call);
    }
    struct subscriber *subscriber = system == NULL ? NULL : api_stream(call);
    if (subscriber != NULL &&
        !down_begin(system, release, volumes, api_milliseconds(call, "timeout_ms", UINT64_MAX),
                    subscriber, &err))
        api_stream_refuse(subscriber, &err);
    release_unref(release);
}

static void post_restart(struct api_call *call)
{
    struct system *system = api_system(call);
    struct err err;

    if (system == NULL)
        return;
    struct subscriber *subscriber = api_stream(call);
    if (!restart_begin(system, json_object_get(call->body, "services"),
                       api_milliseconds(call, "timeout_ms", UINT64_MAX), subscriber, &err))
        api_stream_refuse(subscriber, &err);
}

/* ---- the daemon ---- */

static void get_version(struct api_call *call)
{
    struct daemon *daemon = call->daemon;

    api_answer(call, 200,
               json_pack("{s:s, s:I, s:i, s:I, s:s, s:{s:i, s:I}}", "version", ISHIZUE_VERSION,
                         "schema", (json_int_t)state_schema(), "pid", (int)getpid(), "started_ms",
                         (json_int_t)daemon->started_wall_ms, "runtime", daemon->runtime->ops->name,
                         "edge", "pid", (int)edge_link_pid(daemon->edge), "generation",
                         (json_int_t)edge_link_generation(daemon->edge)));
}

static void get_ca(struct api_call *call)
{
    api_answer(call, 200, json_pack("{s:s}", "certificate", local_ca_pem(call->daemon->ca)));
}

static void post_stop(struct api_call *call)
{
    api_answer(call, 200, json_pack("{s:b}", "stopping", 1));
    loop_stop(call->daemon->loop);
}

/* ---- routing ---- */

static const struct api_route {
    enum http_method method;
    const char *path; /* NAME stands for a system's name */
    api_fn *fn;
    const char *members[24]; /* a body may have; a route with a body has at least "" */
} routes[] = {
    {HTTP_GET, "/v1/version", get_version, {NULL}},
    {HTTP_GET, "/v1/ca", get_ca, {NULL}},
    {HTTP_GET, "/v1/edge", api_edge, {NULL}},
    {HTTP_GET, "/v1/events", api_events, {NULL}},
    {HTTP_GET, "/v1/systems", api_list_systems, {NULL}},
    {HTTP_GET, "/v1/systems/NAME", api_show_system, {NULL}},
    {HTTP_GET, "/v1/systems/NAME/config", api_show_config, {NULL}},
    {HTTP_GET, "/v1/systems/NAME/logs", api_logs, {NULL}},
    {HTTP_GET, "/v1/systems/NAME/stats", api_stats, {NULL}},
    {HTTP_GET, "/v1/systems/NAME/top", api_top, {NULL}},
    {HTTP_GET, "/v1/systems/NAME/images", api_images, {NULL}},
    {HTTP_GET, "/v1/systems/NAME/volumes", api_volumes, {NULL}},
    {HTTP_GET, "/v1/systems/NAME/releases", api_releases, {NULL}},
    {HTTP_GET, "/v1/systems/NAME/releases/show", api_release_show, {NULL}},
    {HTTP_GET, "/v1/systems/NAME/releases/diff", api_release_diff, {NULL}},
    {HTTP_GET, "/v1/systems/NAME/lock", api_lock_show, {NULL}},
    {HTTP_POST, "/v1/systems/NAME/lock/acquire", api_lock_acquire, {"message", NULL}},
    {HTTP_POST, "/v1/systems/NAME/lock/release", api_lock_release, {"", NULL}},
    {HTTP_GET, "/v1/history", api_history, {NULL}},
    {HTTP_POST, "/v1/systems/NAME/rollback", api_rollback, {"release", "timeout_ms", NULL}},
    {HTTP_POST, "/v1/systems/NAME/scale", api_scale, {"services", "timeout_ms", NULL}},
    {HTTP_POST, "/v1/systems/NAME/pull", api_pull, {"config", "directory", NULL}},
    {HTTP_POST, "/v1/systems/NAME/trees/remove", api_remove_trees, {"", NULL}},
    {HTTP_POST,
     "/v1/systems/NAME/up",
     post_up,
     {"config", "directory", "files", "environment", "git", "build", "force_recreate", "services",
      "no_deps", "no_recreate", "no_start", "no_build", "no_cache", "only_build", "timeout_ms",
      "deploy", NULL}},
    {HTTP_GET, "/v1/systems/NAME/rollout", api_rollout_show, {NULL}},
    {HTTP_POST, "/v1/systems/NAME/promote", api_promote, {"all", "timeout_ms", NULL}},
    {HTTP_POST, "/v1/systems/NAME/abort", api_abort, {"timeout_ms", NULL}},
    {HTTP_POST,
     "/v1/systems/NAME/down",
     post_down,
     {"volumes", "timeout_ms", "config", "directory", NULL}},
    {HTTP_POST,
     "/v1/systems/NAME/run",
     api_run,
     {"config", "directory", "files", "environment", "service", "overrides", "name", "remove",
      "use_aliases", "no_deps", "build", "no_build", "no_cache", "timeout_ms", NULL}},
    {HTTP_POST, "/v1/systems/NAME/begin", api_begin, {"instance", "wait", NULL}},
    {HTTP_POST, "/v1/systems/NAME/attach", api_attach, {"service", "index", "instance", NULL}},
    {HTTP_POST, "/v1/systems/NAME/wait", api_wait, {"services", "instance", NULL}},
    {HTTP_POST, "/v1/systems/NAME/start", api_start, {"services", "timeout_ms", NULL}},
    {HTTP_POST, "/v1/systems/NAME/stop", api_stop, {"services", "timeout_ms", NULL}},
    {HTTP_POST, "/v1/systems/NAME/rm", api_rm, {"services", "stop", "volumes", NULL}},
    {HTTP_POST, "/v1/systems/NAME/kill", api_kill, {"services", "instance", "signal", NULL}},
    {HTTP_POST, "/v1/systems/NAME/pause", api_pause, {"services", NULL}},
    {HTTP_POST, "/v1/systems/NAME/unpause", api_unpause, {"services", NULL}},
    {HTTP_POST, "/v1/systems/NAME/cancel", api_cancel, {"", NULL}},
    {HTTP_POST, "/v1/systems/NAME/restart", post_restart, {"services", "timeout_ms", NULL}},
    {HTTP_POST,
     "/v1/systems/NAME/exec",
     api_exec,
     {"service", "index", "id", "tty", "user", "working_dir", "environment", NULL}},
    {HTTP_GET, "/v1/systems/NAME/cache", api_cache_show, {NULL}},
    {HTTP_POST,
     "/v1/systems/NAME/cache/purge",
     api_cache_purge,
     {"all", "path", "prefix", "tag", NULL}},
    {HTTP_GET, "/v1/systems/NAME/maintenance", api_maintenance_show, {NULL}},
    {HTTP_POST, "/v1/systems/NAME/maintenance", api_maintenance_begin, {"page", NULL}},
    {HTTP_DELETE, "/v1/systems/NAME/maintenance", api_maintenance_end, {NULL}},
    {HTTP_GET, "/v1/upgrade", api_upgrade_show, {NULL}},
    {HTTP_POST, "/v1/upgrade", api_upgrade, {"program", "install", "drain_ms", "only_try", NULL}},
    {HTTP_POST, "/v1/stop", post_stop, {"", NULL}},
};

static bool path_matches(struct str path, const char *pattern, struct str *ret_name)
{
    struct str wanted = str_of(pattern);
    struct str name = {0};

    while (path.ptr != NULL && wanted.ptr != NULL) {
        struct str piece = str_cut(&path, '/');
        struct str expected = str_cut(&wanted, '/');
        if (str_is(expected, "NAME") && piece.len > 0)
            name = piece;
        else if (!str_eq(piece, expected))
            return false;
    }
    *ret_name = name;
    return path.ptr == NULL && wanted.ptr == NULL;
}

static bool check_members(const struct api_route *route, json_t *body, struct err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach(body, key, value)
    {
        bool known = false;
        for (size_t i = 0; !known && route->members[i] != NULL; i++)
            known = strcmp(route->members[i], key) == 0;
        if (!known)
            return err_set(err, ERR_INVALID, "unknown member '%s'", key);
        if (!api_check_member(key, value, err))
            return false;
    }
    return true;
}

static void call_route(struct api_call *call, const struct api_route *route)
{
    AUTO(json_unref) json_t *body = NULL;
    struct err err;

    api_record_begin(call, route->method, route->path);
    if (route->members[0] != NULL) {
        struct str text = call->request->body.len == 0 ? STR("{}") : call->request->body;
        bool parsed = json_parse(text, API_BODY_LIMIT, &body, &err);
        if (parsed && !json_is_object(body))
            parsed = err_set(&err, ERR_INVALID, "the body must be a JSON object");
        if (!parsed || !check_members(route, body, &err)) {
            api_refuse(call, &err);
            return;
        }
    }
    call->body = body;
    api_record_subject(call);
    route->fn(call);
}

static void on_request(void *arg, struct http_exchange *exchange,
                       const struct http_request *request)
{
    struct api_call call = {.daemon = arg, .exchange = exchange, .request = request};
    bool found = false;
    struct err err;

    if (request->peer_uid != 0) {
        err_set(&err, ERR_DENIED, "only root may ask");
        api_refuse(&call, &err);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (!path_matches(request->path, routes[i].path, &call.name))
            continue;
        found = true;
        if (routes[i].method == request->method) {
            call_route(&call, &routes[i]);
            return;
        }
    }
    err_set(&err, ERR_NOT_FOUND,
            found ? "method " STR_FMT " does not fit there: '" STR_FMT "'"
                  : "nothing answers to " STR_FMT " '" STR_FMT "'",
            STR_ARG(request->method_text), STR_ARG(request->path));
    api_answer(&call, found ? 405 : 404, error_json(&err));
}

bool api_open(struct daemon *daemon, struct err *err)
{
    AUTO(buf_done) struct buf path = {0};

    buf_addf(&path, "%s/api.sock", daemon->options.run_dir);
    int fd = upgrade_take_fd(daemon, "api"); /* nobody was refused meanwhile */
    if (fd < 0)
        fd = socket_listen_unix(buf_text(&path), err);
    if (fd < 0)
        return false;
    daemon->api_fd = fd;
    daemon->api = http_server_open(daemon->loop, fd, on_request, daemon, err);
    if (daemon->api != NULL)
        api_events_open(daemon);
    return daemon->api != NULL;
}

void api_close(struct daemon *daemon)
{
    if (daemon->api != NULL)
        http_server_close(daemon->api);
    daemon->api = NULL;
    api_events_close(daemon);
}
