/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "edge/h2_target.h"
#include "h2_rig.h"
#include "io/socket.h"

enum { ROUNDS = 20 };

static const char settings[] = "\0\0\0\4\0\0\0\0\0";
static const char answer[] = "\0\0\1\1\5\0\0\0\1\x88"; /* HEADERS with an end: 200 */

static struct worker *worker;
static int listener = -1;

static int start(void **state)
{
    union socket_address address;
    socklen_t len = sizeof address;
    char json[512];
    struct table *table;
    struct err err;

    (void)state;
    assert_true(socket_address_parse("127.0.0.1", 0, &address, &err));
    listener = socket_listen_tcp(&address, false, 16, &err);
    assert_int_equal(getsockname(listener, &address.any, &len), 0);
    (void)snprintf(json, sizeof json,
                   "{\"generation\":2,\"listeners\":[{\"id\":1,\"kind\":\"http\"}],"
                   "\"upstreams\":[{\"name\":\"u\",\"protocol\":\"h2c\",\"queue\":{\"limit\":0},"
                   "\"targets\":[{\"id\":\"t\",\"address\":\"127.0.0.1:%u\"}]}],"
                   "\"routes\":[{\"path\":\"/\",\"upstream\":0,\"connect_timeout_ms\":2000}]}",
                   (unsigned)socket_address_port(&address));
    worker = h2_rig_worker();
    assert_true(table_read(str_of(json), NULL, 0, &table, &err));
    (void)view_new(worker, table);
    return 0;
}

static void run(unsigned seconds)
{
    for (unsigned i = 0; i < MAX(seconds, 1); i++) {
        h2_rig_now_ns += seconds > 0 ? NS_PER_SECOND : 0;
        for (int round = 0; round < ROUNDS; round++)
            loop_round(worker->loop, 0);
    }
}

/* A client that has asked; the target's end of the connection. */
static int ask(int *ret_client)
{
    static const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    worker->view->targets[0]->ejected_until_ns = 0;
    *ret_client = h2_rig_connect(worker);
    assert_int_equal(write(*ret_client, get, sizeof get - 1), sizeof get - 1);
    run(0);
    int target = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(target >= 0);
    run(0);
    return target;
}

static bool has_ended(int fd)
{
    char bytes[4096];
    ssize_t n;

    while ((n = read(fd, bytes, sizeof bytes)) > 0)
        ;
    return n == 0;
}

static void expect_status(int client, const char *status)
{
    char bytes[4096];
    ssize_t n = read(client, bytes, sizeof bytes);

    assert_true(n > 12);
    assert_memory_equal(bytes + 9, status, strlen(status));
}

static void leave(int client, int target)
{
    (void)close(client);
    (void)close(target);
    run(10);
    assert_true(list_is_empty(&worker->view->targets[0]->sessions));
    assert_int_equal(worker->view->targets[0]->active, 0);
    assert_true(list_is_empty(&worker->clients));
}

static void an_idle_connection_to_a_target_is_closed(void **state)
{
    int client, target = ask(&client);

    (void)state;
    assert_true(write(target, settings, sizeof settings - 1) > 0);
    run(0);
    assert_true(write(target, answer, sizeof answer - 1) > 0);
    run(0);
    expect_status(client, "200");
    run(50);
    assert_false(has_ended(target));
    run(25);
    assert_true(has_ended(target));
    leave(client, target);
}

static void a_target_that_never_begins_is_given_up_in_the_time_to_connect(void **state)
{
    int client, target = ask(&client);
    uint64_t timeouts = worker->counters[COUNT_TIMEOUTS];

    (void)state;
    run(3);
    assert_true(has_ended(target));
    assert_true(worker->counters[COUNT_TIMEOUTS] > timeouts);
    int again = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (again >= 0) { /* it was tried again, and is again */
        run(3);
        assert_true(has_ended(again));
        (void)close(again);
        again = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    expect_status(client, "50");
    leave(client, target);
}

static void half_a_frame_of_a_target_does_not_wait_forever(void **state)
{
    int client, target = ask(&client);
    uint64_t timeouts = worker->counters[COUNT_TIMEOUTS];

    (void)state;
    assert_true(write(target, settings, sizeof settings - 1) > 0);
    run(0);
    assert_true(write(target, answer, 9) > 0);
    run(25);
    assert_true(has_ended(target));
    assert_true(worker->counters[COUNT_TIMEOUTS] > timeouts);
    expect_status(client, "502");
    leave(client, target);
}

static int give_back(void **state)
{
    (void)state;
    (void)close(listener);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_connection_to_a_target_is_closed),
        cmocka_unit_test(a_target_that_never_begins_is_given_up_in_the_time_to_connect),
        cmocka_unit_test(half_a_frame_of_a_target_does_not_wait_forever),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, give_back);
}
