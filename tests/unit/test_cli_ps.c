/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/err.h"
#include "cli/cli.h"
#include "cli/log_view.h"
#include "cli/ps_format.h"
#include "json/json.h"

static const int64_t NOW_MS = 1795226047123;

static const char system_text[] =
    "{\"name\":\"eshop\",\"operation\":null,\"addresses\":[\"https://eshop.localhost:8443/\"],"
    "\"services\":["
    "{\"name\":\"nginx\",\"provided_by\":\"edge\",\"ports\":[{\"published\":8443,\"target\":443,"
    "\"protocol\":\"tcp\",\"kind\":\"https\"}]},"
    "{\"name\":\"backend\",\"provided_by\":null,\"ports\":[]},"
    "{\"name\":\"postgres\",\"image\":\"postgres:15\",\"ports\":[{\"host_ip\":\"::1\","
    "\"published\":5433,\"target\":5432,\"protocol\":\"tcp\"}]}],"
    "\"instances\":["
    "{\"id\":\"eshop-postgres-1-aa\",\"name\":\"eshop-postgres-1\",\"service\":\"postgres\","
    "\"state\":\"ready\",\"health\":\"healthy\",\"text\":\"Up 3 minutes (healthy)\","
    "\"exit_status\":0,\"created_ms\":1795225860000,\"started_ms\":1795225862123,\"restarts\":0,"
    "\"cpu_ns\":1230000000,\"memory_bytes\":66584576},"
    "{\"id\":\"eshop-backend-1-bb\",\"name\":\"eshop-backend-1\",\"service\":\"backend\","
    "\"state\":\"backoff\",\"health\":\"none\",\"text\":\"Restarting (1)\",\"exit_status\":1,"
    "\"created_ms\":1795225860000,\"started_ms\":1795226040000,\"restarts\":4}]}";

static json_t *load_system(void)
{
    json_t *system = NULL;
    struct err err;

    assert_true(json_parse(str_of(system_text), 1 << 20, &system, &err));
    return system;
}

static void expect_table(size_t width, const char *text)
{
    AUTO(json_unref) json_t *system = load_system();
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf out = {0};
    struct term term = {.width = width};

    ps_format_table(system, &term, NOW_MS, true, &arena, &out);
    assert_string_equal(buf_text(&out), text);
}

static void ps_shows_state_age_restarts_usage_and_addresses(void **state)
{
    (void)state;
    expect_table(
        0,
        "NAME              SERVICE   STATE            UPTIME  RESTARTS  CPU TIME    MEMORY  PORTS\n"
        "(edge)            nginx     ready                                                  "
        "8443->443/https\n"
        "eshop-postgres-1  postgres  ready (healthy)  3 m                  1.2 s  63.5 MiB  "
        "[::1]:5433->5432/tcp\n"
        "eshop-backend-1   backend   backoff (1)                     4\n"
        "\n"
        "https://eshop.localhost:8443/\n");
}

static void a_narrow_terminal_keeps_service_state_and_ports(void **state)
{
    (void)state;
    expect_table(60, "SERVICE   STATE            RESTARTS  PORTS\n"
                     "nginx     ready                      8443->443/https\n"
                     "postgres  ready (healthy)            [::1]:5433->5432/tcp\n"
                     "backend   backoff (1)             4\n"
                     "\n"
                     "https://eshop.localhost:8443/\n");
}

static void json_lines_have_the_keys_of_compose(void **state)
{
    (void)state;
    AUTO(json_unref) json_t *system = load_system();
    AUTO(json_unref) json_t *first = NULL;
    AUTO(json_unref) json_t *second = NULL;
    AUTO(buf_done) struct buf out = {0};
    struct err err;
    static const char *const keys[] = {
        "ID",       "Name",    "Service", "State",    "Health",      "Status",     "Publishers",
        "ExitCode", "Project", "Image",   "Command",  "CreatedAt",   "RunningFor", "Names",
        "Ports",    "Labels",  "Mounts",  "Networks", "LocalVolumes"};

    ps_format_lines(system, NULL, NOW_MS, &out);
    struct str rest = buf_str(&out);
    assert_true(json_parse(str_cut(&rest, '\n'), 1 << 20, &first, &err));
    assert_true(json_parse(str_cut(&rest, '\n'), 1 << 20, &second, &err));
    assert_int_equal(rest.len, 0);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        assert_non_null(json_object_get(first, keys[i]));
    assert_string_equal(json_find_text(first, "State", ""), "running");
    assert_string_equal(json_find_text(first, "Health", ""), "healthy");
    assert_string_equal(json_find_text(first, "Image", ""), "postgres:15");
    assert_string_equal(json_find_text(first, "RunningFor", ""), "3 m ago");
    assert_string_equal(json_find_text(second, "State", ""), "restarting");
    assert_string_equal(json_find_text(second, "Health", "?"), "");
    assert_int_equal(json_find_u64(second, "ExitCode", 0), 1);
}

static void json_lines_tell_labels_networks_and_mounts_of_the_configuration(void **state)
{
    (void)state;
    AUTO(json_unref) json_t *system = load_system();
    AUTO(json_unref) json_t *config = NULL;
    AUTO(json_unref) json_t *first = NULL;
    AUTO(buf_done) struct buf out = {0};
    struct err err;

    assert_true(json_parse(
        STR("{\"services\":{\"postgres\":{\"labels\":{\"a\":\"b\",\"c\":\"\"},\"networks\":{"
            "\"back\":null},\"volumes\":[{\"type\":\"volume\",\"source\":\"data\"},{\"type\":"
            "\"volume\"},{\"type\":\"bind\",\"source\":\"/srv\"},{\"type\":\"tmpfs\"}]}},"
            "\"networks\":{\"back\":{\"name\":\"shop_back\"}},"
            "\"volumes\":{\"data\":{\"name\":\"shop_data\"}}}"),
        1 << 20, &config, &err));
    ps_format_lines(system, config, NOW_MS, &out);
    struct str rest = buf_str(&out);
    assert_true(json_parse(str_cut(&rest, '\n'), 1 << 20, &first, &err));
    assert_string_equal(json_find_text(first, "Labels", ""), "a=b,c=");
    assert_string_equal(json_find_text(first, "Networks", ""), "shop_back");
    assert_string_equal(json_find_text(first, "Mounts", ""), "shop_data,/srv");
    assert_string_equal(json_find_text(first, "LocalVolumes", ""), "2");
}

static void a_system_of_foreign_shape_does_no_harm(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}", "[]", "{\"instances\":[{}],\"services\":[{}],\"addresses\":[5]}",
        "{\"instances\":[{\"name\":\"\\u001b[2J\",\"started_ms\":\"x\",\"restarts\":-1}]}"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        AUTO(json_unref) json_t *system = NULL;
        AUTO(arena_done) struct arena arena = {0};
        AUTO(buf_done) struct buf out = {0};
        struct term term = {.width = 80};
        struct err err;

        assert_true(json_parse(str_of(texts[i]), 1 << 20, &system, &err));
        ps_format_table(system, &term, NOW_MS, true, &arena, &out);
        assert_non_null(strstr(buf_text(&out), "STATE"));
        assert_null(strchr(buf_text(&out), '\033'));
    }
}

static void ages_and_sizes_read_well(void **state)
{
    (void)state;
    static const struct {
        uint64_t ms;
        const char *text;
    } ages[] = {{0, "0 s"},
                {59999, "59 s"},
                {60000, "1 m"},
                {11100000, "3 h 05 m"},
                {352800000, "4 d 2 h"}};
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {{0, "0 B"},
                 {1023, "1023 B"},
                 {1024, "1 KiB"},
                 {66584576, "63.5 MiB"},
                 {200000000, "190 MiB"},
                 {5368709120, "5.0 GiB"},
                 {UINT64_MAX, "1677721 TiB"}};

    for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
        AUTO(buf_done) struct buf out = {0};
        ps_format_age(ages[i].ms, &out);
        assert_string_equal(buf_text(&out), ages[i].text);
    }
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        AUTO(buf_done) struct buf out = {0};
        ps_format_bytes(sizes[i].bytes, &out);
        assert_string_equal(buf_text(&out), sizes[i].text);
    }
}

static void expect_log(struct log_view *view, const char *text, const char *printed)
{
    AUTO(json_unref) json_t *line = NULL;
    AUTO(buf_done) struct buf out = {0};
    struct err err;

    assert_true(json_parse(str_of(text), 1 << 20, &line, &err));
    log_view_line(view, line, &out);
    assert_string_equal(buf_text(&out), printed);
}

static void log_lines_carry_an_aligned_prefix_in_the_services_colour(void **state)
{
    (void)state;
    struct cli cli = {.out = {.is_tty = true, .colour = true}};
    AUTO(log_view_done) struct log_view view;

    log_view_init(&view, &cli, "eshop");
    log_view_expect(&view, "eshop-postgres-1");
    expect_log(&view, "{\"service\":\"backend\",\"instance\":\"eshop-backend-1\",\"text\":\"up\"}",
               "\033[36mbackend-1   | \033[0mup\n");
    expect_log(&view, "{\"service\":\"postgres\",\"instance\":\"eshop-postgres-1\",\"text\":\"a\"}",
               "\033[33mpostgres-1  | \033[0ma\n");
    expect_log(&view,
               "{\"service\":\"backend\",\"instance\":\"eshop-backend-1\",\"text\":\"\\u001b[2J"
               "\\u001b[31mred\"}",
               "\033[36mbackend-1   | \033[0m\033[31mred\033[0m\n");
}

static void log_lines_in_a_file_are_as_they_came(void **state)
{
    (void)state;
    struct cli cli = {.options = {.timestamps = true, .no_log_prefix = true}};
    AUTO(log_view_done) struct log_view view;

    log_view_init(&view, &cli, "eshop");
    expect_log(&view, "{\"service\":\"a\",\"time_ms\":1795226047123,\"text\":\"\\u001b[2Jx\"}",
               "2026-11-21T01:54:07.123Z \033[2Jx\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ps_shows_state_age_restarts_usage_and_addresses),
        cmocka_unit_test(a_narrow_terminal_keeps_service_state_and_ports),
        cmocka_unit_test(json_lines_have_the_keys_of_compose),
        cmocka_unit_test(json_lines_tell_labels_networks_and_mounts_of_the_configuration),
        cmocka_unit_test(a_system_of_foreign_shape_does_no_harm),
        cmocka_unit_test(ages_and_sizes_read_well),
        cmocka_unit_test(log_lines_carry_an_aligned_prefix_in_the_services_colour),
        cmocka_unit_test(log_lines_in_a_file_are_as_they_came),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
