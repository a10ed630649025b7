/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/hash.h"
#include "edge/cache_store.h"

enum { LIMIT = 1000000, OBJECT = 1000 };

static struct cache *new_cache(uint64_t limit)
{
    struct cache *cache = cache_new();

    cache_set_limit(cache, limit);
    return cache;
}

static struct cache_wanted wanted_of(const char *key)
{
    return (struct cache_wanted){.key = str_of(key), .hash = hash_bytes(key, strlen(key))};
}

/* Of system "s", with <size> bytes of body. NULL: there was no room. */
static struct cache_entry *make(struct cache *cache, const char *key, size_t size, const char *tags)
{
    struct cache_body *body = cache_body_new(cache);
    AUTO(free) char *bytes = mem_new(size + 1);
    char *at;

    if (body == NULL)
        return NULL;
    memset(bytes, 'b', size);
    struct cache_entry *entry = cache_body_add(body, str_from(bytes, size), 0)
                                    ? cache_entry_new(cache, 0, strlen(key) + strlen(tags) + 1, &at)
                                    : NULL;
    if (entry == NULL) {
        cache_body_unref(body);
        return NULL;
    }
    cache_body_end(body);
    entry->body = body;
    memcpy(at, key, strlen(key));
    entry->key = entry->path = str_from(at, strlen(key));
    memcpy(at + strlen(key), tags, strlen(tags));
    entry->tags = str_from(at + strlen(key), strlen(tags));
    entry->base_len = strlen(key);
    entry->system = STR("s");
    entry->hash = hash_bytes(key, strlen(key));
    return entry;
}

static bool add_sized(struct cache *cache, const char *key, size_t size)
{
    AUTO(cache_entry_unref) struct cache_entry *entry = make(cache, key, size, "");

    return entry != NULL && cache_add(cache, entry, cache_epoch(cache, entry->hash));
}

static void add(struct cache *cache, const char *key)
{
    assert_true(add_sized(cache, key, OBJECT));
}

static bool has(struct cache *cache, const char *key, bool is_used)
{
    struct cache_wanted wanted = wanted_of(key);
    AUTO(cache_entry_unref) struct cache_entry *entry = cache_find(cache, &wanted, is_used);

    return entry != NULL;
}

static const char *name_of(const char *kind, unsigned number)
{
    static char text[32];

    str_format(text, sizeof text, "/%s%u", kind, number);
    return text;
}

static void what_was_put_in_is_found_and_what_was_taken_out_is_not(void **state)
{
    struct cache *cache = new_cache(LIMIT);

    (void)state;
    assert_false(has(cache, "/a", true));
    add(cache, "/a");
    add(cache, "/b");
    assert_true(has(cache, "/a", true) && has(cache, "/b", true));
    assert_int_equal(cache_totals(cache).entries, 2);
    add(cache, "/a"); /* in its place */
    assert_int_equal(cache_totals(cache).entries, 2);
    struct cache_wanted wanted = wanted_of("/a");
    cache_invalidate(cache, wanted.key, wanted.hash);
    assert_false(has(cache, "/a", true));
    assert_true(has(cache, "/b", true));
    cache_free(cache); /* asserts that nothing is left counted */
}

static void the_sum_never_exceeds_the_limit(void **state)
{
    struct cache *cache = new_cache(LIMIT);

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        (void)add_sized(cache, name_of("x", i), i % 40000);
        assert_true(cache_totals(cache).bytes <= LIMIT);
    }
    assert_true(cache_totals(cache).evicted > 1000);
    assert_true(cache_totals(cache).bytes > LIMIT / 2);
    assert_false(add_sized(cache, "/larger", LIMIT + 1));
    cache_set_limit(cache, LIMIT / 10);
    assert_true(cache_totals(cache).bytes <= LIMIT / 10);
    cache_set_limit(cache, 0);
    assert_int_equal(cache_totals(cache).entries, 0);
    assert_int_equal(cache_totals(cache).bytes, 0);
    assert_false(add_sized(cache, "/none", 1));
    cache_free(cache);
}

static void a_scan_of_ten_times_the_room_leaves_what_is_hot(void **state)
{
    struct cache *cache = new_cache(LIMIT);
    unsigned kept = 0;

    (void)state;
    for (unsigned i = 0; i < 300; i++)
        add(cache, name_of("hot", i));
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 300; i++)
            assert_true(has(cache, name_of("hot", i), true));
    for (unsigned i = 0; i < 10 * LIMIT / OBJECT; i++) {
        add(cache, name_of("scan", i));
        if (i % 1000 == 0)
            for (unsigned k = 0; k < 300; k++)
                (void)has(cache, name_of("hot", k), true);
    }
    for (unsigned i = 0; i < 300; i++)
        kept += has(cache, name_of("hot", i), false);
    assert_true(kept == 300);
    cache_free(cache);
}

static void what_comes_back_soon_after_it_went_is_kept_longer(void **state)
{
    struct cache *cache = new_cache(LIMIT);
    unsigned i = 0;

    (void)state;
    for (; i < 700; i++) { /* a main queue, so that there are ghosts */
        add(cache, name_of("base", i));
        (void)has(cache, name_of("base", i), true);
        (void)has(cache, name_of("base", i), true);
    }
    add(cache, "/back");
    for (i = 0; has(cache, "/back", false); i++)
        add(cache, name_of("push", i));
    unsigned first = i;
    add(cache, "/back"); /* a ghost: to the main queue */
    for (i = 0; has(cache, "/back", false) && i < 3 * first; i++)
        add(cache, name_of("more", i));
    assert_true(i > 2 * first);
    cache_free(cache);
}

static void who_sends_keeps_what_was_evicted_and_it_counts(void **state)
{
    struct cache *cache = new_cache(LIMIT);
    struct cache_wanted wanted = wanted_of("/held");

    (void)state;
    assert_true(add_sized(cache, "/held", LIMIT / 2));
    struct cache_entry *held = cache_find(cache, &wanted, false);
    assert_non_null(held);
    cache_invalidate(cache, wanted.key, wanted.hash);
    assert_false(has(cache, "/held", false));
    assert_true(cache_totals(cache).bytes >= LIMIT / 2);
    assert_false(add_sized(cache, "/other", LIMIT / 2));
    assert_int_equal(held->body->bytes, LIMIT / 2);
    assert_int_equal(held->body->chunks[0].bytes[0], 'b');
    cache_entry_unref(held);
    assert_int_equal(cache_totals(cache).bytes, 0);
    cache_free(cache);
}

static void a_body_takes_no_more_room_than_it_has_bytes(void **state)
{
    struct cache *cache = new_cache(LIMIT);
    struct cache_body *body = cache_body_new(cache);

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        assert_true(cache_body_add(body, STR("0123456789"), 0)); /* chunked: the end is unknown */
    cache_body_end(body);
    assert_int_equal(body->bytes, 1000);
    assert_true(body->cost < 1000 + 100 * 40 + sizeof *body);
    struct cache_body *known = cache_body_new(cache);
    for (unsigned i = 100; i-- > 0;)
        assert_true(cache_body_add(known, STR("0123456789"), 10 * i));
    assert_int_equal(known->count, 1);
    cache_body_unref(body);
    cache_body_unref(known);
    cache_free(cache);
}

static void purges_reach_what_they_name_and_nothing_else(void **state)
{
    struct cache *cache = new_cache(LIMIT);
    static const char *const paths[] = {"/a", "/a?x", "/ab", "/a/b", "/c"};
    static const char *const tags[] = {"red", "red, blue", "blue green", "reddish", ""};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct cache_entry *entry = make(cache, paths[i], 1, tags[i]);
        assert_true(cache_add(cache, entry, cache_epoch(cache, entry->hash)));
        cache_entry_unref(entry);
    }
    assert_int_equal(cache_purge(cache, STR("t"), CACHE_PURGE_ALL, STR("")), 0);
    assert_int_equal(cache_purge(cache, STR("s"), CACHE_PURGE_TAG, STR("gree")), 0);
    assert_int_equal(cache_purge(cache, STR("s"), CACHE_PURGE_TAG, STR("green")), 1);
    assert_int_equal(cache_purge(cache, STR("s"), CACHE_PURGE_PATH, STR("/a?x")), 1);
    assert_int_equal(cache_purge(cache, STR("s"), CACHE_PURGE_PATH, STR("/a")), 1);
    assert_int_equal(cache_purge(cache, STR("s"), CACHE_PURGE_PREFIX, STR("/a/")), 1);
    assert_int_equal(cache_purge(cache, STR("s"), CACHE_PURGE_ALL, STR("")), 1);
    assert_int_equal(cache_totals(cache).purged, 5);
    cache_free(cache);
}

static void what_was_asked_for_before_an_invalidation_does_not_come_in_after_it(void **state)
{
    struct cache *cache = new_cache(LIMIT);
    struct cache_entry *entry = make(cache, "/a", 1, "");
    uint64_t epoch = cache_epoch(cache, entry->hash);

    (void)state;
    cache_invalidate(cache, entry->key, entry->hash);
    assert_false(cache_add(cache, entry, epoch));
    epoch = cache_epoch(cache, entry->hash);
    (void)cache_purge(cache, STR("other"), CACHE_PURGE_ALL, STR(""));
    assert_false(cache_add(cache, entry, epoch));
    assert_true(cache_add(cache, entry, cache_epoch(cache, entry->hash)));
    cache_entry_unref(entry);
    cache_free(cache);
}

static void one_leads_others_wait_or_go(void **state)
{
    struct cache *cache = new_cache(LIMIT);
    struct cache_wanted wanted = wanted_of("/a");
    struct cache_flight *flight = NULL, *other = NULL;

    (void)state;
    assert_int_equal(cache_join(cache, &wanted, NULL, true, 3, 1, &flight), CACHE_LEADS);
    assert_int_equal(cache_join(cache, &wanted, NULL, false, 3, 1, &other), CACHE_GOES);
    cache_flight_is_slow(cache, wanted.hash);
    assert_int_equal(cache_join(cache, &wanted, NULL, true, 3, 1, &other), CACHE_GOES);
    cache_land(cache, flight, true, 1); /* nobody waits: no letters */
    assert_int_equal(cache_join(cache, &wanted, NULL, true, 3, 2, &other), CACHE_GOES);
    assert_int_equal(cache_join(cache, &wanted, NULL, true, 3, CACHE_PASS_MS + 2, &flight),
                     CACHE_LEADS);
    add(cache, "/a");
    assert_int_equal(cache_join(cache, &wanted, NULL, true, 3, 2, &other), CACHE_AGAIN);
    cache_land(cache, flight, false, 2);
    assert_null(other);
    cache_free(cache);
}

static void *hammer(void *arg)
{
    struct cache *cache = arg;
    unsigned random = (unsigned)(uintptr_t)pthread_self();

    for (unsigned i = 0; i < 20000; i++) {
        char key[32];
        random = random * 1664525 + 1013904223;
        str_format(key, sizeof key, "/k%u", random >> 20);
        struct cache_wanted wanted = wanted_of(key);
        struct cache_entry *entry = cache_find(cache, &wanted, true);
        if (entry == NULL)
            (void)add_sized(cache, key, 100 + (random >> 16) % 5000);
        else if (!str_eq(entry->key, wanted.key) || entry->body->chunks[0].bytes[0] != 'b')
            abort();
        if (random % 97 == 0)
            cache_invalidate(cache, wanted.key, wanted.hash);
        if (random % 997 == 0)
            (void)cache_purge(cache, STR("s"), CACHE_PURGE_PREFIX, STR("/k1"));
        cache_entry_unref(entry);
    }
    return NULL;
}

static void several_threads_get_what_was_stored_and_leave_nothing_behind(void **state)
{
    struct cache *cache = new_cache(LIMIT);
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, cache), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        (void)pthread_join(threads[i], NULL);
    assert_true(cache_totals(cache).bytes <= LIMIT);
    (void)cache_purge(cache, STR("s"), CACHE_PURGE_ALL, STR(""));
    assert_int_equal(cache_totals(cache).entries, 0);
    assert_int_equal(cache_totals(cache).bytes, 0);
    cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_in_is_found_and_what_was_taken_out_is_not),
        cmocka_unit_test(the_sum_never_exceeds_the_limit),
        cmocka_unit_test(a_scan_of_ten_times_the_room_leaves_what_is_hot),
        cmocka_unit_test(what_comes_back_soon_after_it_went_is_kept_longer),
        cmocka_unit_test(who_sends_keeps_what_was_evicted_and_it_counts),
        cmocka_unit_test(a_body_takes_no_more_room_than_it_has_bytes),
        cmocka_unit_test(purges_reach_what_they_name_and_nothing_else),
        cmocka_unit_test(what_was_asked_for_before_an_invalidation_does_not_come_in_after_it),
        cmocka_unit_test(one_leads_others_wait_or_go),
        cmocka_unit_test(several_threads_get_what_was_stored_and_leave_nothing_behind),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
