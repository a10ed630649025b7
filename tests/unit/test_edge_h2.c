/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "edge/exchange.h"
#include "h2_rig.h"

static struct spill_pool pool;

/* ---- guard ---- */

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION };
enum { END_STREAM = 1, END_HEADERS = 4, PADDED = 8 };

static size_t put_frame(uint8_t *at, uint8_t type, uint8_t flags, uint32_t id, uint8_t len)
{
    const uint8_t head[H2_FRAME_HEAD_BYTES] = {
        0, 0, len, type, flags, 0, (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};

    memcpy(at, head, sizeof head);
    memset(at + sizeof head, 0, len);
    return sizeof head + len;
}

static enum h2_cost feed(struct h2_guard *guard, uint8_t type, uint8_t flags, uint32_t id,
                         uint8_t len, uint32_t now_ms)
{
    uint8_t bytes[H2_FRAME_HEAD_BYTES + UINT8_MAX];

    return h2_guard_read(guard, bytes, put_frame(bytes, type, flags, id, len), now_ms);
}

static struct h2_guard begun(void)
{
    struct h2_guard guard = {.preface = H2_PREFACE_BYTES};

    return guard;
}

/* How many of a frame pass at once; 0 when ten thousand do. */
static unsigned count_passed(struct h2_guard *guard, uint8_t type, uint8_t len, enum h2_cost *why)
{
    for (unsigned i = 0; i < 10000; i++)
        if ((*why = feed(guard, type, 0, 1, len, 1)) != H2_COST_NONE)
            return i;
    return 0;
}

static void each_kind_of_frame_has_a_limit(void **state)
{
    static const struct {
        uint8_t type, len;
        enum h2_cost kind;
    } floods[] = {
        {RST_STREAM, 4, H2_COST_RESET}, {SETTINGS, 0, H2_COST_SETTINGS}, {PING, 8, H2_COST_PING},
        {DATA, 0, H2_COST_EMPTY},       {WINDOW, 4, H2_COST_WINDOW},     {99, 3, H2_COST_OTHER},
        {PRIORITY, 5, H2_COST_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
        struct h2_guard guard = begun();
        enum h2_cost why = H2_COST_NONE;
        assert_int_equal(feed(&guard, HEADERS, END_HEADERS, 1, 20, 1), H2_COST_NONE);
        unsigned passed = count_passed(&guard, floods[i].type, floods[i].len, &why);
        assert_in_range(passed, 50, 5000);
        assert_int_equal(why, floods[i].kind);
    }
}

/* DATA of <len> bytes, the first of which says how many of the others are padding. */
static enum h2_cost feed_padded(struct h2_guard *guard, uint8_t flags, uint8_t len, uint8_t padding)
{
    uint8_t bytes[H2_FRAME_HEAD_BYTES + UINT8_MAX];
    size_t size = put_frame(bytes, DATA, PADDED | flags, 1, len);

    bytes[H2_FRAME_HEAD_BYTES] = padding;
    return h2_guard_read(guard, bytes, size, 1);
}

static void data_that_is_padding_alone_is_empty(void **state)
{
    struct h2_guard guard = begun();

    (void)state;
    assert_int_equal(feed(&guard, HEADERS, END_HEADERS, 1, 20, 1), H2_COST_NONE);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(feed_padded(&guard, 0, 5, 3), H2_COST_NONE); /* a byte of data */
    for (int i = 0; i < 100; i++)
        assert_int_equal(feed_padded(&guard, 0, i % 2 == 0 ? 5 : 1, i % 2 == 0 ? 4 : 0),
                         H2_COST_NONE);
    assert_int_equal(feed_padded(&guard, END_STREAM, 5, 4), H2_COST_NONE);
    guard = begun();
    assert_int_equal(feed(&guard, HEADERS, END_HEADERS, 1, 20, 1), H2_COST_NONE);
    for (int i = 0; i < 100; i++)
        assert_int_equal(feed_padded(&guard, 0, 255, 254), H2_COST_NONE);
    assert_int_equal(feed_padded(&guard, 0, 255, 254), H2_COST_EMPTY);
    assert_int_equal(guard.left, 254);
}

static void no_minute_has_a_thousand_resets(void **state)
{
    struct h2_guard guard = begun();
    unsigned passed = 0;

    (void)state;
    for (uint32_t ms = 0; ms < 60000; ms++)
        passed += h2_guard_spend(&guard, H2_COST_RESET, ms);
    assert_in_range(passed, 200, 1000);
}

static void a_limit_recovers_with_time(void **state)
{
    struct h2_guard guard = begun();

    (void)state;
    while (h2_guard_spend(&guard, H2_COST_PING, 5))
        continue;
    assert_false(h2_guard_spend(&guard, H2_COST_PING, 5));
    assert_true(h2_guard_spend(&guard, H2_COST_PING, 105));
    h2_guard_refund(&guard, H2_COST_PING, 1);
    assert_true(h2_guard_spend(&guard, H2_COST_PING, 105));
    h2_guard_refund(&guard, H2_COST_RESET, 100); /* nothing was spent: nothing is gained */
    assert_int_equal(guard.buckets[H2_COST_RESET].used, 0);
}

static void an_update_of_no_stream_is_an_error(void **state)
{
    struct h2_guard guard = begun();

    (void)state;
    assert_int_equal(feed(&guard, 16, 0, 0, 7, 1), H2_COST_PROTOCOL);
    guard = begun();
    assert_int_equal(feed(&guard, 16, 0, 0, 3, 1), H2_COST_NONE); /* too short: the library's */
}

/* ---- priorities ---- */

static void check_merged(const char *value, uint32_t urgency, int incremental)
{
    nghttp2_extpri priority = {.urgency = 4, .inc = 0};

    h2_priority_merge(&priority, str_of(value));
    assert_int_equal(priority.urgency, urgency);
    assert_int_equal(priority.inc, incremental);
}

static void what_a_priority_does_not_say_stays(void **state)
{
    (void)state;
    check_merged("", 4, 0);
    check_merged("u=0", 0, 0);
    check_merged("i", 4, 1);
    check_merged("u=7, i", 7, 1);
    check_merged("i=?1,u=2", 2, 1);
    check_merged("i, i=?0", 4, 0); /* the last one counts */
    check_merged("u=1;x=\"y\" , i;z", 1, 1);
    check_merged("a=\"u=1,\\\",i\", u=6", 6, 0);
}

static void what_is_no_priority_changes_nothing(void **state)
{
    (void)state;
    check_merged("u=8", 4, 0);
    check_merged("u=-1", 4, 0);
    check_merged("u=1.0", 4, 0);
    check_merged("u", 4, 0);
    check_merged("U=1", 4, 0);
    check_merged("i=1", 4, 0);
    check_merged("a=\"u=1", 4, 0);
    check_merged(",,,=,", 4, 0);
}

static void eight_continuations_pass_and_nine_do_not(void **state)
{
    struct h2_guard guard = begun();

    (void)state;
    assert_int_equal(feed(&guard, HEADERS, 0, 1, 10, 1), H2_COST_NONE);
    for (int i = 0; i < H2_MAX_CONTINUATIONS; i++)
        assert_int_equal(feed(&guard, CONTINUATION, 0, 1, 10, 1), H2_COST_NONE);
    assert_int_equal(feed(&guard, CONTINUATION, END_HEADERS, 1, 10, 1), H2_COST_CONTINUATION);
}

static void a_stream_that_the_client_ended_stays_so(void **state)
{
    struct h2_guard guard = begun();

    (void)state;
    assert_int_equal(feed(&guard, HEADERS, END_HEADERS, 5, 10, 1), H2_COST_NONE);
    assert_int_equal(feed(&guard, DATA, 0, 5, 10, 1), H2_COST_NONE);
    assert_int_equal(feed(&guard, HEADERS, END_HEADERS | END_STREAM, 5, 10, 1), H2_COST_NONE);
    assert_int_equal(feed(&guard, WINDOW, 0, 5, 4, 1), H2_COST_NONE);
    assert_int_equal(feed(&guard, DATA, 0, 5, 10, 1), H2_COST_CLOSED);
    guard = begun();
    assert_int_equal(feed(&guard, HEADERS, END_HEADERS, 5, 10, 1), H2_COST_NONE);
    assert_int_equal(feed(&guard, RST_STREAM, 0, 5, 4, 1), H2_COST_NONE);
    assert_int_equal(feed(&guard, HEADERS, END_HEADERS, 5, 10, 1), H2_COST_CLOSED);
}

static void stream_identifiers_only_grow(void **state)
{
    struct h2_guard guard = begun();

    (void)state;
    assert_int_equal(feed(&guard, HEADERS, END_HEADERS, 9, 10, 1), H2_COST_NONE);
    assert_int_equal(feed(&guard, HEADERS, END_HEADERS, 11, 10, 1), H2_COST_NONE);
    assert_int_equal(feed(&guard, DATA, 0, 9, 10, 1), H2_COST_NONE);
    assert_int_equal(feed(&guard, HEADERS, END_HEADERS, 7, 10, 1), H2_COST_PROTOCOL);
    guard = begun();
    assert_int_equal(feed(&guard, PRIORITY, 0, 0, 5, 1), H2_COST_PROTOCOL);
}

static void it_waits_for_what_was_begun(void **state)
{
    struct h2_guard guard = {0};
    uint8_t bytes[64];

    (void)state;
    assert_true(h2_guard_is_waiting(&guard));
    assert_int_equal(h2_guard_read(&guard, bytes, H2_PREFACE_BYTES, 1), H2_COST_NONE);
    assert_false(h2_guard_is_waiting(&guard));
    size_t len = put_frame(bytes, HEADERS, 0, 1, 10);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(h2_guard_read(&guard, bytes + i, 1, 1), H2_COST_NONE);
        assert_true(h2_guard_is_waiting(&guard));
    }
    assert_int_equal(feed(&guard, CONTINUATION, END_HEADERS, 1, 1, 1), H2_COST_NONE);
    assert_false(h2_guard_is_waiting(&guard));
    (void)put_frame(bytes, DATA, 0, 1, 10);
    assert_int_equal(h2_guard_read(&guard, bytes, 12, 1), H2_COST_NONE);
    assert_false(h2_guard_is_waiting(&guard)); /* the stream has a timeout */
}

/* ---- heads ---- */

static void add(struct h2_head *head, const char *name, const char *value)
{
    h2_head_add(head, &pool, str_of(name), str_of(value));
}

static struct h2_head request(const char *method, const char *path)
{
    struct h2_head head = {0};

    add(&head, ":method", method);
    add(&head, ":scheme", "https");
    add(&head, ":path", path);
    add(&head, ":authority", "a.test");
    return head;
}

/* Gives <head> back and returns the text, or the status as text. */
static char *text_of(struct h2_head *head, bool ended)
{
    struct spill *text = NULL;
    char *copy = mem_new(4096);
    int status = h2_head_write_request(head, &pool, ended, "AAAAAAAAAAAAAAAAAAAAAA==", &text);

    (void)snprintf(copy, 4096, "%d", status);
    if (status == 0)
        (void)snprintf(copy, 4096, STR_FMT, STR_ARG(spill_str(text)));
    spill_free(&pool, text);
    h2_head_clear(head, &pool);
    return copy;
}

static void check_text(struct h2_head *head, bool ended, const char *expected)
{
    AUTO(free) char *text = text_of(head, ended);

    assert_string_equal(text, expected);
}

static void a_request_becomes_text(void **state)
{
    struct h2_head head = request("GET", "/a?b");

    (void)state;
    add(&head, "cookie", "a=1");
    add(&head, "accept", "x");
    add(&head, "cookie", "b=2");
    check_text(&head, true,
               "GET /a?b HTTP/1.1\r\nHost: a.test\r\naccept: x\r\ncookie: a=1; b=2\r\n\r\n");
    head = request("POST", "/");
    check_text(&head, false,
               "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    head = request("POST", "/");
    add(&head, "content-length", "5");
    check_text(&head, false, "POST / HTTP/1.1\r\nHost: a.test\r\ncontent-length: 5\r\n\r\n");
}

static void a_websocket_becomes_an_upgrade(void **state)
{
    struct h2_head head = request("CONNECT", "/chat");

    (void)state;
    add(&head, ":protocol", "websocket");
    add(&head, "sec-websocket-key", "the client's");
    assert_true(h2_head_is_websocket(&head));
    check_text(&head, false,
               "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\n"
               "Upgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
}

static void what_is_ambiguous_is_refused(void **state)
{
    static const struct {
        const char *name, *value, *status;
    } more[] = {
        {"host", "b.test", "400"},  {"x", "a\r\nb: c", "400"},
        {"x", "a\nb", "400"},       {"x y", "a", "400"},
        {"", "a", "400"},           {"x:y", "a", "400"},
        {":path", "/again", "400"}, {":authority", "b", "400"},
        {":unknown", "a", "400"},   {":protocol", "websocket", "400"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        struct h2_head head = request("GET", "/");
        add(&head, more[i].name, more[i].value);
        check_text(&head, true, more[i].status);
    }
}

static void targets_that_are_none_are_refused(void **state)
{
    static const char *const paths[] = {"a", "http://b/", "/a b", "/a\r\nx: y", "*", "/#", "\x7f"};
    AUTO(free) char *longest = mem_new(H2_TARGET_BYTES + 2);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct h2_head head = request("GET", paths[i]);
        check_text(&head, true, "400");
    }
    memset(longest, '/', H2_TARGET_BYTES + 1);
    struct h2_head head = request("GET", longest);
    check_text(&head, true, "414");
    head = request("OPTIONS", "*");
    check_text(&head, true, "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n");
    head = request("CONNECT", "/");
    check_text(&head, true, "400");
}

static void a_list_above_the_limit_is_refused(void **state)
{
    struct h2_head head = request("GET", "/");

    (void)state;
    while (head.list_bytes <= H2_HEADER_LIST_BYTES) {
        assert_false(head.too_large);
        add(&head, "x", "0123456789012345678901234567890123456789");
    }
    check_text(&head, true, "431");
}

static bool is_field(const nghttp2_nv *field, const char *name, const char *value)
{
    return str_is(str_from(field->name, field->namelen), name) &&
           str_is(str_from(field->value, field->valuelen), value);
}

static void a_response_becomes_fields(void **state)
{
    char text[] = "HTTP/1.1 404 Not Found\r\nDate: now\r\nX-Empty:\r\nX-Blank: \t a b \t\r\n"
                  "Connection: close\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a\r\n\r\n";
    nghttp2_nv fields[H2_FIELDS_MAX];

    (void)state;
    assert_int_equal(h2_head_read_response(text, sizeof text - 1, fields), 5);
    assert_true(is_field(&fields[0], ":status", "404"));
    assert_true(is_field(&fields[1], "date", "now"));
    assert_true(is_field(&fields[2], "x-empty", ""));
    assert_true(is_field(&fields[3], "x-blank", "a b"));
    assert_true(is_field(&fields[4], "set-cookie", "a"));
    assert_int_equal(fields[4].flags, NGHTTP2_NV_FLAG_NO_INDEX);
}

static void a_switch_of_protocols_becomes_success(void **state)
{
    char text[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: y\r\n\r\n";
    nghttp2_nv fields[H2_FIELDS_MAX];

    (void)state;
    assert_int_equal(h2_head_read_response(text, sizeof text - 1, fields), 2);
    assert_true(is_field(&fields[0], ":status", "200"));
    assert_true(is_field(&fields[1], "sec-websocket-protocol", "y"));
}

/* ---- targets ---- */

static void a_request_as_text_becomes_fields(void **state)
{
    char text[] =
        "POST /a.B/C?x=1 HTTP/1.1\r\nHost: a.test:80\r\nContent-Type: application/grpc\r\n"
        "Transfer-Encoding: chunked\r\nAuthorization: secret\r\nTE: gzip\r\n\r\n";
    nghttp2_nv fields[H2_FIELDS_MAX];

    (void)state;
    assert_int_equal(h2_head_read_request(text, sizeof text - 1, true, fields), 7);
    assert_true(is_field(&fields[0], ":method", "POST"));
    assert_true(is_field(&fields[1], ":scheme", "http"));
    assert_true(is_field(&fields[2], ":path", "/a.B/C?x=1"));
    assert_true(is_field(&fields[3], ":authority", "a.test:80"));
    assert_true(is_field(&fields[4], "content-type", "application/grpc"));
    assert_true(is_field(&fields[5], "authorization", "secret"));
    assert_int_equal(fields[5].flags, NGHTTP2_NV_FLAG_NO_INDEX);
    assert_true(is_field(&fields[6], "te", "trailers"));
}

static void a_request_of_too_many_lines_is_none(void **state)
{
    static char text[16 * H2_FIELDS_MAX];
    nghttp2_nv fields[H2_FIELDS_MAX];
    size_t len = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\n");

    (void)state;
    for (int i = 0; i < H2_FIELDS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "X: y\r\n");
    assert_int_equal(h2_head_read_request(text, len, false, fields), 0);
}

/* A pair of texts for each field, the last followed by NULL. */
static struct spill *response_of(const char *const *pairs, uint32_t limit)
{
    struct h2_head head = {0};
    struct spill *text = NULL;

    for (; *pairs != NULL; pairs += 2)
        h2_head_add(&head, &pool, str_of(pairs[0]), str_of(pairs[1]));
    bool good = h2_head_write_response(&head, &pool, limit, &text);
    assert_int_equal(good, text != NULL);
    h2_head_clear(&head, &pool);
    return text;
}

static void fields_of_a_response_become_text(void **state)
{
    static const char *const pairs[] = {":status", "200", "x-a", "1", "x-a", "2", NULL};
    struct spill *text = response_of(pairs, 1000);

    (void)state;
    assert_true(str_is(spill_str(text), "HTTP/1.1 200 OK\r\nx-a: 1\r\nx-a: 2\r\n\r\n"));
    spill_free(&pool, text);
    assert_null(response_of(pairs, 100));
}

static void fields_that_are_no_response_are_refused(void **state)
{
    static const char *const bad[][7] = {
        {"x-a", "1", NULL},
        {":status", "20", NULL},
        {":status", "2000", NULL},
        {":status", "200", ":status", "200", NULL},
        {":status", "200", ":path", "/", NULL},
        {":status", "200", "x", "a\r\nb: c", NULL},
        {":status", "200", "x y", "z", NULL},
        {":status", "200", "x:", "z", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_null(response_of(bad[i], 1000));
}

static void answers_come_in_any_order_of_their_streams(void **state)
{
    struct h2_guard guard = begun();

    (void)state;
    guard.from_target = true;
    for (uint32_t id = 99; id >= 1; id -= 2) {
        assert_int_equal(feed(&guard, HEADERS, END_HEADERS, id, 20, 1), H2_COST_NONE);
        assert_int_equal(feed(&guard, DATA, END_STREAM, id, 20, 1), H2_COST_NONE);
        if (id == 1)
            break;
    }
}

/* ---- time ---- */

static void pass_seconds(struct worker *worker, unsigned seconds)
{
    for (unsigned i = 0; i < seconds * 10; i++) {
        h2_rig_now_ns += 100 * NS_PER_MS;
        loop_round(worker->loop, 0);
    }
}

/* <len> bytes after the preface and SETTINGS that allow <window> bytes for each stream. */
static int connect_h2(struct worker *worker, uint8_t window, const uint8_t *bytes, size_t len)
{
    static const uint8_t settings[] = {0, 0, 6, SETTINGS, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0};
    int fd = h2_rig_connect(worker);

    assert_int_equal(send(fd, NGHTTP2_CLIENT_MAGIC, H2_PREFACE_BYTES, 0), H2_PREFACE_BYTES);
    assert_int_equal(send(fd, settings, sizeof settings, 0), sizeof settings);
    assert_int_equal(send(fd, &window, 1, 0), 1);
    assert_int_equal(send(fd, bytes, len, 0), len);
    loop_round(worker->loop, 0);
    return fd;
}

/* Of the last frame of <type> that came; UINT32_MAX: none. */
static uint32_t last_number(int fd, uint8_t type)
{
    uint8_t bytes[65536];
    ssize_t len = recv(fd, bytes, sizeof bytes, 0);
    uint32_t number = UINT32_MAX;

    for (ssize_t at = 0; at + H2_FRAME_HEAD_BYTES < len;) {
        const uint8_t *frame = bytes + at;
        ssize_t size = H2_FRAME_HEAD_BYTES + (frame[0] << 16 | frame[1] << 8 | frame[2]);
        if (frame[3] == type)
            number = frame[size - 1];
        at += size;
    }
    return number;
}

/* GET / with a page in answer, and GET /r with a redirect; ":authority: a". */
static const uint8_t get_page[] = {
    0, 0, 6, HEADERS, END_HEADERS | END_STREAM, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x01, 1, 'a'};
static const uint8_t get_redirect[] = {
    0,   0,    9, HEADERS, END_HEADERS | END_STREAM, 0, 0, 0, 1, 0x82, 0x86, 0x04, 2, '/',
    'r', 0x01, 1, 'a'};

static void a_window_that_stays_closed_ends_the_stream(void **state)
{
    struct worker *worker = *state;
    int fd = connect_h2(worker, 0, get_page, sizeof get_page);

    pass_seconds(worker, 50);
    assert_int_equal(worker->counters[COUNT_H2_STALLS], 0);
    assert_int_equal(last_number(fd, RST_STREAM), UINT32_MAX);
    pass_seconds(worker, 20);
    assert_int_equal(worker->counters[COUNT_H2_STALLS], 1);
    assert_int_equal(last_number(fd, RST_STREAM), NGHTTP2_CANCEL);
    (void)close(fd);
    pass_seconds(worker, 1);
}

static void an_idle_connection_is_told_and_closed(void **state)
{
    struct worker *worker = *state;
    int fd = connect_h2(worker, 255, get_redirect, sizeof get_redirect);

    pass_seconds(worker, 70);
    assert_int_equal(worker->counters[COUNT_CONNECTIONS_OPEN], 1);
    pass_seconds(worker, 10);
    assert_int_equal(last_number(fd, GOAWAY), NGHTTP2_NO_ERROR);
    assert_int_equal(worker->counters[COUNT_CONNECTIONS_OPEN], 0);
    (void)close(fd);
}

static void half_a_frame_does_not_wait_forever(void **state)
{
    struct worker *worker = *state;
    uint64_t timeouts = worker->counters[COUNT_TIMEOUTS];
    int fd = connect_h2(worker, 255, get_redirect, sizeof get_redirect - 1);

    pass_seconds(worker, 9);
    assert_int_equal(worker->counters[COUNT_TIMEOUTS], timeouts);
    pass_seconds(worker, 5);
    assert_int_equal(worker->counters[COUNT_TIMEOUTS], timeouts + 1);
    assert_int_equal(worker->counters[COUNT_CONNECTIONS_OPEN], 0);
    (void)close(fd);
}

static int start_worker(void **state)
{
    *state = h2_rig_worker();
    return 0;
}

static int give_back(void **state)
{
    struct worker *worker = *state;

    exchange_free_all(worker);
    spill_pool_done(&worker->spills);
    view_unref(worker, TAKE(worker->view));
    loop_free(worker->loop);
    free(worker);
    spill_pool_done(&pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_frame_has_a_limit),
        cmocka_unit_test(data_that_is_padding_alone_is_empty),
        cmocka_unit_test(no_minute_has_a_thousand_resets),
        cmocka_unit_test(a_limit_recovers_with_time),
        cmocka_unit_test(eight_continuations_pass_and_nine_do_not),
        cmocka_unit_test(an_update_of_no_stream_is_an_error),
        cmocka_unit_test(what_a_priority_does_not_say_stays),
        cmocka_unit_test(what_is_no_priority_changes_nothing),
        cmocka_unit_test(a_stream_that_the_client_ended_stays_so),
        cmocka_unit_test(stream_identifiers_only_grow),
        cmocka_unit_test(it_waits_for_what_was_begun),
        cmocka_unit_test(a_request_becomes_text),
        cmocka_unit_test(a_websocket_becomes_an_upgrade),
        cmocka_unit_test(what_is_ambiguous_is_refused),
        cmocka_unit_test(targets_that_are_none_are_refused),
        cmocka_unit_test(a_list_above_the_limit_is_refused),
        cmocka_unit_test(a_response_becomes_fields),
        cmocka_unit_test(a_switch_of_protocols_becomes_success),
        cmocka_unit_test(a_request_as_text_becomes_fields),
        cmocka_unit_test(a_request_of_too_many_lines_is_none),
        cmocka_unit_test(fields_of_a_response_become_text),
        cmocka_unit_test(fields_that_are_no_response_are_refused),
        cmocka_unit_test(answers_come_in_any_order_of_their_streams),
        cmocka_unit_test(a_window_that_stays_closed_ends_the_stream),
        cmocka_unit_test(an_idle_connection_is_told_and_closed),
        cmocka_unit_test(half_a_frame_does_not_wait_forever),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start_worker, give_back);
}
