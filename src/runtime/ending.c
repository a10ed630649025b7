/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/ending.h"
#include "runtime/host_priv.h"

enum { CONMON_MS = 2000 }; /* conmon drains the pipes of the log before it writes */

struct ending {
    struct list link; /* in host.endings */
    struct host *host;
    struct watch watch;
    struct timer timer;
    struct deferred freeing;
    char id[RUNTIME_ID_MAX + 1];
};

static void close_watch(struct ending *ending)
{
    int fd = ending->watch.fd;

    if (!watch_is_active(&ending->watch))
        return;
    watch_remove(ending->host->loop, &ending->watch);
    fd_close(fd);
}

static void on_freeing(struct deferred *deferred)
{
    free(CONTAINER_OF(deferred, struct ending, freeing));
}

/* An instance that was started again or removed meanwhile is not EXITED. */
static void on_conmon_late(struct timer *timer, uint64_t now_ns)
{
    struct ending *ending = CONTAINER_OF(timer, struct ending, timer);
    struct host *host = ending->host;
    AUTO(arena_done) struct arena arena = {0};
    struct runtime_status status;
    struct err ignored;

    (void)now_ns;
    list_remove(&ending->link);
    loop_defer(host->loop, &ending->freeing, on_freeing);
    if (!file_exists(host_exit_path(host, &arena, ending->id)) &&
        instance_inspect(&host->runtime, ending->id, &status, &ignored) &&
        status.state == RUNTIME_EXITED)
        host->on_exit(host->arg, ending->id);
}

static void on_process_end(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct ending *ending = CONTAINER_OF(watch, struct ending, watch);

    (void)events;
    close_watch(ending);
    timer_set(ending->host->loop, &ending->timer, now_ns + CONMON_MS * NS_PER_MS, on_conmon_late);
}

void ending_watch(struct host *host, const char *id, int fd)
{
    struct ending *ending = NEW(struct ending);
    struct err ignored;

    ending->host = host;
    ending->watch.fd = -1;
    str_format(ending->id, sizeof ending->id, "%s", id);
    if (!watch_add(host->loop, &ending->watch, fd, EPOLLIN, on_process_end, &ignored)) {
        fd_close(fd);
        free(ending);
        return;
    }
    list_push(&host->endings, &ending->link);
}

void ending_forget_all(struct host *host)
{
    LIST_FOR_EACH (node, &host->endings) {
        struct ending *ending = CONTAINER_OF(node, struct ending, link);
        close_watch(ending);
        timer_clear(&ending->timer);
        list_remove(&ending->link);
        free(ending);
    }
}
