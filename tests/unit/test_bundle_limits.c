/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits of an instance, as the OCI runtime and through it the kernel are told.
 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "bundle_rig.h"

static void limits_are_those_of_the_service(void **state)
{
    struct rig *rig = *state;
    AUTO(json_unref) json_t *config = config_of(rig);

    assert_int_equal(json_integer_value(at(config, "linux.resources.memory.limit")), 64 << 20);
    assert_int_equal(json_integer_value(at(config, "linux.resources.cpu.quota")), 50000);
    assert_int_equal(json_integer_value(at(config, "linux.resources.pids.limit")),
                     BUNDLE_PIDS_DEFAULT);
    rig->machine.has_memory = rig->machine.has_cpu = rig->machine.has_pids = false;
    AUTO(json_unref) json_t *without = config_of(rig);
    assert_null(at(without, "linux.resources.memory"));
    assert_null(at(without, "linux.resources.cpu"));
    assert_null(at(without, "linux.resources.pids"));
}

static void ulimits_go_as_far_as_the_daemons_own(void **state)
{
    struct compose_ulimit wanted[] = {{"nofile", 100, 200}, {"memlock", -1, -1}};
    struct rig *rig = *state;
    AUTO(buf_done) struct buf text = {0};

    rig->service.tuning.ulimits = wanted;
    rig->service.tuning.ulimit_count = 2;
    AUTO(json_unref) json_t *config = config_of(rig);
    assert_int_equal(json_array_size(at(config, "process.rlimits")), 2);
    const json_t *limit = json_array_get(at(config, "process.rlimits"), 0);
    assert_int_equal(json_integer_value(at(limit, "soft")), 100);
    bundle_format(config, &text);
    assert_non_null(strstr(buf_text(&text), "\"hard\": 18446744073709551615,"));
    assert_non_null(strstr(buf_text(&text), "\"soft\": 18446744073709551615,"));
    rig->machine.limits_max[RLIMIT_NOFILE] = 200;
    AUTO(json_unref) json_t *exactly = config_of(rig);
    assert_non_null(exactly);
    rig->machine.limits_max[RLIMIT_NOFILE] = 199;
    assert_refused(rig, "services.db: ulimits.nofile: 200 is above the daemon's own limit of 199");
    rig->machine.limits_max[RLIMIT_NOFILE] = UINT64_MAX;
    rig->machine.limits_max[RLIMIT_MEMLOCK] = 65536;
    assert_refused(rig, "ulimits.memlock: 'unlimited' is above the daemon's own limit of 65536");
    wanted[1] = (struct compose_ulimit){"nproc", 5, 4};
    assert_refused(rig, "ulimits.nproc: the soft limit is above the hard one");
    wanted[1] = (struct compose_ulimit){"nproc", -1, 4};
    assert_refused(rig, "ulimits.nproc: the soft limit is above the hard one");
    wanted[1] = (struct compose_ulimit){"nproc", -2, -2};
    assert_refused(rig, "ulimits.nproc: -2 is no limit");
    wanted[1] = (struct compose_ulimit){"files", 1, 1};
    assert_refused(rig, "ulimits: there is no limit 'files'");
}

/* Nothing that a text of the file says can look like "no limit". */
static void a_text_cannot_pass_for_a_number(void **state)
{
    struct compose_pair pairs[] = {{"hard", "-1"}, {"x", "\"hard\": -1, \"soft\": -1"}};
    struct rig *rig = *state;
    AUTO(buf_done) struct buf text = {0};
    AUTO(buf_done) struct buf expected = {0};

    rig->service.annotations = (struct compose_pairs){pairs, 2};
    AUTO(json_unref) json_t *config = config_of(rig);
    bundle_format(config, &text);
    json_format(config, true, &expected);
    assert_string_equal(buf_text(&text), buf_text(&expected));
}

static void control_groups_are_told_everything(void **state)
{
    struct rig *rig = *state;
    struct compose_tuning *tuning = &rig->service.tuning;

    *tuning = (struct compose_tuning){.cpu_shares = 512,
                                      .cpuset = "0-1,3",
                                      .memory_reservation_bytes = 1 << 20,
                                      .memory_reserved_bytes = 2 << 20,
                                      .memory_swap_bytes = -1,
                                      .has_swappiness = true,
                                      .oom_kill_disable = true,
                                      .blkio_weight = 300};
    AUTO(json_unref) json_t *config = config_of(rig);
    const json_t *memory = at(config, "linux.resources.memory");
    assert_int_equal(json_integer_value(at(memory, "reservation")), 2 << 20);
    assert_int_equal(json_integer_value(at(memory, "swap")), -1);
    assert_true(json_is_integer(at(memory, "swappiness")));
    assert_int_equal(json_integer_value(at(memory, "swappiness")), 0);
    assert_true(json_is_true(at(memory, "disableOOMKiller")));
    assert_int_equal(json_integer_value(at(config, "linux.resources.cpu.shares")), 512);
    assert_string_equal(json_string_value(at(config, "linux.resources.cpu.cpus")), "0-1,3");
    assert_int_equal(json_integer_value(at(config, "linux.resources.blockIO.weight")), 300);
    rig->machine.has_swap = rig->machine.has_swappiness = rig->machine.has_oom_switch = false;
    rig->machine.has_cpuset = rig->machine.has_blkio_weight = false;
    AUTO(json_unref) json_t *less = config_of(rig);
    memory = at(less, "linux.resources.memory");
    assert_int_equal(json_object_size(memory), 2);
    assert_null(at(less, "linux.resources.cpu.cpus"));
    assert_null(at(less, "linux.resources.blockIO"));
}

static void as_much_swap_as_memory_unless_it_is_said(void **state)
{
    struct rig *rig = *state;
    AUTO(json_unref) json_t *config = config_of(rig);

    assert_int_equal(json_integer_value(at(config, "linux.resources.memory.swap")), 128 << 20);
    rig->service.limits.memory_bytes = 0;
    AUTO(json_unref) json_t *without = config_of(rig);
    assert_null(at(without, "linux.resources.memory"));
    rig->service.tuning.memory_swap_bytes = 1 << 30;
    assert_refused(rig, "memswap_limit: it is memory and swap together, and there is no limit");
    rig->service.limits.memory_bytes = UINT64_MAX;
    assert_refused(rig, "more memory is given than can be counted");
}

static void a_quota_is_by_cpus_or_by_time(void **state)
{
    struct rig *rig = *state;
    struct compose_tuning *tuning = &rig->service.tuning;

    tuning->cpu_period_us = 50000;
    AUTO(json_unref) json_t *config = config_of(rig);
    assert_int_equal(json_integer_value(at(config, "linux.resources.cpu.quota")), 25000);
    tuning->cpu_quota_us = 10000;
    assert_refused(rig, "cpu_quota: there is a number of cpus already");
    rig->service.limits.cpus = 0;
    AUTO(json_unref) json_t *by_time = config_of(rig);
    assert_int_equal(json_integer_value(at(by_time, "linux.resources.cpu.quota")), 10000);
    tuning->cpu_period_us = 999;
    assert_refused(rig, "cpu_period: 999 is not from 1000 to 1000000");
    tuning->cpu_period_us = 0;
    tuning->cpu_quota_us = 999;
    assert_refused(rig, "cpu_quota: 999 is less than 1000");
}

static void processors_must_be_there(void **state)
{
    static const char *const bad[] = {"4", "0-4", "a", "1-0", "0,,1", "0-", "-1", "0 1"};
    struct rig *rig = *state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        rig->service.tuning.cpuset = bad[i];
        assert_refused(rig, "services.db: cpuset: '");
    }
    rig->service.tuning.cpuset = "0-3";
    AUTO(json_unref) json_t *config = config_of(rig);
    assert_non_null(config);
}

static void settings_of_the_machine_are_refused(void **state)
{
    static const char *const bad[] = {"kernel.hostname",       "vm.swappiness",
                                      "kernel.domainname",     "net.../../kernel.core_pattern",
                                      "net.ipv4/../../kernel", "kernel.shm_next_id",
                                      "net.core.somaxconn\nx", ""};
    struct compose_pair pair = {"net.core.somaxconn", "5"};
    struct rig *rig = *state;

    rig->service.tuning.sysctls = (struct compose_pairs){&pair, 1};
    AUTO(json_unref) json_t *config = config_of(rig);
    const json_t *sysctls = at(config, "linux.sysctl");
    assert_string_equal(json_string_value(json_object_get(sysctls, "net.core.somaxconn")), "5");
    rig->bundle.netns = NULL;
    assert_refused(rig, "'net.core.somaxconn' would change the machine's network");
    rig->spec.joins = "other";
    assert_refused(rig, "'net.core.somaxconn' would change another service's network");
    pair.key = "kernel.sem";
    rig->service.isolation.ipc = "host";
    assert_refused(rig, "'kernel.sem' would change the machine's IPC namespace");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        pair.key = bad[i];
        assert_refused(rig, "is a setting of the whole machine");
    }
}

static void an_oom_score_below_zero_needs_the_right(void **state)
{
    struct rig *rig = *state;
    struct compose_tuning *tuning = &rig->service.tuning;

    AUTO(json_unref) json_t *without = config_of(rig);
    assert_null(at(without, "process.oomScoreAdj"));
    tuning->has_oom_score_adj = true;
    AUTO(json_unref) json_t *zero = config_of(rig);
    assert_true(json_is_integer(at(zero, "process.oomScoreAdj")));
    tuning->oom_score_adj = -1;
    assert_refused(rig, "oom_score_adj: -1 needs the capability SYS_RESOURCE");
    rig->machine.may_lower_oom_score = true;
    AUTO(json_unref) json_t *config = config_of(rig);
    assert_int_equal(json_integer_value(at(config, "process.oomScoreAdj")), -1);
    tuning->oom_score_adj = 1001;
    assert_refused(rig, "oom_score_adj: 1001 is not from -1000 to 1000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(limits_are_those_of_the_service),
        WITH_RIG(ulimits_go_as_far_as_the_daemons_own),
        WITH_RIG(a_text_cannot_pass_for_a_number),
        WITH_RIG(control_groups_are_told_everything),
        WITH_RIG(as_much_swap_as_memory_unless_it_is_said),
        WITH_RIG(a_quota_is_by_cpus_or_by_time),
        WITH_RIG(processors_must_be_there),
        WITH_RIG(settings_of_the_machine_are_refused),
        WITH_RIG(an_oom_score_below_zero_needs_the_right),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
