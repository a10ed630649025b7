/* SPDX-License-Identifier: Apache-2.0
 *
 * What the edges keep of a system's answers: shown, and thrown away. Every edge
 * is asked, those too that only finish what they have; the answer is given when
 * all have answered or are gone.
 */
#include "base/base.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/vec.h"
#include "control/api_priv.h"
#include "control/edge_link_priv.h"
#include "json/json.h"

enum { ANSWER_MS = 5000, TEXT_MAX_BYTES = 4096 };

struct cache_ask {
    struct list link; /* in edge_link.asks */
    struct api_call call;
    struct timer timer;
    uint64_t id;
    VEC(const struct edge_process *) awaited;
    uint64_t purged;
    json_t *totals; /* of the edge that accepts; NULL: not yet */
    bool shows;     /* nothing was to be purged */
};

static void ask_free(struct cache_ask *ask)
{
    list_remove(&ask->link);
    timer_clear(&ask->timer);
    json_decref(ask->totals);
    VEC_DONE(&ask->awaited);
    free(ask);
}

static void on_client_gone(void *arg)
{
    ask_free(arg);
}

static void fail(struct cache_ask *ask, struct err *err)
{
    struct api_call call = ask->call;

    ask_free(ask);
    api_refuse(&call, err);
}

static void on_timeout(struct timer *timer, uint64_t now_ns)
{
    struct err err;

    (void)now_ns;
    (void)err_set(&err, ERR_TIMEOUT, "the edge did not answer within %d seconds; try again",
                  ANSWER_MS / 1000);
    fail(CONTAINER_OF(timer, struct cache_ask, timer), &err);
}

static json_t *shown(const json_t *totals)
{
    static const char *const edge[] = {"hits",     "misses", "stale",   "revalidated", "collapsed",
                                       "bypasses", "stored", "evicted", "purged",      "refused"};
    json_t *counters = json_object();
    char key[32];

    for (size_t i = 0; i < ARRAY_LEN(edge); i++) {
        str_format(key, sizeof key, "cache_%s", edge[i]);
        (void)json_object_set_new(counters, edge[i],
                                  json_integer((json_int_t)json_find_u64(totals, key, 0)));
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:o}", "entries",
                     (json_int_t)json_find_u64(totals, "system_entries", 0), "bytes",
                     (json_int_t)json_find_u64(totals, "system_bytes", 0), "used_bytes",
                     (json_int_t)json_find_u64(totals, "cache_bytes", 0), "limit_bytes",
                     (json_int_t)json_find_u64(totals, "cache_limit_bytes", 0), "edge", counters);
}

static void finish(struct cache_ask *ask)
{
    struct api_call call = ask->call;
    struct err err;

    if (ask->shows && ask->totals == NULL) {
        (void)err_set(&err, ERR_CLOSED, "the edge ended before it answered; try again");
        fail(ask, &err);
        return;
    }
    json_t *answer =
        ask->shows ? shown(ask->totals) : json_pack("{s:I}", "purged", (json_int_t)ask->purged);
    ask_free(ask);
    api_answer(&call, 200, answer);
}

/* <process> has answered, or will not any more. False: it was not awaited. */
static bool stop_awaiting(struct cache_ask *ask, const struct edge_process *process)
{
    for (size_t i = 0; i < ask->awaited.len; i++)
        if (ask->awaited.ptr[i] == process) {
            VEC_REMOVE(&ask->awaited, i);
            return true;
        }
    return false;
}

void edge_link_take_cache(struct edge_process *process, const json_t *event)
{
    uint64_t id = json_find_u64(event, "id", 0);

    LIST_FOR_EACH (node, &process->owner->asks) {
        struct cache_ask *ask = CONTAINER_OF(node, struct cache_ask, link);
        if (ask->id != id)
            continue;
        if (!stop_awaiting(ask, process))
            return; /* it answers twice */
        ask->purged += json_find_u64(event, "purged", 0);
        if (process == process->owner->active && ask->totals == NULL)
            ask->totals = json_deep_copy(event);
        if (ask->awaited.len == 0)
            finish(ask);
        return;
    }
}

void edge_link_forget_cache(const struct edge_process *process)
{
    LIST_FOR_EACH (node, &process->owner->asks) {
        struct cache_ask *ask = CONTAINER_OF(node, struct cache_ask, link);
        if (stop_awaiting(ask, process) && ask->awaited.len == 0)
            finish(ask);
    }
}

/* <kind> NULL: only to look. */
static void ask_edges(struct api_call *call, const struct system *system, const char *kind,
                      const char *text)
{
    struct edge_link *link = call->daemon->edge;
    struct cache_ask *ask = NEW(struct cache_ask);

    ask->call = *call;
    ask->id = ++link->last_ask;
    ask->shows = kind == NULL;
    list_push(&link->asks, &ask->link);
    LIST_FOR_EACH (node, &link->processes) {
        struct edge_process *process = CONTAINER_OF(node, struct edge_process, link);
        if (edge_process_send(process,
                              json_pack("{s:s, s:I, s:s, s:s*, s:s*}", "type", "cache", "id",
                                        (json_int_t)ask->id, "system", system->name, "purge", kind,
                                        "text", text),
                              NULL, 0))
            VEC_PUSH(&ask->awaited, process);
    }
    http_exchange_watch(call->exchange, on_client_gone, NULL, ask);
    timer_set(call->daemon->loop, &ask->timer,
              loop_now_ns(call->daemon->loop) + ANSWER_MS * NS_PER_MS, on_timeout);
    if (ask->awaited.len == 0)
        finish(ask);
}

void api_cache_show(struct api_call *call)
{
    const struct system *system = api_system(call);

    if (system != NULL)
        ask_edges(call, system, NULL, NULL);
}

/* Exactly one of "all", "path", "prefix", "tag". */
static bool read_purge(const struct api_call *call, const char **ret_kind, const char **ret_text,
                       struct err *err)
{
    static const char *const kinds[] = {"path", "prefix", "tag"};
    size_t count = 0;

    *ret_text = NULL;
    if (json_find_bool(call->body, "all", false)) {
        *ret_kind = "all";
        count++;
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const char *text = json_find_text(call->body, kinds[i], NULL);
        if (text == NULL)
            continue;
        *ret_kind = kinds[i];
        *ret_text = text;
        count++;
    }
    if (count != 1)
        return err_set(err, ERR_INVALID,
                       "what is to be purged is not clear; give one of path, prefix, tag and all");
    if (*ret_text == NULL)
        return true;
    if (strlen(*ret_text) > TEXT_MAX_BYTES)
        return err_set(err, ERR_LIMIT, "the %s is longer than %d bytes", *ret_kind, TEXT_MAX_BYTES);
    return (*ret_text)[0] == '/' || strcmp(*ret_kind, "tag") == 0 ||
           err_set(err, ERR_INVALID, "%s '%.80s' does not start with '/'", *ret_kind, *ret_text);
}

void api_cache_purge(struct api_call *call)
{
    const struct system *system = api_system(call);
    const char *kind, *text;
    struct err err;

    if (system == NULL)
        return;
    if (read_purge(call, &kind, &text, &err))
        ask_edges(call, system, kind, text);
    else
        api_refuse(call, &err);
}
