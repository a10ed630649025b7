/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as what a target of HTTP/2 sends, through the edge's own code and
 * real sockets: the client of HTTP/1.1 that has asked gets heads that the strict
 * parser reads or nothing, and when both sides are gone nothing of the request
 * remains. A first byte that is even puts SETTINGS in front; the second one says
 * whether the client sends a body.
 */
#include "base/base.h"

#include "../unit/h2_rig.h"
#include "edge/h2_target.h"
#include "io/socket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 64 * 1024, ROUNDS = 50, QUIET_ROUNDS = 3, ANSWER_BYTES = 1024 * 1024 };

static struct worker *worker;
static int listener = -1;

static void start(void)
{
    union socket_address address;
    socklen_t len = sizeof address;
    char json[512];
    struct table *table;
    struct err err;

    bool good = socket_address_parse("127.0.0.1", 0, &address, &err);
    listener = socket_listen_tcp(&address, false, 16, &err);
    assert(good && listener >= 0 && getsockname(listener, &address.any, &len) == 0);
    (void)snprintf(json, sizeof json,
                   "{\"generation\":2,\"listeners\":[{\"id\":1,\"kind\":\"http\"}],"
                   "\"upstreams\":[{\"name\":\"u\",\"protocol\":\"h2c\",\"queue\":{\"limit\":0},"
                   "\"targets\":[{\"id\":\"t\",\"address\":\"127.0.0.1:%u\"}]}],"
                   "\"routes\":[{\"path\":\"/\",\"upstream\":0}]}",
                   (unsigned)socket_address_port(&address));
    worker = h2_rig_worker();
    good = table_read(str_of(json), NULL, 0, &table, &err);
    assert(good);
    (void)view_new(worker, table);
}

/* Heads one behind the other; what is behind the first of an answer itself is its body. */
static void check_answer(const char *bytes, size_t len)
{
    struct str rest = str_from(bytes, len);
    static struct http1_head head;
    const char *why;

    while (rest.len > 0) {
        enum http1_result result = http1_parse_response(rest, HTTP_POST, &head, &why);
        assert(result == HTTP1_DONE);
        if (head.status >= 200)
            return;
        rest = str_sub(rest, head.head_bytes, rest.len);
    }
}

static int accept_target(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            return fd;
        loop_round(worker->loop, 0);
    }
    return -1;
}

static void exchange_bytes(int client, int target, const uint8_t *data, size_t size)
{
    static char answer[ANSWER_BYTES], sink[65536];
    size_t sent = 0, got = 0;

    for (int quiet = 0; quiet < QUIET_ROUNDS;) {
        ssize_t n = sent < size ? send(target, data + sent, size - sent, MSG_NOSIGNAL) : 0;
        sent = n < 0 ? size : sent + (size_t)n;
        loop_round(worker->loop, 0);
        ssize_t m = read(client, answer + got, sizeof answer - got);
        got += m > 0 ? (size_t)m : 0;
        ssize_t read_back = read(target, sink, sizeof sink);
        quiet = n > 0 || m > 0 || read_back > 0 ? 0 : quiet + 1;
    }
    check_answer(answer, got);
}

static void check_nothing_left(void)
{
    for (int i = 0; i < ROUNDS && worker->counters[COUNT_CONNECTIONS_OPEN] > 0; i++) {
        h2_rig_now_ns += NS_PER_SECOND; /* a client may be closed by half */
        loop_round(worker->loop, 0);
    }
    loop_round(worker->loop, 0);
    assert(list_is_empty(&worker->clients) && list_is_empty(&worker->h2_target_dirty));
    assert(worker->view->targets[0]->active == 0);
    LIST_FOR_EACH (link, &worker->view->targets[0]->sessions) /* whose end was not read yet */
        assert(CONTAINER_OF(link, struct h2_target, link)->stream_count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    static const char post[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc";
    static uint8_t bytes[MAX_BYTES + H2_FRAME_HEAD_BYTES];
    size_t len = 0;

    if (worker == NULL)
        start();
    if (size < 2 || size > MAX_BYTES)
        return 0;
    if (data[0] % 2 == 0)
        memcpy(bytes, "\0\0\0\4\0\0\0\0\0", len = H2_FRAME_HEAD_BYTES);
    memcpy(bytes + len, data + 2, size - 2);
    worker->view->targets[0]->ejected_until_ns = 0;
    int client = h2_rig_connect(worker);
    bool has_body = data[1] % 2 == 0;
    ssize_t asked =
        has_body ? write(client, post, sizeof post - 1) : write(client, get, sizeof get - 1);
    assert(asked > 0);
    loop_round(worker->loop, 0);
    int target = accept_target();
    if (target >= 0) {
        exchange_bytes(client, target, bytes, len + size - 2);
        (void)close(target);
    }
    (void)close(client);
    check_nothing_left();
    return 0;
}
