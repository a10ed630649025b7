/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers from files: conditional requests, one range, sendfile(2) where the
 * kernel can do it. Several ranges in one request get the whole file.
 */
#include "base/base.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "edge/exchange.h"
#include "edge/head.h"
#include "edge/static_find.h"
#include "edge/worker.h"
#include "http/http_range.h"

enum {
    READ_BYTES = 64 * 1024,   /* up to here read() and one write are cheaper than sendfile() */
    SEND_BYTES = 1024 * 1024, /* one sendfile() */
    SENDS_PER_TURN = 4,
};

/* RFC 9110, 13.2.2. */
static bool is_not_modified(const struct http1_head *head, const struct static_file *file)
{
    struct str tags = http1_header(head, HTTP_IF_NONE_MATCH);
    int64_t since;

    if (tags.ptr != NULL)
        return http_etag_is_listed(tags, str_of(file->tag));
    struct str date = http1_header(head, HTTP_IF_MODIFIED_SINCE);
    return date.ptr != NULL && clock_parse_http(date, &since) &&
           file->status.st_mtim.tv_sec <= since;
}

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

/* The status, and which part of the file goes with it. */
static int pick_part(struct exchange *exchange, const struct static_file *file)
{
    const struct http1_head *head = &exchange->worker->head;
    struct str range = http1_header(head, HTTP_RANGE);
    struct http_range parts[HTTP_MAX_RANGES];
    size_t count;

    exchange->file_from = 0;
    exchange->file_left = (uint64_t)file->status.st_size;
    if (is_not_modified(head, file))
        return 304;
    if (range.ptr == NULL || exchange->method != HTTP_GET || !is_same_file(head, file))
        return 200;
    switch (http_range_parse(range, exchange->file_left, parts, &count)) {
    case HTTP_RANGE_UNSATISFIABLE:
        return 416;
    case HTTP_RANGE_PARTS:
        if (count != 1)
            return 200;
        exchange->file_from = parts[0].first;
        exchange->file_left = parts[0].last - parts[0].first + 1;
        return 206;
    case HTTP_RANGE_WHOLE:
        break;
    }
    return 200;
}

static char *put_line(char *at, struct str name, struct str value)
{
    at = head_put(at, name);
    at = head_put(at, value);
    return HEAD_PUT(at, "\r\n");
}

/* What describes the file, in 200, 206 and 304 alike. */
static char *put_validators(const struct static_file *file, char *at)
{
    char date[CLOCK_TEXT_BYTES];

    clock_format_http(file->status.st_mtim.tv_sec, date);
    at = put_line(at, STR("ETag: "), str_of(file->tag));
    at = put_line(at, STR("Last-Modified: "), str_of(date));
    if (file->varies)
        at = HEAD_PUT(at, "Vary: Accept-Encoding\r\n");
    return at;
}

static char *put_content(const struct exchange *exchange, const struct static_file *file, char *at)
{
    at = put_line(at, STR("Content-Type: "), str_of(file->mime_type));
    if (file->coding != HTTP_CODING_IDENTITY)
        at = put_line(at, STR("Content-Encoding: "), str_of(http_coding_name(file->coding)));
    if (exchange->status == 206) {
        at = HEAD_PUT(at, "Content-Range: bytes ");
        at = head_put_number(at, exchange->file_from);
        *at++ = '-';
        at = head_put_number(at, exchange->file_from + exchange->file_left - 1);
        *at++ = '/';
        at = head_put_number(at, (uint64_t)file->status.st_size);
        at = HEAD_PUT(at, "\r\n");
    }
    at = HEAD_PUT(at, "Accept-Ranges: bytes\r\nContent-Length: ");
    at = head_put_number(at, exchange->file_left);
    return HEAD_PUT(at, "\r\n");
}

static size_t write_head(struct exchange *exchange, const struct static_file *file)
{
    char *at = answer_put_start(exchange, exchange->status, 0, exchange->worker->head_bytes);

    at = put_validators(file, at);
    if (exchange->status != 304)
        at = put_content(exchange, file, at);
    at = answer_put_end(exchange, at);
    return (size_t)(at - exchange->worker->head_bytes);
}

/* The next piece through memory, behind <head>. False: the exchange is gone. */
static bool send_read(struct exchange *exchange, struct str head)
{
    struct worker *worker = exchange->worker;
    size_t want = (size_t)MIN(exchange->file_left, READ_BYTES);
    ssize_t n =
        want == 0 ? 0 : pread(exchange->file_fd, worker->scratch, want, (off_t)exchange->file_from);

    if (n < 0 || (n == 0 && want > 0)) { /* it became shorter: the length was promised already */
        exchange_drop(exchange);
        return false;
    }
    struct iovec iov[2] = {{worker->head_bytes, head.len}, {worker->scratch, (size_t)n}};
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
    ssize_t n = sendfile(conn->io.fd, exchange->file_fd, &from,
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

void static_resume(struct exchange *exchange)
{
    struct conn *conn = exchange->side;

    for (int turn = 0; exchange->file_left > 0; turn++) {
        if (conn->out != NULL || conn->awaits_room || turn == SENDS_PER_TURN) {
            conn->awaits_room = conn->out == NULL; /* or only the turn is over */
            conn_set_timeout(conn, EDGE_WRITE_MS);
            if (turn == SENDS_PER_TURN)
                conn_rearm(conn);
            return;
        }
        bool direct = conn_is_plain(conn) && exchange->file_left > READ_BYTES;
        if (direct ? !send_direct(exchange) : !send_read(exchange, (struct str){0}))
            return;
    }
    exchange_done(exchange);
}

static void send_file(struct exchange *exchange, const struct static_file *file)
{
    struct str head = {exchange->worker->head_bytes, write_head(exchange, file)};

    if (exchange->method == HTTP_HEAD || exchange->status == 304)
        exchange->file_left = 0;
    if (exchange->file_left <= READ_BYTES || !conn_is_plain(exchange->side)) {
        if (!send_read(exchange, head))
            return;
    } else {
        struct iovec iov = {exchange->worker->head_bytes, head.len};
        if (!exchange_write_head(exchange, head.len, &iov, 1, false))
            return;
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

    memcpy(copy, path.ptr, path.len);
    copy[path.len] = '/';
    answer_redirect(exchange, 301, str_from(copy, path.len + 1));
}

void static_start(struct exchange *exchange, struct str path)
{
    const struct http1_head *head = &exchange->worker->head;
    const struct route *route = exchange->route;
    struct static_file file;

    if (exchange->method != HTTP_GET && exchange->method != HTTP_HEAD) {
        answer_error(exchange, 405);
        return;
    }
    int status = static_find(route->files_fd, below_route(route, path),
                             http1_header(head, HTTP_ACCEPT_ENCODING), &file);
    if (status == 301) {
        answer_with_slash(exchange, path);
        return;
    }
    if (status == 200) {
        exchange->file_fd = file.fd;
        status = pick_part(exchange, &file);
    }
    if (status >= 400) {
        answer_error(exchange, status);
        return;
    }
    exchange->status = status;
    send_file(exchange, &file);
}
