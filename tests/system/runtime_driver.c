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

#include "base/clock.h"
#include "base/file.h"
#include "io/child.h"
#include "runtime_rig.h"

static const struct compose_service database_service = {
    .name = "postgres",
    .image = "postgres:15-alpine",
    .environment = {(struct compose_pair[]){{"POSTGRES_USER", "shop"},
                                            {"POSTGRES_PASSWORD", "it's a \"secret\""},
                                            {"POSTGRES_DB", "eshop"}},
                    3},
    .limits = {.cpus = 1.5, .memory_bytes = 256U << 20, .pids = 100},
};

static const struct compose_service cache_service = {
    .name = "redis",
    .image = "redis:7",
    .command = {(const char *[]){"redis-server", "--save", "", "--appendonly", "no"}, 5},
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

    drive_check(drive, drive_start(drive, spec),
                "an instance of the image postgres starts from its recipe");
    printf("# start to running: %llu ms\n",
           (unsigned long long)((clock_now_ns() - begin_ns) / NS_PER_MS));
    uint64_t end_ns = clock_now_ns() + 30 * NS_PER_SECOND;
    while (drive->exits == 0 &&
           !drive_run(drive, spec->id, "pg_isready -q -h 127.0.0.1 -U shop", 5000) &&
           clock_now_ns() < end_ns)
        loop_round(drive->loop, 100);
    if (drive->exits > 0)
        show_log(spec->log_path);
    drive_check(drive,
                drive_run(drive, spec->id,
                          "PGPASSWORD=\"$POSTGRES_PASSWORD\" psql -h db-1 -U shop -Atc "
                          "'select current_database(), 6*7' eshop",
                          5000) &&
                    output_has(drive, "eshop|42"),
                "psql answers with the password of the environment");
    drive_check(
        drive,
        drive_run(drive, spec->id,
                  "PGPASSWORD=\"$POSTGRES_PASSWORD\" psql -h db-1 -U shop -Atc 'select \"by\" from "
                  "made' eshop",
                  5000) &&
            output_has(drive, "script"),
        "the scripts of a new database have run");
    drive_check(drive,
                !drive_run(drive, spec->id,
                           "PGPASSWORD=wrong psql -h db-1 -U shop -c 'select 1' eshop", 5000) &&
                    output_has(drive, "password authentication failed"),
                "a wrong password is refused");
    bool ended_well = drive_run(drive, spec->id, "sleep 20.125", 300);
    bool timed_out = drive->has_err && drive->err.code == ERR_TIMEOUT;
    wait_for_process_end(drive, "20.125"); /* killed, it may take a moment to be gone */
    drive_check(drive, !ended_well && timed_out && !process_has(drive, "20.125"),
                "a command that takes too long is ended and says so");
    drive_check(
        drive,
        drive_run(
            drive, spec->id,
            "set -ex; test $(id -u) = 58001; test ! -r /etc/shadow; test -z \"$(ls -A /root /mnt "
            "/opt | grep -v :)\"; test ! -w /etc; test ! -e /work; grep -q "
            "'^CapBnd:.0000000000000000$' /proc/self/status; grep -q 'NoNewPrivs:.1' "
            "/proc/self/status; grep -q 'Seccomp:.2' /proc/self/status",
            5000),
        "inside there is no privilege and nothing of the machine's own");
    drive_check(drive,
                drive->runtime->ops->usage(drive->runtime, spec->id, &usage, &err) &&
                    usage.pids >= 3 && usage.memory_bytes > 1 << 20 && usage.cpu_ns > 0,
                "usage is counted");
    drive_check(drive,
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
    struct runtime_network network = {
        .endpoints = endpoints, .endpoint_count = 2, .services = services, .service_count = 1};

    drive_check(drive, drive_start(drive, client), "a second instance with a plain command starts");
    drive_check(drive, drive_apply(drive, &network), "the packet filter takes the rules");
    drive_check(drive, drive_run(drive, client->id, "pg_isready -h db -t 3", 5000),
                "a service name leads to the instance");
    drive_check(drive, drive_run(drive, database->id, "pg_isready -h 10.213.250.1 -t 3", 5000),
                "an instance reaches itself by its own service's address");
    drive_check(drive, !drive_run(drive, client->id, "pg_isready -h 10.213.250.10 -t 2", 5000),
                "an instance's own address is not reached when only the service is listed");
    drive_check(drive, !drive_run(drive, client->id, "pg_isready -h 169.254.1.1 -p 22 -t 2", 5000),
                "the machine is not reached from inside");
    endpoints[1].reach_count = 0;
    drive_check(drive,
                drive_apply(drive, &network) &&
                    !drive_run(drive, client->id, "pg_isready -h db -t 2", 5000),
                "a service that is not listed is not reached");
    endpoints[1].reach_count = 1;
    services[0].instance_count = 0;
    uint64_t begin_ns = clock_now_ns();
    drive_check(drive,
                drive_apply(drive, &network) &&
                    !drive_run(drive, client->id, "pg_isready -h db -t 5", 8000) &&
                    clock_now_ns() - begin_ns < 2 * NS_PER_SECOND,
                "a service without instances refuses at once");
}

static void count_instance(void *arg, const char *id)
{
    size_t *count = arg;
    *count += strncmp(id, "runtime-test-", 13) == 0 ? 1 : 0;
}

/* As after a daemon that was killed: nothing but the folders tells what runs. */
static void drive_restart(struct drive *drive, const char *id)
{
    struct runtime_status status;
    size_t count = 0;

    drive->runtime->ops->free(drive->runtime);
    drive->runtime = host_runtime_new(&drive->config, &drive->err);
    drive->has_err = drive->runtime == NULL;
    drive_check(
        drive,
        drive->runtime != NULL &&
            drive->runtime->ops->list(drive->runtime, count_instance, &count, &drive->err) &&
            count == 2 && drive->runtime->ops->inspect(drive->runtime, id, &status, &drive->err) &&
            status.state == RUNTIME_RUNNING,
        "a runtime made anew finds what runs");
}

static void drive_exits(struct drive *drive, const struct instance_spec *database,
                        const struct instance_spec *client)
{
    drive_check(drive, stop_and_remove(drive, client->id),
                "a killed instance is reported and removed");
    drive_check(drive, stop_and_remove(drive, database->id), "so is the database");
    drive_check(drive, drive->exits == 2, "every end was reported once");
    wait_for_process_end(drive, drive->folder);
    drive_check(
        drive,
        !file_has("/proc/self/mountinfo", arena_printf(&drive->arena, "%s/run/i", drive->folder)) &&
            !file_has("/proc/self/mountinfo",
                      arena_printf(&drive->arena, "%s/run/n", drive->folder)),
        "no mount is left");
    drive_check(drive, !process_has(drive, drive->folder), "no process is left");
    drive_check(drive, !file_exists("/sys/class/net/iz0ad5fa0a"), "no network interface is left");
    drive_check(drive,
                !file_exists("/sys/fs/cgroup/memory/ishizue/runtime-test-db") &&
                    !file_exists("/sys/fs/cgroup/ishizue/runtime-test-db"),
                "no control group is left");
}

static void drive_recipes(struct drive *drive, struct instance_spec spec)
{
    struct compose_service bare = {.name = "postgres", .image = "postgres"};
    struct compose_service newer = {.name = "postgres", .image = "postgres:99"};
    struct runtime_status status;
    struct err err;
    int before = drive->exits;

    spec.service = &bare;
    drive_check(drive,
                drive_start(drive, &spec) && wait_exit(drive, before) &&
                    drive->runtime->ops->inspect(drive->runtime, spec.id, &status, &err) &&
                    status.state == RUNTIME_EXITED && status.exit_status == 1 &&
                    file_has(spec.log_path, "set POSTGRES_PASSWORD"),
                "PostgreSQL without a password ends and says what to set");
    drive_check(drive, stop_and_remove(drive, spec.id), "and is removed again");
    drive_check(drive,
                drive->runtime->ops->image_find(drive->runtime, &newer, &err) == NULL &&
                    strstr(err.text, "version 99") != NULL,
                "a version that is not there is refused by name");

    const struct runtime_image *image =
        drive->runtime->ops->image_find(drive->runtime, &cache_service, &err);
    drive_check(drive, image != NULL && image->port == 6379 && image->healthcheck.test.count == 3,
                "the image redis is known");
    if (image == NULL)
        return;
    spec.service = &cache_service;
    drive_check(drive, drive_start(drive, &spec), "an instance of the image redis starts");
    uint64_t end_ns = clock_now_ns() + 10 * NS_PER_SECOND;
    while (!drive_run(drive, spec.id, image->healthcheck.test.items[2], 5000) &&
           clock_now_ns() < end_ns)
        loop_round(drive->loop, 100);
    drive_check(drive,
                drive_run(drive, spec.id, "redis-cli set a b && redis-cli config get save", 5000) &&
                    output_has(drive, "OK\nsave\n\n"),
                "it is healthy, and the arguments of the file are in force");
    drive_check(drive, stop_and_remove(drive, spec.id), "it is removed");
}

static void drive_failures(struct drive *drive, struct instance_spec spec)
{
    struct compose_service service = client_service;
    struct runtime_status status;
    struct err err;

    spec.service = &service;
    service.command = (struct compose_texts){(const char *[]){"/no/such/program"}, 1};
    drive_check(drive,
                !drive_start(drive, &spec) && drive->has_err && strstr(drive->err.text, "/no/such"),
                "a program that is not there is named");
    drive_check(drive,
                drive->runtime->ops->inspect(drive->runtime, spec.id, &status, &err) &&
                    status.state == RUNTIME_ABSENT,
                "a failed start leaves nothing");
    service.command = (struct compose_texts){(const char *[]){"/bin/sh", "-c", "exit 7"}, 3};
    int before = drive->exits;
    uint64_t end_ns = clock_now_ns() + 10 * NS_PER_SECOND;
    bool started = drive_start(drive, &spec);
    while (drive->exits == before && clock_now_ns() < end_ns)
        loop_round(drive->loop, 100);
    drive_check(drive,
                started && drive->runtime->ops->inspect(drive->runtime, spec.id, &status, &err) &&
                    status.state == RUNTIME_EXITED && status.exit_status == 7,
                "the exit status is kept");
    drive_check(drive, stop_and_remove(drive, spec.id), "what ended by itself is removed");
    service.limits.memory_bytes = 32U << 20;
    service.command = (struct compose_texts){
        (const char *[]){"/usr/bin/python3", "-c", "x = b'1' * (200 << 20)"}, 3};
    before = drive->exits;
    end_ns = clock_now_ns() + 20 * NS_PER_SECOND;
    started = drive_start(drive, &spec);
    while (drive->exits == before && clock_now_ns() < end_ns)
        loop_round(drive->loop, 100);
    drive_check(drive,
                started && drive->runtime->ops->inspect(drive->runtime, spec.id, &status, &err) &&
                    status.state == RUNTIME_EXITED && status.out_of_memory &&
                    status.exit_status == 137,
                "an instance that was killed for its memory limit says so");
    drive_check(drive, stop_and_remove(drive, spec.id), "and is removed");
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
        endpoints[i] = (struct runtime_endpoint){.id = "x",
                                                 .address = addresses[i],
                                                 .reaches = reaches,
                                                 .reach_count = COUNT / 2,
                                                 .outside = true};
    }
    for (size_t i = 0; i < COUNT / 2; i++) {
        reaches[i] = arena_printf(arena, "10.213.250.%zu", i + 1);
        services[i] = (struct runtime_service_address){reaches[i], addresses + i * 2, 2};
    }
    struct runtime_network network = {.endpoints = endpoints,
                                      .endpoint_count = COUNT,
                                      .services = services,
                                      .service_count = COUNT / 2};
    uint64_t begin_ns = clock_now_ns();
    drive_check(drive, drive_apply(drive, &network),
                "fifty instances and 25 services are put in force");
    printf("# network_apply, 50 instances, 1250 pairs: %llu ms\n",
           (unsigned long long)((clock_now_ns() - begin_ns) / NS_PER_MS));
    struct runtime_network none = {0};
    drive_check(drive, drive_apply(drive, &none), "an empty network is one too");
}

static void drive_all(struct drive *drive)
{
    struct arena *arena = &drive->arena;
    const char *scripts = arena_printf(arena, "%s/scripts", drive->folder);
    struct runtime_mount mounts[] = {
        {.source = arena_printf(arena, "%s/data", drive->folder),
         .target = "/var/lib/postgresql/data",
         .own = true},
        {.source = scripts, .target = "/docker-entrypoint-initdb.d", .read_only = true}};
    struct runtime_host hosts[] = {{"db", "10.213.250.1"}};
    struct instance_spec database = {
        .id = "runtime-test-db",
        .system = "runtimetest",
        .service = &database_service,
        .hostname = "db-1",
        .address = "10.213.250.10",
        .uid = DATABASE_UID,
        .mounts = mounts,
        .mount_count = 2,
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
    drive_check(drive,
                file_make_dirs(scripts, 0755, &drive->err) &&
                    file_write(arena_printf(arena, "%s/1.sql", scripts),
                               STR("create table made (\"by\" text);\n"), 0644, &drive->err) &&
                    file_write(arena_printf(arena, "%s/2.sh", scripts),
                               STR("psql -c \"insert into made values ('script')\"\n"), 0644,
                               &drive->err),
                "scripts for a new database are laid out");
    drive_database(drive, &database);
    drive_network(drive, &database, &client);
    drive_restart(drive, database.id);
    if (drive->runtime == NULL)
        return;
    drive_exits(drive, &database, &client);
    drive_recipes(drive, client);
    drive_failures(drive, client);
    drive_keys(drive, client);
    drive_shares(drive, client);
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
    drive.config = (struct runtime_config){
        .loop = drive.loop,
        .state_dir = arena_printf(&drive.arena, "%s/state", folder),
        .run_dir = arena_printf(&drive.arena, "%s/run", folder),
        .images_dir = argv[1],
        .on_exit = on_exit_of,
        .arg = &drive,
    };
    drive.runtime = host_runtime_new(&drive.config, &drive.err);
    drive.has_err = drive.runtime == NULL;
    drive_check(&drive, drive.runtime != NULL, "the runtime finds what it needs");
    if (drive.runtime != NULL) {
        drive_all(&drive);
        if (drive.runtime != NULL)
            drive.runtime->ops->free(drive.runtime);
    }
    drive_check(&drive, file_remove_tree(folder, &drive.err), "its folder can be removed");
    printf("1..%d\n", drive.count);
    loop_free(drive.loop);
    buf_done(&drive.output);
    arena_done(&drive.arena);
    return drive.failed == 0 ? 0 : 1;
}
