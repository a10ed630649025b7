/* SPDX-License-Identifier: Apache-2.0
 *
 * Event loop: epoll, timers, and work put off to the end of the round. One loop
 * belongs to one thread; the daemon has one, the edge one a worker.
 *
 * A struct watch or timer is embedded in its owner and never allocated here.
 * The surprising fact: events of one round were collected before the first
 * handler ran, so a handler may close another watch whose event is still to
 * come. watch_remove() forgets such events, but memory that holds a watch must
 * stay until the round is over: free it through loop_defer().
 */
#pragma once

#include <sys/epoll.h>

#include "base/base.h"
#include "base/list.h"

struct err;
struct loop;
struct watch;
struct timer;
struct deferred;

/* <events> are epoll's: EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR. */
typedef void watch_fn(struct watch *watch, uint32_t events, uint64_t now_ns);
typedef void timer_fn(struct timer *timer, uint64_t now_ns);
typedef void deferred_fn(struct deferred *deferred);

/* A descriptor that is watched. Zero plus fd = -1 is the unwatched state. */
struct watch {
    int fd;
    uint32_t events;
    watch_fn *fn;
};

/* A moment to come. Zero is the unset state. */
struct timer {
    struct list link; /* in a slot of the wheel */
    uint64_t due_ns;
    timer_fn *fn;
};

/* Something to do when the round is over. Zero is the unset state. */
struct deferred {
    struct deferred *next;
    deferred_fn *fn;
    bool pending;
};

/* <clock> NULL: the monotonic clock. A test hands in its own. */
typedef uint64_t loop_clock_fn(void);
MUST_CHECK struct loop *loop_new(loop_clock_fn *clock, struct err *err);
void loop_free(struct loop *loop);
AUTO_TYPE(struct loop *, loop_free)

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
/* Takes effect when the round is over. From any handler, not from another thread. */
void loop_stop(struct loop *loop);
/* One round: waits at most <max_wait_ms> (-1: until something happens). */
void loop_round(struct loop *loop, int max_wait_ms);

/* The time read once a round: good enough for timeouts, free to ask for. */
uint64_t loop_now_ns(const struct loop *loop);

/* Watches <fd> for <events> (add EPOLLET for edge-triggered); <fd> stays the
 * caller's. Fails only when the kernel refuses, such as for a regular file. */
MUST_CHECK bool watch_add(struct loop *loop, struct watch *watch, int fd, uint32_t events,
                          watch_fn *fn, struct err *err);
/* Changes what is watched for; does nothing when it is that already. */
void watch_set(struct loop *loop, struct watch *watch, uint32_t events);
/* Before the descriptor is closed. An unwatched one is left alone. */
void watch_remove(struct loop *loop, struct watch *watch);
static inline bool watch_is_active(const struct watch *watch)
{
    return watch->fn != NULL;
}

/* Sets or moves <timer>: <fn> is called once, at <due_ns> or up to a millisecond
 * after. Cheap enough to be moved on every request. */
void timer_set(struct loop *loop, struct timer *timer, uint64_t due_ns, timer_fn *fn);
void timer_clear(struct timer *timer);
static inline bool timer_is_set(const struct timer *timer)
{
    return timer->fn != NULL;
}

/* Calls <fn> after the handlers of this round. Once, however often it is asked for. */
void loop_defer(struct loop *loop, struct deferred *deferred, deferred_fn *fn);
