/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of the file that say how a process is limited and what it may do, seen
 * from inside the instance or in its control group; part of runtime_driver.c.
 */
#include "base/base.h"

#include <stdio.h>

#include "base/file.h"
#include "runtime/cgroup.h"
#include "runtime_rig.h"

#define TEXTS(...)                                                                                 \
    {                                                                                              \
        .items = (const char *[]){__VA_ARGS__},                                                    \
        .count = ARRAY_LEN(((const char *[]){__VA_ARGS__}))                                        \
    }
#define SLEEPS .name = "keys", .command = TEXTS("sleep", "300")

struct observation {
    const char *name;
    const char *shell; /* succeeds inside */
};

/* Starts <service>, makes all observations, removes it again. */
static void observe(struct drive *drive, struct instance_spec spec,
                    const struct compose_service *service, const char *name,
                    const struct observation *observations, size_t count)
{
    spec.service = service;
    bool started = drive_start(drive, &spec);
    drive_check(drive, started, name);
    for (size_t i = 0; started && i < count; i++)
        drive_check(drive,
                    drive_run(drive, spec.id,
                              arena_printf(&drive->arena, "set -e; %s", observations[i].shell),
                              10000),
                    observations[i].name);
    drive_check(drive, stop_and_remove(drive, spec.id), "and it is removed");
}

/* ---- limits ---- */

static const struct compose_service limited = {
    SLEEPS,
    .domainname = "shop.test",
    .limits = {.memory_bytes = 64U << 20, .pids = 20},
    .tuning =
        {
            .cpu_shares = 256,
            .cpu_quota_us = 50000,
            .cpu_period_us = 200000,
            .cpuset = "0",
            .memory_reservation_bytes = 32U << 20,
            .memory_swap_bytes = 96U << 20,
            .has_swappiness = true,
            .swappiness = 10,
            .has_oom_score_adj = true,
            .oom_score_adj = 300,
            .oom_kill_disable = true,
            .blkio_weight = 200,
            .shm_size_bytes = 16U << 20,
            .ulimits = (struct compose_ulimit[]){{"nofile", 1024, 2048},
                                                 {"core", -1, -1},
                                                 {"nproc", 500, 500}},
            .ulimit_count = 3,
            .sysctls = {(struct compose_pair[]){{"net.core.somaxconn", "777"},
                                                {"net.ipv4.ip_unprivileged_port_start", "900"},
                                                {"kernel.shmmax", "1234567"},
                                                {"fs.mqueue.msg_max", "55"}},
                        4},
        },
};

static const struct observation limits_seen[] = {
    /* Of the first process: what runc 1.1 gives to one that it brings in later can lose a race
       against its own runtime, which raises the soft number of files to the hard one. */
    {"ulimits: soft and hard limit, and no limit",
     "grep -q '^Max open files *1024 *2048 ' /proc/1/limits; grep -q '^Max core file size "
     "*unlimited *unlimited ' /proc/1/limits; grep -q '^Max processes *500 *500 ' /proc/1/limits"},
    {"shm_size: the size of /dev/shm", "test $(df -k --output=size /dev/shm | tail -1) = 16384"},
    {"sysctls: net, kernel and fs.mqueue, and ports that are the file's own",
     "test $(cat /proc/sys/net/core/somaxconn) = 777; test $(cat /proc/sys/kernel/shmmax) = "
     "1234567; test $(cat /proc/sys/fs/mqueue/msg_max) = 55; test $(cat "
     "/proc/sys/net/ipv4/ip_unprivileged_port_start) = 900"},
    {"oom_score_adj: of the first process", "test $(cat /proc/1/oom_score_adj) = 300"},
    {"cpuset: one processor is left",
     "grep -q '^Cpus_allowed_list:.0$' /proc/self/status; test $(nproc) = 1"},
    {"hostname and domainname: the kernel's names",
     "test $(hostname) = key-1; test $(cat /proc/sys/kernel/domainname) = shop.test; test "
     "$(hostname -d) = shop.test"},
    {"pids: a process too many cannot be started",
     "! python3 -c 'import subprocess\nfor i in range(30): subprocess.Popen([\"sleep\", \"3\"])'"},
};

struct group_value {
    const char *name;
    const char *controller, *file, *value; /* version 1 */
    const char *file_v2, *value_v2;        /* NULL: it has no such thing */
};

static const struct group_value group_values[] = {
    {"cpu_quota: in the control group", "cpu", "cpu.cfs_quota_us", "50000\n", "cpu.max",
     "50000 200000\n"},
    {"cpu_period: in the control group", "cpu", "cpu.cfs_period_us", "200000\n", "cpu.max",
     "50000 200000\n"},
    {"cpu_shares: in the control group", "cpu", "cpu.shares", "256\n", "cpu.weight", "10\n"},
    {"mem_limit: in the control group", "memory", "memory.limit_in_bytes", "67108864\n",
     "memory.max", "67108864\n"},
    {"memswap_limit: in the control group", "memory", "memory.memsw.limit_in_bytes", "100663296\n",
     "memory.swap.max", "33554432\n"},
    {"mem_reservation: in the control group", "memory", "memory.soft_limit_in_bytes", "33554432\n",
     "memory.low", "33554432\n"},
    {"mem_swappiness: in the control group", "memory", "memory.swappiness", "10\n", NULL, NULL},
    {"oom_kill_disable: in the control group", "memory", "memory.oom_control",
     "oom_kill_disable 1\n", NULL, NULL},
    {"pids_limit: in the control group", "pids", "pids.max", "20\n", "pids.max", "20\n"},
    {"blkio_config.weight: in the control group", "blkio", "blkio.bfq.weight", "200\n",
     "io.bfq.weight", "200\n"},
};

/* A file that this kernel does not have cannot be looked at, which is said. */
static void check_group(struct drive *drive, const char *id, const struct group_value *wanted)
{
    bool v2 = cgroup_is_v2();
    const char *path = v2 ? arena_printf(&drive->arena, "/sys/fs/cgroup/ishizue/%s/%s", id,
                                         wanted->file_v2 == NULL ? "" : wanted->file_v2)
                          : arena_printf(&drive->arena, "/sys/fs/cgroup/%s/ishizue/%s/%s",
                                         wanted->controller, id, wanted->file);
    bool there = file_exists(path) && (!v2 || wanted->file_v2 != NULL);

    drive_check(drive, !there || file_has(path, v2 ? wanted->value_v2 : wanted->value),
                there ? wanted->name
                      : arena_printf(&drive->arena, "%s # SKIP none here", wanted->name));
}

static void drive_limits(struct drive *drive, struct instance_spec spec)
{
    spec.service = &limited;
    drive_check(drive, drive_start(drive, &spec), "a service with every limit starts");
    for (size_t i = 0; i < ARRAY_LEN(group_values); i++)
        check_group(drive, spec.id, &group_values[i]);
    drive_check(drive, stop_and_remove(drive, spec.id), "and it is removed");
    observe(drive, spec, &limited, "it starts again", limits_seen, ARRAY_LEN(limits_seen));
}

/* ---- rights ---- */

#define TRACE "python3 -c 'import ctypes,sys; sys.exit(ctypes.CDLL(None).ptrace(0,0,0,0) != 0)'"
#define RAW   "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'"

static const struct compose_service plain = {SLEEPS, .user = "1234:1234"};
static const struct observation plain_seen[] = {
    {"without cap_add there is no capability",
     "grep -q '^CapEff:.0000000000000000$' /proc/self/status; ! " RAW " 2>/dev/null"},
    {"without SYS_PTRACE nothing is traced", "! " TRACE},
    {"user: a number stands for the one user that there is",
     "test $(id -u) = 58002; test $(id -G) = 58002"},
    {"the machine's passwords and keys are not there",
     "test ! -e /etc/shadow; test ! -e /etc/gshadow; test ! -e /etc/ssl/private; test -e "
     "/etc/ssl/certs"},
    {"without init the command is the first process", "test $(cat /proc/1/comm) = sleep"},
    {"without read_only there is a writable root for who may write",
     "grep -q '^overlay / overlay rw' /proc/mounts"},
};

static const struct compose_service rightful = {
    SLEEPS,
    .user = "node:node",
    .init = true,
    .isolation = {.cap_add = TEXTS("NET_RAW", "KILL", "SYS_PTRACE", "CHOWN"),
                  .cap_drop = TEXTS("KILL"),
                  .group_add = TEXTS("video", "4321"),
                  .security_opt = TEXTS("no-new-privileges:true", "apparmor=unconfined"),
                  .devices = (struct compose_device[]){{"/dev/zero", "/dev/nought", "rwm"},
                                                       {"/dev/null", "/dev/sink", "r"}},
                  .device_count = 2,
                  .cgroup = "private"},
    .annotations = {(struct compose_pair[]){{"test.key", "a value"}}, 1},
};
static const struct observation rights_seen[] = {
    {"cap_add and cap_drop: what is left is effective, ambient and the bound",
     "for set in Eff Prm Inh Amb Bnd; do grep -q \"^Cap$set:.0000000000002000$\" "
     "/proc/self/status; done; " RAW},
    {"cap_add: SYS_PTRACE lets a process trace its own", TRACE},
    {"group_add: by name and by number, and they have names",
     "test \"$(id -G)\" = '58002 44 4321'; id -Gn | grep -q video"},
    {"no-new-privileges: always", "grep -q 'NoNewPrivs:.1' /proc/self/status"},
    {"user: a name is the user's name", "test \"$(id -un)\" = node; test $(id -u) = 58002"},
    {"init: tini is the first process and takes in orphans",
     "test $(cat /proc/1/comm) = tini; sh -c '(sleep 0.1 & echo $! >/tmp/orphan)'; sleep 0.4; "
     "test ! -e /proc/$(cat /tmp/orphan)"},
    {"devices: they can be opened as the file says",
     "test $(head -c 3 /dev/nought | wc -c) = 3; test $(stat -c %u /dev/nought) = 58002; : "
     "</dev/sink; ! sh -c ': >/dev/sink' 2>/dev/null"},
    {"cgroup: private shows no path", "! grep -q ishizue /proc/self/cgroup"},
};

static const struct compose_service unconfined = {
    SLEEPS, .isolation = {.security_opt = TEXTS("seccomp=unconfined"),
                          .cap_add = TEXTS("ALL"),
                          .cap_drop = TEXTS("NET_ADMIN", "SYS_NICE")}};
static const struct observation unconfined_seen[] = {
    {"seccomp=unconfined: there is no filter", "grep -q '^Seccomp:.0$' /proc/self/status; " TRACE},
    {"cap_add: ALL is all that is possible but what is dropped",
     "grep -q '^CapEff:.000000000004ec20$' /proc/self/status"},
};

static void drive_profile(struct drive *drive, const struct instance_spec *spec)
{
    static const char profile[] =
        "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"archMap\": [], \"syscalls\": ["
        "{\"names\": [\"mkdir\", \"mkdirat\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 28},"
        "{\"name\": \"chmod\", \"action\": \"SCMP_ACT_ERRNO\", "
        "\"includes\": {\"caps\": [\"CAP_SYS_ADMIN\"]}}]}";
    static const struct observation seen[] = {
        {"seccomp=FILE: the rules of the file, and no others",
         "! mkdir /tmp/x 2>/tmp/said; grep -q 'No space left' /tmp/said; chmod 600 /tmp/said; grep "
         "-q '^Seccomp:.2$' /proc/self/status; " TRACE}};
    const char *path = arena_printf(&drive->arena, "%s/profile.json", drive->folder);
    const char *option[] = {arena_printf(&drive->arena, "seccomp=%s", path)};
    struct compose_service service = {SLEEPS};

    service.isolation.security_opt = (struct compose_texts){option, 1};
    drive_check(drive, file_write(path, str_of(profile), 0600, &drive->err),
                "a profile is laid out");
    observe(drive, *spec, &service, "a service with a filter of its own starts", seen,
            ARRAY_LEN(seen));
}

static void check_annotation(struct drive *drive, struct instance_spec spec)
{
    spec.service = &rightful;
    const char *path =
        arena_printf(&drive->arena, "%s/run/instances/%s/config.json", drive->folder, spec.id);
    drive_check(drive,
                drive_start(drive, &spec) && file_has(path, "\"test.key\": \"a value\"") &&
                    stop_and_remove(drive, spec.id),
                "annotations: the OCI runtime is told");
}

void drive_keys(struct drive *drive, struct instance_spec spec)
{
    spec.id = "runtime-test-key";
    spec.hostname = "key-1";
    drive_limits(drive, spec);
    observe(drive, spec, &plain, "a plain service starts", plain_seen, ARRAY_LEN(plain_seen));
    observe(drive, spec, &rightful, "a service with rights starts", rights_seen,
            ARRAY_LEN(rights_seen));
    observe(drive, spec, &unconfined, "one without a filter starts", unconfined_seen,
            ARRAY_LEN(unconfined_seen));
    drive_profile(drive, &spec);
    check_annotation(drive, spec);
}
