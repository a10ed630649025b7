/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers from files: conditional requests, ranges (several of them as
 * multipart/byteranges), sendfile(2) where the kernel can do it, and other files
 * in the place of one that is not there.
 */
#include "base/base.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "edge/exchange.h"
#include "edge/head.h"
#include "edge/rules.h"
#include "edge/static_cache.h"
#include "edge/worker.h"
#include "http/http_condition.h"
#include "http/http_range.h"
#include "http/http_template.h"
#include "http/path.h"

enum {
    READ_BYTES = 64 * 1024,   /* one pread() */
    DIRECT_BYTES = 16 * 1024, /* more than this goes by sendfile() */
    SEND_BYTES = 1024 * 1024, /* one sendfile() */
    SENDS_PER_TURN = 4,
    PART_HEAD_BYTES = 256,
};

/* Several ranges of one request (RFC 9110, 14.6). */
struct static_parts {
    struct http_range ranges[HTTP_MAX_RANGES];
    size_t count;
    size_t next; /* to be sent; above <count>: the end was */
    uint64_t file_bytes;
    const char *mime_type;
    char boundary[REQUEST_ID_BYTES];
};

/* If-Range: the range counts only if the client has a part of this very file. */
static bool is_same_file(const struct http1_head *head, const struct static_file *file)
{
    struct str condition = http1_header(head, HTTP_IF_RANGE);
    int64_t date;

    if (condition.ptr == NULL)
        return true;
    if (condition.len > 0 && (condition.ptr[0] == '"' || condition.ptr[0] == 'W'))
        return http_etag_is_same(condition, str_of(file->tag));
    return clock_parse_http(condition, &date) && date == file->status.st_mtim.tv_sec;
}

/* Which head part <i> has; that behind the last ends them all. Returns its length. */
static size_t write_part_head(const struct static_parts *parts, size_t i, char ret[PART_HEAD_BYTES])
{
    char *at = HEAD_PUT(ret, "\r\n--");

    at = head_put(at, str_from(parts->boundary, REQUEST_ID_BYTES));
    if (i == parts->count)
        return (size_t)(HEAD_PUT(at, "--\r\n") - ret);
    at = HEAD_PUT(at, "\r\nContent-Type: ");
    at = head_put(at, str_of(parts->mime_type));
    at = HEAD_PUT(at, "\r\nContent-Range: bytes ");
    at = head_put_number(at, parts->ranges[i].first);
    *at++ = '-';
    at = head_put_number(at, parts->ranges[i].last);
    *at++ = '/';
    at = head_put_number(at, parts->file_bytes);
    return (size_t)(HEAD_PUT(at, "\r\n\r\n") - ret);
}

static void keep_parts(struct exchange *exchange, const struct static_file *file,
                       const struct http_range *ranges, size_t count)
{
    struct static_parts *parts = exchange->parts = NEW(struct static_parts);

    memcpy(parts->ranges, ranges, count * sizeof *ranges);
    parts->count = count;
    parts->file_bytes = (uint64_t)file->status.st_size;
    parts->mime_type = file->mime_type;
    worker_random_id(exchange->worker, parts->boundary);
    exchange->file_left = 0;
}

static uint64_t parts_bytes(const struct static_parts *parts)
{
    char head[PART_HEAD_BYTES];
    uint64_t bytes = 0;

    for (size_t i = 0; i <= parts->count; i++) {
        bytes += write_part_head(parts, i, head);
        if (i < parts->count)
            bytes += parts->ranges[i].last - parts->ranges[i].first + 1;
    }
    return bytes;
}

/* The head of the next part, and where its bytes are. False: the exchange is gone. */
static bool start_part(struct exchange *exchange)
{
    struct static_parts *parts = exchange->parts;
    char head[PART_HEAD_BYTES];
    struct iovec iov = {head, write_part_head(parts, parts->next, head)};

    if (parts->next < parts->count) {
        exchange->file_from = parts->ranges[parts->next].first;
        exchange->file_left = parts->ranges[parts->next].last - exchange->file_from + 1;
    }
    parts->next++;
    exchange->sent_bytes += iov.iov_len;
    return exchange_write(exchange, &iov, 1);
}

/* The status, and which part of the file goes with it. */
static int pick_part(struct exchange *exchange, const struct static_file *file)
{
    const struct http1_head *head = &exchange->worker->head;
    struct str range = http1_header(head, HTTP_RANGE);
    struct http_range parts[HTTP_MAX_RANGES];
    size_t count;

    exchange->file_from = 0;
    exchange->file_left = (uint64_t)file->status.st_size;
    int status = http_condition_check(head, str_of(file->tag), file->status.st_mtim.tv_sec);
    if (status != 200)
        return status;
    if (range.ptr == NULL || exchange->method != HTTP_GET || !is_same_file(head, file))
        return 200;
    switch (http_range_parse(range, exchange->file_left, parts, &count)) {
    case HTTP_RANGE_UNSATISFIABLE:
        return 416;
    case HTTP_RANGE_PARTS:
        if (count > 1) {
            keep_parts(exchange, file, parts, count);
            return 206;
        }
        exchange->file_from = parts[0].first;
        exchange->file_left = parts[0].last - parts[0].first + 1;
        return 206;
    case HTTP_RANGE_WHOLE:
        break;
    }
    return 200;
}

static char *put_content(const struct exchange *exchange, char *at)
{
    const struct static_entry *entry = exchange->file;
    const struct static_parts *parts = exchange->parts;

    if (parts != NULL) {
        at = HEAD_PUT(at, "Content-Type: multipart/byteranges; boundary=");
        at = head_put(at, str_from(parts->boundary, REQUEST_ID_BYTES));
        at = HEAD_PUT(at, "\r\n");
    } else {
        at = head_put(at, entry->type);
    }
    at = head_put(at, entry->coding);
    if (exchange->status == 206 && parts == NULL) {
        at = HEAD_PUT(at, "Content-Range: bytes ");
        at = head_put_number(at, exchange->file_from);
        *at++ = '-';
        at = head_put_number(at, exchange->file_from + exchange->file_left - 1);
        *at++ = '/';
        at = head_put_number(at, (uint64_t)entry->file.status.st_size);
        at = HEAD_PUT(at, "\r\n");
    }
    at = HEAD_PUT(at, "Accept-Ranges: bytes\r\nContent-Length: ");
    at = head_put_number(at, parts == NULL ? exchange->file_left : parts_bytes(parts));
    return HEAD_PUT(at, "\r\n");
}

static size_t write_head(struct exchange *exchange)
{
    const struct static_entry *entry = exchange->file;
    uint64_t present = entry->file.is_fallback ? UINT64_C(1) << HTTP_CACHE_CONTROL : 0;
    char *at = answer_put_start(exchange, exchange->status, present, exchange->worker->head_bytes);

    at = head_put(at, entry->validators);
    if (entry->file.is_fallback) /* the route's Cache-Control is for files whose names change */
        at = HEAD_PUT(at, "Cache-Control: no-cache\r\n");
    if (exchange->status != 304)
        at = put_content(exchange, at);
    at = answer_put_end(exchange, at);
    return (size_t)(at - exchange->worker->head_bytes);
}

/* The next bytes: of the entry, or read. Less than nothing: there are none. */
static ssize_t next_bytes(struct exchange *exchange, char **ret)
{
    const struct static_entry *entry = exchange->file;
    size_t want = (size_t)MIN(exchange->file_left, READ_BYTES);

    *ret = exchange->worker->scratch;
    if (want == 0)
        return 0;
    if (entry->content != NULL) {
        *ret = entry->content + exchange->file_from;
        return (ssize_t)want;
    }
    ssize_t n = pread(entry->file.fd, *ret, want, (off_t)exchange->file_from);
    return n == 0 ? -1 : n; /* it became shorter: the length was promised already */
}

/* The next piece through memory, behind <head>. False: the exchange is gone. */
static bool send_read(struct exchange *exchange, struct str head)
{
    char *bytes;
    ssize_t n = next_bytes(exchange, &bytes);

    if (n < 0) {
        exchange_drop(exchange);
        return false;
    }
    struct iovec iov[2] = {{exchange->worker->head_bytes, head.len}, {bytes, (size_t)n}};
    exchange->file_from += (uint64_t)n;
    exchange->file_left -= (uint64_t)n;
    exchange->sent_bytes += (uint64_t)n;
    if (head.len == 0)
        return exchange_write(exchange, iov + 1, 1);
    return exchange_write_head(exchange, head.len, iov, 2, n == 0);
}

/* The next piece inside the kernel. False: the exchange is gone. */
static bool send_direct(struct exchange *exchange)
{
    struct conn *conn = exchange->side;
    off_t from = (off_t)exchange->file_from;
    ssize_t n = sendfile(conn->io.fd, exchange->file->file.fd, &from,
                         (size_t)MIN(exchange->file_left, SEND_BYTES));

    if (n < 0 && errno == EAGAIN) {
        conn->awaits_room = true;
        return true;
    }
    if (n <= 0) {
        exchange_drop(exchange);
        return false;
    }
    exchange->file_from += (uint64_t)n;
    exchange->file_left -= (uint64_t)n;
    exchange->sent_bytes += (uint64_t)n;
    return true;
}

/* Are the kernel's own pages sent, past what a rule may change? */
static bool is_direct(const struct exchange *exchange)
{
    return exchange->file->content == NULL && exchange->file_left > DIRECT_BYTES &&
           conn_is_plain(exchange->side) &&
           (exchange->rules == NULL || !exchange->rules->outlet.active);
}

static bool has_parts(const struct exchange *exchange)
{
    return exchange->parts != NULL && exchange->parts->next <= exchange->parts->count;
}

void static_resume(struct exchange *exchange)
{
    struct conn *conn = exchange->side;

    for (int turn = 0; exchange->file_left > 0 || has_parts(exchange); turn++) {
        if (conn->out != NULL || conn->awaits_room || turn == SENDS_PER_TURN) {
            conn->awaits_room = conn->out == NULL; /* or only the turn is over */
            conn_set_timeout(conn, EDGE_WRITE_MS);
            if (turn == SENDS_PER_TURN)
                conn_rearm(conn);
            return;
        }
        if (exchange->file_left == 0) {
            if (!start_part(exchange))
                return;
            continue;
        }
        if (is_direct(exchange) ? !send_direct(exchange) : !send_read(exchange, (struct str){0}))
            return;
    }
    exchange_done(exchange);
}

static void send_file(struct exchange *exchange)
{
    struct str head = {exchange->worker->head_bytes, write_head(exchange)};

    if (exchange->method == HTTP_HEAD || exchange->status == 304)
        exchange->file_left = 0;
    if (exchange->parts == NULL && !is_direct(exchange)) {
        if (!send_read(exchange, head))
            return;
    } else {
        exchange->side->more = exchange->parts == NULL;
        struct iovec iov = {exchange->worker->head_bytes, head.len};
        bool written = exchange_write_head(exchange, head.len, &iov, 1, false);
        if (!written)
            return;
        exchange->side->more = false;
    }
    static_resume(exchange);
}

/* What is left of <path> behind the route's own. */
static struct str below_route(const struct route *route, struct str path)
{
    size_t cut = route->path.len;

    if (route->path.ptr[cut - 1] == '/')
        cut--;
    return cut >= path.len ? STR("/") : str_sub(path, cut, SIZE_MAX);
}

static void answer_with_slash(struct exchange *exchange, struct str path)
{
    char *copy = exchange->worker->joined;

    struct str query = exchange->worker->head.query;
    char *at = head_put(copy, path);

    *at++ = '/';
    if (query.ptr != NULL) {
        *at++ = '?';
        at = head_put(at, query);
    }
    answer_redirect(exchange, 301, str_from(copy, (size_t)(at - copy)));
}

static bool accepts_html(const struct http1_head *head)
{
    return http_mentions(http1_header_named(head, STR("accept")), STR("text/html"));
}

/* One of try_files with <path> in the place of {path}, in normal form. True: it has {path}. */
static bool expand(struct str candidate, struct str path, char *ret, size_t *ret_len)
{
    enum http_variable variable;
    struct str text;
    bool has_path = false;
    char *at = ret;
    const char *why;

    while (http_template_next(&candidate, &variable, &text) == HTTP_TEMPLATE_PIECE) {
        has_path = has_path || variable == HTTP_VARIABLE_PATH;
        at = head_put(at, variable == HTTP_VARIABLE_PATH ? path : text);
    }
    if (!http_path_normalize(str_from(ret, (size_t)(at - ret)), ret, ret_len, &why))
        *ret_len = 0;
    return has_path;
}

static int try_files(struct exchange *exchange, struct str path, struct static_file *ret)
{
    const struct route_rules *rules = exchange->route->rules;
    const struct http1_head *head = &exchange->worker->head;
    char *text = exchange->worker->joined;
    size_t len;

    static_assert(WORKER_JOINED_BYTES >= EDGE_HEAD_BYTES + TABLE_MAX_PATH_BYTES,
                  "the path, which is there once, and what stands around it fit");
    for (size_t i = 0; i < rules->try_file_count; i++) {
        bool has_path = expand(rules->try_files[i], path, text, &len);
        if (len == 0 || (!has_path && !accepts_html(head)))
            continue;
        int status = static_find_index(exchange->route->files_fd, str_from(text, len),
                                       http1_header(head, HTTP_ACCEPT_ENCODING), rules->index,
                                       rules->index_count, ret);
        ret->is_fallback = !has_path;
        if (status == 200 || (status == 301 && i == 0))
            return status;
    }
    return 404;
}

static int find(struct exchange *exchange, struct str path, struct static_file *ret)
{
    const struct route *route = exchange->route;
    struct str below = below_route(route, path);
    struct str accepted = http1_header(&exchange->worker->head, HTTP_ACCEPT_ENCODING);

    if (route->rules == NULL)
        return static_find(route->files_fd, below, accepted, ret);
    if (route->rules->try_file_count > 0)
        return try_files(exchange, below, ret);
    return static_find_index(route->files_fd, below, accepted, route->rules->index,
                             route->rules->index_count, ret);
}

/* Finds it and takes it into exchange->file. */
static int open_file(struct exchange *exchange, struct str path)
{
    const struct route *route = exchange->route;
    const struct http1_head *head = &exchange->worker->head;
    bool has_fallbacks = route->rules != NULL && route->rules->try_file_count > 0;
    struct static_key key = {.route = route,
                             .path = path,
                             .accepted = http1_header(head, HTTP_ACCEPT_ENCODING),
                             .flavour = has_fallbacks && accepts_html(head) ? 'h' : '-'};
    struct static_file file;

    exchange->file = static_cache_find(exchange->worker, &key);
    if (exchange->file != NULL)
        return 200;
    int status = find(exchange, path, &file);
    if (status == 200)
        exchange->file = static_cache_keep(exchange->worker, &key, &file);
    return status;
}

void static_start(struct exchange *exchange, struct str path)
{
    if (exchange->method != HTTP_GET && exchange->method != HTTP_HEAD) {
        answer_error(exchange, 405);
        return;
    }
    int status = open_file(exchange, path);
    if (status == 301) {
        answer_with_slash(exchange, path);
        return;
    }
    if (status == 200)
        status = pick_part(exchange, &exchange->file->file);
    if (status == 416) {
        answer_no_such_range(exchange, (uint64_t)exchange->file->file.status.st_size);
        return;
    }
    if (status >= 400) {
        answer_error(exchange, status);
        return;
    }
    exchange->status = status;
    send_file(exchange);
}
