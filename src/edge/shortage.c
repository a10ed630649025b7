/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker does while memory is short (base/mem.h): it closes connections
 * that wait for a request, says with every answer that it is the last, accepts
 * nobody, stores nothing, and lets go of what it keeps for speed.
 */
#include "base/base.h"

#include "base/clock.h"
#include "base/log.h"
#include "edge/cache_store.h"
#include "edge/client.h"
#include "edge/exchange.h"
#include "edge/outlet.h"
#include "edge/worker.h"

enum { SAY_AGAIN_MS = 10000 };

static void shed(struct worker *worker)
{
    LIST_FOR_EACH (link, &worker->clients)
        client_shed(CONTAINER_OF(link, struct client, link));
    exchange_free_all(worker);
    static_cache_done(&worker->static_cache);
    spill_pool_done(&worker->spills);
    pipe_pool_done(&worker->pipes);
    outlet_free_kept(worker);
    cache_give_way(worker->cache);
}

static void say(struct worker *worker)
{
    uint64_t now_ns = loop_now_ns(worker->loop);

    if (worker->shortage_said_ns != 0 &&
        now_ns - worker->shortage_said_ns < SAY_AGAIN_MS * NS_PER_MS)
        return;
    worker->shortage_said_ns = now_ns;
    log_warn("edge",
             "worker %u: memory is short: idle connections are closed, and no new ones are "
             "accepted until there is more",
             worker->index);
}

static void on_shortage(struct reserve *reserve, enum reserve_event event)
{
    struct worker *worker = CONTAINER_OF(reserve, struct worker, reserve);

    switch (event) {
    case RESERVE_SHORT:
        count_add(worker, COUNT_MEMORY_SHORT, 1);
        say(worker);
        worker->closing = true;
        shed(worker);
        break;
    case RESERVE_STILL:
        shed(worker);
        break;
    case RESERVE_OVER:
        worker->closing = worker->stopping;
        worker->shortage_over_ns = loop_now_ns(worker->loop);
        listener_resume_all(worker);
        break;
    }
}

void shortage_begin(struct worker *worker)
{
    reserve_start(&worker->reserve, worker->loop, EDGE_RESERVE_BYTES, on_shortage);
}

void shortage_end(struct worker *worker)
{
    reserve_stop(&worker->reserve);
}
