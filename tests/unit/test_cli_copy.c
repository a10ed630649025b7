/* SPDX-License-Identifier: Apache-2.0
 *
 * copy_tree() between folders of a temporary one, one of which plays the root of
 * an instance.
 */
#include "base/base.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "cli/copy_tree.h"

struct fixture {
    struct arena arena;
    char folder[64]; /* holds here/, root/ and what no copy may touch: outside */
    int root_fd;
    struct copy_options options;
    struct copy_result result;
    struct err err;
};

static const char *at(struct fixture *fixture, const char *path)
{
    return arena_printf(&fixture->arena, "%s/%s", fixture->folder, path);
}

static void put(struct fixture *fixture, const char *path, const char *text)
{
    assert_true(file_write(at(fixture, path), str_of(text), 0644, &fixture->err));
}

static void make(struct fixture *fixture, const char *path)
{
    assert_true(file_make_dirs(at(fixture, path), 0755, &fixture->err));
}

static void expect(struct fixture *fixture, const char *path, const char *text)
{
    AUTO(buf_done) struct buf got = {0};

    assert_true(file_read(at(fixture, path), 4096, &got, &fixture->err));
    assert_string_equal(buf_text(&got), text);
}

static bool is_there(struct fixture *fixture, const char *path)
{
    struct stat st;
    return lstat(at(fixture, path), &st) == 0;
}

static int setup(void **state)
{
    struct fixture *fixture = NEW(struct fixture);

    str_format(fixture->folder, sizeof fixture->folder, "/tmp/iz-copy-XXXXXX");
    if (mkdtemp(fixture->folder) == NULL)
        return -1;
    make(fixture, "here");
    make(fixture, "root/app");
    put(fixture, "outside", "untouched");
    fixture->root_fd = open(at(fixture, "root"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    fixture->options = (struct copy_options){.uid = geteuid(), .gid = getegid()};
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    struct err err;

    fd_close(fixture->root_fd);
    bool removed = file_remove_tree(fixture->folder, &err);
    arena_done(&fixture->arena);
    free(fixture);
    return removed ? 0 : -1;
}

/* <from> is a path below here/, or one of the instance when it starts with "web:"; <to> too. */
static bool copy(struct fixture *fixture, const char *from, const char *to)
{
    bool out = strncmp(from, "web:", 4) == 0, in = strncmp(to, "web:", 4) == 0;
    struct copy_end source = {
        out ? fixture->root_fd : -1,
        out ? from + 4 : arena_printf(&fixture->arena, "%s/here/%s", fixture->folder, from)};
    struct copy_end target = {
        in ? fixture->root_fd : -1,
        in ? to + 4 : arena_printf(&fixture->arena, "%s/here/%s", fixture->folder, to)};

    return copy_tree(&source, &target, &fixture->options, &fixture->result, &fixture->err);
}

/* ---- the rules of docker cp ---- */

static void a_file_goes_into_a_folder_that_is_there(void **state)
{
    struct fixture *fixture = *state;

    put(fixture, "here/a.txt", "one");
    assert_true(copy(fixture, "a.txt", "web:/app"));
    expect(fixture, "root/app/a.txt", "one");
    assert_int_equal(fixture->result.files, 1);
    assert_int_equal(fixture->result.bytes, 3);
}

static void a_file_gets_the_name_of_a_target_that_is_not_there(void **state)
{
    struct fixture *fixture = *state;

    put(fixture, "here/a.txt", "one");
    assert_true(copy(fixture, "a.txt", "web:/app/b.txt"));
    expect(fixture, "root/app/b.txt", "one");
}

static void a_file_is_written_over_a_file_and_nothing_of_it_is_left(void **state)
{
    struct fixture *fixture = *state;

    put(fixture, "here/a.txt", "one");
    put(fixture, "root/app/b.txt", "much longer than that");
    assert_true(copy(fixture, "a.txt", "web:/app/b.txt"));
    expect(fixture, "root/app/b.txt", "one");
}

static void a_file_needs_the_folder_that_a_slash_promises(void **state)
{
    struct fixture *fixture = *state;

    put(fixture, "here/a.txt", "one");
    assert_false(copy(fixture, "a.txt", "web:/none/"));
    assert_string_equal(fixture->err.text, "there is no folder '/none/'");
    assert_false(copy(fixture, "a.txt", "web:/none/b.txt"));
    assert_int_equal(fixture->err.code, ERR_NOT_FOUND);
    assert_false(is_there(fixture, "root/none"));
}

static void a_folder_becomes_one_that_is_not_there(void **state)
{
    struct fixture *fixture = *state;

    make(fixture, "here/d/sub");
    put(fixture, "here/d/sub/a.txt", "one");
    assert_true(copy(fixture, "d", "web:/app/new"));
    expect(fixture, "root/app/new/sub/a.txt", "one");
    assert_true(copy(fixture, "d", "web:/app/other/"));
    expect(fixture, "root/app/other/sub/a.txt", "one");
}

static void a_folder_goes_into_one_that_is_there(void **state)
{
    struct fixture *fixture = *state;

    make(fixture, "here/d");
    put(fixture, "here/d/a.txt", "one");
    put(fixture, "root/app/kept", "two");
    assert_true(copy(fixture, "d", "web:/app"));
    expect(fixture, "root/app/d/a.txt", "one");
    expect(fixture, "root/app/kept", "two");
}

static void a_dot_after_a_folder_means_what_is_in_it(void **state)
{
    struct fixture *fixture = *state;

    make(fixture, "root/app/d");
    put(fixture, "root/app/d/a.txt", "one");
    assert_true(copy(fixture, "web:/app/d/.", "."));
    expect(fixture, "here/a.txt", "one");
    assert_false(is_there(fixture, "here/d"));
}

static void a_folder_does_not_take_the_place_of_a_file_nor_the_other_way_round(void **state)
{
    struct fixture *fixture = *state;

    make(fixture, "here/d");
    put(fixture, "here/a.txt", "one");
    put(fixture, "root/app/d", "a file");
    assert_false(copy(fixture, "d", "web:/app"));
    assert_int_equal(fixture->err.code, ERR_INVALID);
    assert_false(copy(fixture, "d", "web:/app/d"));
    make(fixture, "root/app/a.txt");
    assert_false(copy(fixture, "a.txt", "web:/app"));
    assert_int_equal(fixture->err.code, ERR_INVALID);
    expect(fixture, "root/app/d", "a file");
}

static void a_source_that_is_not_there_is_named(void **state)
{
    struct fixture *fixture = *state;

    assert_false(copy(fixture, "web:/app/none", "x"));
    assert_int_equal(fixture->err.code, ERR_NOT_FOUND);
    assert_string_equal(fixture->err.text, "there is no '/app/none'");
    put(fixture, "root/app/f", "one");
    assert_false(copy(fixture, "web:/app/f/", "x"));
}

static void modes_and_times_are_kept_and_owners_on_request(void **state)
{
    struct fixture *fixture = *state;
    struct timespec times[] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
    struct stat st;

    put(fixture, "root/app/tool", "#!");
    assert_int_equal(chmod(at(fixture, "root/app/tool"), 04750), 0);
    assert_int_equal(utimensat(AT_FDCWD, at(fixture, "root/app/tool"), times, 0), 0);
    assert_true(copy(fixture, "web:/app/tool", "."));
    assert_int_equal(stat(at(fixture, "here/tool"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0750); /* nobody becomes us by a copied file */
    assert_int_equal(st.st_mtim.tv_sec, 2000);
    assert_int_equal(st.st_uid, geteuid());

    fixture->options.keep_owner = true;
    assert_int_equal(chmod(at(fixture, "root/app/tool"), 04750), 0);
    assert_true(copy(fixture, "web:/app/tool", "kept"));
    assert_int_equal(stat(at(fixture, "here/kept"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 04750);
}

static void a_link_is_copied_as_a_link_unless_it_is_followed(void **state)
{
    struct fixture *fixture = *state;
    char target[64] = {0};

    put(fixture, "root/app/real", "one");
    assert_int_equal(symlink("real", at(fixture, "root/app/link")), 0);
    assert_true(copy(fixture, "web:/app/link", "."));
    assert_int_equal(readlink(at(fixture, "here/link"), target, sizeof target - 1), 4);
    assert_string_equal(target, "real");

    fixture->options.follow_first = true;
    assert_true(copy(fixture, "web:/app/link", "followed"));
    expect(fixture, "here/followed", "one");
}

/* ---- a hostile instance ---- */

static void a_link_to_the_outside_leads_to_the_inside(void **state)
{
    struct fixture *fixture = *state;

    put(fixture, "here/a.txt", "written");
    assert_int_equal(symlink(at(fixture, "outside"), at(fixture, "root/app/way-out")), 0);
    assert_false(copy(fixture, "a.txt", "web:/app/way-out/x"));
    fixture->options.follow_first = true;
    assert_false(copy(fixture, "web:/app/way-out", "stolen"));
    assert_false(is_there(fixture, "here/stolen"));
    expect(fixture, "outside", "untouched");
}

static void dots_do_not_lead_out_of_the_instance(void **state)
{
    struct fixture *fixture = *state;

    put(fixture, "here/a.txt", "written");
    assert_true(copy(fixture, "a.txt", "web:../../../outside"));
    expect(fixture, "root/outside", "written");
    expect(fixture, "outside", "untouched");
    assert_false(copy(fixture, "web:../../here/a.txt", "b.txt"));
}

static void a_link_in_the_way_is_replaced_and_not_written_through(void **state)
{
    struct fixture *fixture = *state;

    make(fixture, "here/d");
    put(fixture, "here/d/name", "written");
    make(fixture, "root/app/d");
    assert_int_equal(symlink("../../../outside", at(fixture, "root/app/d/name")), 0);
    assert_true(copy(fixture, "d", "web:/app"));
    expect(fixture, "outside", "untouched");
    expect(fixture, "root/app/d/name", "written");
}

static void a_link_instead_of_a_folder_is_not_entered(void **state)
{
    struct fixture *fixture = *state;

    make(fixture, "root/app/d/sub");
    put(fixture, "root/app/d/sub/evil", "written");
    make(fixture, "here/d");
    assert_int_equal(symlink("../..", at(fixture, "here/d/sub")), 0);
    assert_false(copy(fixture, "web:/app/d", "."));
    assert_int_equal(fixture->err.code, ERR_INVALID);
    assert_false(is_there(fixture, "evil"));
}

static void pipes_and_sockets_are_left_out_and_hold_nobody_up(void **state)
{
    struct fixture *fixture = *state;

    make(fixture, "root/app/d");
    put(fixture, "root/app/d/a.txt", "one");
    assert_int_equal(mkfifo(at(fixture, "root/app/d/pipe"), 0666), 0);
    assert_true(copy(fixture, "web:/app/d", "."));
    assert_int_equal(fixture->result.left_out, 1);
    assert_false(is_there(fixture, "here/d/pipe"));
    assert_false(copy(fixture, "web:/app/d/pipe", "x"));

    put(fixture, "here/pipe", "written"); /* onto the pipe, within a folder */
    make(fixture, "here/e");
    put(fixture, "here/e/pipe", "written");
    make(fixture, "root/app/e");
    assert_int_equal(mkfifo(at(fixture, "root/app/e/pipe"), 0666), 0);
    assert_false(copy(fixture, "e", "web:/app"));
}

static void folders_may_be_only_so_deep(void **state)
{
    struct fixture *fixture = *state;
    AUTO(buf_done) struct buf path = {0};

    buf_add_text(&path, "root/app/deep");
    for (int i = 0; i < COPY_DEPTH_MAX + 2; i++)
        buf_add_text(&path, "/d");
    make(fixture, buf_text(&path));
    assert_false(copy(fixture, "web:/app/deep", "."));
    assert_int_equal(fixture->err.code, ERR_LIMIT);
}

int main(void)
{
#define COPY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        COPY_TEST(a_file_goes_into_a_folder_that_is_there),
        COPY_TEST(a_file_gets_the_name_of_a_target_that_is_not_there),
        COPY_TEST(a_file_is_written_over_a_file_and_nothing_of_it_is_left),
        COPY_TEST(a_file_needs_the_folder_that_a_slash_promises),
        COPY_TEST(a_folder_becomes_one_that_is_not_there),
        COPY_TEST(a_folder_goes_into_one_that_is_there),
        COPY_TEST(a_dot_after_a_folder_means_what_is_in_it),
        COPY_TEST(a_folder_does_not_take_the_place_of_a_file_nor_the_other_way_round),
        COPY_TEST(a_source_that_is_not_there_is_named),
        COPY_TEST(modes_and_times_are_kept_and_owners_on_request),
        COPY_TEST(a_link_is_copied_as_a_link_unless_it_is_followed),
        COPY_TEST(a_link_to_the_outside_leads_to_the_inside),
        COPY_TEST(dots_do_not_lead_out_of_the_instance),
        COPY_TEST(a_link_in_the_way_is_replaced_and_not_written_through),
        COPY_TEST(a_link_instead_of_a_folder_is_not_entered),
        COPY_TEST(pipes_and_sockets_are_left_out_and_hold_nobody_up),
        COPY_TEST(folders_may_be_only_so_deep),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
