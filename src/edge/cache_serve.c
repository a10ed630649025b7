/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers from the store: whole, a range, without a body, or "not modified". The
 * head is written as if a target had sent it a moment ago, so the route's own
 * headers are those of this client; the body goes out of the entry's memory.
 */
#include "base/base.h"

#include "base/clock.h"
#include "edge/cache_use.h"
#include "edge/head.h"
#include "edge/rules.h"
#include "http/http_negotiate.h"
#include "http/http_range.h"

enum {
    JOIN_BYTES = 4096, /* a body up to here is copied behind its head: cheaper than sendmsg() */
    PIECES = 8,        /* of one write */
    FIRST_PIECES = 3,  /* with the head: what the socket does not take of these is copied */
    WRITES_PER_TURN = 4,
};

/* ---- Cache-Status ---- */

char *cache_status_put(const struct cache_status *status, char *at)
{
    at = HEAD_PUT(at, "Cache-Status: ishizue");
    if (status->fwd == NULL) {
        at = HEAD_PUT(at, "; hit");
    } else {
        at = HEAD_PUT(at, "; fwd=");
        at = head_put(at, str_of(status->fwd));
    }
    if (status->fwd_status != 0) {
        at = HEAD_PUT(at, "; fwd-status=");
        at = head_put_number(at, (uint64_t)status->fwd_status);
    }
    if (status->has_ttl) {
        at = HEAD_PUT(at, "; ttl=");
        if (status->ttl_s < 0)
            *at++ = '-';
        at = head_put_number(at, (uint64_t)(status->ttl_s < 0 ? -status->ttl_s : status->ttl_s));
    }
    if (status->stored)
        at = HEAD_PUT(at, "; stored");
    if (status->collapsed)
        at = HEAD_PUT(at, "; collapsed");
    if (status->detail != NULL) {
        at = HEAD_PUT(at, "; detail=");
        at = head_put(at, str_of(status->detail));
    }
    return HEAD_PUT(at, "\r\n");
}

char *cache_put_status(const struct exchange *exchange, char *at)
{
    return exchange->cache == NULL ? at : cache_status_put(&exchange->cache->status, at);
}

/* ---- which part ---- */

struct part {
    int status;
    uint64_t from;
    uint64_t len;
};

/* RFC 9110, 13.2.2; only for an answer that has a representation. */
static bool is_not_modified(const struct http1_head *head, const struct cache_entry *entry)
{
    struct str tags = http1_header(head, HTTP_IF_NONE_MATCH);
    int64_t since;

    if (tags.ptr != NULL)
        return entry->etag.len > 0 ? http_etag_is_listed(tags, entry->etag)
                                   : str_eq(str_trim(tags), STR("*"));
    struct str date = http1_header(head, HTTP_IF_MODIFIED_SINCE);
    return date.ptr != NULL && entry->last_modified.len > 0 && clock_parse_http(date, &since) &&
           entry->last_modified_s <= since;
}

/* If-Range: the range counts only if the client has a part of this very answer. */
static bool is_same(const struct http1_head *head, const struct cache_entry *entry)
{
    struct str condition = http1_header(head, HTTP_IF_RANGE);

    if (condition.ptr == NULL)
        return true;
    if (condition.len > 0 && (condition.ptr[0] == '"' || condition.ptr[0] == 'W'))
        return http_etag_is_same(condition, entry->etag);
    return entry->last_modified.len > 0 && str_eq(condition, entry->last_modified);
}

static struct part pick_part(const struct exchange *exchange, const struct cache_entry *entry)
{
    const struct http1_head *head = &exchange->worker->head;
    struct part whole = {.status = entry->status, .len = entry->body->bytes};
    struct str range = http1_header(head, HTTP_RANGE);
    struct http_range parts[HTTP_MAX_RANGES];
    size_t count;

    if (entry->status != 200)
        return whole;
    if (is_not_modified(head, entry))
        return (struct part){.status = 304};
    if (range.ptr == NULL || exchange->method != HTTP_GET || !is_same(head, entry))
        return whole;
    switch (http_range_parse(range, whole.len, parts, &count)) {
    case HTTP_RANGE_UNSATISFIABLE:
        return (struct part){.status = 416};
    case HTTP_RANGE_PARTS:
        if (count != 1)
            return whole;
        return (struct part){206, parts[0].first, parts[0].last - parts[0].first + 1};
    case HTTP_RANGE_WHOLE:
        break;
    }
    return whole;
}

/* ---- the head ---- */

static bool has_body(int status)
{
    return status != 204 && status != 304;
}

/* As if it had just been read from a target. */
static void load_head(const struct cache_entry *entry, const struct part *part,
                      struct http1_head *ret)
{
    ret->status = part->status;
    ret->reason =
        part->status == entry->status ? entry->reason : str_of(http_status_text(part->status));
    ret->minor_version = 1;
    memcpy(ret->headers, entry->headers, entry->header_count * sizeof *entry->headers);
    ret->header_count = entry->header_count;
    ret->framing = has_body(part->status) ? HTTP_LENGTH : HTTP_NO_BODY;
    ret->content_length = part->len;
    ret->has_content_length = has_body(part->status);
    ret->keep_alive = true;
    ret->upgrade = false;
    ret->upgrade_protocol = (struct str){0};
    ret->head_bytes = 0;
    for (size_t i = 0; part->status == 304 && i < ret->header_count; i++)
        if (ret->headers[i].id == HTTP_CONTENT_TYPE || ret->headers[i].id == HTTP_CONTENT_ENCODING)
            ret->headers[i].hop_by_hop = true;
}

static char *put_length(const struct cache_entry *entry, const struct part *part, char *at)
{
    if (part->status == 206) {
        at = HEAD_PUT(at, "Content-Range: bytes ");
        at = head_put_number(at, part->from);
        *at++ = '-';
        at = head_put_number(at, part->from + part->len - 1);
        *at++ = '/';
        at = head_put_number(at, entry->body->bytes);
        at = HEAD_PUT(at, "\r\n");
    }
    if (!has_body(part->status))
        return at;
    at = HEAD_PUT(at, "Content-Length: ");
    at = head_put_number(at, part->len);
    return HEAD_PUT(at, "\r\n");
}

/* To worker->head_bytes; returns its length. */
static size_t write_head(struct exchange *exchange, const struct cache_entry *entry,
                         const struct part *part, const struct cache_status *status)
{
    struct worker *worker = exchange->worker;
    struct cache_use *use = TAKE(exchange->cache); /* its status is about the request for it */
    char *at = worker->head_bytes + head_write_response(exchange) - 2; /* the empty line */
    int64_t age_ms = (int64_t)cache_now_ms(worker) - entry->born_ms;

    exchange->cache = use;
    at = put_length(entry, part, at);
    at = HEAD_PUT(at, "Age: ");
    at = head_put_number(at, (uint64_t)MIN(MAX(age_ms, 0) / 1000, (int64_t)CACHE_SECONDS_MAX));
    at = HEAD_PUT(at, "\r\n");
    at = HEAD_PUT(cache_status_put(status, at), "\r\n");
    return (size_t)(at - worker->head_bytes);
}

/* ---- the body ---- */

/* Up to <max> pieces of what is left to send. */
static int next_pieces(const struct exchange *exchange, struct iovec *ret, int max)
{
    const struct cache_body *body = exchange->hit->body;
    uint64_t skip = exchange->file_from, left = exchange->file_left;
    int count = 0;
    uint32_t i = 0;

    /* As long as they are as large as can be, which those of a known length are. */
    for (; i < body->count && body->chunks[i].len == CACHE_CHUNK_BYTES && skip >= CACHE_CHUNK_BYTES;
         i++)
        skip -= CACHE_CHUNK_BYTES;
    for (; i < body->count && left > 0 && count < max; i++) {
        const struct cache_chunk *chunk = &body->chunks[i];
        if (skip >= chunk->len) {
            skip -= chunk->len;
            continue;
        }
        size_t n = (size_t)MIN(chunk->len - skip, left);
        ret[count++] = (struct iovec){chunk->bytes + skip, n};
        left -= n;
        skip = 0;
    }
    return count;
}

static void advance(struct exchange *exchange, uint64_t n)
{
    exchange->file_from += n;
    exchange->file_left -= n;
    exchange->sent_bytes += n;
}

static size_t total_of(const struct iovec *iov, int count)
{
    size_t total = 0;

    for (int i = 0; i < count; i++)
        total += iov[i].iov_len;
    return total;
}

/* The bytes of the entry are the bytes of the socket. */
static bool is_direct(const struct exchange *exchange)
{
    return conn_is_plain(exchange->side) &&
           !(exchange->rules != NULL && exchange->rules->outlet.active);
}

/* Straight from the entry, keeping nothing elsewhere. False: the exchange is gone. */
static bool send_plain(struct exchange *exchange)
{
    struct conn *conn = exchange->side;
    struct iovec iov[PIECES];
    int count = next_pieces(exchange, iov, PIECES);
    ssize_t n = conn_write_some(conn, iov, count);

    if (n == CONN_BROKEN) {
        exchange_drop(exchange);
        return false;
    }
    if (n == CONN_AGAIN)
        conn->awaits_room = true;
    else
        advance(exchange, (uint64_t)n);
    return true;
}

/* Through TLS, as data of HTTP/2, or on the way to be compressed. */
static bool send_piece(struct exchange *exchange)
{
    struct iovec iov;
    int count = next_pieces(exchange, &iov, 1);

    advance(exchange, iov.iov_len);
    return exchange_write(exchange, &iov, count);
}

void cache_resume(struct exchange *exchange)
{
    struct conn *conn = exchange->side;

    for (int turn = 0; exchange->file_left > 0; turn++) {
        if (conn->out != NULL || conn->awaits_room || turn == WRITES_PER_TURN) {
            conn->awaits_room = conn->out == NULL; /* or only the turn is over */
            conn_set_timeout(conn, EDGE_WRITE_MS);
            if (turn == WRITES_PER_TURN)
                conn_rearm(conn);
            return;
        }
        if (is_direct(exchange) ? !send_plain(exchange) : !send_piece(exchange))
            return;
    }
    exchange_done(exchange);
}

/* The head, and what of the body goes with it. False: the exchange is gone. */
static bool send_first(struct exchange *exchange, size_t head_len)
{
    struct worker *worker = exchange->worker;
    struct iovec iov[1 + FIRST_PIECES] = {{worker->head_bytes, head_len}};
    int count = next_pieces(exchange, iov + 1, conn_is_plain(exchange->side) ? FIRST_PIECES : 1);
    size_t body_len = total_of(iov + 1, count);

    if (count == 1 && body_len <= JOIN_BYTES) {
        memcpy(worker->head_bytes + head_len, iov[1].iov_base, body_len);
        iov[0].iov_len += body_len;
        count = 0;
    }
    advance(exchange, body_len);
    return exchange_write_head(exchange, head_len, iov, 1 + count, body_len == 0);
}

static void send_answer(struct exchange *exchange, const struct cache_entry *entry,
                        const struct part *part, const struct cache_status *status)
{
    struct worker *worker = exchange->worker;
    bool bodiless = exchange->method == HTTP_HEAD || !has_body(part->status) ||
                    exchange->ops->is_background; /* the store has it */

    load_head(entry, part, &worker->head);
    body_init(&exchange->response, &worker->head, false);
    exchange->response.done = true;
    exchange->status = part->status;
    exchange->keep_alive =
        exchange->keep_alive && exchange->request.done && !exchange_is_last(exchange);
    exchange->file_from = part->from;
    exchange->file_left = bodiless ? 0 : part->len;
    if (send_first(exchange, write_head(exchange, entry, part, status)))
        cache_resume(exchange);
}

void cache_serve(struct exchange *exchange, struct cache_entry *entry,
                 const struct cache_status *status)
{
    struct part part = pick_part(exchange, entry);

    if (exchange->head == NULL)
        head_keep_texts(exchange);
    exchange->hit = entry;
    if (part.status == 416)
        answer_no_such_range(exchange, entry->body->bytes);
    else
        send_answer(exchange, entry, &part, status);
}
