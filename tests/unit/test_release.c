/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/types.h>

#include <cmocka.h>

#include "control/release.h"
#include "tls/hasher.h"

enum { UID = 700001 };

/* A release of one service, "web", whose resolved project has <service> for it. */
struct one {
    struct compose_service service;
    struct compose compose;
    struct release_service made;
    struct release release;
    char text[1000];
};

static void make(struct one *one, const char *service)
{
    *one = (struct one){.service = {.name = "web"}};
    one->compose.services = &one->service;
    one->compose.service_count = 1;
    one->made.service = &one->service;
    str_format(one->text, sizeof one->text, "{\"services\":{\"web\":%s}}", service);
    one->release = (struct release){
        .compose = &one->compose, .text = one->text, .services = &one->made, .refs = 1};
}

static void seal(struct one *one, const struct one *former)
{
    const struct compose_texts nothing = {0};

    release_seal(&one->release, former == NULL ? NULL : &former->release, UID, &nothing, false);
}

/* As a program hashed it that counted the settings of rollouts. */
static void seal_with_settings(struct one *one, const char *hashed)
{
    AUTO(hasher_done) struct hasher hasher;
    uid_t uid = UID;

    hasher_init(&hasher);
    hasher_add(&hasher, str_of(hashed));
    hasher_add(&hasher, str_of(NULL));
    hasher_add(&hasher, str_from(&uid, sizeof uid));
    hasher_end(&hasher, one->made.config_hash);
    memcpy(one->made.hash, one->made.config_hash, sizeof one->made.hash);
}

static const char plain[] = "{\"image\":\"a\"}";

static void how_a_service_is_rolled_out_makes_no_other_instance_of_it(void **state)
{
    static const char *const same[] = {
        "{\"image\":\"a\",\"deploy\":{\"replicas\":3,\"update_config\":{\"parallelism\":2}}}",
        "{\"image\":\"a\",\"deploy\":{\"rollback_config\":{\"delay\":\"2s\"}}}",
        "{\"image\":\"a\",\"x-ishizue\":{\"deploy\":{\"strategy\":\"canary\"}}}",
    };
    struct one before, after;

    (void)state;
    make(&before, plain);
    seal(&before, NULL);
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        make(&after, same[i]);
        seal(&after, &before);
        assert_string_equal(after.made.hash, before.made.hash);
        assert_string_equal(after.made.config_hash, before.made.config_hash);
    }
}

static void what_an_instance_is_makes_another_one(void **state)
{
    static const char *const others[] = {
        "{\"image\":\"b\"}",
        "{\"image\":\"a\",\"deploy\":{\"resources\":{\"limits\":{\"cpus\":\"1\"}}}}",
        "{\"image\":\"a\",\"x-ishizue\":{\"migrate\":\"./migrate\",\"deploy\":{}}}",
    };
    struct one before, after;

    (void)state;
    make(&before, plain);
    seal(&before, NULL);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        make(&after, others[i]);
        seal(&after, &before);
        assert_string_not_equal(after.made.hash, before.made.hash);
    }
}

static void instances_of_a_release_that_counted_them_are_kept(void **state)
{
    static const char canary[] =
        "{\"image\":\"a\",\"x-ishizue\":{\"deploy\":{\"strategy\":\"canary\"}}}";
    struct one before, after, later;

    (void)state;
    make(&before, canary);
    seal_with_settings(&before, canary);
    make(&after, canary);
    seal(&after, &before);
    assert_string_equal(after.made.hash, before.made.hash);
    assert_string_not_equal(after.made.config_hash, before.made.config_hash);
    make(&later, plain); /* and from then on they do not count */
    seal(&later, &after);
    assert_string_equal(later.made.hash, before.made.hash);
    make(&later, "{\"image\":\"b\"}");
    seal(&later, &before);
    assert_string_not_equal(later.made.hash, before.made.hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_a_service_is_rolled_out_makes_no_other_instance_of_it),
        cmocka_unit_test(what_an_instance_is_makes_another_one),
        cmocka_unit_test(instances_of_a_release_that_counted_them_are_kept),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
