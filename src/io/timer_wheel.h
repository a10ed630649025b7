/* SPDX-License-Identifier: Apache-2.0
 *
 * The timers of one loop: a wheel of four levels with 256 slots of 1 ms, 256 ms,
 * 65 s and 4.6 h (Varghese and Lauck, 1987). Setting and clearing are O(1), and
 * a timer further away than the wheel reaches waits in its last level. Private
 * to src/io.
 */
#pragma once

#include "base/base.h"
#include "io/loop.h"

enum { WHEEL_LEVELS = 4, WHEEL_SLOTS = 256 };

struct timer_wheel {
    uint64_t tick;                                 /* milliseconds: slots up to here were run */
    uint64_t used[WHEEL_LEVELS][WHEEL_SLOTS / 64]; /* a bit for each slot that may hold timers */
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ns);
void timer_wheel_add(struct timer_wheel *wheel, struct timer *timer);

/* Calls every timer that is due. */
void timer_wheel_run(struct timer_wheel *wheel, uint64_t now_ns);

/* Milliseconds until the next slot that may hold a timer; -1 when there is none. Never later than a
 * timer is due. */
int timer_wheel_wait_ms(const struct timer_wheel *wheel, uint64_t now_ns);
