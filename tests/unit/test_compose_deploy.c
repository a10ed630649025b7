/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose_fixture.h"

static void what_a_service_does_not_say_is_as_the_top_level_has_it(void **state)
{
    (void)state;
    fixture_load(
        "x-ishizue:\n"
        "  deploy: {strategy: canary, steps: [5%, 12.5%, 100%], bake: 90s, keep_warm: 10m,\n"
        "           gate: {errors: 0.5%, p99: 500ms}, assets: [/static/]}\n"
        "services:\n"
        "  a: {image: a}\n"
        "  b:\n"
        "    image: a\n"
        "    x-ishizue:\n"
        "      migrate: {command: up, reversible: false}\n"
        "      deploy: {strategy: rolling, max_surge: 25%, max_unavailable: 2, bake: 1s,\n"
        "               promote: manual, stream_drain: 3s, test_host: n.test}\n");
    const struct compose_x_deploy *a = &fixture_service("a")->x.deploy;
    const struct compose_x_deploy *b = &fixture_service("b")->x.deploy;

    assert_string_equal(a->strategy, "canary");
    assert_int_equal(a->step_count, 3);
    assert_int_equal(a->steps[0], 500);
    assert_int_equal(a->steps[1], 1250);
    assert_int_equal(a->bake.ms, 90000);
    assert_true(a->gate.given && a->gate.has_errors);
    assert_int_equal(a->gate.errors_ppm, 5000);
    assert_int_equal(a->gate.p99_ms, 500);
    assert_int_equal(a->gate.min_requests, 100);
    assert_false(a->max_surge.given);
    assert_string_equal(b->strategy, "rolling");
    assert_int_equal(b->max_surge.percent, 25);
    assert_int_equal(b->max_unavailable.number, 2);
    assert_int_equal(b->bake.ms, 1000);
    assert_int_equal(b->keep_warm.ms, 600000);
    assert_int_equal(b->stream_drain.ms, 3000);
    assert_string_equal(b->promote, "manual");
    assert_string_equal(b->test_host, "n.test");
    assert_string_equal(b->assets.items[0], "/static/");
    assert_string_equal(fixture_service("b")->x.migrate, "up");
    assert_true(fixture_service("b")->x.migrate_irreversible);
    assert_string_equal(fixture_messages(), "");
}

static void a_split_names_its_variants(void **state)
{
    (void)state;
    fixture_load(
        "services:\n"
        "  a:\n"
        "    image: a\n"
        "    x-ishizue:\n"
        "      migrate: up\n"
        "      deploy: {strategy: ab, split: {cookie: v, values: {beta: new, stable: old},\n"
        "               share: 20%}}\n");
    const struct compose_service *a = fixture_service("a");

    assert_string_equal(a->x.deploy.split.cookie, "v");
    assert_int_equal(a->x.deploy.split.values.count, 2);
    assert_int_equal(a->x.deploy.split.share, 2000);
    assert_string_equal(a->x.migrate, "up");
    assert_false(a->x.migrate_irreversible);
}

static void update_config_is_decoded(void **state)
{
    (void)state;
    fixture_load("services:\n"
                 "  a:\n"
                 "    image: a\n"
                 "    deploy:\n"
                 "      update_config: {parallelism: 2, delay: 5s, order: stop-first,\n"
                 "        failure_action: continue, monitor: 10s, max_failure_ratio: 0.25}\n"
                 "      rollback_config: {parallelism: 0, failure_action: pause}\n"
                 "  b: {image: a}\n");
    const struct compose_service *a = fixture_service("a");

    assert_true(a->update.given && !a->update.starts_first);
    assert_int_equal(a->update.parallelism, 2);
    assert_int_equal(a->update.delay_ms, 5000);
    assert_int_equal(a->update.monitor_ms, 10000);
    assert_int_equal(a->update.on_failure, FAILURE_CONTINUE);
    assert_int_equal(a->update.max_failure_ppm, 250000);
    assert_true(a->rollback.given && a->rollback.starts_first);
    assert_int_equal(a->rollback.parallelism, 0);
    assert_int_equal(a->rollback.on_failure, FAILURE_PAUSE);
    assert_false(fixture_service("b")->update.given);
}

static void what_is_wrong_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *deploy;
        const char *message;
    } rows[] = {
        {"{strategy: hope}", "compose.yaml:2:32: x-ishizue.deploy.strategy: 'hope' is none of: "
                             "auto, rolling, blue-green, canary, ab, recreate"},
        {"{max_surge: 101}", "compose.yaml:2:33: x-ishizue.deploy.max_surge: '101' is no number up "
                             "to 100 and no whole percentage; write 1 or 25%"},
        {"{max_unavailable: 2.5%}",
         "compose.yaml:2:39: x-ishizue.deploy.max_unavailable: '2.5%' is no number up to 100 and "
         "no whole percentage; write 1 or 25%"},
        {"{steps: [25%, 5%]}",
         "compose.yaml:2:35: x-ishizue.deploy.steps[1]: '5%' is no percentage above the one before "
         "and up to 100%; write [5%, 25%, 100%]"},
        {"{steps: [101%]}", "compose.yaml:2:30: x-ishizue.deploy.steps[0]: '101%' is no percentage "
                            "above the one before and up to 100%; write [5%, 25%, 100%]"},
        {"{steps: [0.00001%]}",
         "compose.yaml:2:30: x-ishizue.deploy.steps[0]: '0.00001%' is no percentage above the one "
         "before and up to 100%; write [5%, 25%, 100%]"},
        {"{gate: {min_requests: 5}}", "compose.yaml:2:28: x-ishizue.deploy.gate: a gate needs "
                                      "'errors' or 'p99'; write {errors: 1%} or {p99: 500ms}"},
        {"{gate: {errors: 1}}", "compose.yaml:2:37: x-ishizue.deploy.gate.errors: must be a text, "
                                "and 1 is a number; put quotes around it: \"1\""},
        {"{gate: {errors: x%}}", "compose.yaml:2:37: x-ishizue.deploy.gate.errors: 'x%' is no "
                                 "percentage from 0% to 100%; write 1% or 0.5%"},
        {"{split: {values: {a: new}}}",
         "compose.yaml:2:29: x-ishizue.deploy.split: 'values' needs 'cookie' or 'header'"},
        {"{split: {cookie: a, header: b}}",
         "compose.yaml:2:29: x-ishizue.deploy.split: has both 'cookie' and 'header'; choose one"},
        {"{split: {cookie: a, values: {b: both}}}",
         "compose.yaml:2:53: x-ishizue.deploy.split.values.b: 'both' is neither new nor old"},
        {"{assets: [static]}",
         "compose.yaml:2:31: x-ishizue.deploy.assets[0]: path 'static' must start with '/'"},
        {"{bake: soon}",
         "compose.yaml:2:28: x-ishizue.deploy.bake: 'soon' is no duration; write it as 1m30s"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        fixture_refused(arena_printf(&fixture.arena,
                                     "services: {s: {image: a}}\nx-ishizue: {deploy: %s}\n",
                                     rows[i].deploy),
                        rows[i].message);
}

static void more_steps_and_paths_than_the_limit_are_refused(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf steps = {0}, assets = {0};

    buf_add_text(&steps, "services: {s: {image: a}}\nx-ishizue: {deploy: {steps: [");
    buf_add_text(&assets, "services: {s: {image: a}}\nx-ishizue: {deploy: {assets: [");
    for (int i = 1; i <= 21; i++) {
        buf_addf(&steps, "%d%%, ", i);
        buf_addf(&assets, "/%d, ", i);
    }
    buf_add_text(&steps, "100%]}}\n");
    buf_add_text(&assets, "/x]}}\n");
    fixture_refused(buf_text(&steps),
                    "compose.yaml:2:29: x-ishizue.deploy.steps: more than 20 steps");
    fixture_refused(buf_text(&assets),
                    "compose.yaml:2:30: x-ishizue.deploy.assets: more than 20 paths");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(what_a_service_does_not_say_is_as_the_top_level_has_it),
        FIXTURE_TEST(a_split_names_its_variants),
        FIXTURE_TEST(update_config_is_decoded),
        FIXTURE_TEST(what_is_wrong_is_refused_with_its_place),
        FIXTURE_TEST(more_steps_and_paths_than_the_limit_are_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
