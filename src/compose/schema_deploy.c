/* SPDX-License-Identifier: Apache-2.0
 *
 * services.*.deploy, and requests for devices such as graphics processors. */
#include "base/base.h"

#include "compose/schema_priv.h"

#define ONE_MACHINE "there is one machine"
#define BESIDE      "new instances start beside the old ones and take over when they are ready"
#define NO_GPU                                                                                     \
    "the host runtime has no drivers of graphics processors; name a device file under 'devices'"

static const struct schema text = {.type = SCHEMA_TEXT};

static const char *const order_words[] = {"start-first", "stop-first", NULL};

static const struct schema_key update_keys[] = {
    {"parallelism",
     SUPPORT_EMULATED,
     {.type = SCHEMA_INT},
     "instances at a time",
     BESIDE,
     "test_a_deploy_under_load_loses_no_request"},
    {"delay",
     SUPPORT_EMULATED,
     {.type = SCHEMA_DURATION},
     "pause between them",
     BESIDE,
     "test_a_deploy_under_load_loses_no_request"},
    {"failure_action",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "what a failure does",
     "a release that fails is always turned back",
     "test_a_health_check_that_fails_leaves_what_ran_before_serving"},
    {"monitor",
     SUPPORT_EMULATED,
     {.type = SCHEMA_DURATION},
     "time to watch",
     BESIDE,
     "test_a_deploy_under_load_loses_no_request"},
    {"max_failure_ratio",
     SUPPORT_EMULATED,
     {.type = SCHEMA_NUMBER},
     "failures that are accepted",
     "a release that fails is always turned back",
     "test_a_health_check_that_fails_leaves_what_ran_before_serving"},
    {"order",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT, .words = order_words},
     "start or stop first",
     BESIDE,
     "test_a_deploy_under_load_loses_no_request"},
    {0},
};

static const struct schema_key limits_keys[] = {
    {"cpus",
     SUPPORT_HONOURED,
     {.type = SCHEMA_NUMBER},
     "processors",
     NULL,
     "test_limits_of_the_file_are_in_the_control_group_of_the_instance"},
    {"memory",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BYTES},
     "memory",
     NULL,
     "test_a_process_above_its_memory_limit_is_killed_and_that_is_said"},
    {"pids",
     SUPPORT_HONOURED,
     {.type = SCHEMA_INT, .flags = SCHEMA_MINUS_ONE},
     "processes and threads",
     NULL,
     "test_a_service_cannot_have_more_processes_than_its_limit"},
    {0},
};

static const struct schema_key request_keys[] = {
    {"capabilities",
     SUPPORT_REFUSED,
     {.type = SCHEMA_LIST, .items = &text, .identity = identity_text},
     "what it must be able to do",
     NO_GPU,
     NULL},
    {"count",
     SUPPORT_REFUSED,
     {.type = SCHEMA_INT, .flags = SCHEMA_MINUS_ONE, .canonical = canonical_device_count},
     "how many",
     NO_GPU,
     NULL},
    {"device_ids",
     SUPPORT_REFUSED,
     {.type = SCHEMA_LIST, .items = &text, .identity = identity_text},
     "which",
     NO_GPU,
     NULL},
    {"driver", SUPPORT_REFUSED, {.type = SCHEMA_TEXT}, "driver", NO_GPU, NULL},
    {"options",
     SUPPORT_REFUSED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE},
     "options of the driver",
     NO_GPU,
     NULL},
    {0},
};

const struct schema schema_device_request = {
    .type = SCHEMA_OBJECT, .keys = request_keys, .canonical = canonical_device_request};

static const struct schema reserved_device = {
    .type = SCHEMA_OBJECT, .keys = request_keys, .canonical = canonical_reserved_device};

static const struct schema_key discrete_keys[] = {
    {"kind",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "name of the resource",
     ONE_MACHINE,
     "deploy in full"},
    {"value", SUPPORT_EMULATED, {.type = SCHEMA_INT}, "how many", ONE_MACHINE, "deploy in full"},
    {0},
};

static const struct schema_key generic_keys[] = {
    {"discrete_resource_spec",
     SUPPORT_EMULATED,
     {.type = SCHEMA_OBJECT, .keys = discrete_keys},
     "a resource that is counted",
     "one machine reserves nothing",
     "deploy in full"},
    {0},
};

static const struct schema generic = {.type = SCHEMA_OBJECT, .keys = generic_keys};

static const struct schema_key reservations_keys[] = {
    {"cpus",
     SUPPORT_EMULATED,
     {.type = SCHEMA_NUMBER},
     "processors",
     "one machine reserves nothing",
     "deploy in full"},
    {"memory",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BYTES},
     "memory that is taken from it last",
     NULL,
     "test_limits_of_the_file_are_in_the_control_group_of_the_instance"},
    {"generic_resources",
     SUPPORT_EMULATED,
     {.type = SCHEMA_LIST, .items = &generic},
     "other resources",
     "one machine reserves nothing",
     "deploy in full"},
    {"devices",
     SUPPORT_REFUSED,
     {.type = SCHEMA_LIST, .items = &reserved_device},
     "devices",
     NO_GPU,
     NULL},
    {0},
};

static const struct schema_key resources_keys[] = {
    {"limits",
     SUPPORT_HONOURED,
     {.type = SCHEMA_OBJECT, .keys = limits_keys},
     "most that an instance may use",
     NULL,
     "test_limits_of_the_file_are_in_the_control_group_of_the_instance"},
    {"reservations",
     SUPPORT_HONOURED,
     {.type = SCHEMA_OBJECT, .keys = reservations_keys},
     "least that it needs",
     NULL,
     "test_limits_of_the_file_are_in_the_control_group_of_the_instance"},
    {0},
};

static const struct schema_key restart_policy_keys[] = {
    {"condition",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "none, on-failure or any",
     NULL,
     "test_a_restart_policy_of_deploy_has_its_delay_and_its_most_attempts"},
    {"delay",
     SUPPORT_HONOURED,
     {.type = SCHEMA_DURATION},
     "pause before",
     NULL,
     "test_a_restart_policy_of_deploy_has_its_delay_and_its_most_attempts"},
    {"max_attempts",
     SUPPORT_HONOURED,
     {.type = SCHEMA_INT},
     "how often",
     NULL,
     "test_a_restart_policy_of_deploy_has_its_delay_and_its_most_attempts"},
    {"window",
     SUPPORT_HONOURED,
     {.type = SCHEMA_DURATION},
     "time until it counts as started",
     NULL,
     "test_a_restart_policy_of_deploy_has_its_delay_and_its_most_attempts"},
    {0},
};

static const struct schema_key preference_keys[] = {
    {"spread",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "label to spread over",
     ONE_MACHINE,
     "deploy in full"},
    {0},
};

static const struct schema preference = {.type = SCHEMA_OBJECT, .keys = preference_keys};

static const struct schema_key placement_keys[] = {
    {"constraints",
     SUPPORT_EMULATED,
     {.type = SCHEMA_LIST, .items = &text, .identity = identity_text},
     "which machines",
     ONE_MACHINE,
     "deploy in full"},
    {"preferences",
     SUPPORT_EMULATED,
     {.type = SCHEMA_LIST, .items = &preference},
     "how to spread",
     ONE_MACHINE,
     "deploy in full"},
    {"max_replicas_per_node",
     SUPPORT_EMULATED,
     {.type = SCHEMA_INT},
     "most on one machine",
     ONE_MACHINE,
     "deploy in full"},
    {0},
};

static const struct schema_key deploy_keys[] = {
    {"mode",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT, .judge = judge_deploy_mode},
     "replicated, global or a job",
     NULL,
     "test_jobs_scale_and_dependencies_are_as_the_file_says"},
    {"endpoint_mode",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "vip or dnsrr",
     "every service has one address",
     "test_inside_calls_are_balanced_over_the_instances"},
    {"replicas",
     SUPPORT_HONOURED,
     {.type = SCHEMA_INT},
     "number of instances",
     NULL,
     "test_replicas_run_side_by_side_and_share_the_traffic"},
    {"labels",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE},
     "labels of the service",
     "kept, nothing reads them",
     "deploy in full"},
    {"rollback_config",
     SUPPORT_EMULATED,
     {.type = SCHEMA_OBJECT, .keys = update_keys},
     "how to roll back",
     BESIDE,
     "test_a_deploy_under_load_loses_no_request"},
    {"update_config",
     SUPPORT_EMULATED,
     {.type = SCHEMA_OBJECT, .keys = update_keys},
     "how to update",
     BESIDE,
     "test_a_deploy_under_load_loses_no_request"},
    {"resources",
     SUPPORT_HONOURED,
     {.type = SCHEMA_OBJECT, .keys = resources_keys},
     "limits",
     NULL,
     "test_limits_of_the_file_are_in_the_control_group_of_the_instance"},
    {"restart_policy",
     SUPPORT_HONOURED,
     {.type = SCHEMA_OBJECT, .keys = restart_policy_keys},
     "when to restart",
     NULL,
     "test_a_restart_policy_of_deploy_has_its_delay_and_its_most_attempts"},
    {"placement",
     SUPPORT_EMULATED,
     {.type = SCHEMA_OBJECT, .keys = placement_keys},
     "where to run",
     ONE_MACHINE,
     "deploy in full"},
    {0},
};

const struct schema schema_deploy = {.type = SCHEMA_OBJECT, .keys = deploy_keys};
