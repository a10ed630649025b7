/* SPDX-License-Identifier: Apache-2.0
 *
 * What a file may ask for: capabilities, security_opt, seccomp profiles, groups.
 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/err.h"
#include "runtime/capabilities.h"
#include "runtime/groups.h"
#include "runtime/security.h"
#include "json/json.h"

#define TEXTS(...)                                                                                 \
    (struct compose_texts)                                                                         \
    {                                                                                              \
        .items = (const char *[]){__VA_ARGS__},                                                    \
        .count = ARRAY_LEN(((const char *[]){__VA_ARGS__}))                                        \
    }

/* ---- capabilities ---- */

static void assert_given(const struct compose_service *service, const char *expected)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf all = {0};
    struct compose_texts given;
    struct err err;

    if (!capabilities_of(service, &arena, &given, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < given.count; i++)
        buf_addf(&all, "%s%s", i == 0 ? "" : " ", given.items[i]);
    assert_string_equal(buf_text(&all), expected);
}

static void assert_not_given(const struct compose_service *service, const char *text)
{
    AUTO(arena_done) struct arena arena = {0};
    struct compose_texts given;
    struct err err;

    assert_false(capabilities_of(service, &arena, &given, &err));
    if (strstr(err.text, text) == NULL)
        fail_msg("'%s' is not in '%s'", text, err.text);
}

static void nothing_is_given_that_is_not_added(void **state)
{
    (void)state;
    struct compose_service service = {0};

    assert_given(&service, "");
    service.isolation.cap_drop = TEXTS("ALL");
    assert_given(&service, "");
    service.isolation.cap_add = TEXTS("NET_RAW", "KILL");
    assert_given(&service, "CAP_KILL CAP_NET_RAW");
    service.isolation.cap_drop = TEXTS("ALL", "KILL");
    assert_given(&service, "CAP_NET_RAW");
}

static void all_is_what_is_possible_and_no_more(void **state)
{
    (void)state;
    struct compose_service service = {.isolation.cap_add = TEXTS("ALL")};

    assert_given(&service, "CAP_IPC_LOCK CAP_IPC_OWNER CAP_KILL CAP_NET_ADMIN CAP_NET_BIND_SERVICE "
                           "CAP_NET_BROADCAST CAP_NET_RAW CAP_SYS_CHROOT CAP_SYS_NICE");
    service.network_mode = "host";
    service.isolation.pid = "host";
    service.isolation.ipc = "host";
    assert_given(&service, "CAP_IPC_LOCK CAP_NET_BIND_SERVICE CAP_SYS_CHROOT");
    service.isolation.cap_drop = TEXTS("SYS_CHROOT");
    assert_given(&service, "CAP_IPC_LOCK CAP_NET_BIND_SERVICE");
}

static void what_only_root_needs_is_accepted_and_not_given(void **state)
{
    (void)state;
    struct compose_service service = {
        .isolation.cap_add = TEXTS("CHOWN", "DAC_OVERRIDE", "SETUID", "SETGID", "SYS_PTRACE"),
        .isolation.cap_drop = TEXTS("ALL")};

    assert_given(&service, "");
    assert_true(capability_is_added(&service, "SYS_PTRACE"));
    assert_false(capability_is_added(&service, "KILL"));
    assert_int_equal(capability_find("SETUID"), CAPABILITY_OF_ROOT);
    assert_int_equal(capability_find("SYS_PTRACE"), CAPABILITY_FILTER);
    assert_int_equal(capability_find("NET_RAW"), CAPABILITY_GIVEN);
    assert_int_equal(capability_find("SYS_MODULE"), CAPABILITY_REFUSED);
    assert_int_equal(capability_find("CAP_NET_RAW"), CAPABILITY_UNKNOWN);
}

static void what_leads_out_of_an_instance_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"SYS_ADMIN",       "SYS_MODULE", "SYS_RAWIO", "SYS_TIME",
                                        "DAC_READ_SEARCH", "SYSLOG",     "BPF",       "SYS_BOOT"};
    struct compose_service service = {0};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        service.isolation.cap_add = TEXTS(names[i]);
        assert_not_given(&service,
                         "would reach beyond the instance; what can be added: IPC_LOCK, ");
        service.isolation.cap_drop = TEXTS(names[i]);
        assert_given(&service, "");
        service.isolation.cap_drop = (struct compose_texts){0};
    }
    service.isolation.cap_add = TEXTS("NET_RAVV");
    assert_not_given(&service, "cap_add: there is no capability 'NET_RAVV'");
    service.isolation.cap_add = (struct compose_texts){0};
    service.isolation.cap_drop = TEXTS("net_raw");
    assert_not_given(&service, "cap_drop: there is no capability 'net_raw'");
}

static void without_its_boundary_a_capability_is_refused(void **state)
{
    (void)state;
    struct compose_service service = {.network_mode = "host",
                                      .isolation.cap_add = TEXTS("NET_ADMIN")};

    assert_not_given(&service, "'NET_ADMIN' together with network_mode: host");
    service = (struct compose_service){.isolation = {.pid = "host", .cap_add = TEXTS("KILL")}};
    assert_not_given(&service, "'KILL' together with pid: host");
    service = (struct compose_service){.isolation = {.ipc = "host", .cap_add = TEXTS("IPC_OWNER")}};
    assert_not_given(&service, "'IPC_OWNER' together with ipc: host");
}

/* ---- security_opt ---- */

static void options_choose_the_filter(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    struct security security;
    struct err err;
    struct compose_texts options = TEXTS("no-new-privileges", "label:disable", "apparmor=x",
                                         "no-new-privileges=true", "seccomp=builtin");

    assert_true(security_parse(&options, &arena, &security, &err));
    assert_false(security.unconfined);
    assert_null(security.profile);
    options = TEXTS("seccomp:/etc/a=b.json");
    assert_true(security_parse(&options, &arena, &security, &err));
    assert_string_equal(security.profile, "/etc/a=b.json");
    options = TEXTS("seccomp=unconfined");
    assert_true(security_parse(&options, &arena, &security, &err));
    assert_true(security.unconfined);
}

static void other_options_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"seccomp=profile.json",
                                      "seccomp",
                                      "no-new-privileges:false",
                                      "no-new-privileges=0",
                                      "systempaths=unconfined",
                                      "credentialspec=file://x",
                                      "",
                                      "="};
    AUTO(arena_done) struct arena arena = {0};
    struct security security;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct compose_texts options = TEXTS(bad[i]);
        assert_false(security_parse(&options, &arena, &security, &err));
        assert_int_equal(strncmp(err.text, "security_opt: ", 14), 0);
    }
}

/* ---- seccomp ---- */

static bool convert(const char *text, struct compose_texts capabilities, json_t **ret,
                    struct err *err)
{
    AUTO(json_unref) json_t *profile = NULL;

    assert_true(json_parse(str_of(text), SECCOMP_PROFILE_BYTES_MAX, &profile, err));
    return seccomp_convert(profile, &capabilities, "6.1.0-18-amd64", ret, err);
}

static void assert_rules(const char *text, struct compose_texts capabilities, const char *expected)
{
    AUTO(json_unref) json_t *filter = NULL;
    AUTO(buf_done) struct buf names = {0};
    const json_t *rule;
    struct err err;
    size_t i;

    assert_true(convert(text, capabilities, &filter, &err));
    json_array_foreach(json_object_get(filter, "syscalls"), i, rule)
    {
        const json_t *first = json_array_get(json_object_get(rule, "names"), 0);
        buf_addf(&names, "%s%s", i == 0 ? "" : " ", json_string_value(first));
        assert_null(json_object_get(rule, "includes"));
        assert_null(json_object_get(rule, "comment"));
    }
    assert_string_equal(buf_text(&names), expected);
}

static const char conditional[] =
    "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 1, \"syscalls\": ["
    "{\"names\": [\"read\", \"write\"], \"action\": \"SCMP_ACT_ALLOW\", \"comment\": \"x\"},"
    "{\"name\": \"old\", \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {}, \"excludes\": null},"
    "{\"names\": [\"raw\"], \"action\": \"SCMP_ACT_ALLOW\","
    " \"includes\": {\"caps\": [\"CAP_NET_RAW\"]}},"
    "{\"names\": [\"notraw\"], \"action\": \"SCMP_ACT_ALLOW\","
    " \"excludes\": {\"caps\": [\"CAP_NET_RAW\"]}},"
    "{\"names\": [\"new\"], \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {\"minKernel\": "
    "\"4.8\"}},"
    "{\"names\": [\"newer\"], \"action\": \"SCMP_ACT_ALLOW\","
    " \"includes\": {\"minKernel\": \"6.2\"}},"
    "{\"names\": [\"s390\"], \"action\": \"SCMP_ACT_ALLOW\","
    " \"includes\": {\"arches\": [\"s390\"]}}]}";

static void a_profile_is_reduced_to_what_applies(void **state)
{
    (void)state;
    assert_rules(conditional, (struct compose_texts){0}, "read old notraw new");
    assert_rules(conditional, TEXTS("CAP_NET_RAW"), "read old raw new");
}

static void a_profile_keeps_its_default_and_machine(void **state)
{
    (void)state;
    static const char text[] =
        "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"defaultErrnoRet\": 7, \"archMap\": ["
        "{\"architecture\": \"SCMP_ARCH_X86_64\", \"subArchitectures\": [\"SCMP_ARCH_X86\"]},"
        "{\"architecture\": \"SCMP_ARCH_AARCH64\", \"subArchitectures\": [\"SCMP_ARCH_ARM\"]}]}";
    AUTO(json_unref) json_t *filter = NULL;
    struct err err;

    assert_true(convert(text, (struct compose_texts){0}, &filter, &err));
    assert_string_equal(json_find_text(filter, "defaultAction", ""), "SCMP_ACT_ALLOW");
    assert_int_equal(json_find_u64(filter, "defaultErrnoRet", 0), 7);
    assert_int_equal(json_array_size(json_object_get(filter, "architectures")), 2);
}

static void a_profile_without_sense_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"defaultAction\": 5}",
        "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [5]}",
        "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"action\": \"SCMP_ACT_KILL\"}]}",
        "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": [\"read\"]}]}"};
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        json_t *filter = NULL;
        assert_false(convert(bad[i], (struct compose_texts){0}, &filter, &err));
        assert_null(filter);
    }
}

/* ---- groups ---- */

static const char group_file[] = "root:x:0:\nvideo:x:44:someone\nshadow:x:42:\n\nbroken\n"
                                 "docker:x:999:\nhuge:x:99999999999:\nrender:x:105:";

static bool parse_groups(struct compose_texts wanted, struct arena *arena, struct groups *ret,
                         struct err *err)
{
    return groups_parse(&wanted, str_of(group_file), arena, ret, err);
}

static void groups_are_names_or_numbers(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    struct groups groups;
    struct err err;

    assert_true(parse_groups(TEXTS("video", "105", "4321", "44"), &arena, &groups, &err));
    assert_int_equal(groups.count, 3);
    assert_int_equal(groups.items[0].gid, 44);
    assert_string_equal(groups.items[1].name, "render");
    assert_int_equal(groups.items[2].gid, 4321);
    assert_string_equal(groups.items[2].name, "group4321");
}

static void groups_of_the_machines_secrets_are_refused(void **state)
{
    (void)state;
    static const char *const secret[] = {"root", "0", "shadow", "42", "docker", "999", "700000"};
    static const char *const unknown[] = {"audio", "", "huge", "broken", "-1", "vide", "x y"};
    AUTO(arena_done) struct arena arena = {0};
    struct groups groups;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(secret); i++) {
        assert_false(parse_groups(TEXTS(secret[i]), &arena, &groups, &err));
        assert_int_equal(err.code, ERR_DENIED);
    }
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        assert_false(parse_groups(TEXTS(unknown[i]), &arena, &groups, &err));
        assert_int_equal(err.code, ERR_NOT_FOUND);
    }
}

static void groups_have_a_limit(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    const char *names[GROUPS_MAX + 1];
    struct groups groups;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        names[i] = arena_printf(&arena, "%zu", 3000 + i);
    assert_true(parse_groups((struct compose_texts){names, GROUPS_MAX}, &arena, &groups, &err));
    assert_int_equal(groups.count, GROUPS_MAX);
    assert_false(
        parse_groups((struct compose_texts){names, GROUPS_MAX + 1}, &arena, &groups, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_given_that_is_not_added),
        cmocka_unit_test(all_is_what_is_possible_and_no_more),
        cmocka_unit_test(what_only_root_needs_is_accepted_and_not_given),
        cmocka_unit_test(what_leads_out_of_an_instance_is_refused),
        cmocka_unit_test(without_its_boundary_a_capability_is_refused),
        cmocka_unit_test(options_choose_the_filter),
        cmocka_unit_test(other_options_are_refused),
        cmocka_unit_test(a_profile_is_reduced_to_what_applies),
        cmocka_unit_test(a_profile_keeps_its_default_and_machine),
        cmocka_unit_test(a_profile_without_sense_is_refused),
        cmocka_unit_test(groups_are_names_or_numbers),
        cmocka_unit_test(groups_of_the_machines_secrets_are_refused),
        cmocka_unit_test(groups_have_a_limit),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
