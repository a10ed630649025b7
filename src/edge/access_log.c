/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "edge/access_log.h"
#include "edge/cache.h"
#include "edge/exchange.h"
#include "edge/head.h"
#include "edge/limits.h"
#include "edge/rules.h"
#include "edge/worker.h"

enum { LINE_BYTES = 16384, PATH_SHOWN_BYTES = 1024, TEXT_SHOWN_BYTES = 256 };

/* Returns how many of its lines were not written: the disk is full, and the lines are lost, the
 * requests are not. */
static size_t write_block(int fd, const struct log_block *block)
{
    size_t at = 0, lost = 0;

    while (at < block->len) {
        ssize_t n = write(fd, block->bytes + at, block->len - at);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    for (; at < block->len; at++)
        lost += block->bytes[at] == '\n';
    return lost;
}

/* With the lock held; gives it up while it writes. */
static void write_full(struct log_flusher *flusher)
{
    struct log_block *first = flusher->full;
    int fd = flusher->fd, next_fd = flusher->next_fd;
    uint64_t lost = 0;

    flusher->full = NULL;
    flusher->full_end = &flusher->full;
    flusher->next_fd = -1;
    (void)pthread_mutex_unlock(&flusher->lock);
    for (struct log_block *block = first; block != NULL && fd >= 0; block = block->next)
        lost += write_block(fd, block);
    __atomic_store_n(&flusher->lost, flusher->lost + lost, __ATOMIC_RELAXED);
    if (next_fd >= 0)
        fd_close(fd);
    (void)pthread_mutex_lock(&flusher->lock);
    if (next_fd >= 0)
        flusher->fd = next_fd;
    while (first != NULL) {
        struct log_block *block = first;
        first = block->next;
        block->next = flusher->empty;
        flusher->empty = block;
    }
}

static void *run(void *arg)
{
    struct log_flusher *flusher = arg;

    (void)pthread_mutex_lock(&flusher->lock);
    for (;;) {
        if (flusher->full != NULL || flusher->next_fd >= 0)
            write_full(flusher);
        else if (flusher->stopping)
            break;
        else
            (void)pthread_cond_wait(&flusher->wake, &flusher->lock);
    }
    (void)pthread_mutex_unlock(&flusher->lock);
    return NULL;
}

bool log_flusher_start(struct log_flusher *flusher, struct err *err)
{
    *flusher = (struct log_flusher){.fd = -1, .next_fd = -1};
    flusher->full_end = &flusher->full;
    (void)pthread_mutex_init(&flusher->lock, NULL);
    (void)pthread_cond_init(&flusher->wake, NULL);
    int failed = pthread_create(&flusher->thread, NULL, run, flusher);
    return failed == 0 || err_set(err, ERR_SYSTEM, "cannot start a thread: error %d", failed);
}

void log_flusher_set(struct log_flusher *flusher, int fd)
{
    (void)pthread_mutex_lock(&flusher->lock);
    fd_close(flusher->next_fd);
    flusher->next_fd = fd;
    (void)pthread_cond_signal(&flusher->wake);
    (void)pthread_mutex_unlock(&flusher->lock);
}

uint64_t log_flusher_lost(const struct log_flusher *flusher)
{
    return __atomic_load_n(&flusher->lost, __ATOMIC_RELAXED);
}

void log_flusher_stop(struct log_flusher *flusher)
{
    (void)pthread_mutex_lock(&flusher->lock);
    flusher->stopping = true;
    (void)pthread_cond_signal(&flusher->wake);
    (void)pthread_mutex_unlock(&flusher->lock);
    (void)pthread_join(flusher->thread, NULL);
    while (flusher->empty != NULL) {
        struct log_block *first = flusher->empty;
        flusher->empty = first->next;
        free(first);
    }
    fd_close(flusher->fd);
    (void)pthread_cond_destroy(&flusher->wake);
    (void)pthread_mutex_destroy(&flusher->lock);
}

/* NULL when too many are on their way. */
static struct log_block *block_get(struct log_flusher *flusher)
{
    (void)pthread_mutex_lock(&flusher->lock);
    struct log_block *block = flusher->empty;
    bool may_grow = flusher->blocks < LOG_MAX_BLOCKS;
    if (block != NULL)
        flusher->empty = block->next;
    else if (may_grow)
        flusher->blocks++;
    (void)pthread_mutex_unlock(&flusher->lock);
    if (block == NULL && may_grow)
        block = mem_grow(NULL, sizeof *block);
    if (block != NULL) {
        block->next = NULL;
        block->len = 0;
    }
    return block;
}

void access_log_flush(struct worker *worker)
{
    struct access_log *log = &worker->access_log;
    struct log_flusher *flusher = log->flusher;
    struct log_block *block = TAKE(log->block);

    if (block == NULL)
        return;
    (void)pthread_mutex_lock(&flusher->lock);
    *flusher->full_end = block;
    flusher->full_end = &block->next;
    (void)pthread_cond_signal(&flusher->wake);
    (void)pthread_mutex_unlock(&flusher->lock);
}

static void on_timer(struct timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    access_log_flush(CONTAINER_OF(timer, struct worker, access_log.timer));
}

/* Room for a line. NULL: dropped. */
static char *line_start(struct worker *worker)
{
    struct access_log *log = &worker->access_log;

    if (log->block != NULL && LOG_BLOCK_BYTES - log->block->len < LINE_BYTES)
        access_log_flush(worker);
    if (log->block == NULL) {
        log->block = block_get(log->flusher);
        if (log->block == NULL) {
            count_add(worker, COUNT_LOG_DROPS, 1);
            return NULL;
        }
        if (!timer_is_set(&log->timer))
            timer_set(worker->loop, &log->timer,
                      loop_now_ns(worker->loop) + LOG_FLUSH_MS * NS_PER_MS, on_timer);
    }
    return log->block->bytes + log->block->len;
}

static bool is_plain(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7f && c != '"' && c != '\\';
}

/* JSON text of at most <max> bytes; bytes that are no plain ASCII become \u00XX. */
static char *put_text(char *at, struct str text, size_t max)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = MIN(text.len, max), i = 0;

    while (i < len && is_plain(text.ptr[i]))
        i++;
    at = head_put(at, str_from(text.ptr, i));
    for (; i < len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_plain(text.ptr[i])) {
            *at++ = text.ptr[i];
        } else {
            at = HEAD_PUT(at, "\\u00");
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
    }
    return at;
}

static char *put_time(struct worker *worker, char *at)
{
    int64_t now_ms = clock_wall_ms();

    if (now_ms != worker->log_time_ms) {
        worker->log_time_ms = now_ms;
        clock_format_rfc3339(now_ms, worker->log_time);
    }
    return head_put(at, str_of(worker->log_time));
}

static char *put_duration(char *at, uint64_t ns)
{
    uint64_t us = ns / 1000;

    at = head_put_number(at, us / 1000);
    *at++ = '.';
    *at++ = (char)('0' + us % 1000 / 100);
    *at++ = (char)('0' + us % 100 / 10);
    *at++ = (char)('0' + us % 10);
    return at;
}

static char *put_request(char *at, const struct exchange *exchange)
{
    at = HEAD_PUT(at, "\",\"client\":\"");
    at = head_put(at, limits_ip(exchange));
    at = HEAD_PUT(at, "\",\"method\":\"");
    at = put_text(at, exchange->method_text, 32);
    at = HEAD_PUT(at, "\",\"host\":\"");
    at = put_text(at, exchange->host, TEXT_SHOWN_BYTES);
    at = HEAD_PUT(at, "\",\"path\":\"");
    return put_text(at, exchange->path, PATH_SHOWN_BYTES);
}

/* What there is only with rules: the trace, and who it is. */
static char *put_rules(char *at, const struct rules_state *rules)
{
    if (rules->trace_len > 0) { /* "00-", 32 digits and more */
        at = HEAD_PUT(at, "\",\"trace_id\":\"");
        at = put_text(at, str_from(rules->trace + 3, 32), 32);
    }
    if (rules->user_len > 0) {
        at = HEAD_PUT(at, "\",\"user\":\"");
        at = put_text(at, str_from(rules->user, rules->user_len), RULES_USER_BYTES);
    }
    return at;
}

/* Of the target that was asked last. */
static char *put_upstream(char *at, const struct exchange *exchange)
{
    const struct table *table = exchange_targets(exchange)->table;

    at = HEAD_PUT(at, "\",\"upstream\":\"");
    at = put_text(at, table->upstreams[exchange->upstream].name, TEXT_SHOWN_BYTES);
    at = HEAD_PUT(at, "\",\"release\":");
    at = head_put_number(at, exchange->release);
    return HEAD_PUT(at, ",\"attempts\":");
}

static char *put_result(char *at, const struct exchange *exchange)
{
    const struct route *route = exchange->route;

    at = HEAD_PUT(at, "\",\"status\":");
    at = head_put_number(at, (uint64_t)exchange->status);
    at = HEAD_PUT(at, ",\"bytes\":");
    at = head_put_number(at, exchange->sent_bytes);
    if (exchange->client->kind == LISTENER_TCP) {
        at = HEAD_PUT(at, ",\"bytes_in\":");
        at = head_put_number(at, exchange->request.bytes);
    }
    at = HEAD_PUT(at, ",\"duration_ms\":");
    at = put_duration(at, clock_now_ns() - exchange->start_ns);
    at = HEAD_PUT(at, ",\"target\":\"");
    at = put_text(at, exchange->target_text, TEXT_SHOWN_BYTES);
    at = exchange->target_text.len > 0 ? put_upstream(at, exchange)
                                       : HEAD_PUT(at, "\",\"attempts\":");
    at = head_put_number(at, exchange->attempts);
    at = HEAD_PUT(at, ",\"request_id\":\"");
    at = put_text(at, exchange->request_id, REQUEST_ID_MAX_BYTES);
    at = HEAD_PUT(at, "\",\"system\":\"");
    at = put_text(at, route == NULL ? (struct str){0} : route->system, TEXT_SHOWN_BYTES);
    at = HEAD_PUT(at, "\",\"route\":\"");
    at = put_text(at, route == NULL ? (struct str){0} : route->path, TEXT_SHOWN_BYTES);
    if (route != NULL && route->cache != NULL) {
        at = HEAD_PUT(at, "\",\"cache\":\"");
        at = head_put(at, str_of(cache_word(exchange)));
    }
    if (exchange->rules != NULL)
        at = put_rules(at, exchange->rules);
    return HEAD_PUT(at, "\"}\n");
}

/* Every byte of a text may become six. */
static_assert((PATH_SHOWN_BYTES + 5 * TEXT_SHOWN_BYTES + REQUEST_ID_MAX_BYTES + RULES_USER_BYTES +
               64) * 6 +
                      512 <
                  LINE_BYTES,
              "the longest line fits");

void access_log_add(struct worker *worker, const struct exchange *exchange)
{
    bool is_tcp = exchange->client->kind == LISTENER_TCP;
    bool is_ruled = is_tcp ? exchange->route->rules != NULL : exchange->rules != NULL;

    if (!worker->access_log.wanted || (is_ruled && !rules_wants_log(exchange)))
        return;
    char *start = line_start(worker);
    if (start == NULL)
        return;
    char *at = put_time(worker, HEAD_PUT(start, "{\"time\":\""));
    at = put_result(put_request(at, exchange), exchange);
    assert(at - start <= LINE_BYTES);
    worker->access_log.block->len += (size_t)(at - start);
}
