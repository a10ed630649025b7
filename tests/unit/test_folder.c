/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "edge/folder.h"

static char root[] = "/tmp/test_folder.XXXXXX";
static int folder = -1;

static const char *below(const char *name)
{
    static char path[200];

    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static int set_up(void **state)
{
    struct err err;

    (void)state;
    if (mkdtemp(root) == NULL || mkdir(below("www"), 0755) != 0 ||
        !file_write(below("www/page"), STR("page"), 0644, &err) ||
        !file_write(below("secret"), STR("secret"), 0644, &err))
        return -1;
    folder = folder_open(below("www"), &err);
    if (folder < 0)
        print_message("# %s\n", err.text);
    return folder < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct err err;

    (void)state;
    fd_close(folder);
    return file_remove_tree(root, &err) ? 0 : -1;
}

/* Without any of the RESOLVE_ flags that the edge asks with. 0, or errno. */
static int error_of(const char *path, uint64_t flags)
{
    struct open_how how = {.flags = flags | O_CLOEXEC,
                           .mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? 0600 : 0};
    AUTO(fd_close) int fd = (int)syscall(SYS_openat2, folder, path, &how, sizeof how);

    return fd < 0 ? errno : 0;
}

static void what_is_below_can_be_read(void **state)
{
    (void)state;
    assert_int_equal(error_of("page", O_RDONLY), 0);
}

static void a_file_that_comes_later_can_be_read(void **state)
{
    struct err err;

    (void)state;
    assert_true(file_write(below("www/late"), STR("late"), 0644, &err));
    assert_int_equal(error_of("late", O_RDONLY), 0);
}

static void there_is_no_way_up(void **state)
{
    (void)state;
    assert_int_equal(error_of("../secret", O_RDONLY), ENOENT);
    assert_int_equal(error_of("../../../../../../etc/passwd", O_RDONLY), ENOENT);
    assert_int_equal(error_of("../page", O_RDONLY), 0); /* the folder is its own parent */
}

static void nothing_can_be_written_not_even_by_root(void **state)
{
    (void)state;
    assert_int_equal(error_of("page", O_RDWR), EROFS);
    assert_int_equal(error_of("new", O_WRONLY | O_CREAT), EROFS);
    assert_int_equal(error_of(".", O_WRONLY | O_TMPFILE), EROFS);
    assert_int_equal(unlinkat(folder, "page", 0), -1);
    assert_int_equal(errno, EROFS);
}

static void the_folder_itself_stays_writable(void **state)
{
    struct err err;

    (void)state;
    assert_true(file_write(below("www/page"), STR("changed"), 0644, &err));
}

static void what_is_no_folder_is_refused(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(folder_open(below("secret"), &err), -1);
    assert_non_null(strstr(err.text, "secret"));
    assert_int_equal(folder_open(below("nowhere"), &err), -1);
    assert_non_null(strstr(err.text, "nowhere"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_below_can_be_read),
        cmocka_unit_test(a_file_that_comes_later_can_be_read),
        cmocka_unit_test(there_is_no_way_up),
        cmocka_unit_test(nothing_can_be_written_not_even_by_root),
        cmocka_unit_test(the_folder_itself_stays_writable),
        cmocka_unit_test(what_is_no_folder_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
