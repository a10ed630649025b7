/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "io/channel.h"
#include "io/child.h"
#include "io/loop.h"
#include "io/socket.h"
#include "io/timer_wheel.h"

static uint64_t fake_now_ns;

static uint64_t fake_clock(void)
{
    return fake_now_ns;
}

struct probe {
    struct timer timer;
    uint64_t fired_ns;
    int count;
};

static void on_probe(struct timer *timer, uint64_t now_ns)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, timer);
    probe->fired_ns = now_ns;
    probe->count++;
}

/* Walks time in uneven steps, some of them hours long. */
static void timers_near_and_far_fire_once_and_never_early(void **state)
{
    (void)state;
    struct err err;
    enum { COUNT = 400 };
    static struct probe probes[COUNT];
    uint64_t random = 88172645463325252ULL;

    fake_now_ns = 77 * NS_PER_SECOND + 123;
    AUTO(loop_free) struct loop *loop = loop_new(fake_clock, &err);
    uint64_t last_due = fake_now_ns;
    memset(probes, 0, sizeof probes);
    for (size_t i = 0; i < COUNT; i++) {
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        uint64_t away_ns = (random >> 20) % (UINT64_C(1000) << (i % 36)); /* up to 19 hours */
        timer_set(loop, &probes[i].timer, fake_now_ns + away_ns, on_probe);
        last_due = MAX(last_due, fake_now_ns + away_ns);
    }
    for (uint64_t step = 0; fake_now_ns < last_due + 2 * NS_PER_MS; step++) {
        loop_round(loop, 0);
        fake_now_ns += step % 5 == 0 ? 40 * NS_PER_SECOND : (step % 97) * NS_PER_MS / 3;
    }
    loop_round(loop, 0);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(probes[i].count, 1);
        assert_true(probes[i].fired_ns >= probes[i].timer.due_ns);
    }
}

/* Steps of exactly the wait the wheel asks for: the lateness of a loop that sleeps. */
static void a_timer_is_late_by_less_than_two_milliseconds(void **state)
{
    (void)state;
    static struct timer_wheel wheel;
    uint64_t now_ns = 5 * NS_PER_SECOND;

    for (uint64_t away_ms = 1; away_ms < 40000000; away_ms = away_ms * 5 / 3 + 1) {
        struct probe probe = {0};
        timer_wheel_init(&wheel, now_ns);
        probe.timer = (struct timer){.due_ns = now_ns + away_ms * NS_PER_MS - 1, .fn = on_probe};
        timer_wheel_add(&wheel, &probe.timer);
        for (int rounds = 0; probe.count == 0 && rounds < 10; rounds++) {
            int wait_ms = timer_wheel_wait_ms(&wheel, now_ns);
            assert_true(wait_ms >= 0);
            now_ns += (uint64_t)wait_ms * NS_PER_MS;
            timer_wheel_run(&wheel, now_ns);
        }
        assert_int_equal(probe.count, 1);
        assert_in_range(probe.fired_ns - probe.timer.due_ns, 0, 2 * NS_PER_MS);
    }
    assert_int_equal(timer_wheel_wait_ms(&wheel, now_ns), -1);
}

static void a_cleared_timer_does_not_fire(void **state)
{
    (void)state;
    struct err err;
    struct probe probe = {0};
    fake_now_ns = NS_PER_SECOND;
    AUTO(loop_free) struct loop *loop = loop_new(fake_clock, &err);

    timer_set(loop, &probe.timer, fake_now_ns + NS_PER_MS, on_probe);
    timer_clear(&probe.timer);
    timer_clear(&probe.timer);
    fake_now_ns += NS_PER_SECOND;
    loop_round(loop, 0);
    assert_int_equal(probe.count, 0);
}

struct pair {
    struct watch first, second;
    struct loop *loop;
    int calls;
};

static void on_first(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct pair *pair = CONTAINER_OF(watch, struct pair, first);
    (void)events;
    (void)now_ns;
    pair->calls++;
    watch_remove(pair->loop, &pair->first);
    watch_remove(pair->loop, &pair->second);
}

static void on_second(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct pair *pair = CONTAINER_OF(watch, struct pair, second);
    (void)events;
    (void)now_ns;
    pair->calls++;
    watch_remove(pair->loop, &pair->first);
    watch_remove(pair->loop, &pair->second);
}

static void an_event_of_a_removed_watch_is_forgotten(void **state)
{
    (void)state;
    struct err err;
    AUTO(loop_free) struct loop *loop = loop_new(NULL, &err);
    AUTO(fd_close) int a = eventfd(1, EFD_CLOEXEC);
    AUTO(fd_close) int b = eventfd(1, EFD_CLOEXEC);
    struct pair pair = {.loop = loop};

    assert_true(watch_add(loop, &pair.first, a, EPOLLIN, on_first, &err));
    assert_true(watch_add(loop, &pair.second, b, EPOLLIN, on_second, &err));
    loop_round(loop, 100);
    assert_int_equal(pair.calls, 1);
}

static void a_program_gives_output_and_status(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf out = {0};
    struct err err;
    const char *const cat[] = {"cat", NULL};
    const char *const fail[] = {"/bin/sh", "-c", "echo one; echo two >&2; exit 3", NULL};
    const char *const die[] = {"/bin/sh", "-c", "kill -9 $$", NULL};
    const char *const slow[] = {"sleep", "30", NULL};
    const char *const missing[] = {"no-such-program-here", NULL};

    assert_true(child_run(cat, STR("hello"), 5000, 100, &out, &err));
    assert_string_equal(buf_text(&out), "hello");
    buf_clear(&out);
    assert_true(child_run(cat, STR("hello"), 5000, 3, &out, &err));
    assert_string_equal(buf_text(&out), "hel");
    assert_false(child_run(fail, (struct str){0}, 5000, 100, NULL, &err));
    assert_string_equal(err.text, "'/bin/sh' failed with status 3: two");
    assert_false(child_run(die, (struct str){0}, 5000, 100, NULL, &err));
    assert_non_null(strstr(err.text, "status 137"));
    assert_false(child_run(slow, (struct str){0}, 50, 100, NULL, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_false(child_run(missing, (struct str){0}, 5000, 100, NULL, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void a_child_inherits_no_descriptor(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf out = {0};
    AUTO(fd_close) int leak = eventfd(0, 0); /* not close-on-exec */
    struct err err;
    const char *const list[] = {"/bin/sh", "-c", "ls /proc/self/fd | wc -l", NULL};

    assert_true(leak >= 0);
    assert_true(child_run(list, (struct str){0}, 5000, 100, &out, &err));
    assert_string_equal(buf_text(&out), "4\n"); /* 0, 1, 2 and the folder that ls reads */
}

static void a_message_carries_descriptors_and_a_sealed_file(void **state)
{
    (void)state;
    static struct channel_message message;
    int ends[2];
    struct err err;
    AUTO(buf_done) struct buf got = {0};

    assert_true(channel_open(ends, &err));
    assert_int_equal(channel_receive(ends[1], &message, &err), CHANNEL_EMPTY);
    AUTO(fd_close) int table = channel_memfd("table", STR("the table"), &err);
    assert_true(table >= 0);
    assert_true(write(table, "x", 1) < 0);
    assert_true(channel_send(ends[0], STR("routes 7"), &table, 1, &err));
    assert_int_equal(channel_receive(ends[1], &message, &err), CHANNEL_MESSAGE);
    assert_true(str_is(str_from(message.bytes, message.len), "routes 7"));
    assert_int_equal(message.fd_count, 1);
    assert_false(channel_read_memfd(message.fds[0], 8, &got, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_clear(&got);
    assert_true(channel_read_memfd(message.fds[0], 9, &got, &err));
    assert_string_equal(buf_text(&got), "the table");
    fd_close(message.fds[0]);
    fd_close(ends[0]);
    assert_int_equal(channel_receive(ends[1], &message, &err), CHANNEL_END);
    fd_close(ends[1]);
}

static void a_port_in_use_names_its_owner(void **state)
{
    (void)state;
    union socket_address any, taken;
    socklen_t len = sizeof taken;
    struct err err;
    char owner[64], text[SOCKET_TEXT_BYTES];

    assert_true(socket_address_parse("127.0.0.1", 0, &any, &err));
    AUTO(fd_close) int fd = socket_listen_tcp(&any, false, 5, &err);
    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, &taken.any, &len), 0);
    assert_int_equal(socket_listen_tcp(&taken, false, 5, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_true(socket_port_owner(socket_address_port(&taken), owner, sizeof owner));
    assert_non_null(strstr(owner, "test_io (pid "));
    assert_true(socket_address_parse("::ffff:10.1.2.3", 80, &any, &err));
    socket_address_format(&any, text);
    assert_string_equal(text, "10.1.2.3:80");
    assert_true(socket_address_parse("fd00::1", 443, &any, &err));
    socket_address_format(&any, text);
    assert_string_equal(text, "[fd00::1]:443");
    assert_false(socket_address_parse("localhost", 80, &any, &err));
}

static const struct socket_listener *find_listener(const struct socket_listeners *list,
                                                   uint16_t port)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].port == port)
            return &list->items[i];
    return NULL;
}

static void listeners_are_found_with_whether_others_reach_them(void **state)
{
    static const struct {
        const char *ip;
        bool only_local;
    } cases[] = {{"127.0.0.1", true}, {"0.0.0.0", false}, {"::1", true}, {"::", false}};
    struct socket_listeners list;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        union socket_address any, taken;
        socklen_t len = sizeof taken;
        assert_true(socket_address_parse(cases[i].ip, 0, &any, &err));
        AUTO(fd_close) int fd = socket_listen_tcp(&any, false, 5, &err);
        if (fd < 0 && i >= 2)
            continue; /* a machine without IPv6 */
        assert_true(fd >= 0);
        assert_int_equal(getsockname(fd, &taken.any, &len), 0);
        socket_find_listeners(getpid(), &list);
        const struct socket_listener *one = find_listener(&list, socket_address_port(&taken));
        if (one == NULL && list.count == ARRAY_LEN(list.items))
            continue; /* the machine has more than are told */
        assert_true(one != NULL && one->only_local == cases[i].only_local);
    }
    socket_find_listeners(0x7ffffff0, &list);
    assert_int_equal(list.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listeners_are_found_with_whether_others_reach_them),
        cmocka_unit_test(timers_near_and_far_fire_once_and_never_early),
        cmocka_unit_test(a_timer_is_late_by_less_than_two_milliseconds),
        cmocka_unit_test(a_cleared_timer_does_not_fire),
        cmocka_unit_test(an_event_of_a_removed_watch_is_forgotten),
        cmocka_unit_test(a_program_gives_output_and_status),
        cmocka_unit_test(a_child_inherits_no_descriptor),
        cmocka_unit_test(a_message_carries_descriptors_and_a_sealed_file),
        cmocka_unit_test(a_port_in_use_names_its_owner),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
