/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "edge/static_cache.h"
#include "edge/worker.h"

static char root[] = "/tmp/test_static_cache.XXXXXX";

static struct {
    struct worker *worker;
    struct view view;
    struct table table;
    struct route route;
    uint64_t now_ns;
} fixture;

static uint64_t now(void)
{
    return fixture.now_ns;
}

static void make(const char *name, size_t size, char with)
{
    char path[256];
    struct err err;
    char *bytes = mem_new(size + 1);

    memset(bytes, with, size);
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    if (!file_write(path, str_from(bytes, size), 0644, &err))
        fail_msg("%s", err.text);
    free(bytes);
}

static void pass_ms(uint64_t ms)
{
    struct err err;

    fixture.now_ns += ms * NS_PER_MS;
    loop_free(fixture.worker->loop); /* it takes the time once a round: a new one begins with it */
    fixture.worker->loop = loop_new(now, &err);
}

static int set_up(void **state)
{
    (void)state;
    memcpy(root + sizeof root - 7, "XXXXXX", 6);
    if (mkdtemp(root) == NULL)
        return -1;
    fixture.now_ns = 5000 * NS_PER_MS;
    fixture.worker = NEW(struct worker);
    fixture.worker->view = &fixture.view;
    fixture.view.table = &fixture.table;
    fixture.table.generation = 1;
    fixture.route.files_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    static_cache_init(&fixture.worker->static_cache);
    pass_ms(0);
    make("small", 100, 'a');
    make("large", STATIC_CONTENT_BYTES + 1, 'b');
    return 0;
}

static int tear_down(void **state)
{
    struct err err;

    (void)state;
    static_cache_done(&fixture.worker->static_cache);
    loop_free(fixture.worker->loop);
    free(fixture.worker);
    fd_close(fixture.route.files_fd);
    return file_remove_tree(root, &err) ? 0 : -1;
}

static struct static_key key_of(const char *path)
{
    return (struct static_key){.route = &fixture.route, .path = str_of(path), .flavour = '-'};
}

/* As a request does it: what is kept, or what is found. */
static struct static_entry *ask(const char *path, bool *ret_found_anew)
{
    struct static_key key = key_of(path);
    struct static_entry *entry = static_cache_find(fixture.worker, &key);
    struct static_file file;

    *ret_found_anew = entry == NULL;
    if (entry != NULL)
        return entry;
    assert_int_equal(static_find(fixture.route.files_fd, key.path, key.accepted, &file), 200);
    return static_cache_keep(fixture.worker, &key, &file);
}

static void a_file_is_looked_for_once_within_a_second(void **state)
{
    bool anew;

    (void)state;
    struct static_entry *first = ask("/small", &anew);
    assert_true(anew);
    pass_ms(STATIC_FRESH_MS - 1);
    struct static_entry *second = ask("/small", &anew);
    assert_false(anew);
    assert_ptr_equal(first, second);
    assert_int_equal(first->content[99], 'a');
    static_entry_unref(first);
    static_entry_unref(second);
}

static void a_file_that_was_replaced_is_seen_after_a_second(void **state)
{
    bool anew;

    (void)state;
    struct static_entry *before = ask("/small", &anew);
    make("small", 100, 'c');
    pass_ms(STATIC_FRESH_MS);
    struct static_entry *after = ask("/small", &anew);
    assert_true(anew);
    assert_int_equal(after->content[0], 'c');
    assert_int_equal(before->content[0], 'a'); /* whoever has it still sends it whole */
    static_entry_unref(before);
    static_entry_unref(after);
}

static void a_file_that_stays_the_same_keeps_its_entry(void **state)
{
    bool anew;

    (void)state;
    struct static_entry *before = ask("/small", &anew);
    pass_ms(STATIC_FRESH_MS);
    struct static_entry *after = ask("/small", &anew);
    assert_true(anew);
    assert_ptr_equal(before, after);
    assert_int_equal(fixture.worker->static_cache.count, 1);
    static_entry_unref(before);
    static_entry_unref(after);
}

static void a_large_file_stays_on_the_disk(void **state)
{
    bool anew;

    (void)state;
    struct static_entry *entry = ask("/large", &anew);
    assert_null(entry->content);
    assert_int_equal(fixture.worker->static_cache.bytes, 0);
    static_entry_unref(entry);
}

static void a_new_table_begins_with_nothing(void **state)
{
    bool anew;

    (void)state;
    static_entry_unref(ask("/small", &anew));
    fixture.table.generation = 2;
    static_entry_unref(ask("/small", &anew));
    assert_true(anew);
}

static void files_and_bytes_have_an_end(void **state)
{
    struct static_cache *cache = &fixture.worker->static_cache;
    char name[32];
    bool anew;

    (void)state;
    for (int i = 0; i < STATIC_CACHE_FILES + 5; i++) {
        str_format(name, sizeof name, "f%d", i);
        make(name, 20000, 'f');
        str_format(name, sizeof name, "/f%d", i);
        static_entry_unref(ask(name, &anew));
        assert_true(cache->count <= STATIC_CACHE_FILES);
        assert_true(cache->bytes <= STATIC_CACHE_BYTES);
    }
    static_entry_unref(ask("/f0", &anew)); /* the oldest went */
    assert_true(anew);
    static_entry_unref(ask(name, &anew)); /* the newest did not */
    assert_false(anew);
}

static void an_answer_to_another_accept_encoding_is_another_entry(void **state)
{
    struct static_key plain = key_of("/small"), coded = key_of("/small");
    char long_text[STATIC_ACCEPT_BYTES + 2];
    struct static_file file;
    bool anew;

    (void)state;
    coded.accepted = STR("gzip");
    static_entry_unref(ask("/small", &anew));
    assert_null(static_cache_find(fixture.worker, &coded));
    memset(long_text, 'x', sizeof long_text);
    plain.accepted = str_from(long_text, sizeof long_text);
    assert_int_equal(static_find(fixture.route.files_fd, plain.path, (struct str){0}, &file), 200);
    struct static_entry *entry = static_cache_keep(fixture.worker, &plain, &file);
    assert_int_equal(fixture.worker->static_cache.count, 1); /* not remembered, but served */
    static_entry_unref(entry);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_looked_for_once_within_a_second),
        TEST(a_file_that_was_replaced_is_seen_after_a_second),
        TEST(a_file_that_stays_the_same_keeps_its_entry),
        TEST(a_large_file_stays_on_the_disk),
        TEST(a_new_table_begins_with_nothing),
        TEST(files_and_bytes_have_an_end),
        TEST(an_answer_to_another_accept_encoding_is_another_entry),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
