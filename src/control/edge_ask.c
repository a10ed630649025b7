/* SPDX-License-Identifier: Apache-2.0
 *
 * What the edges are asked on behalf of a request: every edge, also those that
 * only finish what they have. The request is answered when all have answered or
 * are gone, or when that takes too long.
 */
#include "base/base.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/vec.h"
#include "control/api_priv.h"
#include "control/edge_link_priv.h"
#include "json/json.h"

enum { ANSWER_MS = 5000 };

struct edge_ask {
    struct list link; /* in edge_link.asks */
    struct api_call call;
    struct timer timer;
    uint64_t id; /* 0: any answer of this kind will do, they have no number */
    VEC(const struct edge_process *) awaited;
    struct edge_answers answers;
    json_t *active; /* what answers.active is */
    edge_ask_fn *done;
};

static void ask_free(struct edge_ask *ask)
{
    list_remove(&ask->link);
    timer_clear(&ask->timer);
    json_decref(ask->active);
    VEC_DONE(&ask->awaited);
    free(ask);
}

static void on_client_gone(void *arg)
{
    ask_free(arg);
}

static void finish(struct edge_ask *ask, const struct err *err)
{
    struct edge_answers answers = ask->answers;
    struct api_call call = ask->call;
    edge_ask_fn *done = ask->done;
    AUTO(json_unref) json_t *active = TAKE(ask->active);

    answers.active = active;
    ask_free(ask);
    done(&call, &answers, err);
}

static void on_timeout(struct timer *timer, uint64_t now_ns)
{
    struct err err;

    (void)now_ns;
    (void)err_set(&err, ERR_TIMEOUT, "the edge did not answer within %d seconds; try again",
                  ANSWER_MS / 1000);
    finish(CONTAINER_OF(timer, struct edge_ask, timer), &err);
}

static void finish_when_all(struct edge_ask *ask)
{
    struct err err;

    if (ask->awaited.len > 0)
        return;
    if (ask->active != NULL) {
        finish(ask, NULL);
        return;
    }
    (void)err_set(&err, ERR_CLOSED, "the edge ended before it answered; try again");
    finish(ask, &err);
}

/* <process> has answered, or will not any more. False: it was not awaited. */
static bool stop_awaiting(struct edge_ask *ask, const struct edge_process *process)
{
    for (size_t i = 0; i < ask->awaited.len; i++)
        if (ask->awaited.ptr[i] == process) {
            VEC_REMOVE(&ask->awaited, i);
            return true;
        }
    return false;
}

void edge_ask_take(struct edge_process *process, const json_t *event)
{
    uint64_t id = json_find_u64(event, "id", 0);

    LIST_FOR_EACH (node, &process->owner->asks) {
        struct edge_ask *ask = CONTAINER_OF(node, struct edge_ask, link);
        if (ask->id != id || !stop_awaiting(ask, process))
            continue;
        ask->answers.purged += json_find_u64(event, "purged", 0);
        if (process == process->owner->active && ask->active == NULL)
            ask->active = json_deep_copy(event);
        finish_when_all(ask);
    }
}

void edge_ask_forget(const struct edge_process *process)
{
    LIST_FOR_EACH (node, &process->owner->asks) {
        struct edge_ask *ask = CONTAINER_OF(node, struct edge_ask, link);
        if (stop_awaiting(ask, process))
            finish_when_all(ask);
    }
}

void edge_ask(const struct api_call *call, json_t *message, bool numbered, edge_ask_fn *done)
{
    struct edge_link *link = call->daemon->edge;
    struct edge_ask *ask = NEW(struct edge_ask);
    AUTO(json_unref) json_t *owned = message;

    ask->call = *call;
    ask->done = done;
    if (numbered) {
        ask->id = ++link->last_ask;
        (void)json_object_set_new(owned, "id", json_integer((json_int_t)ask->id));
    }
    list_push(&link->asks, &ask->link);
    LIST_FOR_EACH (node, &link->processes) {
        struct edge_process *process = CONTAINER_OF(node, struct edge_process, link);
        if (edge_process_send(process, json_incref(owned), NULL, 0))
            VEC_PUSH(&ask->awaited, process);
    }
    http_exchange_watch(call->exchange, on_client_gone, NULL, ask);
    timer_set(call->daemon->loop, &ask->timer,
              loop_now_ns(call->daemon->loop) + ANSWER_MS * NS_PER_MS, on_timeout);
    finish_when_all(ask);
}
