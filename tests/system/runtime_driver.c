/* SPDX-License-Identifier: Apache-2.0
 *
 * The host runtime on the real machine, without daemon or compose file: starts
 * PostgreSQL from its recipe, asks it through exec, kills it, and looks for what
 * is left. Needs root; says so and passes with a skip otherwise. TAP output.
 *     runtime_driver <images folder>
 * Everything is made in a folder below /var/tmp and a network of its own, and
 * taken away again.
 */
#include "base/base.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "io/child.h"
#include "io/loop.h"
#include "runtime/runtime.h"

enum { WAIT_SECONDS = 60, DATABASE_UID = 58001, CLIENT_UID = 58002 };

struct drive {
    struct loop *loop;
    struct runtime *runtime;
    struct arena arena;
    const char *folder;
    int count;
    int failed;
    bool done;
    struct err err;
    bool has_err;
    int exit_status;
    struct buf output;
    int exits;
};

static void check(struct drive *drive, bool ok, const char *name)
{
    drive->count++;
    drive->failed += ok ? 0 : 1;
    printf("%s %d - %s\n", ok ? "ok" : "not ok", drive->count, name);
    if (!ok && drive->has_err)
        printf("# %s\n", drive->err.text);
    if (!ok && drive->output.len > 0)
        printf("# output: %s\n", buf_text(&drive->output));
    (void)fflush(stdout);
}

static void on_done(void *arg, const struct err *err)
{
    struct drive *drive = arg;
    drive->done = true;
    drive->has_err = err != NULL;
    if (err != NULL)
        drive->err = *err;
}

static void on_exec(void *arg, int exit_status, struct str output, const struct err *err)
{
    struct drive *drive = arg;
    on_done(arg, err);
    drive->exit_status = exit_status;
    buf_clear(&drive->output);
    buf_add_str(&drive->output, output);
}

static void on_exit_of(void *arg, const char *id)
{
    struct drive *drive = arg;
    (void)id;
    drive->exits++;
}

static void on_build_output(void *arg, struct str bytes)
{
    struct drive *drive = arg;
    buf_add_str(&drive->output, bytes);
}

static bool wait_done(struct drive *drive)
{
    uint64_t end_ns = clock_now_ns() + WAIT_SECONDS * NS_PER_SECOND;

    while (!drive->done && clock_now_ns() < end_ns)
        loop_round(drive->loop, 1000);
    return drive->done && !drive->has_err;
}

static bool start(struct drive *drive, const struct instance_spec *spec)
{
    drive->done = false;
    drive->has_err = !drive->runtime->ops->start(drive->runtime, spec, on_done, drive, &drive->err);
    return !drive->has_err && wait_done(drive);
}

static bool run(struct drive *drive, const char *id, const char *shell, uint64_t timeout_ms)
{
    const char *argv[] = {"/bin/sh", "-c", shell};
    struct compose_texts texts = {argv, ARRAY_LEN(argv)};

    drive->done = false;
    drive->exit_status = -1;
    drive->has_err = !drive->runtime->ops->exec(drive->runtime, id, &texts, timeout_ms, on_exec,
                                                drive, &drive->err);
    return !drive->has_err && wait_done(drive) && drive->exit_status == 0;
}

static bool stop_and_remove(struct drive *drive, const char *id)
{
    struct runtime_status status;
    struct err err;
    int before = drive->exits;
    uint64_t end_ns = clock_now_ns() + WAIT_SECONDS * NS_PER_SECOND;

    if (drive->runtime->ops->signal(drive->runtime, id, SIGKILL, &err))
        while (drive->exits == before && clock_now_ns() < end_ns)
            loop_round(drive->loop, 1000);
    drive->done = false;
    drive->has_err = !drive->runtime->ops->remove(drive->runtime, id, on_done, drive, &drive->err);
    if (drive->has_err || !wait_done(drive))
        return false;
    return drive->runtime->ops->inspect(drive->runtime, id, &status, &err) &&
           status.state == RUNTIME_ABSENT;
}

static bool apply(struct drive *drive, const struct runtime_network *network)
{
    drive->has_err = !drive->runtime->ops->network_apply(drive->runtime, network, &drive->err);
    return !drive->has_err;
}

static bool output_has(const struct drive *drive, const char *text)
{
    return strstr(buf_text(&drive->output), text) != NULL;
}

static bool file_has(const char *path, const char *text)
{
    AUTO(buf_done) struct buf all = {0};
    struct err err;
    return file_read(path, 16 << 20, &all, &err) && strstr(buf_text(&all), text) != NULL;
}

/* Does any process have <text> in its command line? */
static bool process_has(struct drive *drive, const char *text)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    bool found = false;

    while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
        AUTO(buf_done) struct buf line = {0};
        struct err err;
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9' ||
            !file_read(arena_printf(&drive->arena, "/proc/%s/cmdline", entry->d_name), 1 << 20,
                       &line, &err))
            continue;
        found = memmem(buf_text(&line), line.len, text, strlen(text)) != NULL;
    }
    if (dir != NULL)
        (void)closedir(dir);
    return found;
}

static void wait_for_process_end(struct drive *drive, const char *text)
{
    uint64_t end_ns = clock_now_ns() + 5 * NS_PER_SECOND;
    while (process_has(drive, text) && clock_now_ns() < end_ns)
        loop_round(drive->loop, 20);
}

static const struct compose_service database_service = {
    .name = "postgres",
    .image = "postgres:15-alpine",
    .environment = {(struct compose_pair[]){{"POSTGRES_USER", "shop"},
                                            {"POSTGRES_PASSWORD", "it's a \"secret\""},
                                            {"POSTGRES_DB", "eshop"}},
                    3},
    .limits = {.cpus = 1.5, .memory_bytes = 256U << 20, .pids = 100},
};

static const struct compose_service client_service = {
    .name = "client",
    .command = {(const char *[]){"sleep", "300"}, 2},
    .x = {.host = {.present = true, .workdir = "/srv/app"}},
};

static void show_log(const char *path)
{
    AUTO(buf_done) struct buf text = {0};
    struct err err;

    if (!file_read(path, 1 << 20, &text, &err))
        return;
    struct str rest = buf_str(&text);
    while (rest.ptr != NULL && rest.len > 0) {
        struct str line = str_cut(&rest, '\n');
        printf("# log: " STR_FMT "\n", STR_ARG(line));
    }
}

static void drive_database(struct drive *drive, const struct instance_spec *spec)
{
    struct runtime_usage usage;
    struct runtime_status status;
    struct err err;
    uint64_t begin_ns = clock_now_ns();

    check(drive, start(drive, spec), "an instance of the image postgres starts from its recipe");
    printf("# start to running: %llu ms\n",
           (unsigned long long)((clock_now_ns() - begin_ns) / NS_PER_MS));
    uint64_t end_ns = clock_now_ns() + 30 * NS_PER_SECOND;
    while (drive->exits == 0 && !run(drive, spec->id, "pg_isready -q -h 127.0.0.1 -U shop", 5000) &&
           clock_now_ns() < end_ns)
        loop_round(drive->loop, 100);
    if (drive->exits > 0)
        show_log(spec->log_path);
    check(drive,
          run(drive, spec->id,
              "PGPASSWORD=\"$POSTGRES_PASSWORD\" psql -h db-1 -U shop -Atc "
              "'select current_database(), 6*7' eshop",
              5000) &&
              output_has(drive, "eshop|42"),
          "psql answers with the password of the environment");
    check(
        drive,
        !run(drive, spec->id, "PGPASSWORD=wrong psql -h db-1 -U shop -c 'select 1' eshop", 5000) &&
            output_has(drive, "password authentication failed"),
        "a wrong password is refused");
    check(drive,
          !run(drive, spec->id, "sleep 20.125", 300) && drive->has_err &&
              drive->err.code == ERR_TIMEOUT && !process_has(drive, "20.125"),
          "a command that takes too long is ended and says so");
    check(drive,
          run(drive, spec->id,
              "set -ex; test $(id -u) = 58001; test ! -r /etc/shadow; test -z \"$(ls -A /root /mnt "
              "/opt | grep -v :)\"; test ! -w /etc; test ! -e /work; grep -q "
              "'^CapBnd:.0000000000000000$' /proc/self/status; grep -q 'NoNewPrivs:.1' "
              "/proc/self/status; grep -q 'Seccomp:.2' /proc/self/status",
              5000),
          "inside there is no privilege and nothing of the machine's own");
    check(drive,
          drive->runtime->ops->usage(drive->runtime, spec->id, &usage, &err) && usage.pids >= 3 &&
              usage.memory_bytes > 1 << 20 && usage.cpu_ns > 0,
          "usage is counted");
    check(drive,
          drive->runtime->ops->inspect(drive->runtime, spec->id, &status, &err) &&
              status.state == RUNTIME_RUNNING && status.pid > 1,
          "it is seen running");
}

static void drive_network(struct drive *drive, const struct instance_spec *database,
                          const struct instance_spec *client)
{
    const char *service[] = {"10.213.250.1"};
    const char *instances[] = {database->address};
    struct runtime_endpoint endpoints[] = {
        {.id = database->id, .address = database->address, .reaches = service, .reach_count = 1},
        {.id = client->id, .address = client->address, .reaches = service, .reach_count = 1}};
    struct runtime_service_address services[] = {{service[0], instances, 1}};
    struct runtime_network network = {endpoints, 2, services, 1};

    check(drive, start(drive, client), "a second instance with a plain command starts");
    check(drive, apply(drive, &network), "the packet filter takes the rules");
    check(drive, run(drive, client->id, "pg_isready -h db -t 3", 5000),
          "a service name leads to the instance");
    check(drive, run(drive, database->id, "pg_isready -h 10.213.250.1 -t 3", 5000),
          "an instance reaches itself by its own service's address");
    check(drive, !run(drive, client->id, "pg_isready -h 10.213.250.10 -t 2", 5000),
          "an instance's own address is not reached when only the service is listed");
    check(drive, !run(drive, client->id, "pg_isready -h 169.254.1.1 -p 22 -t 2", 5000),
          "the machine is not reached from inside");
    endpoints[1].reach_count = 0;
    check(drive, apply(drive, &network) && !run(drive, client->id, "pg_isready -h db -t 2", 5000),
          "a service that is not listed is not reached");
    endpoints[1].reach_count = 1;
    services[0].instance_count = 0;
    uint64_t begin_ns = clock_now_ns();
    check(drive,
          apply(drive, &network) && !run(drive, client->id, "pg_isready -h db -t 5", 8000) &&
              clock_now_ns() - begin_ns < 2 * NS_PER_SECOND,
          "a service without instances refuses at once");
}

static void drive_exits(struct drive *drive, const struct instance_spec *database,
                        const struct instance_spec *client)
{
    check(drive, stop_and_remove(drive, client->id), "a killed instance is reported and removed");
    check(drive, stop_and_remove(drive, database->id), "so is the database");
    check(drive, drive->exits == 2, "every end was reported once");
    wait_for_process_end(drive, drive->folder);
    check(
        drive,
        !file_has("/proc/self/mountinfo", arena_printf(&drive->arena, "%s/run/i", drive->folder)) &&
            !file_has("/proc/self/mountinfo",
                      arena_printf(&drive->arena, "%s/run/n", drive->folder)),
        "no mount is left");
    check(drive, !process_has(drive, drive->folder), "no process is left");
    check(drive, !file_exists("/sys/class/net/iz0ad5fa0a"), "no network interface is left");
    check(drive,
          !file_exists("/sys/fs/cgroup/memory/ishizue/runtime-test-db") &&
              !file_exists("/sys/fs/cgroup/ishizue/runtime-test-db"),
          "no control group is left");
}

static void drive_failures(struct drive *drive, struct instance_spec spec)
{
    struct compose_service service = client_service;
    struct runtime_status status;
    struct err err;

    spec.service = &service;
    service.command = (struct compose_texts){(const char *[]){"/no/such/program"}, 1};
    check(drive, !start(drive, &spec) && drive->has_err && strstr(drive->err.text, "/no/such"),
          "a program that is not there is named");
    check(drive,
          drive->runtime->ops->inspect(drive->runtime, spec.id, &status, &err) &&
              status.state == RUNTIME_ABSENT,
          "a failed start leaves nothing");
    service.command = (struct compose_texts){(const char *[]){"/bin/sh", "-c", "exit 7"}, 3};
    int before = drive->exits;
    uint64_t end_ns = clock_now_ns() + 10 * NS_PER_SECOND;
    bool started = start(drive, &spec);
    while (drive->exits == before && clock_now_ns() < end_ns)
        loop_round(drive->loop, 100);
    check(drive,
          started && drive->runtime->ops->inspect(drive->runtime, spec.id, &status, &err) &&
              status.state == RUNTIME_EXITED && status.exit_status == 7,
          "the exit status is kept");
    check(drive, stop_and_remove(drive, spec.id), "what ended by itself is removed");
    service.limits.memory_bytes = 32U << 20;
    service.command = (struct compose_texts){
        (const char *[]){"/usr/bin/python3", "-c", "x = b'1' * (200 << 20)"}, 3};
    before = drive->exits;
    end_ns = clock_now_ns() + 20 * NS_PER_SECOND;
    started = start(drive, &spec);
    while (drive->exits == before && clock_now_ns() < end_ns)
        loop_round(drive->loop, 100);
    check(drive,
          started && drive->runtime->ops->inspect(drive->runtime, spec.id, &status, &err) &&
              status.state == RUNTIME_EXITED && status.out_of_memory && status.exit_status == 137,
          "an instance that was killed for its memory limit says so");
    check(drive, stop_and_remove(drive, spec.id), "and is removed");
}

static void drive_build(struct drive *drive)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *context = arena_printf(&arena, "%s/context", drive->folder);
    const char *steps[] = {"cp in.txt out.txt && id -u >> out.txt", "echo two lines; echo here"};
    struct compose_service service = {
        .name = "built",
        .build = {.present = true, .context = context},
        .x = {.host = {.present = true, .build = {steps, 2}, .command = "cat out.txt; sleep 300"}},
    };
    char *environment[] = {NULL};
    struct build_spec spec = {.system = "runtimetest",
                              .service = &service,
                              .uid = CLIENT_UID,
                              .caller_environment = environment};
    const char *tree = NULL, *second = NULL;
    bool ready = true;
    struct err err;

    buf_clear(&drive->output);
    bool made = file_make_dirs(context, 0755, &err) &&
                file_write(arena_printf(&arena, "%s/in.txt", context), STR("hello\n"), 0644, &err);
    drive->has_err = !made || !drive->runtime->ops->build_key(drive->runtime, &spec, &arena, &tree,
                                                              &ready, &drive->err);
    check(drive, !drive->has_err && !ready, "a tree that was never built has a name");
    if (drive->has_err)
        return;
    drive->done = false;
    drive->has_err = !drive->runtime->ops->build(drive->runtime, &spec, tree, on_build_output,
                                                 on_done, drive, &drive->err);
    check(drive, !drive->has_err && wait_done(drive) && output_has(drive, "two lines\nhere"),
          "a build runs its steps and shows their output");
    check(drive,
          drive->runtime->ops->build_key(drive->runtime, &spec, &arena, &second, &ready, &err) &&
              ready && strcmp(tree, second) == 0,
          "the same content is not built again");
    check(drive, file_has(arena_printf(&arena, "%s/app/out.txt", tree), "hello\n58002"),
          "steps run as the unprivileged user and their files are in the tree");
    struct instance_spec instance = {
        .id = "runtime-test-built",
        .system = "runtimetest",
        .service = &service,
        .hostname = "built",
        .uid = CLIENT_UID,
        .tree = tree,
        .log_path = arena_printf(&arena, "%s/built.log", drive->folder),
    };
    check(drive,
          start(drive, &instance) &&
              run(drive, instance.id, "test \"$PWD\" = /app && touch ok && cat out.txt", 5000) &&
              output_has(drive, "hello"),
          "an instance sees its tree and may write in it");
    check(drive, stop_and_remove(drive, instance.id), "the built instance is removed");
    check(drive, !file_exists(arena_printf(&arena, "%s/app/ok", tree)),
          "what an instance writes is not in the tree");
    steps[1] = "echo broken pipe dream; exit 3";
    drive->has_err = !drive->runtime->ops->build_key(drive->runtime, &spec, &arena, &second, &ready,
                                                     &drive->err);
    drive->done = false;
    check(drive,
          !drive->has_err && !ready &&
              drive->runtime->ops->build(drive->runtime, &spec, second, on_build_output, on_done,
                                         drive, &drive->err) &&
              !wait_done(drive) && strstr(drive->err.text, "broken pipe dream") != NULL &&
              strstr(drive->err.text, "3") != NULL && !file_exists(second),
          "a step that fails is named with its status and last words");
}

static void drive_many(struct drive *drive)
{
    struct arena *arena = &drive->arena;
    enum { COUNT = 50 };
    struct runtime_endpoint *endpoints = ARENA_ARRAY(arena, struct runtime_endpoint, COUNT);
    struct runtime_service_address *services =
        ARENA_ARRAY(arena, struct runtime_service_address, COUNT / 2);
    const char **reaches = ARENA_ARRAY(arena, const char *, COUNT / 2);
    const char **addresses = ARENA_ARRAY(arena, const char *, COUNT);

    for (size_t i = 0; i < COUNT; i++) {
        addresses[i] = arena_printf(arena, "10.213.250.%zu", i + 100);
        endpoints[i] = (struct runtime_endpoint){"x", addresses[i], reaches, COUNT / 2, true};
    }
    for (size_t i = 0; i < COUNT / 2; i++) {
        reaches[i] = arena_printf(arena, "10.213.250.%zu", i + 1);
        services[i] = (struct runtime_service_address){reaches[i], addresses + i * 2, 2};
    }
    struct runtime_network network = {endpoints, COUNT, services, COUNT / 2};
    uint64_t begin_ns = clock_now_ns();
    check(drive, apply(drive, &network), "fifty instances and 25 services are put in force");
    printf("# network_apply, 50 instances, 1250 pairs: %llu ms\n",
           (unsigned long long)((clock_now_ns() - begin_ns) / NS_PER_MS));
    struct runtime_network none = {0};
    check(drive, apply(drive, &none), "an empty network is one too");
}

static void drive_all(struct drive *drive)
{
    struct arena *arena = &drive->arena;
    struct runtime_mount data = {.source = arena_printf(arena, "%s/data", drive->folder),
                                 .target = "/var/lib/postgresql/data",
                                 .own = true};
    struct runtime_host hosts[] = {{"db", "10.213.250.1"}};
    struct instance_spec database = {
        .id = "runtime-test-db",
        .system = "runtimetest",
        .service = &database_service,
        .hostname = "db-1",
        .address = "10.213.250.10",
        .uid = DATABASE_UID,
        .mounts = &data,
        .mount_count = 1,
        .log_path = arena_printf(arena, "%s/db.log", drive->folder),
        .log_max_bytes = 10 << 20,
    };
    struct instance_spec client = {
        .id = "runtime-test-client",
        .system = "runtimetest",
        .service = &client_service,
        .hostname = "client-1",
        .address = "10.213.250.11",
        .uid = CLIENT_UID,
        .hosts = hosts,
        .host_count = 1,
        .log_path = arena_printf(arena, "%s/client.log", drive->folder),
    };
    drive_database(drive, &database);
    drive_network(drive, &database, &client);
    drive_exits(drive, &database, &client);
    drive_failures(drive, client);
    drive_build(drive);
    drive_many(drive);
}

/* A network of its own: the packet filter's table belongs to a daemon that may be running. */
static bool enter_network(struct err *err)
{
    static const char *const argv[] = {"ip", "link", "set", "lo", "up", NULL};

    if (unshare(CLONE_NEWNET) != 0)
        return err_sys(err, "cannot make a network namespace");
    return child_run(argv, (struct str){0}, 10000, 4096, NULL, err);
}

int main(int argc, char **argv)
{
    struct drive drive = {0};
    char folder[] = "/var/tmp/ishizue-runtime-XXXXXX";
    struct err err;

    if (argc != 2) {
        (void)fputs("usage: runtime_driver <images folder>\n", stderr);
        return 2;
    }
    if (geteuid() != 0) {
        puts("1..1\nok 1 - the host runtime # SKIP needs root");
        return 0;
    }
    if (!enter_network(&err)) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    drive.loop = loop_new(NULL, &err);
    drive.folder = mkdtemp(folder);
    if (drive.loop == NULL || drive.folder == NULL || chmod(folder, 0755) != 0)
        return 1;
    struct runtime_config config = {
        .loop = drive.loop,
        .state_dir = arena_printf(&drive.arena, "%s/state", folder),
        .run_dir = arena_printf(&drive.arena, "%s/run", folder),
        .images_dir = argv[1],
        .on_exit = on_exit_of,
        .arg = &drive,
    };
    drive.runtime = host_runtime_new(&config, &drive.err);
    drive.has_err = drive.runtime == NULL;
    check(&drive, drive.runtime != NULL, "the runtime finds what it needs");
    if (drive.runtime != NULL) {
        drive_all(&drive);
        drive.runtime->ops->free(drive.runtime);
    }
    check(&drive, file_remove_tree(folder, &drive.err), "its folder can be removed");
    printf("1..%d\n", drive.count);
    loop_free(drive.loop);
    buf_done(&drive.output);
    arena_done(&drive.arena);
    return drive.failed == 0 ? 0 : 1;
}
