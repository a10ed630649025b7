/* SPDX-License-Identifier: Apache-2.0
 *
 * How a process of a service is started, watched and limited. */
#include "base/base.h"

#include "compose/schema_priv.h"

#define NO_PROVIDER                                                                                \
    "the host runtime starts no other programs; name the address of what runs elsewhere in "       \
    "'environment'"
#define NO_MODELS                                                                                  \
    "the host runtime runs no language models; name the address of one in 'environment'"
#define WATCH    "it acts only with a watch command; `up` leaves it alone"
#define ONE_DISK "there is no limit for one disk; use blkio_config.weight"

static const struct schema text = {.type = SCHEMA_TEXT};

static const struct schema loose_text = {.type = SCHEMA_TEXT, .flags = SCHEMA_LOOSE};

static const char *const condition_words[] = {"service_started", "service_healthy",
                                              "service_completed_successfully", NULL};

static const struct schema_key dependency_keys[] = {
    {"condition",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT, .words = condition_words},
     "state to wait for",
     NULL,
     "test_a_healthy_dependency_is_waited_for"},
    {"required",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BOOL},
     "false: only when it is there",
     NULL,
     "test_jobs_scale_and_dependencies_are_as_the_file_says"},
    {"restart",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BOOL},
     "restart after the other was updated",
     NULL,
     "test_depends_on_restart_makes_the_dependent_anew"},
    {0},
};

const struct schema schema_dependency = {.type = SCHEMA_OBJECT, .keys = dependency_keys};

static const struct schema_key healthcheck_keys[] = {
    {"test",
     SUPPORT_HONOURED,
     {.type = SCHEMA_LIST, .items = &text, .canonical = canonical_test, .merge = SCHEMA_REPLACE},
     "command whose success means healthy",
     NULL,
     "test_each_form_of_a_health_test_is_run_as_it_says"},
    {"interval",
     SUPPORT_HONOURED,
     {.type = SCHEMA_DURATION},
     "time between checks",
     NULL,
     "test_the_figures_of_a_health_check_are_kept"},
    {"timeout",
     SUPPORT_HONOURED,
     {.type = SCHEMA_DURATION},
     "time a check may take",
     NULL,
     "test_a_health_check_that_takes_too_long_has_failed"},
    {"retries",
     SUPPORT_HONOURED,
     {.type = SCHEMA_INT},
     "failures until unhealthy",
     NULL,
     "test_the_figures_of_a_health_check_are_kept"},
    {"start_period",
     SUPPORT_HONOURED,
     {.type = SCHEMA_DURATION},
     "time in which failures do not count",
     NULL,
     "test_the_figures_of_a_health_check_are_kept"},
    {"start_interval",
     SUPPORT_HONOURED,
     {.type = SCHEMA_DURATION},
     "time between checks in it",
     NULL,
     "test_start_interval_is_how_often_a_starting_instance_is_looked_at"},
    {"disable",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BOOL},
     "no check, not even of the image",
     NULL,
     "test_the_figures_of_a_health_check_are_kept"},
    {0},
};

const struct schema schema_healthcheck = {.type = SCHEMA_OBJECT, .keys = healthcheck_keys};

static const struct schema_key logging_keys[] = {
    {"driver",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "where the log goes",
     "the program keeps the log itself, bounded",
     "test_fifty_megabytes_of_log_stay_within_their_bound"},
    {"options",
     SUPPORT_HONOURED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE | SCHEMA_NO_LIST},
     "max-size and max-file are honoured",
     NULL,
     "test_fifty_megabytes_of_log_stay_within_their_bound"},
    {0},
};

const struct schema schema_logging = {.type = SCHEMA_OBJECT, .keys = logging_keys};

static const struct schema_key ulimit_keys[] = {
    {"soft",
     SUPPORT_HONOURED,
     {.type = SCHEMA_INT, .flags = SCHEMA_MINUS_ONE},
     "limit that the process may raise",
     NULL,
     "test_keys_of_the_file_reach_the_process"},
    {"hard",
     SUPPORT_HONOURED,
     {.type = SCHEMA_INT, .flags = SCHEMA_MINUS_ONE},
     "limit that it may not",
     NULL,
     "test_keys_of_the_file_reach_the_process"},
    {0},
};

const struct schema schema_ulimit = {
    .type = SCHEMA_OBJECT, .keys = ulimit_keys, .flags = SCHEMA_OR_INT};

static const struct schema_key blkio_limit_keys[] = {
    {"path", SUPPORT_REFUSED, {.type = SCHEMA_TEXT}, "device", ONE_DISK, NULL},
    {"rate", SUPPORT_REFUSED, {.type = SCHEMA_BYTES}, "limit", ONE_DISK, NULL},
    {0},
};

static const struct schema blkio_limit = {.type = SCHEMA_OBJECT, .keys = blkio_limit_keys};

static const struct schema_key blkio_weight_keys[] = {
    {"path", SUPPORT_REFUSED, {.type = SCHEMA_TEXT}, "device", ONE_DISK, NULL},
    {"weight", SUPPORT_REFUSED, {.type = SCHEMA_INT}, "share", ONE_DISK, NULL},
    {0},
};

static const struct schema blkio_weight = {.type = SCHEMA_OBJECT, .keys = blkio_weight_keys};

static const struct schema_key blkio_keys[] = {
    {"weight",
     SUPPORT_EMULATED,
     {.type = SCHEMA_INT},
     "share of the disk, 10 to 1000",
     "in force where the machine's disks have the bfq scheduler",
     "blkio_config.weight: in the control group"},
    {"weight_device",
     SUPPORT_REFUSED,
     {.type = SCHEMA_LIST, .items = &blkio_weight},
     "share of one disk",
     ONE_DISK,
     NULL},
    {"device_read_bps",
     SUPPORT_REFUSED,
     {.type = SCHEMA_LIST, .items = &blkio_limit},
     "read limit",
     ONE_DISK,
     NULL},
    {"device_read_iops",
     SUPPORT_REFUSED,
     {.type = SCHEMA_LIST, .items = &blkio_limit},
     "read limit",
     ONE_DISK,
     NULL},
    {"device_write_bps",
     SUPPORT_REFUSED,
     {.type = SCHEMA_LIST, .items = &blkio_limit},
     "write limit",
     ONE_DISK,
     NULL},
    {"device_write_iops",
     SUPPORT_REFUSED,
     {.type = SCHEMA_LIST, .items = &blkio_limit},
     "write limit",
     ONE_DISK,
     NULL},
    {0},
};

const struct schema schema_blkio = {.type = SCHEMA_OBJECT, .keys = blkio_keys};

static const struct schema_key hook_keys[] = {
    {"command",
     SUPPORT_HONOURED,
     {.type = SCHEMA_LIST,
      .flags = SCHEMA_NULLABLE,
      .items = &text,
      .canonical = canonical_command,
      .merge = SCHEMA_REPLACE},
     "command",
     NULL,
     "test_post_start_runs_inside_before_the_service_counts_as_started"},
    {"user",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT, .judge = judge_hook_user},
     "who runs it",
     NULL,
     "test_hooks_run_as_their_user_and_as_no_other"},
    {"privileged",
     SUPPORT_REFUSED,
     {.type = SCHEMA_BOOL, .judge = judge_not_false},
     "with all rights",
     "it would end the isolation of the machine; run it as the service's user",
     NULL},
    {"working_dir",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "folder",
     NULL,
     "test_post_start_runs_inside_before_the_service_counts_as_started"},
    {"environment",
     SUPPORT_HONOURED,
     {.type = SCHEMA_PAIRS},
     "variables",
     NULL,
     "test_post_start_runs_inside_before_the_service_counts_as_started"},
    {0},
};

const struct schema schema_hook = {
    .type = SCHEMA_OBJECT, .keys = hook_keys, .canonical = canonical_hook};

static const char *const action_words[] = {"rebuild",      "sync",      "restart",
                                           "sync+restart", "sync+exec", NULL};

static const struct schema_key watch_exec_keys[] = {
    {"command",
     SUPPORT_EMULATED,
     {.type = SCHEMA_LIST,
      .flags = SCHEMA_NULLABLE,
      .items = &text,
      .canonical = canonical_command,
      .merge = SCHEMA_REPLACE},
     "command",
     WATCH,
     "test_keys_of_a_dockerfile_leave_the_build_to_its_steps"},
    {"user",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "who runs it",
     WATCH,
     "test_keys_of_a_dockerfile_leave_the_build_to_its_steps"},
    {"privileged",
     SUPPORT_EMULATED,
     {.type = SCHEMA_BOOL},
     "with all rights",
     WATCH,
     "test_keys_of_a_dockerfile_leave_the_build_to_its_steps"},
    {"working_dir",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "folder",
     WATCH,
     "test_keys_of_a_dockerfile_leave_the_build_to_its_steps"},
    {"environment",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS},
     "variables",
     WATCH,
     "test_keys_of_a_dockerfile_leave_the_build_to_its_steps"},
    {0},
};

static const struct schema_key watch_keys[] = {
    {"path",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "what to watch",
     WATCH,
     "test_keys_of_a_dockerfile_leave_the_build_to_its_steps"},
    {"action",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT, .words = action_words},
     "what to do",
     WATCH,
     "test_keys_of_a_dockerfile_leave_the_build_to_its_steps"},
    {"target",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "where to",
     WATCH,
     "test_keys_of_a_dockerfile_leave_the_build_to_its_steps"},
    {"ignore",
     SUPPORT_EMULATED,
     {.type = SCHEMA_LIST,
      .items = &text,
      .canonical = canonical_text_list,
      .identity = identity_text},
     "not these",
     WATCH,
     "test_keys_of_a_dockerfile_leave_the_build_to_its_steps"},
    {"include",
     SUPPORT_EMULATED,
     {.type = SCHEMA_LIST,
      .items = &text,
      .canonical = canonical_text_list,
      .identity = identity_text},
     "only these",
     WATCH,
     "test_keys_of_a_dockerfile_leave_the_build_to_its_steps"},
    {"exec",
     SUPPORT_EMULATED,
     {.type = SCHEMA_OBJECT, .keys = watch_exec_keys},
     "command",
     WATCH,
     "test_keys_of_a_dockerfile_leave_the_build_to_its_steps"},
    {"initial_sync",
     SUPPORT_EMULATED,
     {.type = SCHEMA_BOOL},
     "once at the start",
     WATCH,
     "test_keys_of_a_dockerfile_leave_the_build_to_its_steps"},
    {0},
};

static const struct schema watch = {
    .type = SCHEMA_OBJECT, .keys = watch_keys, .canonical = canonical_watch};

static const struct schema_key develop_keys[] = {
    {"watch",
     SUPPORT_EMULATED,
     {.type = SCHEMA_LIST, .items = &watch},
     "files whose change acts",
     WATCH,
     "test_keys_of_a_dockerfile_leave_the_build_to_its_steps"},
    {0},
};

const struct schema schema_develop = {.type = SCHEMA_OBJECT, .keys = develop_keys};

static const struct schema options = {
    .type = SCHEMA_LIST, .items = &loose_text, .canonical = canonical_text_list};

static const struct schema_key provider_keys[] = {
    {"type", SUPPORT_REFUSED, {.type = SCHEMA_TEXT}, "program that makes it", NO_PROVIDER, NULL},
    {"options",
     SUPPORT_REFUSED,
     {.type = SCHEMA_MAP, .items = &options},
     "what it is told",
     NO_PROVIDER,
     NULL},
    {0},
};

const struct schema schema_provider = {.type = SCHEMA_OBJECT, .keys = provider_keys};

static const struct schema_key service_model_keys[] = {
    {"endpoint_var",
     SUPPORT_REFUSED,
     {.type = SCHEMA_TEXT},
     "variable with the address",
     NO_MODELS,
     NULL},
    {"model_var",
     SUPPORT_REFUSED,
     {.type = SCHEMA_TEXT},
     "variable with the name",
     NO_MODELS,
     NULL},
    {0},
};

const struct schema schema_service_model = {.type = SCHEMA_OBJECT, .keys = service_model_keys};
