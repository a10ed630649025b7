/* SPDX-License-Identifier: Apache-2.0
 *
 * x-ishizue.deploy: how a new release takes over. The same keys at the top level, for all services,
 * and in a service. */
#include "base/base.h"

#include "compose/compose_priv.h"
#include "compose/schema_priv.h"

static const struct schema text = {.type = SCHEMA_TEXT};
static const struct schema loose = {.type = SCHEMA_TEXT, .flags = SCHEMA_LOOSE};

static const char *const strategy_words[] = {"auto", "rolling",  "blue-green", "canary",
                                             "ab",   "recreate", NULL};
static const char *const promote_words[] = {"auto", "manual", NULL};

static const struct schema_key gate_keys[] = {
    {"errors",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "share of requests that may fail, in percent",
     NULL,
     "test_a_canary_that_fails_is_taken_back_by_its_gate"},
    {"p99",
     SUPPORT_HONOURED,
     {.type = SCHEMA_DURATION},
     "time in which 99 of 100 requests are answered",
     NULL,
     "test_a_canary_that_is_slow_is_taken_back_by_its_gate"},
    {"min_requests",
     SUPPORT_HONOURED,
     {.type = SCHEMA_INT},
     "requests it takes to judge; 100",
     NULL,
     "test_a_canary_that_fails_is_taken_back_by_its_gate"},
    {0},
};

static const struct schema_key split_keys[] = {
    {"cookie",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "cookie whose value chooses the variant",
     NULL,
     "test_two_variants_are_chosen_by_cookie_and_stay_with_the_visitor"},
    {"header",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "header field whose value chooses the variant",
     NULL,
     "test_two_variants_are_chosen_by_header"},
    {"values",
     SUPPORT_HONOURED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_NO_LIST},
     "which value means new and which old",
     NULL,
     "test_two_variants_are_chosen_by_header"},
    {"share",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "visitors that get the new variant, in percent",
     NULL,
     "test_two_variants_are_chosen_by_cookie_and_stay_with_the_visitor"},
    {0},
};

static const struct schema_key keys[] = {
    {"strategy",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT, .words = strategy_words},
     "auto, rolling, blue-green, canary, ab or recreate",
     NULL,
     "test_a_blue_green_deploy_switches_all_services_together"},
    {"max_surge",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT, .flags = SCHEMA_LOOSE},
     "rolling: instances beyond the wanted number, or percent; 1",
     NULL,
     "test_a_rolling_deploy_has_no_more_and_no_fewer_instances_than_it_may"},
    {"max_unavailable",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT, .flags = SCHEMA_LOOSE},
     "rolling: instances that may be missing, or percent; 0",
     NULL,
     "test_a_rolling_deploy_has_no_more_and_no_fewer_instances_than_it_may"},
    {"steps",
     SUPPORT_HONOURED,
     {.type = SCHEMA_LIST, .items = &loose, .merge = SCHEMA_REPLACE},
     "canary: shares of the requests, in percent",
     NULL,
     "test_a_canary_takes_its_share_step_by_step"},
    {"bake",
     SUPPORT_HONOURED,
     {.type = SCHEMA_DURATION},
     "canary: time to watch each step; rolling: pause between batches",
     NULL,
     "test_a_canary_takes_its_share_step_by_step"},
    {"keep_warm",
     SUPPORT_HONOURED,
     {.type = SCHEMA_DURATION},
     "time for which the old instances stay after the switch; 0",
     NULL,
     "test_a_rollback_to_a_warm_release_takes_less_than_three_seconds"},
    {"watch",
     SUPPORT_HONOURED,
     {.type = SCHEMA_DURATION},
     "time after the switch in which a crash loop brings the old release back; 2m",
     NULL,
     "test_a_crash_loop_after_the_deploy_brings_the_old_release_back"},
    {"promote",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT, .words = promote_words},
     "manual: a person says when it goes on",
     NULL,
     "test_a_blue_green_deploy_waits_for_promote_and_answers_on_its_test_host"},
    {"gate",
     SUPPORT_HONOURED,
     {.type = SCHEMA_OBJECT, .keys = gate_keys},
     "canary: what the new release must not exceed",
     NULL,
     "test_a_canary_that_fails_is_taken_back_by_its_gate"},
    {"stream_drain",
     SUPPORT_HONOURED,
     {.type = SCHEMA_DURATION},
     "time that open streams and transfers have to end; 10m",
     NULL,
     "test_streams_stay_at_the_old_release_until_stream_drain_is_over"},
    {"split",
     SUPPORT_HONOURED,
     {.type = SCHEMA_OBJECT, .keys = split_keys},
     "ab: who gets which variant",
     NULL,
     "test_two_variants_are_chosen_by_cookie_and_stay_with_the_visitor"},
    {"test_host",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "host name that leads to the new release before the switch; next.DOMAIN",
     NULL,
     "test_a_blue_green_deploy_waits_for_promote_and_answers_on_its_test_host"},
    {"assets",
     SUPPORT_HONOURED,
     {.type = SCHEMA_LIST, .items = &text, .canonical = canonical_text_list},
     "paths below which a file of the old release is still found",
     NULL,
     "test_static_assets_of_the_old_release_stay_reachable_while_it_is_there"},
    {0},
};

const struct schema schema_deploy_x = {.type = SCHEMA_OBJECT, .keys = keys};

static const struct schema_key migrate_keys[] = {
    {"command",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "shell command",
     NULL,
     "test_a_migration_runs_once_for_each_release_and_before_the_service"},
    {"reversible",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BOOL},
     "false: a rollback across it asks first",
     NULL,
     "test_a_rollback_across_an_irreversible_migration_asks"},
    {0},
};

/* "alembic upgrade head" is {command: alembic upgrade head}. */
struct yaml_node *canonical_migrate(struct load *load, const struct path *path,
                                    struct yaml_node *node)
{
    (void)path;
    if (node->kind != YAML_SCALAR || yaml_is_null(node))
        return node;
    struct yaml_node *map = yaml_new(load->arena, YAML_MAP, node);
    yaml_set(load->arena, map, "command", node);
    return map;
}

const struct schema schema_migrate = {.type = SCHEMA_OBJECT, .keys = migrate_keys};
