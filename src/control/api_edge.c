/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /v1/edge: what the edge has counted, for each route and each release of
 * an upstream. Counters, not rates: who asks twice has the difference.
 */
#include "base/base.h"

#include "control/api_priv.h"
#include "control/meters.h"

void api_edge(struct api_call *call)
{
    const struct daemon *daemon = call->daemon;

    api_answer(call, 200,
               json_pack("{s:i, s:I, s:I, s:o}", "pid", (int)edge_link_pid(daemon->edge),
                         "generation", (json_int_t)edge_link_generation(daemon->edge), "epoch",
                         (json_int_t)meters_epoch(daemon), "meters", meters_json(daemon)));
}
