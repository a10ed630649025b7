/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

#include "base/err.h"
#include "cli/looking_format.h"
#include "cli/text_width.h"
#include "json/json.h"

enum { TEXT_BYTES = 1 << 20 };

static const struct term narrow = {.fd = 1, .is_tty = true, .utf8 = true, .width = 80};
static const struct term file = {.fd = 1};

static json_t *read_json(const char *text)
{
    json_t *root = NULL;
    struct err err;

    assert_true(json_parse(str_of(text), TEXT_BYTES, &root, &err));
    return root;
}

static size_t count_lines(const struct buf *text)
{
    size_t count = 0;

    for (size_t i = 0; i < text->len; i++)
        count += text->ptr[i] == '\n';
    return count;
}

static void expect_width(const struct buf *text, size_t width)
{
    struct str rest = buf_str(text);

    while (rest.ptr != NULL)
        assert_true(text_width(str_cut(&rest, '\n')) <= width);
}

/* ---- sizes ---- */

static void expect_sizes(uint64_t bytes, const char *binary, const char *decimal)
{
    AUTO(buf_done) struct buf first = {0};
    AUTO(buf_done) struct buf second = {0};

    size_format_binary(bytes, &first);
    size_format_decimal(bytes, &second);
    assert_string_equal(buf_text(&first), binary);
    assert_string_equal(buf_text(&second), decimal);
}

static void sizes_are_written_as_docker_does(void **state)
{
    (void)state;
    expect_sizes(0, "0B", "0B");
    expect_sizes(999, "999B", "999B");
    expect_sizes(1000, "1000B", "1kB");
    expect_sizes(1024, "1KiB", "1.02kB");
    expect_sizes(1450, "1.416KiB", "1.45kB");
    expect_sizes(13107200, "12.5MiB", "13.1MB");
    expect_sizes(UINT64_MAX, "16EiB", "18.4EB");
}

static void a_size_that_rounds_up_takes_the_next_unit(void **state)
{
    (void)state;
    expect_sizes(999950, "976.5KiB", "1MB");
    expect_sizes(1048575, "1MiB", "1.05MB");
}

/* ---- stats ---- */

static const char before_text[] =
    "{\"time_ns\": 1000000000, \"machine_memory_bytes\": 8589934592, \"instances\": ["
    "{\"id\": \"shop-web-1-aabbcc\", \"name\": \"shop-web-1\", \"cpu_ns\": 100, \"pids\": 2}]}";
static const char now_text[] =
    "{\"time_ns\": 2000000000, \"machine_memory_bytes\": 8589934592, \"instances\": ["
    "{\"id\": \"shop-web-1-aabbcc\", \"name\": \"shop-web-1\", \"cpu_ns\": 1250000100,"
    " \"pids\": 2, \"memory_bytes\": 13107200, \"memory_limit_bytes\": 0,"
    " \"received_bytes\": 1450, \"sent_bytes\": 900, \"read_bytes\": 0, \"written_bytes\": 4096},"
    "{\"id\": \"shop-job-1-ddeeff\", \"name\": \"shop-job-1\", \"state\": \"exited\"}]}";

static void stats_reckon_the_share_of_a_processor_from_two_looks(void **state)
{
    AUTO(json_unref) json_t *before = read_json(before_text);
    AUTO(json_unref) json_t *now = read_json(now_text);
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf out = {0};
    struct stats_view view = {.before = before, .now = now};

    (void)state;
    stats_format_table(&view, &file, &arena, &out);
    assert_string_equal(
        buf_text(&out),
        "CONTAINER ID  NAME        CPU %    MEM USAGE / LIMIT  MEM %  NET I/O        BLOCK I/O   "
        "PIDS\n"
        "web-1-aabbcc  shop-web-1  125.00%  12.5MiB / 8GiB     0.15%  1.45kB / 900B  0B / 4.1kB  "
        "2\n");
}

static void stats_without_a_look_before_say_nothing_of_the_processor(void **state)
{
    AUTO(json_unref) json_t *now = read_json(now_text);
    AUTO(buf_done) struct buf out = {0};
    struct stats_view view = {.now = now, .whole = true};

    (void)state;
    stats_format_lines(&view, &out);
    assert_string_equal(buf_text(&out),
                        "{\"BlockIO\":\"0B / 4.1kB\",\"CPUPerc\":\"0.00%\",\"Container\":"
                        "\"shop-web-1-aabbcc\",\"ID\":\"shop-web-1-aabbcc\",\"MemPerc\":\"0.15%\","
                        "\"MemUsage\":\"12.5MiB / 8GiB\",\"Name\":\"shop-web-1\",\"NetIO\":"
                        "\"1.45kB / 900B\",\"PIDs\":\"2\"}\n");
}

static void stats_show_what_does_not_run_only_on_request(void **state)
{
    AUTO(json_unref) json_t *now = read_json(now_text);
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf out = {0};
    struct stats_view view = {.now = now, .all = true};

    (void)state;
    stats_format_table(&view, &file, &arena, &out);
    assert_int_equal(count_lines(&out), 3);
    assert_non_null(strstr(buf_text(&out), "shop-job-1  --"));
}

static void stats_fit_into_80_columns_with_long_and_wide_names(void **state)
{
    AUTO(json_unref)
    json_t *now = read_json(
        "{\"time_ns\": 2, \"machine_memory_bytes\": 8589934592, \"instances\": ["
        "{\"id\": \"x\", \"name\": \"\346\272\220\346\263\211\346\272\220\346\263\211\346\272\220"
        "\346\263\211-a-service-with-a-rather-long-name-of-sixty-columns-1\", \"cpu_ns\": 1,"
        " \"pids\": 99999, \"memory_bytes\": 1099511627, \"memory_limit_bytes\": 1999511627,"
        " \"received_bytes\": 14503333333, \"sent_bytes\": 90033333, \"read_bytes\": 555555555,"
        " \"written_bytes\": 4096666}]}");
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf out = {0};
    struct stats_view view = {.now = now};

    (void)state;
    stats_format_table(&view, &narrow, &arena, &out);
    assert_int_equal(count_lines(&out), 2);
    expect_width(&out, 80);
    assert_non_null(strstr(buf_text(&out), "99999"));
    assert_non_null(strstr(buf_text(&out), "\346\272\220"));
}

static void tables_without_rows_are_their_heads(void **state)
{
    AUTO(json_unref)
    json_t *empty = read_json("{\"instances\": [], \"images\": [], \"volumes\": []}");
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf stats = {0};
    AUTO(buf_done) struct buf volumes = {0};
    AUTO(buf_done) struct buf images = {0};
    AUTO(buf_done) struct buf top = {0};
    struct stats_view stats_view = {.now = empty};
    struct images_view images_view = {.system = "shop", .images = empty};

    (void)state;
    stats_format_table(&stats_view, &narrow, &arena, &stats);
    volumes_format_table(empty, &narrow, &arena, &volumes);
    images_format_table(&images_view, &narrow, &arena, &images);
    top_format_table(empty, &narrow, 0, &arena, &top);
    assert_int_equal(count_lines(&stats), 1);
    assert_string_equal(buf_text(&volumes), "DRIVER  VOLUME NAME\n");
    assert_int_equal(count_lines(&images), 1);
    assert_string_equal(buf_text(&top), ""); /* as Compose does */
}

/* ---- the edge ---- */

static const char edge_text[] =
    "{\"pid\": 1, \"totals\": {\"requests\": 120, \"limits_exceeded\": 3, \"memory_short\": 0,"
    " \"word\": \"no number\"}, \"meters\": {\"route shop *\\u001b[2J/\": {\"requests\": 120,"
    " \"responses_2xx\": 100, \"responses_4xx\": 17, \"responses_5xx\": 3, \"connect_failures\": 1,"
    " \"response_failures\": 1, \"active\": 4, \"first_byte\": {\"count\": 120, \"p50_us\": 1500,"
    " \"p99_us\": 250000}}, \"route shop *:1\": {\"requests\": 0}}}";

static void the_edge_is_shown_with_what_is_not_zero(void **state)
{
    AUTO(json_unref) json_t *answer = read_json(edge_text);
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf out = {0};
    struct edge_view view = {.answer = answer};

    (void)state;
    edge_format_table(&view, &file, &arena, &out);
    assert_int_equal(count_lines(&out), 2 + 1 + 3);
    assert_non_null(strstr(buf_text(&out), "1.5 ms  250 ms"));
    assert_non_null(strstr(buf_text(&out), "limits_exceeded      3"));
    assert_null(strstr(buf_text(&out), "memory_short"));
    assert_null(strchr(buf_text(&out), '\033'));
    buf_clear(&out);
    view.all = true;
    edge_format_table(&view, &narrow, &arena, &out);
    assert_int_equal(count_lines(&out), 3 + 1 + 4);
    assert_non_null(strstr(buf_text(&out), "memory_short"));
    expect_width(&out, 80);
}

static void an_edge_that_does_not_answer_is_told_so(void **state)
{
    AUTO(json_unref) json_t *answer = read_json("{\"totals\": null, \"meters\": {}}");
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf out = {0};
    struct edge_view view = {.answer = answer};

    (void)state;
    edge_format_table(&view, &file, &arena, &out);
    assert_non_null(strstr(buf_text(&out), "no edge answered"));
}

/* ---- top ---- */

static const char top_text[] =
    "{\"instances\": [{\"service\": \"web\", \"number\": 1, \"processes\": ["
    "{\"uid\": 700000, \"pid\": 812, \"ppid\": 800, \"tty\": \"?\", \"started_ms\": 1795226400000,"
    " \"cpu_ms\": 67000, \"command\": \"python3 \\u001b[2Jserve.py --port 8000\"}]}]}";

static void top_shows_the_columns_of_ps(void **state)
{
    AUTO(json_unref) json_t *top = read_json(top_text);
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf out = {0};

    (void)state;
    (void)setenv("TZ", "UTC", 1);
    tzset();
    top_format_table(top, &file, 1795226400000 + 670000, &arena, &out);
    assert_string_equal(
        buf_text(&out),
        "SERVICE  #  UID     PID  PPID  C   STIME  TTY  TIME      CMD\n"
        "web      1  700000  812  800   10  02:00  ?    00:01:07  python3 serve.py --port 8000\n");
}

static void top_says_the_day_of_what_is_older_and_the_year_of_what_is_much_older(void **state)
{
    AUTO(json_unref) json_t *top = read_json(top_text);
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf later = {0};
    AUTO(buf_done) struct buf years = {0};

    (void)state;
    (void)setenv("TZ", "UTC", 1);
    tzset();
    top_format_table(top, &file, 1795226400000 + INT64_C(3) * 86400000, &arena, &later);
    top_format_table(top, &file, 1795226400000 + INT64_C(800) * 86400000, &arena, &years);
    assert_non_null(strstr(buf_text(&later), "Nov21"));
    assert_non_null(strstr(buf_text(&years), "2026"));
}

static void top_cuts_only_what_a_terminal_has_no_room_for(void **state)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf cut = {0};
    AUTO(buf_done) struct buf whole = {0};
    char long_command[600];
    AUTO(json_unref) json_t *top = read_json(top_text);

    (void)state;
    memset(long_command, 'x', sizeof long_command - 1);
    long_command[sizeof long_command - 1] = '\0';
    json_t *process = json_array_get(
        json_object_get(json_array_get(json_object_get(top, "instances"), 0), "processes"), 0);
    (void)json_object_set_new(process, "command", json_string(long_command));
    top_format_table(top, &narrow, 0, &arena, &cut);
    top_format_table(top, &file, 0, &arena, &whole);
    expect_width(&cut, 80);
    assert_non_null(strstr(buf_text(&whole), long_command));
}

/* ---- images and volumes ---- */

static uint64_t large_tree(const char *tree)
{
    assert_string_equal(tree, "/nowhere/trees/shop/api/0123456789abcdef01234567");
    return 12345678;
}

static const char images_text[] =
    "{\"images\": [{\"name\": \"shop-db-1\", \"service\": \"db\","
    " \"image\": \"registry:5000/team/postgres:15-alpine@sha256:00\", \"stand_in\": \"postgres\","
    " \"version\": \"15\", \"package\": \"postgresql-15\", \"created_ms\": 1000},"
    "{\"name\": \"shop-api-1\", \"service\": \"api\", \"image\": null,"
    " \"tree\": \"/nowhere/trees/shop/api/0123456789abcdef01234567\", \"created_ms\": 1000},"
    "{\"name\": \"shop-api-2\", \"service\": \"api\", \"image\": null,"
    " \"tree\": \"/nowhere/trees/shop/api/0123456789abcdef01234567\", \"created_ms\": 1000}]}";

static void images_say_what_takes_their_place(void **state)
{
    AUTO(json_unref) json_t *answer = read_json(images_text);
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf out = {0};
    AUTO(buf_done) struct buf ids = {0};
    struct images_view view = {"shop", answer, large_tree, 61000};

    (void)state;
    images_format_table(&view, &file, &arena, &out);
    images_format_ids(&view, &arena, &ids);
    assert_non_null(strstr(buf_text(&out), "registry:5000/team/postgres  15-alpine"));
    assert_non_null(strstr(buf_text(&out), "postgres 15 (postgresql-15)"));
    assert_non_null(strstr(buf_text(&out), "0123456789ab  12.3MB"));
    assert_non_null(strstr(buf_text(&out), "shop-api "));
    assert_string_equal(buf_text(&ids), "postgres-15\n0123456789abcdef01234567\n");
}

static void images_as_json_have_the_keys_of_compose(void **state)
{
    AUTO(json_unref) json_t *answer = read_json(images_text);
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf out = {0};
    struct images_view view = {"shop", answer, large_tree, 61000};
    static const char *const keys[] = {"ID",       "ContainerName", "Repository", "Tag",
                                       "Platform", "Size",          "LastTagTime"};

    (void)state;
    images_format_json(&view, &arena, &out);
    AUTO(json_unref) json_t *list = read_json(buf_text(&out));
    assert_int_equal(json_array_size(list), 3);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        assert_non_null(json_object_get(json_array_get(list, 1), keys[i]));
    assert_int_equal(json_find_u64(json_array_get(list, 1), "Size", 0), 12345678);
    assert_string_equal(json_find_text(json_array_get(list, 1), "Repository", ""), "shop-api");
    assert_string_equal(json_find_text(json_array_get(list, 1), "Tag", ""), "latest");
}

static void volumes_as_json_name_their_folder(void **state)
{
    AUTO(json_unref)
    json_t *answer = read_json("{\"volumes\": [{\"name\": \"shop_data\", \"driver\": \"local\","
                               " \"path\": \"/v/shop_data\"}]}");
    AUTO(buf_done) struct buf out = {0};

    (void)state;
    volumes_format_lines(answer, &out);
    AUTO(json_unref) json_t *row = read_json(buf_text(&out));
    assert_string_equal(json_find_text(row, "Name", ""), "shop_data");
    assert_string_equal(json_find_text(row, "Driver", ""), "local");
    assert_string_equal(json_find_text(row, "Mountpoint", ""), "/v/shop_data");
}

/* ---- events ---- */

static const char die_text[] =
    "{\"event\": \"container\", \"action\": \"die\", \"id\": \"shop-web-1-aabbcc\", \"service\":"
    " \"web\", \"instance\": \"shop-web-1\", \"image\": \"py\\u001b[2Jthon\", \"exit_status\": 137,"
    " \"time_ms\": 1795226400123}";

static void events_have_the_form_of_compose(void **state)
{
    AUTO(json_unref) json_t *event = read_json(die_text);
    AUTO(buf_done) struct buf text = {0};
    AUTO(buf_done) struct buf line = {0};

    (void)state;
    (void)setenv("TZ", "UTC", 1);
    tzset();
    event_format_text(event, &text);
    event_format_json(event, &line);
    assert_string_equal(buf_text(&text),
                        "2026-11-21 02:00:00.123000 container die shop-web-1-aabbcc "
                        "(exitCode=137, image=python, name=shop-web-1)\n");
    AUTO(json_unref) json_t *object = read_json(buf_text(&line));
    assert_string_equal(json_find_text(object, "time", ""), "2026-11-21T02:00:00.123Z");
    assert_string_equal(json_find_text(object, "type", ""), "container");
    assert_string_equal(json_find_text(object, "action", ""), "die");
    assert_string_equal(json_find_text(json_object_get(object, "attributes"), "exitCode", ""),
                        "137");
}

static void events_that_are_about_no_instance_are_not_shown(void **state)
{
    AUTO(json_unref) json_t *event = read_json("{\"event\": \"output\", \"text\": \"x\"}");
    AUTO(buf_done) struct buf out = {0};

    (void)state;
    event_format_text(event, &out);
    event_format_json(event, &out);
    assert_int_equal(out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_written_as_docker_does),
        cmocka_unit_test(a_size_that_rounds_up_takes_the_next_unit),
        cmocka_unit_test(stats_reckon_the_share_of_a_processor_from_two_looks),
        cmocka_unit_test(stats_without_a_look_before_say_nothing_of_the_processor),
        cmocka_unit_test(stats_show_what_does_not_run_only_on_request),
        cmocka_unit_test(stats_fit_into_80_columns_with_long_and_wide_names),
        cmocka_unit_test(tables_without_rows_are_their_heads),
        cmocka_unit_test(the_edge_is_shown_with_what_is_not_zero),
        cmocka_unit_test(an_edge_that_does_not_answer_is_told_so),
        cmocka_unit_test(top_shows_the_columns_of_ps),
        cmocka_unit_test(top_says_the_day_of_what_is_older_and_the_year_of_what_is_much_older),
        cmocka_unit_test(top_cuts_only_what_a_terminal_has_no_room_for),
        cmocka_unit_test(images_say_what_takes_their_place),
        cmocka_unit_test(images_as_json_have_the_keys_of_compose),
        cmocka_unit_test(volumes_as_json_name_their_folder),
        cmocka_unit_test(events_have_the_form_of_compose),
        cmocka_unit_test(events_that_are_about_no_instance_are_not_shown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
