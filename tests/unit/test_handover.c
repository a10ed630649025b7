/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "control/handover.h"
#include "control/state.h"
#include "io/channel.h"
#include "io/child.h"
#include "io/loop.h"
#include "json/json.h"

static int left(const char *text)
{
    struct err err;
    int fd = channel_memfd("handover", str_of(text), &err);

    assert_true(fd >= 0);
    return fd;
}

static void what_another_format_left_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "{", "[]", "{}", "{\"format\": 2}", "{\"format\": \"1\"}"};
    json_t *handover = NULL;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_false(handover_read(left(texts[i]), &handover, &err));
        assert_null(handover);
    }
}

static void a_descriptor_is_taken_once_and_closed_by_the_next_exec(void **state)
{
    (void)state;
    AUTO(json_unref) json_t *handover = NULL;
    AUTO(buf_done) struct buf text = {0};
    struct err err;
    int kept = fcntl(STDERR_FILENO, F_DUPFD, 10);

    buf_addf(&text, "{\"format\": 1, \"lock\": %d, \"api\": -1, \"former\": 2, \"guard\": 99999}",
             kept);
    assert_true(handover_read(left(buf_text(&text)), &handover, &err));
    assert_int_equal(fcntl(kept, F_GETFD), FD_CLOEXEC); /* whoever is started does not have it */
    assert_int_equal(handover_take_fd(handover, "lock"), kept);
    assert_int_equal(fcntl(kept, F_GETFD), FD_CLOEXEC);
    assert_int_equal(handover_take_fd(handover, "lock"), -1);
    assert_int_equal(handover_take_fd(handover, "api"), -1);
    assert_int_equal(handover_take_fd(handover, "former"), -1); /* not one of the first three */
    assert_int_equal(handover_take_fd(handover, "guard"), -1);  /* not open */
    fd_close(kept);
}

static void what_is_kept_for_the_next_program_is_not_for_what_is_started_meanwhile(void **state)
{
    (void)state;
    AUTO(json_unref) json_t *kept = handover_keep(STDERR_FILENO);
    AUTO(json_unref) json_t *none = handover_keep(-1);
    int fd = (int)json_integer_value(kept);

    assert_true(fd > STDERR_FILENO);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(json_integer_value(none), -1);
    fd_close(fd);
}

struct ended {
    struct loop *loop;
    int status;
};

static void on_exit_of(void *arg, int exit_status, bool timed_out)
{
    struct ended *ended = arg;

    assert_false(timed_out);
    ended->status = exit_status;
    loop_stop(ended->loop);
}

static void the_end_of_an_adopted_child_is_heard_with_its_status(void **state)
{
    (void)state;
    struct err err;
    AUTO(loop_free) struct loop *loop = loop_new(NULL, &err);
    struct ended ended = {.loop = loop, .status = -1};
    pid_t pid = fork();

    if (pid == 0) {
        (void)pause();
        _exit(0);
    }
    assert_non_null(child_adopt(loop, pid, on_exit_of, &ended, &err));
    assert_int_equal(kill(pid, SIGTERM), 0);
    loop_run(loop);
    assert_int_equal(ended.status, 128 + SIGTERM);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1); /* no zombie is left */
    assert_null(child_adopt(loop, pid, on_exit_of, &ended, &err));
}

static void one_that_was_forgotten_is_not_heard_of(void **state)
{
    (void)state;
    struct err err;
    AUTO(loop_free) struct loop *loop = loop_new(NULL, &err);
    struct ended ended = {.loop = loop, .status = -1};
    pid_t pid = fork();

    if (pid == 0) {
        (void)pause();
        _exit(0);
    }
    child_forget(child_adopt(loop, pid, on_exit_of, &ended, &err));
    loop_round(loop, 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    loop_round(loop, 0);
    assert_int_equal(ended.status, -1);
}

static void a_memory_file_is_read_by_many_at_once(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf first = {0}, second = {0};
    struct err err;
    AUTO(fd_close) int fd = left("a table");

    assert_int_equal(lseek(fd, 3, SEEK_SET), 3);
    assert_true(channel_read_memfd(fd, 7, &first, &err));
    assert_true(channel_read_memfd(fd, 7, &second, &err));
    assert_string_equal(buf_text(&first), "a table");
    assert_string_equal(buf_text(&second), "a table");
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 3); /* its place is everybody's: left alone */
}

static void note_maintenance(void *arg, const char *system, const struct state_maintenance *row)
{
    struct buf *seen = arg;

    buf_addf(seen, "%s %s %s %lld;", system, row->page == NULL ? "-" : row->page, row->user,
             (long long)row->since_ms);
}

static void a_copy_of_the_state_is_whole_and_private(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_handover.XXXXXX";
    AUTO(buf_done) struct buf path = {0}, copy = {0}, seen = {0};
    struct stat st;
    struct err err;

    assert_non_null(mkdtemp(folder));
    buf_addf(&path, "%s/state.db", folder);
    buf_addf(&copy, "%s/copy.db", folder);
    struct state *original = state_open(buf_text(&path), &err);
    const struct state_maintenance page = {"<p>soon</p>", "ann", 7}, usual = {NULL, "bob", 8};
    assert_true(state_save_maintenance(original, "shop", &page, &err));
    assert_true(state_save_maintenance(original, "blog", &usual, &err));
    assert_true(state_save_maintenance(original, "gone", &usual, &err));
    assert_true(state_delete_maintenance(original, "gone", &err));
    assert_true(state_copy(original, buf_text(&copy), &err));
    state_free(original);
    assert_int_equal(stat(buf_text(&copy), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct state *second = state_open(buf_text(&copy), &err);
    assert_true(state_each_maintenance(second, note_maintenance, &seen, &err));
    assert_string_equal(buf_text(&seen), "shop <p>soon</p> ann 7;blog - bob 8;");
    state_free(second);
    assert_true(file_remove_tree(folder, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_another_format_left_is_refused),
        cmocka_unit_test(a_descriptor_is_taken_once_and_closed_by_the_next_exec),
        cmocka_unit_test(what_is_kept_for_the_next_program_is_not_for_what_is_started_meanwhile),
        cmocka_unit_test(the_end_of_an_adopted_child_is_heard_with_its_status),
        cmocka_unit_test(one_that_was_forgotten_is_not_heard_of),
        cmocka_unit_test(a_memory_file_is_read_by_many_at_once),
        cmocka_unit_test(a_copy_of_the_state_is_whole_and_private),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
