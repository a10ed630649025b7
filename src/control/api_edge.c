/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /v1/edge: what the edge has counted, as a whole and for each route and each
 * release of an upstream. Counters, not rates: who asks twice has the difference.
 */
#include "base/base.h"

#include "control/api_priv.h"
#include "control/edge_link_priv.h"
#include "control/meters.h"

/* Without an edge, or one that is too busy to say, what is known is not withheld. */
static void on_answered(struct api_call *call, const struct edge_answers *answers,
                        const struct err *err)
{
    const struct daemon *daemon = call->daemon;
    json_t *totals = json_deep_copy(answers->active);

    (void)err;
    (void)json_object_del(totals, "event");
    (void)json_object_del(totals, "generation");
    api_answer(call, 200,
               json_pack("{s:i, s:I, s:I, s:o, s:o}", "pid", (int)edge_link_pid(daemon->edge),
                         "generation", (json_int_t)edge_link_generation(daemon->edge), "epoch",
                         (json_int_t)meters_epoch(daemon), "totals",
                         totals == NULL ? json_null() : totals, "meters", meters_json(daemon)));
}

void api_edge(struct api_call *call)
{
    edge_ask(call, json_pack("{s:s}", "type", "stats"), false, on_answered);
}
