/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests that change something, on their way into the history.
 */
#include "base/base.h"

#include "base/clock.h"
#include "control/api_priv.h"
#include "control/state.h"

enum { NAME_SHOWN_BYTES = 100 }; /* a path may hold anything */

/* What a request does, as the history names it; NULL: it changes nothing. */
static const char *action_of(enum http_method method, const char *path)
{
    static const char prefix[] = "/v1/systems/NAME/";
    static const char *const harmless[] = {"pull", "wait", "attach", "begin"};

    if (method == HTTP_DELETE)
        return "maintenance off";
    if (method != HTTP_POST)
        return NULL;
    if (!str_starts(str_of(path), str_of(prefix)))
        return strcmp(path, "/v1/upgrade") == 0 ? "upgrade" : "daemon stop";
    for (size_t i = 0; i < ARRAY_LEN(harmless); i++)
        if (strcmp(path + strlen(prefix), harmless[i]) == 0)
            return NULL;
    return path + strlen(prefix);
}

/* The service it names, for the history. */
void api_record_subject(struct api_call *call)
{
    const json_t *services = json_object_get(call->body, "services");
    AUTO(buf_done) struct buf text = {0};

    buf_add_text(&text, json_find_text(call->body, "service", ""));
    for (size_t i = 0; i < json_array_size(services); i++) {
        const char *name = json_string_value(json_array_get(services, i));
        buf_addf(&text, "%s%s", text.len == 0 ? "" : ", ", name == NULL ? "?" : name);
    }
    str_format(call->subject, sizeof call->subject, "%.*s", (int)MIN(text.len, (size_t)200),
               buf_text(&text));
}

void api_record_begin(struct api_call *call, enum http_method method, const char *path)
{
    struct daemon *daemon = call->daemon;

    call->action = action_of(method, path);
    call->serial = ++daemon->asking.serial;
    call->began_ms = clock_wall_ms();
    if (method != HTTP_GET)
        caller_find(&call->caller, call->request->peer_pid, call->request->peer_uid);
    daemon->asking.caller = call->caller;
    daemon->asking.recorded = false;
}

/* Operations write their own row when they are over. */
void api_record(struct api_call *call, const char *error)
{
    struct daemon *daemon = call->daemon;
    bool recorded = call->serial == daemon->asking.serial && daemon->asking.recorded;
    AUTO(buf_done) struct buf name = {0};

    if (call->action == NULL || recorded)
        return;
    buf_add_str(&name, str_sub(call->name, 0, NAME_SHOWN_BYTES));
    const struct system *system = daemon_find_system(daemon, buf_text(&name));
    const struct state_action action = {
        .system = buf_text(&name),
        .action = call->action,
        .services = call->subject,
        .uid = call->caller.uid,
        .user = call->caller.user,
        .time_ms = call->began_ms,
        .took_ms = clock_wall_ms() - call->began_ms,
        .release = system == NULL || system->wanted == NULL ? 0 : system->wanted->number,
        .error = error,
    };
    history_add(daemon, &action);
    call->action = NULL;
}
