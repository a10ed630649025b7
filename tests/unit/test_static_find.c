/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "edge/static_find.h"

static char root[] = "/tmp/test_static.XXXXXX";
static int folder;

static void make(const char *name, const char *text)
{
    char path[256];
    struct err err;

    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    if (!file_write(path, str_of(text), 0644, &err))
        fail_msg("%s", err.text);
}

static void make_folder(const char *name)
{
    char path[256];
    struct err err;

    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    assert_true(file_make_dirs(path, 0755, &err));
}

static int set_up(void **state)
{
    char path[256];

    (void)state;
    if (mkdtemp(root) == NULL)
        return -1;
    make_folder("www/sub");
    make_folder("www/empty");
    make("outside", "secret");
    make("www/a.css", "plain");
    make("www/a.css.gz", "gzip");
    make("www/a.css.br", "brotli");
    make("www/p.png", "picture");
    make("www/p.png.gz", "never");
    make("www/.hidden", "secret");
    make("www/sub/index.html", "index");
    (void)snprintf(path, sizeof path, "%s/www/link", root);
    assert_int_equal(symlink("../outside", path), 0);
    (void)snprintf(path, sizeof path, "%s/www/absolute", root);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    (void)snprintf(path, sizeof path, "%s/www/fifo", root);
    assert_int_equal(mkfifo(path, 0644), 0);
    (void)snprintf(path, sizeof path, "%s/www", root);
    folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return folder < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct err err;

    (void)state;
    fd_close(folder);
    return file_remove_tree(root, &err) ? 0 : -1;
}

/* NULL <text>: <status> is not 200. */
static void expect(const char *path, const char *accepted, int status, const char *text)
{
    struct static_file file;
    char bytes[64] = {0};

    assert_int_equal(static_find(folder, str_of(path), str_of(accepted), &file), status);
    if (text == NULL)
        return;
    assert_int_equal(status, 200);
    assert_true(read(file.fd, bytes, sizeof bytes - 1) > 0);
    assert_string_equal(bytes, text);
    fd_close(file.fd);
}

static void files_and_the_index_of_a_folder_are_found(void **state)
{
    (void)state;
    expect("/a.css", NULL, 200, "plain");
    expect("/sub/", NULL, 200, "index");
    expect("/sub", NULL, 301, NULL);
    expect("/empty/", NULL, 404, NULL);
    expect("/nothing", NULL, 404, NULL);
    expect("/a.css/", NULL, 404, NULL);
}

static void nothing_outside_of_the_folder_is_found(void **state)
{
    (void)state;
    expect("/link", NULL, 404, NULL);
    expect("/absolute", NULL, 404, NULL);
    expect("/..%2Foutside", NULL, 404, NULL);
    expect("/../outside", NULL, 404, NULL);
    expect("/.hidden", NULL, 404, NULL);
    expect("/sub/%2E.", NULL, 404, NULL);
    expect("/fifo", NULL, 404, NULL);
}

static void the_compressed_sibling_that_the_client_likes_best_is_taken(void **state)
{
    (void)state;
    expect("/a.css", "gzip, br", 200, "brotli");
    expect("/a.css", "gzip", 200, "gzip");
    expect("/a.css", "br;q=0.1, gzip;q=0.9", 200, "gzip");
    expect("/a.css", "zstd", 200, "plain");
    expect("/a.css", "identity", 200, "plain");
    expect("/p.png", "gzip", 200, "picture");
}

static void a_name_that_is_too_long_is_told_so(void **state)
{
    AUTO(buf_done) struct buf path = {0};

    (void)state;
    for (int i = 0; i < STATIC_NAME_BYTES; i++)
        buf_add_char(&path, i == 0 ? '/' : 'a');
    expect(buf_text(&path), NULL, 414, NULL);
}

static void the_tag_changes_with_the_file(void **state)
{
    struct static_file before, after;

    (void)state;
    assert_int_equal(static_find(folder, STR("/a.css"), (struct str){0}, &before), 200);
    make("www/a.css", "other text");
    assert_int_equal(static_find(folder, STR("/a.css"), (struct str){0}, &after), 200);
    assert_string_not_equal(before.tag, after.tag);
    fd_close(before.fd);
    fd_close(after.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_and_the_index_of_a_folder_are_found),
        cmocka_unit_test(nothing_outside_of_the_folder_is_found),
        cmocka_unit_test(the_compressed_sibling_that_the_client_likes_best_is_taken),
        cmocka_unit_test(a_name_that_is_too_long_is_told_so),
        cmocka_unit_test(the_tag_changes_with_the_file),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
