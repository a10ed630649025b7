/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <sys/random.h>

#include "base/err.h"
#include "base/log.h"
#include "edge/auth.h"
#include "edge/cache.h"
#include "edge/client.h"
#include "edge/crash.h"
#include "edge/exchange.h"
#include "edge/outlet.h"
#include "edge/worker.h"

static void bury_dead(struct deferred *deferred)
{
    struct worker *worker = CONTAINER_OF(deferred, struct worker, burial);

    while (worker->dead != NULL) {
        struct conn *first = worker->dead;
        worker->dead = first->next_dead;
        free(first); /* a conn is the first member of whatever it is part of */
    }
}

static_assert(offsetof(struct client, conn) == 0, "freed as a client");
static_assert(offsetof(struct target_conn, conn) == 0, "freed as a target_conn");

void worker_bury(struct worker *worker, struct conn *conn)
{
    conn->next_dead = worker->dead;
    worker->dead = conn;
    loop_defer(worker->loop, &worker->burial, bury_dead);
}

void worker_report(struct worker *worker, enum letter_kind kind, uint64_t number, struct str text)
{
    char *copy = mem_new(text.len + 1);

    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    mailbox_send(
        worker->main,
        &(struct letter){.kind = kind, .number = number, .text = copy, .from = worker->index});
}

const char *worker_date(struct worker *worker)
{
    uint64_t second = loop_now_ns(worker->loop) / NS_PER_SECOND;

    if (second != worker->date_second) {
        worker->date_second = second;
        clock_format_http(clock_wall_ms() / 1000, worker->http_date);
    }
    return worker->http_date;
}

/* splitmix64 (Steele, Lea and Flood, 2014): distinct and well spread, not secret. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t worker_random(struct worker *worker)
{
    return next_random(&worker->random[0]);
}

void worker_random_id(struct worker *worker, char *ret)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t half = 0; half < 2; half++) {
        uint64_t bits = next_random(&worker->random[half]);
        for (size_t i = 0; i < 16; i++, bits >>= 4)
            ret[half * 16 + i] = digits[bits & 15];
    }
}

/* A fetch of the cache's own has more to give back than a connection. */
static void abort_client(struct client *client)
{
    if (!client->is_http2 && client->exchange != NULL && client->exchange->ops->is_background)
        exchange_drop(client->exchange);
    else
        client_abort(client);
}

static void on_stop_timeout(struct timer *timer, uint64_t now_ns)
{
    struct worker *worker = CONTAINER_OF(timer, struct worker, stop_timer);
    size_t count = 0;

    (void)now_ns;
    LIST_FOR_EACH (link, &worker->clients) {
        abort_client(CONTAINER_OF(link, struct client, link));
        count++;
    }
    if (count > 0)
        log_warn("edge", "worker %u: connections that had not ended in time were cut off: %zu",
                 worker->index, count);
}

static void end_when_empty(struct worker *worker)
{
    if (!worker->stopping || !list_is_empty(&worker->clients) || worker->auth_waiting > 0)
        return;
    timer_clear(&worker->stop_timer);
    access_log_flush(worker);
    loop_stop(worker->loop);
}

void worker_forget_client(struct worker *worker)
{
    end_when_empty(worker);
}

static void stop_soon(struct worker *worker)
{
    worker->stopping = worker->closing = true;
    worker->retiring = false;
    listener_close_unused(worker, true);
    timer_set(worker->loop, &worker->stop_timer,
              loop_now_ns(worker->loop) + EDGE_STOP_MS * NS_PER_MS, on_stop_timeout);
    LIST_FOR_EACH (link, &worker->clients)
        client_close_if_idle(CONTAINER_OF(link, struct client, link));
    end_when_empty(worker);
}

/* Another edge accepts. Nothing that a client may be about to use is closed: an idle connection
 * gets one more answer, which says that it is the last, or ends at its usual timeout. */
static void retire(struct worker *worker, uint64_t drain_ms)
{
    worker->stopping = worker->retiring = worker->closing = true;
    listener_close_unused(worker, true);
    timer_set(worker->loop, &worker->stop_timer, loop_now_ns(worker->loop) + drain_ms * NS_PER_MS,
              on_stop_timeout);
    LIST_FOR_EACH (link, &worker->clients)
        client_announce_end(CONTAINER_OF(link, struct client, link));
    end_when_empty(worker);
}

static void on_letter(struct mailbox *mailbox, struct letter *letter)
{
    struct worker *worker = CONTAINER_OF(mailbox, struct worker, inbox);

    switch (letter->kind) {
    case LETTER_TABLE:
        (void)view_new(worker, TAKE(letter->table));
        static_cache_done(&worker->static_cache); /* a folder that is gone must not stay open */
        listener_close_unused(worker, false);
        break;
    case LETTER_LISTENER:
        listener_open(worker, (uint32_t)letter->number, TAKE_FD(letter->fd));
        break;
    case LETTER_ACCESS_LOG:
        worker->access_log.wanted = true;
        break;
    case LETTER_VERIFIED:
        auth_verified(letter->job);
        break;
    case LETTER_CACHE:
        cache_landed(worker, letter->number);
        break;
    case LETTER_ROOM:
        queue_wake(worker);
        break;
    case LETTER_HEALTH:
        target_note_health(worker, str_of(letter->text), letter->number != 0);
        break;
    case LETTER_STOP:
        stop_soon(worker);
        break;
    case LETTER_RETIRE:
        retire(worker, letter->number);
        break;
    case LETTER_IDLE:
    case LETTER_STOPPED:
        abort(); /* a worker's own letter came back */
    }
}

/* Others may go on for as long as connections last: what this one has kept for its next requests
 * must not wait for them, least of all connections to targets. */
static void let_go(struct worker *worker)
{
    if (worker->view != NULL)
        view_unref(worker, TAKE(worker->view));
    exchange_free_all(worker);
    bury_dead(&worker->burial);
    static_cache_done(&worker->static_cache);
    spill_pool_done(&worker->spills);
    pipe_pool_done(&worker->pipes);
    auth_memory_free(TAKE(worker->auth_memory));
    outlet_free_kept(worker);
}

static void *run(void *arg)
{
    struct worker *worker = arg;

    crash_watch_thread(worker->index);
    shortage_begin(worker);
    loop_run(worker->loop);
    let_go(worker);
    shortage_end(worker);
    crash_forget_thread();
    worker_report(worker, LETTER_STOPPED, worker->index, (struct str){0});
    return NULL;
}

struct worker *worker_new(unsigned index, struct mailbox *main, struct log_flusher *flusher,
                          struct err *err)
{
    struct worker *worker = NEW(struct worker);

    worker->index = index;
    worker->main = main;
    worker->access_log.flusher = flusher;
    list_init(&worker->listeners);
    static_cache_init(&worker->static_cache);
    list_init(&worker->clients);
    list_init(&worker->targets);
    list_init(&worker->queues);
    list_init(&worker->h2_dirty);
    list_init(&worker->h2_target_dirty);
    list_init(&worker->cache_waiters);
    list_init(&worker->cache_background);
    ssize_t drawn = getrandom(worker->random, sizeof worker->random, 0);
    assert(drawn == sizeof worker->random);
    worker->loop = loop_new(NULL, err);
    if (worker->loop == NULL || !mailbox_open(&worker->inbox, worker->loop, on_letter, err)) {
        loop_free(worker->loop);
        free(worker);
        return NULL;
    }
    return worker;
}

bool worker_start(struct worker *worker, struct err *err)
{
    int failed = pthread_create(&worker->thread, NULL, run, worker);

    return failed == 0 || err_set(err, ERR_SYSTEM, "cannot start a thread: error %d", failed);
}

void worker_join(struct worker *worker)
{
    (void)pthread_join(worker->thread, NULL);
    mailbox_close(&worker->inbox, worker->loop);
    loop_free(worker->loop);
    free(worker);
}
