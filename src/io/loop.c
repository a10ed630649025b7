/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "io/loop.h"
#include "io/timer_wheel.h"

enum { ROUND_EVENTS = 256 };

struct loop {
    int epoll_fd;
    bool stopping;
    loop_clock_fn *clock;
    uint64_t now_ns;
    struct deferred *deferred;
    struct deferred **deferred_end;
    struct epoll_event events[ROUND_EVENTS];
    int event_count; /* of the running round */
    int event_next;  /* first one whose handler was not called yet */
    struct timer_wheel wheel;
};

struct loop *loop_new(loop_clock_fn *clock, struct err *err)
{
    AUTO(fd_close) int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        err_sys(err, "cannot create an epoll descriptor");
        return NULL;
    }
    struct loop *loop = NEW(struct loop);
    loop->epoll_fd = TAKE_FD(fd);
    loop->clock = clock == NULL ? clock_now_ns : clock;
    loop->now_ns = loop->clock();
    loop->deferred_end = &loop->deferred;
    timer_wheel_init(&loop->wheel, loop->now_ns);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    fd_close(loop->epoll_fd);
    free(loop);
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

uint64_t loop_now_ns(const struct loop *loop)
{
    return loop->now_ns;
}

bool watch_add(struct loop *loop, struct watch *watch, int fd, uint32_t events, watch_fn *fn,
               struct err *err)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    assert(fn != NULL && !watch_is_active(watch));
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return err_sys(err, "cannot watch descriptor %d", fd);
    *watch = (struct watch){.fd = fd, .events = events, .fn = fn};
    return true;
}

void watch_set(struct loop *loop, struct watch *watch, uint32_t events)
{
    assert(watch_is_active(watch));
    if (watch->events == events)
        return;
    struct epoll_event event = {.events = events, .data.ptr = watch};
    int changed = epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
    assert(changed == 0);
    watch->events = events;
}

void watch_remove(struct loop *loop, struct watch *watch)
{
    if (!watch_is_active(watch))
        return;
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = loop->event_next; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == watch)
            loop->events[i].data.ptr = NULL;
    watch->fn = NULL;
    watch->events = 0;
}

void timer_set(struct loop *loop, struct timer *timer, uint64_t due_ns, timer_fn *fn)
{
    timer_clear(timer);
    timer->due_ns = due_ns;
    timer->fn = fn;
    timer_wheel_add(&loop->wheel, timer);
}

void timer_clear(struct timer *timer)
{
    if (timer->fn == NULL)
        return;
    list_remove(&timer->link);
    timer->fn = NULL;
}

void loop_defer(struct loop *loop, struct deferred *deferred, deferred_fn *fn)
{
    if (deferred->pending)
        return;
    *deferred = (struct deferred){.fn = fn, .pending = true};
    *loop->deferred_end = deferred;
    loop->deferred_end = &deferred->next;
}

static void run_deferred(struct loop *loop)
{
    while (loop->deferred != NULL) {
        struct deferred *first = loop->deferred;
        loop->deferred = first->next;
        if (loop->deferred == NULL)
            loop->deferred_end = &loop->deferred;
        first->pending = false;
        first->fn(first);
    }
}

void loop_round(struct loop *loop, int max_wait_ms)
{
    int wait_ms = timer_wheel_wait_ms(&loop->wheel, loop->clock());

    if (wait_ms < 0 || (max_wait_ms >= 0 && max_wait_ms < wait_ms))
        wait_ms = max_wait_ms;
    int count = epoll_wait(loop->epoll_fd, loop->events, ROUND_EVENTS, wait_ms);
    assert(count >= 0 || errno == EINTR);
    loop->now_ns = loop->clock();
    loop->event_count = MAX(count, 0);
    loop->event_next = 0;
    while (loop->event_next < loop->event_count) {
        struct epoll_event *event = &loop->events[loop->event_next++];
        struct watch *watch = event->data.ptr;
        if (watch != NULL)
            watch->fn(watch, event->events, loop->now_ns);
    }
    loop->event_count = 0;
    timer_wheel_run(&loop->wheel, loop->now_ns);
    run_deferred(loop);
}

void loop_run(struct loop *loop)
{
    loop->stopping = false;
    while (!loop->stopping)
        loop_round(loop, -1);
}
