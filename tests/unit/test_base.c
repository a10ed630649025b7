/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/list.h"
#include "base/map.h"
#include "base/vec.h"

static void a_number_above_the_limit_is_refused(void **state)
{
    (void)state;
    uint64_t value = 7;

    assert_true(str_to_u64(STR("65535"), 65535, &value));
    assert_int_equal(value, 65535);
    assert_true(str_to_u64(STR("18446744073709551615"), UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
    value = 7;
    static const char *const bad[] = {
        "", "65536", "655350", "-1", "+1", " 1", "1 ", "0x1", "99999999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(str_to_u64(str_of(bad[i]), 65535, &value));
    assert_false(str_to_u64(STR("18446744073709551616"), UINT64_MAX, &value));
    assert_int_equal(value, 7);
}

static void cutting_gives_every_piece_once(void **state)
{
    (void)state;
    struct str rest = STR("a,,b,");
    const char *const want[] = {"a", "", "b", ""};
    size_t count = 0;

    while (rest.ptr != NULL)
        assert_true(str_is(str_cut(&rest, ','), want[count++]));
    assert_int_equal(count, 4);
}

static void a_map_keeps_order_and_survives_removal_and_growth(void **state)
{
    (void)state;
    AUTO(map_done) struct map map = {0};
    static int values[5000];

    for (int i = 0; i < 5000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        assert_null(map_set(&map, str_of(key), &values[i]));
        if (i % 3 == 0)
            assert_ptr_equal(map_remove(&map, str_of(key)), &values[i]);
    }
    assert_null(map_find(&map, STR("k0")));
    assert_ptr_equal(map_find(&map, STR("k4999")), &values[4999]);
    assert_ptr_equal(map_set(&map, STR("k1"), &values[0]), &values[1]);
    int last = -1, count = 0;
    struct map_entry *entry;
    for (size_t i = 0; (entry = map_next(&map, &i)) != NULL; count++) {
        uint64_t number;
        assert_true(str_to_u64(str_of(entry->key + 1), 5000, &number));
        assert_true((int)number > last);
        last = (int)number;
    }
    assert_int_equal(count, (int)map.live);
    assert_int_equal(count, 5000 - 1667);
}

static void context_is_put_in_front_of_an_error(void **state)
{
    (void)state;
    struct err err;

    assert_false(err_set(&err, ERR_INVALID, "port %d is above 65535", 70000));
    assert_false(err_prefix(&err, "ports[%d]", 0));
    assert_string_equal(err.text, "ports[0]: port 70000 is above 65535");
    for (int i = 0; i < 200; i++)
        err_prefix(&err, "deep context");
    assert_true(strlen(err.text) < sizeof err.text);
}

static void a_file_is_written_whole_or_not_at_all(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_base.XXXXXX";
    assert_non_null(mkdtemp(folder));
    AUTO(buf_done) struct buf path = {0}, bytes = {0};
    struct err err;

    buf_addf(&path, "%s/a/b/c", folder);
    assert_true(file_make_dirs(buf_text(&path), 0700, &err));
    buf_add_text(&path, "/file");
    assert_true(file_write(buf_text(&path), STR("hello"), 0640, &err));
    assert_true(file_read(buf_text(&path), 5, &bytes, &err));
    assert_string_equal(buf_text(&bytes), "hello");
    assert_false(file_read(buf_text(&path), 4, &bytes, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_false(file_write("/proc/nothing/here", STR("x"), 0600, &err));
    assert_false(file_read("/nothing/here", 4, &bytes, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    buf_clear(&path);
    buf_addf(&path, "%s/link", folder);
    assert_int_equal(symlink("/etc", buf_text(&path)), 0);
    assert_true(file_remove_tree(folder, &err));
    assert_false(file_exists(folder));
    assert_true(file_exists("/etc/passwd"));
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void a_slash_at_the_end_does_not_open_a_folder(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_base.XXXXXX";
    assert_non_null(mkdtemp(folder));
    AUTO(buf_done) struct buf path = {0};
    struct err err;

    buf_addf(&path, "%s/a//b//", folder);
    assert_true(file_make_dirs(buf_text(&path), 0700, &err));
    assert_int_equal(mode_of(buf_text(&path)), 0700);
    buf_clear(&path);
    buf_addf(&path, "%s/a", folder);
    assert_int_equal(mode_of(buf_text(&path)), 0755);
    assert_true(file_remove_tree(folder, &err));
}

static void what_must_not_wait_reads_no_pipe(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_base.XXXXXX";
    assert_non_null(mkdtemp(folder));
    AUTO(buf_done) struct buf path = {0}, bytes = {0};
    struct err err;

    buf_addf(&path, "%s/pipe", folder);
    assert_int_equal(mkfifo(buf_text(&path), 0600), 0);
    assert_false(file_read_regular(buf_text(&path), 100, &bytes, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_false(file_read_regular(folder, 100, &bytes, &err));
    assert_false(file_read_regular("/dev/zero", 100, &bytes, &err));
    assert_false(file_read_regular("/nothing/here", 100, &bytes, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(bytes.len, 0);
    buf_add_text(&path, ".txt");
    assert_true(file_write(buf_text(&path), STR("hello"), 0600, &err));
    assert_true(file_read_regular(buf_text(&path), 5, &bytes, &err));
    assert_string_equal(buf_text(&bytes), "hello");
    assert_true(file_remove_tree(folder, &err));
}

static void below_a_folder_no_link_is_followed(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_base.XXXXXX";
    assert_non_null(mkdtemp(folder));
    AUTO(buf_done) struct buf path = {0}, link = {0}, deeper = {0}, bytes = {0};
    struct err err;

    buf_addf(&path, "%s/inner/page", folder);
    buf_addf(&link, "%s/inner/link", folder);
    buf_addf(&deeper, "%s/other/page", folder);
    buf_addf(&bytes, "%s/inner", folder);
    assert_true(file_make_dirs(buf_text(&bytes), 0755, &err));
    buf_clear(&bytes);
    assert_true(file_write(buf_text(&path), STR("page"), 0600, &err));
    assert_int_equal(symlink("/etc/passwd", buf_text(&link)), 0);
    buf_addf(&bytes, "%s/other", folder);
    assert_int_equal(symlink("inner", buf_text(&bytes)), 0);
    buf_clear(&bytes);
    assert_true(file_read_beneath(folder, buf_text(&path), 100, &bytes, &err));
    assert_string_equal(buf_text(&bytes), "page");
    buf_clear(&bytes);
    assert_false(file_read_beneath(folder, buf_text(&link), 10000, &bytes, &err));
    assert_non_null(strstr(err.text, "symbolic link"));
    assert_false(file_read_beneath(folder, buf_text(&deeper), 100, &bytes, &err));
    assert_int_equal(bytes.len, 0);
    assert_true(file_read_beneath("/nowhere", buf_text(&deeper), 100, &bytes, &err));
    assert_true(file_remove_tree(folder, &err));
}

/* Needs root, and a mount namespace of its own, in which it can end in the middle. */
static void a_bind_mount_is_not_removed_with_what_lies_around_it(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_base.XXXXXX";
    AUTO(buf_done) struct buf kept = {0}, around = {0}, inner = {0};
    struct err err;

    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        skip();
    assert_non_null(mkdtemp(folder));
    buf_addf(&kept, "%s/kept", folder);
    buf_addf(&around, "%s/around", folder);
    buf_addf(&inner, "%s/around/inner", folder);
    assert_true(file_make_dirs(buf_text(&kept), 0700, &err));
    assert_true(file_make_dirs(buf_text(&inner), 0700, &err));
    assert_false(file_is_mount(buf_text(&inner)));
    assert_int_equal(mount(buf_text(&kept), buf_text(&inner), NULL, MS_BIND, NULL), 0);
    buf_add_text(&kept, "/file");
    assert_true(file_write(buf_text(&kept), STR("hello"), 0600, &err));
    assert_true(file_is_mount(buf_text(&inner)));
    assert_false(file_remove_tree(buf_text(&inner), &err));
    assert_false(file_remove_tree(buf_text(&around), &err));
    assert_true(file_exists(buf_text(&kept)));
    assert_int_equal(umount(buf_text(&inner)), 0);
    assert_true(file_remove_tree(buf_text(&around), &err));
    assert_true(file_exists(buf_text(&kept)));
    assert_true(file_remove_tree(folder, &err));
}

static void http_dates_go_both_ways(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_BYTES];
    int64_t seconds;

    clock_format_http(784111777, text);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_true(clock_parse_http(str_of(text), &seconds));
    assert_int_equal(seconds, 784111777);
    assert_false(clock_parse_http(STR("Sunday, 06-Nov-94 08:49:37 GMT"), &seconds));
    assert_false(clock_parse_http(STR("Sun, 06 Nov 1994 08:49:3x GMT"), &seconds));
    clock_format_rfc3339(784111777123, text);
    assert_string_equal(text, "1994-11-06T08:49:37.123Z");
}

static void use_arena(struct arena *arena)
{
    for (size_t size = 1; size < 20000; size += 97) {
        unsigned char *mem = arena_alloc(arena, size);
        assert_int_equal((uintptr_t)mem % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(mem[i], 0);
        memset(mem, 0xff, size);
    }
    assert_string_equal(arena_printf(arena, "%s-%d", "a", 1), "a-1");
}

static void arena_memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};

    use_arena(&arena);
}

static void a_reserved_arena_goes_on_behind_its_range(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    const char *early = arena_text(&arena, "before");

    arena_reserve(&arena, 100000); /* a tenth of what is used */
    use_arena(&arena);
    use_arena(&arena);
    assert_string_equal(early, "before");
}

static void a_range_that_there_is_no_room_for_is_done_without(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};

    arena_reserve(&arena, SIZE_MAX / 4);
    use_arena(&arena);
}

static void a_list_removes_while_walked(void **state)
{
    (void)state;
    struct list head, nodes[4];
    int count = 0;

    list_init(&head);
    for (size_t i = 0; i < 4; i++)
        list_push(&head, &nodes[i]);
    LIST_FOR_EACH (node, &head) {
        assert_ptr_equal(node, &nodes[count++]);
        list_remove(node);
        list_remove(node);
    }
    assert_int_equal(count, 4);
    assert_true(list_is_empty(&head));
}

static void a_vec_keeps_order_when_one_is_removed(void **state)
{
    (void)state;
    VEC(int) numbers = {0};

    for (int i = 0; i < 100; i++)
        VEC_PUSH(&numbers, i);
    VEC_REMOVE(&numbers, 0);
    VEC_REMOVE(&numbers, 98);
    assert_int_equal(numbers.len, 98);
    assert_int_equal(numbers.ptr[0], 1);
    assert_int_equal(numbers.ptr[97], 98);
    VEC_DONE(&numbers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_above_the_limit_is_refused),
        cmocka_unit_test(cutting_gives_every_piece_once),
        cmocka_unit_test(a_map_keeps_order_and_survives_removal_and_growth),
        cmocka_unit_test(context_is_put_in_front_of_an_error),
        cmocka_unit_test(a_file_is_written_whole_or_not_at_all),
        cmocka_unit_test(a_slash_at_the_end_does_not_open_a_folder),
        cmocka_unit_test(what_must_not_wait_reads_no_pipe),
        cmocka_unit_test(below_a_folder_no_link_is_followed),
        cmocka_unit_test(a_bind_mount_is_not_removed_with_what_lies_around_it),
        cmocka_unit_test(http_dates_go_both_ways),
        cmocka_unit_test(arena_memory_is_zeroed_and_aligned),
        cmocka_unit_test(a_reserved_arena_goes_on_behind_its_range),
        cmocka_unit_test(a_range_that_there_is_no_room_for_is_done_without),
        cmocka_unit_test(a_list_removes_while_walked),
        cmocka_unit_test(a_vec_keeps_order_when_one_is_removed),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
