/* SPDX-License-Identifier: Apache-2.0
 *
 * What is mounted into an instance, namespaces that it shares with another one
 * or with the machine, and what is refused; part of runtime_driver.c.
 */
#include "base/base.h"

#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "runtime/devices.h"
#include "runtime/pinned.h"
#include "runtime/security.h"
#include "runtime_rig.h"

#define TEXTS(...)                                                                                 \
    {                                                                                              \
        .items = (const char *[]){__VA_ARGS__},                                                    \
        .count = ARRAY_LEN(((const char *[]){__VA_ARGS__}))                                        \
    }
#define SLEEPS .name = "keys", .command = TEXTS("sleep", "300")

static bool see(struct drive *drive, const char *id, const char *shell)
{
    return drive_run(drive, id, arena_printf(&drive->arena, "set -e; %s", shell), 10000);
}

static const char *below(struct drive *drive, const char *name)
{
    return arena_printf(&drive->arena, "%s/%s", drive->folder, name);
}

/* ---- mounts and files ---- */

static bool lay_out(struct drive *drive)
{
    struct err *err = &drive->err;

    return file_make_dirs(below(drive, "volume/inner/deep"), 0755, err) &&
           file_make_dirs(below(drive, "outer"), 0755, err) &&
           file_write(below(drive, "volume/top"), STR("top\n"), 0644, err) &&
           file_write(below(drive, "volume/inner/kept"), STR("kept\n"), 0644, err) &&
           file_write(below(drive, "secret"), STR("very secret\n"), 0600, err) &&
           symlink("inner/deep", below(drive, "volume/within")) == 0 &&
           symlink("/etc", below(drive, "volume/out")) == 0;
}

static const struct compose_service mounted = {SLEEPS, .user = "1234:99", .read_only = true,
                                               .tmpfs_options =
                                                   TEXTS("/scratch:size=1m,mode=700,noexec")};

static void look_at_mounts(struct drive *drive, const char *id)
{
    drive_check(
        drive,
        see(drive, id, "! touch /x 2>/dev/null; ! touch /usr/x 2>/dev/null; touch /tmp/x /run/x"),
        "read_only: only what is mounted can be written");
    drive_check(drive,
                see(drive, id,
                    "test $(stat -c '%a:%u' /scratch) = 700:58002; test $(df -k --output=size "
                    "/scratch | tail -1) = 1024; grep ' /scratch ' /proc/mounts | grep -q noexec"),
                "tmpfs: size, mode and options");
    drive_check(drive,
                see(drive, id, "test -e /vol/top; test -e /vol/a/b/kept; test ! -e /vol/a/top"),
                "a mount in a mount is seen whatever their order; subpath: a folder of the volume");
    drive_check(drive, see(drive, id, "test -d /link; test ! -e /link/kept; grep top /one"),
                "subpath: a link that stays within, and a single file");
}

static void look_at_files(struct drive *drive, const char *id)
{
    drive_check(
        drive,
        see(drive, id,
            "test \"$(cat /run/secrets/mine)\" = 'very secret'; test \"$(stat -c '%u %g %a' "
            "/run/secrets/mine /run/secrets/other | tr '\\n' ,)\" = '58002 58002 400,103 104 "
            "440,'; "
            "! cat /run/secrets/other 2>/dev/null; ! sh -c 'echo x >/run/secrets/mine' "
            "2>/dev/null"),
        "secrets and configs: owner, group and mode; nobody writes them");
    drive_check(drive,
                see(drive, id,
                    "test \"$(stat -c '%u %g %a' /etc/app/config)\" = '58002 58002 550'; grep -q "
                    "' /run/secrets/mine tmpfs ' /proc/mounts"),
                "a file of the number in `user` is the user's; it is in memory only");
}

/* A mount that comes while the instance runs. */
static void look_at_propagation(struct drive *drive, const char *id)
{
    drive_check(drive,
                mkdir(below(drive, "outer/late"), 0755) == 0 &&
                    mount("test", below(drive, "outer/late"), "tmpfs", 0, "size=1m") == 0 &&
                    see(drive, id, "grep -q ' /outer/late tmpfs ' /proc/mounts"),
                "propagation: what is mounted later is seen with rslave");
    (void)umount2(below(drive, "outer/late"), MNT_DETACH);
}

static void drive_mounted(struct drive *drive, struct instance_spec spec)
{
    const char *volume = below(drive, "volume"), *outer = below(drive, "outer");
    const char *secret = below(drive, "secret");
    struct runtime_mount mounts[] = {
        {.source = volume, .target = "/vol/a/b", .subpath = "inner"},
        {.source = volume, .target = "/vol"},
        {.source = volume, .target = "/link", .subpath = "within"},
        {.source = volume, .target = "/one", .subpath = "top"},
        {.source = outer, .target = "/outer", .propagation = "rslave"},
        {.target = "/scratch"},
    };
    struct runtime_file files[] = {{secret, "/run/secrets/mine", CLIENT_UID, CLIENT_UID, 0400},
                                   {secret, "/run/secrets/other", 103, 104, 0440},
                                   {secret, "/etc/app/config", 1234, 99, 0550}};
    const char *pinned =
        arena_printf(&drive->arena, "%s/run/instances/%s/pinned", drive->folder, spec.id);

    spec.service = &mounted;
    spec.mounts = mounts;
    spec.mount_count = ARRAY_LEN(mounts);
    spec.files = files;
    spec.file_count = ARRAY_LEN(files);
    drive_check(drive,
                mount("test", outer, "tmpfs", 0, "size=1m") == 0 &&
                    mount(NULL, outer, NULL, MS_SHARED, NULL) == 0 && drive_start(drive, &spec),
                "a service with mounts and files starts");
    look_at_mounts(drive, spec.id);
    look_at_files(drive, spec.id);
    look_at_propagation(drive, spec.id);
    (void)umount2(outer, MNT_DETACH);
    drive_check(drive, file_has(arena_printf(&drive->arena, "%s/file0", pinned), "very secret"),
                "the copy is below the run folder");
    drive_check(drive,
                stop_and_remove(drive, spec.id) && !file_exists(pinned) &&
                    !file_has("/proc/self/mountinfo", pinned) &&
                    file_has(below(drive, "volume/inner/kept"), "kept") &&
                    file_exists(below(drive, "volume/inner/deep")),
                "it is removed with its copies, and volumes are as before");
}

/* ---- sharing ---- */

static const struct compose_service donor_service = {SLEEPS, .isolation = {.ipc = "shareable"},
                                                     .tuning = {.shm_size_bytes = 8U << 20}};
static const struct compose_service joining = {
    SLEEPS, .network_mode = "service:donor",
    .isolation = {.ipc = "service:donor", .pid = "service:donor"}};
static const struct compose_service of_machine = {
    .name = "keys",
    .command = TEXTS("/bin/sh", "-c", "sleep 301.125 & exec sleep 300"),
    .network_mode = "host",
    .isolation = {.ipc = "host", .pid = "host", .uts = "host", .cgroup = "host"}};

static bool is_same(struct drive *drive, const char *id, const char *other, const char *type)
{
    const char *shell = arena_printf(&drive->arena, "readlink /proc/self/ns/%s", type);

    if (!drive_run(drive, id, shell, 10000))
        return false;
    const char *first = arena_text(&drive->arena, buf_text(&drive->output));
    return drive_run(drive, other, shell, 10000) && strcmp(first, buf_text(&drive->output)) == 0;
}

static void drive_joined(struct drive *drive, struct instance_spec spec)
{
    struct instance_spec donor = spec;

    donor.id = "runtime-test-donor";
    donor.service = &donor_service;
    spec.service = &joining;
    spec.address = NULL;
    spec.joins = spec.joins_pid = spec.joins_ipc = donor.id;
    drive_check(drive, !drive_start(drive, &spec) && strstr(drive->err.text, "does not run"),
                "sharing with an instance that does not run is refused");
    drive_check(drive, drive_start(drive, &donor) && drive_start(drive, &spec),
                "an instance starts in the namespaces of another one");
    drive_check(drive,
                is_same(drive, spec.id, donor.id, "net") &&
                    see(drive, spec.id, "ip -4 -br addr show eth0 | grep -q 10.213.250.11"),
                "network_mode: service:x is the other one's network");
    drive_check(drive,
                is_same(drive, spec.id, donor.id, "pid") &&
                    see(drive, spec.id, "test $(pgrep -xc sleep) = 2"),
                "pid: service:x has the other one's processes");
    drive_check(drive,
                is_same(drive, spec.id, donor.id, "ipc") &&
                    see(drive, donor.id, "echo hello >/dev/shm/x") &&
                    see(drive, spec.id,
                        "grep hello /dev/shm/x; test $(df -k --output=size /dev/shm | tail -1) = "
                        "8192"),
                "ipc: service:x has the other one's /dev/shm");
    drive_check(drive, !is_same(drive, spec.id, donor.id, "mnt"), "all else is its own");
    drive_check(drive, stop_and_remove(drive, spec.id), "it ends alone");
    drive_check(drive, see(drive, donor.id, "ip -4 -br addr show eth0 | grep 10.213.250.11"),
                "and leaves the other one its network");
    drive_check(drive, stop_and_remove(drive, donor.id), "which is removed too");
}

static void drive_machine(struct drive *drive, struct instance_spec spec)
{
    char name[256] = "";

    spec.service = &of_machine;
    spec.address = NULL;
    (void)gethostname(name, sizeof name - 1);
    drive_check(drive, drive_start(drive, &spec), "an instance starts in the machine's namespaces");
    drive_check(drive,
                see(drive, spec.id,
                    arena_printf(&drive->arena, "test -d /proc/%d; test $(hostname) = '%s'",
                                 (int)getpid(), name)),
                "pid and uts: host are the machine's");
    drive_check(drive, see(drive, spec.id, "grep -q 'ishizue/runtime-test-key' /proc/self/cgroup"),
                "cgroup: host shows the path");
    drive_check(drive, see(drive, spec.id, "! kill -0 1 2>/dev/null; ! ls /proc/1/cwd 2>/dev/null"),
                "and the processes of others are out of reach");
    drive_check(drive, stop_and_remove(drive, spec.id) && !process_has(drive, "301.125"),
                "it ends with all of its processes");
}

/* ---- what is refused ---- */

struct refusal {
    const char *text; /* part of the error */
    struct compose_service service;
};

static const struct refusal refusals[] = {
    {"services.keys: ulimits.nofile: 9000000000 is above the daemon's own limit of ",
     {SLEEPS, .tuning = {.ulimits = (struct compose_ulimit[]){{"nofile", 5, 9000000000}},
                         .ulimit_count = 1}}},
    {"cap_add: 'SYS_ADMIN' would reach beyond the instance; what can be added: IPC_LOCK",
     {SLEEPS, .isolation = {.cap_add = TEXTS("SYS_ADMIN")}}},
    {"cap_add: 'NET_ADMIN' together with network_mode: host",
     {SLEEPS, .network_mode = "host", .isolation = {.cap_add = TEXTS("NET_ADMIN")}}},
    {"privileged: ", {SLEEPS, .isolation = {.privileged = true}}},
    {"sysctls: 'kernel.core_pattern' is a setting of the whole machine",
     {SLEEPS,
      .tuning = {.sysctls = {(struct compose_pair[]){{"kernel.core_pattern", "|/bin/sh"}}, 1}}}},
    {"security_opt: 'no-new-privileges:false' is not possible",
     {SLEEPS, .isolation = {.security_opt = TEXTS("no-new-privileges:false")}}},
    {"security_opt: cannot read '/no/such.json'",
     {SLEEPS, .isolation = {.security_opt = TEXTS("seccomp=/no/such.json")}}},
    {"group_add: the group 'shadow' opens the secrets of the machine",
     {SLEEPS, .isolation = {.group_add = TEXTS("shadow")}}},
    {"group_add: the machine has no group 'nosuchgroup'",
     {SLEEPS, .isolation = {.group_add = TEXTS("nosuchgroup")}}},
    {"devices: '/etc/passwd' is no device",
     {SLEEPS, .isolation = {.devices = (struct compose_device[]){{"/etc/passwd", "/dev/x", "r"}},
                            .device_count = 1}}},
    {"cpuset: '0-4096' names processors that are not there",
     {SLEEPS, .tuning = {.cpuset = "0-4096"}}},
    {"memswap_limit: ",
     {SLEEPS, .limits = {.memory_bytes = 1 << 26}, .tuning = {.memory_swap_bytes = 1 << 25}}},
    {"annotations: 'run.oci.hooks.stderr' gives orders to the OCI runtime",
     {SLEEPS,
      .annotations = {(struct compose_pair[]){{"run.oci.hooks.stderr", "/etc/cron.d/x"}}, 1}}},
    {"ipc: 'container:x' is not possible here", {SLEEPS, .isolation = {.ipc = "container:x"}}},
    {"tmpfs: 'huge=always' of '/scratch' is no option here",
     {SLEEPS, .tmpfs_options = TEXTS("/scratch:huge=always")}},
};

static const struct compose_service plain = {SLEEPS};

static bool make_nodes(const char *folder, unsigned count)
{
    AUTO(arena_done) struct arena arena = {0};
    struct err err;
    bool ok = file_make_dirs(folder, 0755, &err);

    for (unsigned i = 0; ok && i < count; i++)
        ok = mknod(arena_printf(&arena, "%s/n%u", folder, i), S_IFCHR | 0600, makedev(1, 5)) == 0;
    return ok;
}

static void drive_refused_devices(struct drive *drive, struct instance_spec spec)
{
    struct compose_device device = {below(drive, "memory"), "/dev/x", "r"};
    struct compose_service service = plain;

    service.isolation.devices = &device;
    service.isolation.device_count = 1;
    spec.service = &service;
    spec.mount_count = 0;
    drive_check(drive,
                mknod(device.source, S_IFCHR | 0600, makedev(1, 1)) == 0 &&
                    !drive_start(drive, &spec) &&
                    strstr(drive->err.text, "is the machine's own memory") != NULL,
                "the machine's memory is refused by its number, whatever its name");
    device.source = below(drive, "nodes");
    drive_check(drive,
                make_nodes(device.source, DEVICES_MAX + 1) && !drive_start(drive, &spec) &&
                    strstr(drive->err.text, "devices: more than 256"),
                "more devices than there may be are refused");
    device.source = below(drive, "deep");
    drive_check(drive,
                make_nodes(below(drive, "deep/2/3/4/5/6"), 1) && !drive_start(drive, &spec) &&
                    strstr(drive->err.text, "is too deep"),
                "so are folders of them that are too deep");
    device = (struct compose_device){below(drive, "deep/2"), "/etc/x", "r"};
    drive_check(drive, !drive_start(drive, &spec) && strstr(drive->err.text, "is not below /dev"),
                "and a place that is not below /dev");
}

/* A file of <bytes> with nothing in it. */
static bool make_file(const char *path, off_t bytes)
{
    struct err err;
    return file_write(path, (struct str){0}, 0600, &err) && truncate(path, bytes) == 0;
}

static void drive_refused_files(struct drive *drive, struct instance_spec spec)
{
    const char *option[] = {arena_printf(&drive->arena, "seccomp=%s", below(drive, "large.json"))};
    struct runtime_file files[5];
    struct compose_service service = plain;

    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        files[i] =
            (struct runtime_file){.source = below(drive, "large"),
                                  .target = arena_printf(&drive->arena, "/run/secrets/%zu", i),
                                  .mode = 0444};
    spec.service = &service;
    spec.mount_count = 0;
    spec.files = files;
    spec.file_count = 1;
    drive_check(drive,
                make_file(files[0].source, PINNED_FILE_BYTES_MAX + 1) &&
                    !drive_start(drive, &spec) && drive->err.code == ERR_LIMIT,
                "a secret that is too large is refused");
    spec.file_count = 5;
    drive_check(drive,
                make_file(files[0].source, PINNED_FILE_BYTES_MAX) && !drive_start(drive, &spec) &&
                    strstr(drive->err.text, "the secrets and configs of a service are above"),
                "so are secrets that together are too large");
    files[0].source = drive->folder;
    drive_check(drive,
                !drive_start(drive, &spec) && strstr(drive->err.text, "is a folder; a single file"),
                "and a folder");
    spec.file_count = 0;
    service.isolation.security_opt = (struct compose_texts){option, 1};
    drive_check(drive,
                make_file(below(drive, "large.json"), SECCOMP_PROFILE_BYTES_MAX + 1) &&
                    !drive_start(drive, &spec) && drive->err.code == ERR_LIMIT,
                "and a filter of system calls that is too large");
}

static void drive_refused(struct drive *drive, struct instance_spec spec)
{
    struct runtime_mount scratch = {.target = "/scratch"};
    struct runtime_mount out = {
        .source = below(drive, "volume"), .target = "/out", .subpath = "out"};

    spec.mounts = &scratch;
    spec.mount_count = 1;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        spec.service = &refusals[i].service;
        bool refused = !drive_start(drive, &spec);
        drive_check(drive,
                    refused && strstr(drive->err.text, refusals[i].text) != NULL &&
                        strchr(drive->err.text, '\n') == NULL,
                    arena_printf(&drive->arena, "refused: %s", refusals[i].text));
    }
    spec.service = &plain;
    spec.mounts = &out;
    drive_check(drive,
                !drive_start(drive, &spec) && strstr(drive->err.text, "leads out of the volume"),
                "a subpath that leads out of its volume is refused");
    out.subpath = "none";
    drive_check(drive, !drive_start(drive, &spec) && strstr(drive->err.text, "has no 'none'"),
                "so is one that is not there");
    drive_refused_devices(drive, spec);
    drive_refused_files(drive, spec);
    drive_check(
        drive,
        !file_exists(arena_printf(&drive->arena, "%s/run/instances/%s", drive->folder, spec.id)),
        "nothing is left of what was refused");
}

void drive_shares(struct drive *drive, struct instance_spec spec)
{
    spec.id = "runtime-test-key";
    spec.hostname = "key-1";
    drive_check(drive, lay_out(drive), "volumes and secrets are laid out");
    drive_mounted(drive, spec);
    drive_joined(drive, spec);
    drive_machine(drive, spec);
    drive_refused(drive, spec);
}
