/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <limits.h>

#include "base/clock.h"
#include "io/timer_wheel.h"

enum { SLOT_BITS = 8 };

static uint64_t due_tick(const struct timer *timer)
{
    return (timer->due_ns + NS_PER_MS - 1) / NS_PER_MS; /* up: never early */
}

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ns)
{
    *wheel = (struct timer_wheel){.tick = now_ns / NS_PER_MS};
    for (size_t level = 0; level < WHEEL_LEVELS; level++)
        for (size_t slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
}

/* Puts <timer> where it is found in time, not before <earliest>. */
static void place(struct timer_wheel *wheel, struct timer *timer, uint64_t earliest)
{
    const uint64_t reach = (1ULL << (SLOT_BITS * WHEEL_LEVELS)) - 1;
    uint64_t tick = due_tick(timer);
    tick = MAX(tick, earliest);
    uint64_t away = MIN(tick - wheel->tick, reach);
    size_t level = 0;

    tick = wheel->tick + away;
    while (level + 1 < WHEEL_LEVELS && (away >> (SLOT_BITS * (level + 1))) != 0)
        level++;
    size_t slot = (size_t)(tick >> (SLOT_BITS * level)) % WHEEL_SLOTS;
    list_push(&wheel->slots[level][slot], &timer->link);
    wheel->used[level][slot / 64] |= 1ULL << (slot % 64);
}

void timer_wheel_add(struct timer_wheel *wheel, struct timer *timer)
{
    place(wheel, timer, wheel->tick + 1); /* the slot of this tick was run */
}

/* Moves the timers of the slot that <level> has come to down to finer levels. */
static void cascade(struct timer_wheel *wheel, size_t level)
{
    size_t slot = (size_t)(wheel->tick >> (SLOT_BITS * level)) % WHEEL_SLOTS;
    struct list moved;

    if (slot == 0 && level + 1 < WHEEL_LEVELS)
        cascade(wheel, level + 1);
    list_init(&moved);
    LIST_FOR_EACH (node, &wheel->slots[level][slot]) {
        list_remove(node);
        list_push(&moved, node);
    }
    wheel->used[level][slot / 64] &= ~(1ULL << (slot % 64));
    LIST_FOR_EACH (again, &moved) {
        list_remove(again);
        place(wheel, CONTAINER_OF(again, struct timer, link), wheel->tick); /* its slot runs next */
    }
}

static void run_slot(struct timer_wheel *wheel, uint64_t now_ns)
{
    size_t slot = (size_t)wheel->tick % WHEEL_SLOTS;
    struct list *head = &wheel->slots[0][slot];

    wheel->used[0][slot / 64] &= ~(1ULL << (slot % 64));
    while (!list_is_empty(head)) {
        struct timer *timer = CONTAINER_OF(head->next, struct timer, link);
        timer_fn *fn = timer->fn;
        timer_clear(timer);
        fn(timer, now_ns);
    }
}

/* Ticks from wheel->tick to the next used slot of <level>, or UINT64_MAX. */
static uint64_t next_used(const struct timer_wheel *wheel, size_t level)
{
    size_t here = (size_t)(wheel->tick >> (SLOT_BITS * level)) % WHEEL_SLOTS;

    for (size_t step = 1; step <= WHEEL_SLOTS; step++) {
        size_t slot = (here + step) % WHEEL_SLOTS;
        if (slot % 64 == 0 && wheel->used[level][slot / 64] == 0) {
            step += 63; /* a whole word without timers */
            continue;
        }
        if (wheel->used[level][slot / 64] >> (slot % 64) & 1) {
            uint64_t unit = 1ULL << (SLOT_BITS * level);
            return ((wheel->tick / unit) + step) * unit - wheel->tick;
        }
    }
    return UINT64_MAX;
}

static uint64_t ticks_to_next(const struct timer_wheel *wheel)
{
    uint64_t next = UINT64_MAX;

    for (size_t level = 0; level < WHEEL_LEVELS; level++) {
        uint64_t ticks = next_used(wheel, level);
        next = MIN(next, ticks);
    }
    return next;
}

void timer_wheel_run(struct timer_wheel *wheel, uint64_t now_ns)
{
    uint64_t target = now_ns / NS_PER_MS;

    while (wheel->tick < target) {
        uint64_t ticks = ticks_to_next(wheel);
        if (ticks > target - wheel->tick) {
            wheel->tick = target; /* only empty slots on the way */
            return;
        }
        wheel->tick += ticks;
        if (wheel->tick % WHEEL_SLOTS == 0)
            cascade(wheel, 1);
        run_slot(wheel, now_ns);
    }
}

int timer_wheel_wait_ms(const struct timer_wheel *wheel, uint64_t now_ns)
{
    uint64_t ticks = ticks_to_next(wheel);
    uint64_t now_tick = now_ns / NS_PER_MS;

    if (ticks == UINT64_MAX)
        return -1;
    uint64_t due = wheel->tick + ticks;
    if (due <= now_tick)
        return 0;
    return (int)MIN(due - now_tick, (uint64_t)INT_MAX);
}
