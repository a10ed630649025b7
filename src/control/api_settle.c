/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers that are given when what was asked for has arrived where it counts: at
 * every edge, or at the end of an upgrade. The client may go away meanwhile.
 */
#include "base/base.h"

#include "control/api_priv.h"
#include "control/upgrade.h"

struct pending {
    struct list link;
    struct api_call call;
    json_t *answer; /* NULL: what the upgrade says */
};

static void pending_free(struct pending *pending)
{
    list_remove(&pending->link);
    json_decref(pending->answer);
    free(pending);
}

static void on_client_gone(void *arg)
{
    pending_free(arg);
}

static bool is_due(const struct pending *pending)
{
    const struct daemon *daemon = pending->call.daemon;

    if (pending->answer == NULL)
        return !upgrade_is_running(daemon);
    return !daemon->publishing.pending && edge_link_is_settled(daemon->edge);
}

static void add(struct api_call *call, json_t *answer)
{
    struct pending *pending = NEW(struct pending);

    *pending = (struct pending){.call = *call, .answer = answer};
    list_push(&call->daemon->pending, &pending->link);
    http_exchange_watch(call->exchange, on_client_gone, NULL, pending);
    api_settle(call->daemon);
}

void api_answer_settled(struct api_call *call, json_t *answer)
{
    assert(answer != NULL);
    add(call, answer);
}

void api_answer_upgraded(struct api_call *call)
{
    add(call, NULL);
}

void api_settle(struct daemon *daemon)
{
    LIST_FOR_EACH (node, &daemon->pending) {
        struct pending *pending = CONTAINER_OF(node, struct pending, link);
        if (!is_due(pending))
            continue;
        struct api_call call = pending->call;
        json_t *answer =
            pending->answer == NULL ? upgrade_json(daemon) : json_incref(pending->answer);
        pending_free(pending);
        api_answer(&call, 200, answer);
    }
}
