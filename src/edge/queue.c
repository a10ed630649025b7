/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/clock.h"
#include "edge/balance.h"
#include "edge/cache.h"
#include "edge/exchange.h"
#include "edge/head.h"
#include "edge/queue.h"
#include "edge/rules.h"
#include "edge/share.h"
#include "edge/worker.h"

struct queue {
    struct list link; /* in worker.queues */
    struct list waiting;
    uint32_t count;
    struct worker *worker;
    uint64_t round;     /* of worker.queue_round, when it was tried last */
    struct timer timer; /* the next trial, or the end of the first one's time */
    size_t key_len;
    char key[];
};

enum { KEY_BYTES = 2 * TABLE_MAX_NAME_BYTES + TABLE_MAX_PATH_BYTES + 2 };

/* Which queue <exchange> is for: that of its route and upstream, by their names. <room> has
 * KEY_BYTES. */
static struct str key_of(const struct exchange *exchange, char *room)
{
    const struct route *route = exchange->route;
    char *at =
        head_put(room, exchange_targets(exchange)->table->upstreams[exchange->upstream].name);

    *at++ = ' ';
    at = head_put(at, route->host);
    *at++ = ' ';
    at = head_put(at, route->path);
    return str_from(room, (size_t)(at - room));
}

static struct queue *find_queue(struct worker *worker, struct str key)
{
    LIST_FOR_EACH (link, &worker->queues) {
        struct queue *queue = CONTAINER_OF(link, struct queue, link);
        if (str_eq(str_from(queue->key, queue->key_len), key))
            return queue;
    }
    return NULL;
}

static struct queue *queue_new(struct worker *worker, struct str key)
{
    struct queue *queue = mem_new(sizeof *queue + key.len);

    list_init(&queue->waiting);
    queue->worker = worker;
    queue->round = worker->queue_round;
    queue->key_len = key.len;
    memcpy(queue->key, key.ptr, key.len);
    list_push(&worker->queues, &queue->link);
    return queue;
}

static void free_empty(struct queue *queue)
{
    if (queue->count > 0)
        return;
    timer_clear(&queue->timer);
    list_remove(&queue->link);
    free(queue);
}

void queue_leave(struct exchange *exchange)
{
    struct queue *queue = TAKE(exchange->queue);

    if (queue == NULL)
        return;
    list_remove(&exchange->waiting);
    queue->count--;
    free_empty(queue);
}

static void give_up(struct exchange *exchange, int status)
{
    count_add(exchange->worker, COUNT_QUEUE_REJECTED, 1);
    if (exchange->route->meter != 0)
        meter_add(&exchange->worker->meters[exchange->route->meter], METER_REJECTED, 1);
    if (exchange->is_tunnel) {
        exchange_fail(exchange, status);
        return;
    }
    if (exchange->cache != NULL && cache_on_failure(exchange, status))
        return;
    struct str page = exchange->rules == NULL ? (struct str){0} : rules_page(exchange, status);
    answer_error_with(exchange, status, STR("Retry-After: 1\r\n"), page);
}

/* Its own end of waiting, and the limit of the queue that it is to join. */
static uint32_t read_policy(const struct exchange *exchange, uint64_t *ret_timeout_ms)
{
    const struct upstream_balance *balance =
        exchange_targets(exchange)->table->upstreams[exchange->upstream].balance;
    unsigned workers = MAX(exchange->worker->peers, 1);
    uint32_t limit = balance == NULL ? QUEUE_LIMIT : balance->queue_limit;

    *ret_timeout_ms = balance == NULL ? QUEUE_TIMEOUT_MS : balance->queue_timeout_ms;
    return (limit + workers - 1) / workers;
}

/* True: other workers have requests at the same targets, and will tell. */
static bool await_room(const struct exchange *exchange)
{
    bool is_shared = false;

    const struct table *table = exchange_targets(exchange)->table;
    const struct table_upstream *upstream = &table->upstreams[exchange->upstream];

    for (uint32_t i = 0; i < upstream->target_count; i++) {
        struct share *share = table->targets[upstream->first_target + i].share;
        if (share == NULL)
            continue;
        share_await(share, exchange->worker);
        is_shared = true;
    }
    return is_shared;
}

static void on_timer(struct timer *timer, uint64_t now_ns);

static void set_timer(struct queue *queue)
{
    struct loop *loop = queue->worker->loop;
    const struct exchange *first = CONTAINER_OF(queue->waiting.next, struct exchange, waiting);
    uint64_t trial_ns = loop_now_ns(loop) + QUEUE_TRIAL_MS * NS_PER_MS;

    timer_set(loop, &queue->timer, MIN(trial_ns, first->wait_until_ns), on_timer);
}

void queue_wait(struct exchange *exchange, int status)
{
    struct worker *worker = exchange->worker;
    uint64_t now_ns = loop_now_ns(worker->loop), timeout_ms;
    uint32_t limit = read_policy(exchange, &timeout_ms);
    char room[KEY_BYTES];
    struct str key = key_of(exchange, room);
    struct queue *queue = find_queue(worker, key);
    bool is_new = exchange->wait_until_ns == 0;

    if (is_new ? (queue == NULL ? 0 : queue->count) >= limit : exchange->wait_until_ns <= now_ns) {
        give_up(exchange, status);
        return;
    }
    if (queue == NULL)
        queue = queue_new(worker, key);
    if (is_new) {
        exchange->wait_until_ns = now_ns + timeout_ms * NS_PER_MS;
        count_add(worker, COUNT_QUEUED, 1);
        if (exchange->route->meter != 0)
            meter_add(&worker->meters[exchange->route->meter], METER_QUEUED, 1);
        list_push(&queue->waiting, &exchange->waiting);
    } else {
        list_push_front(&queue->waiting, &exchange->waiting);
    }
    exchange->wait_status = status;
    exchange->queue = queue;
    queue->count++;
    if (await_room(exchange) && is_new)
        queue_wake(worker); /* room may have come between the look and the wish */
    if (!timer_is_set(&queue->timer))
        set_timer(queue);
}

/* The first of <queue> tries once more. True: it did not come back, and there are others. */
static bool try_first(struct worker *worker, struct str key)
{
    struct queue *queue = find_queue(worker, key);
    struct exchange *first = CONTAINER_OF(queue->waiting.next, struct exchange, waiting);
    uint32_t count = queue->count;

    queue_leave(first);
    proxy_resume(first);
    queue = find_queue(worker, key);
    return queue != NULL && queue->count < count;
}

/* Mostly the first; but who came under a newer table may have less time than those before him. */
static struct exchange *find_late(const struct queue *queue, uint64_t now_ns)
{
    LIST_FOR_EACH (link, &queue->waiting) {
        struct exchange *exchange = CONTAINER_OF(link, struct exchange, waiting);
        if (exchange->wait_until_ns <= now_ns)
            return exchange;
    }
    return NULL;
}

static void drop_late(struct worker *worker, struct str key, uint64_t now_ns)
{
    struct queue *queue;
    struct exchange *late;

    while ((queue = find_queue(worker, key)) != NULL && (late = find_late(queue, now_ns)) != NULL) {
        queue_leave(late);
        give_up(late, late->wait_status);
    }
}

static void on_timer(struct timer *timer, uint64_t now_ns)
{
    struct queue *queue = CONTAINER_OF(timer, struct queue, timer);
    struct worker *worker = queue->worker;
    char copy[KEY_BYTES];
    struct str key = str_from(copy, queue->key_len);

    memcpy(copy, queue->key, queue->key_len);
    drop_late(worker, key, now_ns);
    if (find_queue(worker, key) != NULL)
        (void)try_first(worker, key);
    queue = find_queue(worker, key);
    if (queue != NULL)
        set_timer(queue);
}

static struct queue *find_untried(struct worker *worker)
{
    LIST_FOR_EACH (link, &worker->queues) {
        struct queue *queue = CONTAINER_OF(link, struct queue, link);
        if (queue->round != worker->queue_round)
            return queue;
    }
    return NULL;
}

/* Queues come and go while their exchanges go on; each one is tried once. */
static void try_all(struct deferred *deferred)
{
    struct worker *worker = CONTAINER_OF(deferred, struct worker, queue_wake);
    struct queue *queue;

    worker->queue_round++;
    while ((queue = find_untried(worker)) != NULL) {
        char copy[KEY_BYTES];
        struct str key = str_from(copy, queue->key_len);
        memcpy(copy, queue->key, queue->key_len);
        queue->round = worker->queue_round;
        while (try_first(worker, key))
            ;
    }
}

void queue_wake(struct worker *worker)
{
    if (!list_is_empty(&worker->queues))
        loop_defer(worker->loop, &worker->queue_wake, try_all);
}

/* ---- retries ---- */

static void turn_windows(struct retry_budget *budget, uint64_t now_ns)
{
    const uint64_t window_ns = RETRY_WINDOW_MS * NS_PER_MS;
    uint64_t age_ns = now_ns - budget->window_ns;

    if (age_ns < window_ns)
        return;
    bool follows = age_ns < 2 * window_ns;
    budget->requests[1] = follows ? budget->requests[0] : 0;
    budget->retries[1] = follows ? budget->retries[0] : 0;
    budget->requests[0] = budget->retries[0] = 0;
    budget->window_ns = now_ns;
}

void retry_budget_add(struct retry_budget *budget, uint64_t now_ns)
{
    turn_windows(budget, now_ns);
    budget->requests[0]++;
}

bool retry_budget_take(struct retry_budget *budget, uint64_t now_ns)
{
    turn_windows(budget, now_ns);
    uint64_t requests = (uint64_t)budget->requests[0] + budget->requests[1];
    uint64_t retries = (uint64_t)budget->retries[0] + budget->retries[1];
    if (retries >= MAX(requests * RETRY_SHARE_PERCENT / 100, (uint64_t)RETRY_MIN))
        return false;
    budget->retries[0]++;
    return true;
}
