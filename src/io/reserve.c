/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/clock.h"
#include "base/mem.h"
#include "io/reserve.h"

static void on_tick(struct timer *timer, uint64_t now_ns)
{
    struct reserve *reserve = CONTAINER_OF(timer, struct reserve, tick);
    bool is_short = mem_reserve_refill();

    if (is_short)
        timer_set(reserve->loop, timer, now_ns + RESERVE_TICK_MS * NS_PER_MS, on_tick);
    reserve->fn(reserve, is_short ? RESERVE_STILL : RESERVE_OVER);
}

static void on_begun(struct deferred *deferred)
{
    struct reserve *reserve = CONTAINER_OF(deferred, struct reserve, begun);

    timer_set(reserve->loop, &reserve->tick,
              loop_now_ns(reserve->loop) + RESERVE_TICK_MS * NS_PER_MS, on_tick);
    reserve->fn(reserve, RESERVE_SHORT);
}

static void on_short(void *arg)
{
    struct reserve *reserve = arg;

    loop_defer(reserve->loop, &reserve->begun, on_begun);
}

void reserve_start(struct reserve *reserve, struct loop *loop, size_t bytes, reserve_fn *fn)
{
    reserve->loop = loop;
    reserve->fn = fn;
    mem_reserve(bytes, on_short, reserve);
}

void reserve_stop(struct reserve *reserve)
{
    timer_clear(&reserve->tick);
    mem_reserve_done();
}
