/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/edge_sources.h"
#include "control/maintenance.h"
#include "control/meters.h"
#include "control/release.h"
#include "control/rollout.h"
#include "control/state.h"
#include "control/tree_sizes.h"
#include "control/upgrade.h"
#include "guard/local_ca.h"
#include "io/reserve.h"
#include "io/signals.h"
#include "io/socket.h"
#include "watch/log_rotate.h"

enum {
    HOUSEKEEPING_MS = 5000,
    RENEW_MS = 6 * 3600 * 1000,
    RESERVE_BYTES = 4 * 1024 * 1024, /* of address space: base/mem.h */
};

/* ---- what was there before ---- */

struct loading {
    struct system *system;
    struct release **releases; /* of this system, read once each */
    size_t release_count;
};

static struct release *get_release(struct loading *loading, uint32_t number, struct err *err)
{
    struct system *system = loading->system;

    for (size_t i = 0; i < loading->release_count; i++)
        if (loading->releases[i]->number == number)
            return loading->releases[i];
    struct release *release = release_read(system->daemon->state, system->name, system->directory,
                                           number, system->daemon->runtime, err);
    if (release == NULL)
        return NULL;
    loading->releases =
        mem_grow(loading->releases, (loading->release_count + 1) * sizeof *loading->releases);
    loading->releases[loading->release_count++] = release;
    return release;
}

static bool load_instance(void *arg, const struct state_instance *row, struct err *err)
{
    struct loading *loading = arg;
    struct release *release = get_release(loading, row->release, err);

    if (release == NULL)
        return false;
    size_t service = release_find(release, row->service);
    if (service == SIZE_MAX)
        return err_set(err, ERR_INVALID, "instance '%s' belongs to no service", row->id);
    struct instance *instance = instance_load(loading->system, release, service, row->id);
    str_format(instance->address, sizeof instance->address, "%s", row->address);
    instance->number = row->number;
    instance->is_job = row->is_job;
    instance->stopped = row->stopped;
    instance->restarts = row->restarts;
    instance->failures = row->failures;
    instance->exit_status = row->exit_status;
    instance->created_wall_ms = row->created_wall_ms;
    instance->started_wall_ms = row->started_wall_ms;
    instance->paused = row->paused;
    instance->no_restart = row->no_restart;
    instance->one_off = row->one_off == NULL ? NULL : mem_copy_text(row->one_off);
    instance->auto_remove = row->auto_remove;
    instance->leaving = row->leaving;
    instance->takes_names = row->takes_names;
    if (!instance_state_parse(row->state, &instance->state))
        return err_set(err, ERR_INVALID, "instance '%s' is in unknown state '%s'", row->id,
                       row->state);
    return true;
}

static bool load_releases(struct loading *loading, const struct state_system *row, struct err *err)
{
    struct system *system = loading->system;
    struct release *wanted = row->wanted == 0 ? NULL : get_release(loading, row->wanted, err);
    struct release *current = row->current == 0 ? NULL : get_release(loading, row->current, err);

    if ((row->wanted != 0 && wanted == NULL) || (row->current != 0 && current == NULL))
        return false;
    system->wanted = wanted == NULL ? NULL : release_ref(wanted);
    system->current = current == NULL ? NULL : release_ref(current);
    return true;
}

static void load_hold(void *arg, const char *service, enum plan_hold hold)
{
    system_note_hold(arg, service, hold);
}

static void load_doomed(void *arg, const char *service, const char *volume)
{
    struct system *system = arg;

    (void)service;
    (void)volume;
    system->has_doomed = true;
}

/* One whose releases cannot be read any more is over: what is wanted is reached without it. */
static bool load_rollout(void *arg, const struct state_rollout *row, struct err *err)
{
    struct loading *loading = arg;
    struct release *from = NULL, *to = NULL;
    enum rollout_state state;

    if (rollout_state_parse(row->state, &state) && rollout_state_is_active(state)) {
        from = get_release(loading, row->from, err);
        to = get_release(loading, row->to, err);
        if (from == NULL || to == NULL) {
            log_error("daemon", "%s: its rollout does not go on: %s", loading->system->name,
                      err->text);
            return true;
        }
    }
    return rollout_load(loading->system, row, from, to, err);
}

static bool load_system(void *arg, const struct state_system *row, struct err *err)
{
    struct daemon *daemon = arg;
    struct loading loading = {
        .system = system_new(daemon, row->name, row->directory, row->files, row->uid)};

    bool loaded = load_releases(&loading, row, err) &&
                  state_each_hold(daemon->state, row->name, load_hold, loading.system, err) &&
                  state_each_doomed(daemon->state, row->name, load_doomed, loading.system, err) &&
                  state_read_rollout(daemon->state, row->name, load_rollout, &loading, err) &&
                  state_each_instance(daemon->state, row->name, load_instance, &loading, err);
    for (size_t i = 0; i < loading.release_count; i++)
        release_unref(loading.releases[i]);
    free(loading.releases);
    if (!loaded) { /* the others must not suffer: its instances go on, nobody acts on them */
        log_error("daemon", "%s: cannot be read, it is left as it is: %s", row->name, err->text);
        (void)map_set(&daemon->unreadable, str_of(row->name), mem_copy_text(err->text));
        (void)map_remove(&daemon->systems, str_of(row->name));
        system_free(loading.system);
    }
    return true;
}

static void remove_stranger(void *arg, const struct err *err)
{
    (void)arg;
    if (err != NULL)
        log_warn("daemon", "cannot remove an instance nobody knows: %s", err->text);
}

/* An instance that the runtime has and the state has not: made by a daemon that died in between. */
static void look_at_listed(void *arg, const char *id)
{
    struct daemon *daemon = arg;
    struct map_entry *entry;
    struct err err;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;)
        if (system_find_instance(entry->value, id) != NULL)
            return;
    log_warn("daemon", "%s: nobody knows it, removing it", id);
    (void)daemon->runtime->ops->signal(daemon->runtime, id, SIGKILL, &err);
    if (!daemon->runtime->ops->remove(daemon->runtime, id, remove_stranger, NULL, &err))
        log_warn("daemon", "%s: %s", id, err.text);
}

static void adopt_all(struct daemon *daemon)
{
    struct map_entry *entry;
    struct err err;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;) {
        struct system *system = entry->value;
        LIST_FOR_EACH (node, &system->instances)
            instance_adopt(CONTAINER_OF(node, struct instance, link));
        rollout_resume(system);
        system_touch(system);
    }
    if (daemon->unreadable.live == 0 &&
        !daemon->runtime->ops->list(daemon->runtime, look_at_listed, daemon, &err))
        log_error("daemon", "cannot list what runs: %s", err.text);
    daemon_publish(daemon);
}

/* ---- events ---- */

static void on_instance_exit(void *arg, const char *id)
{
    struct daemon *daemon = arg;
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;) {
        struct instance *instance = system_find_instance(entry->value, id);
        if (instance != NULL) {
            instance_exited(instance);
            return;
        }
    }
    struct err err; /* one that nobody knows, see look_at_listed() */
    if (daemon->unreadable.live == 0 &&
        !daemon->runtime->ops->remove(daemon->runtime, id, remove_stranger, NULL, &err))
        log_warn("daemon", "%s: %s", id, err.text);
}

static bool reopen_log(void *arg, struct err *err)
{
    struct instance *instance = arg;
    struct runtime *runtime = instance->system->daemon->runtime;
    return runtime->ops->log_reopen(runtime, instance->id, err);
}

static void rotate_log(struct instance *instance, uint64_t now_ns)
{
    const struct compose_logging *logging = &instance->made_of->service->logging;
    struct log_rotate rotate = {.path = instance->log_path,
                                .max_bytes = logging->max_size_bytes,
                                .max_files = logging->max_file,
                                .reopen = reopen_log,
                                .arg = instance};
    struct err err;

    if (instance_state_is_live(instance->state) && !log_rotate_check(&rotate, now_ns, NULL, &err))
        log_warn("daemon", "%s: its log: %s", instance->id, err.text);
}

static void on_housekeeping(struct timer *timer, uint64_t now_ns)
{
    struct daemon *daemon = CONTAINER_OF(timer, struct daemon, housekeeping);
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;) {
        struct system *system = entry->value;
        LIST_FOR_EACH (node, &system->instances)
            rotate_log(CONTAINER_OF(node, struct instance, link), now_ns);
    }
    edge_link_housekeeping(daemon->edge, now_ns);
    files_prune(daemon);
    collect_housekeeping(daemon);
    if (now_ns - daemon->renewed_ns > RENEW_MS * NS_PER_MS || edge_sources_changed(daemon)) {
        daemon->renewed_ns = now_ns;
        daemon_publish(daemon); /* certificates that are due are made, files are read again */
    }
    timer_set(daemon->loop, timer, now_ns + HOUSEKEEPING_MS * NS_PER_MS, on_housekeeping);
}

static void on_signal(void *arg, int signo)
{
    struct daemon *daemon = arg;

    log_info("daemon", "signal %d: ending; instances and edge go on", signo);
    loop_stop(daemon->loop);
}

/* ---- start and end ---- */

/* One daemon for each state folder: the lock goes with the process. */
static int lock_state(struct daemon *daemon, struct err *err)
{
    const struct daemon_options *options = &daemon->options;
    AUTO(buf_done) struct buf path = {0};
    int taken_over = upgrade_take_fd(daemon, "lock");

    if (taken_over >= 0)
        return taken_over;
    buf_addf(&path, "%s/daemon.lock", options->state_dir);
    AUTO(fd_close) int fd = open(buf_text(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_sys(err, "cannot open '%s'", buf_text(&path));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        err_set(err, ERR_EXISTS, "another daemon runs for '%s'", options->state_dir);
        return -1;
    }
    return TAKE_FD(fd);
}

/* One daemon for each network namespace, too: addresses, rules and ports are the machine's. A lock
 * of the process (fcntl(2)), for it tells who holds it. */
static int lock_network(struct daemon *daemon, struct err *err)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    AUTO(buf_done) struct buf path = {0};
    struct stat net;
    int taken_over = upgrade_take_fd(daemon, "network_lock");

    if (taken_over >= 0 && fcntl(taken_over, F_SETLK, &lock) == 0)
        return taken_over;
    fd_close(taken_over);
    if (stat("/proc/self/ns/net", &net) != 0) {
        err_sys(err, "cannot look at '/proc/self/ns/net'");
        return -1;
    }
    buf_addf(&path, "/run/ishizue-net-%llu.lock", (unsigned long long)net.st_ino);
    AUTO(fd_close) int fd = open(buf_text(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        err_sys(err, "cannot open '%s'", buf_text(&path));
        return -1;
    }
    if (fcntl(fd, F_SETLK, &lock) == 0)
        return TAKE_FD(fd);
    lock.l_pid = 0;
    (void)fcntl(fd, F_GETLK, &lock);
    err_set(err, ERR_EXISTS,
            "another daemon runs on this machine (process %d); its ISHIZUE_STATE_DIR and "
            "ISHIZUE_RUN_DIR are others than yours",
            (int)lock.l_pid);
    return -1;
}

static bool make_folders(const struct daemon_options *options, struct err *err)
{
    AUTO(buf_done) struct buf volumes = {0};

    buf_addf(&volumes, "%s/volumes", options->state_dir);
    return file_make_dirs(options->state_dir, 0711, err) &&
           file_make_dirs(options->run_dir, 0711, err) &&
           file_make_dirs(buf_text(&volumes), 0711, err);
}

static bool open_parts(struct daemon *daemon, struct err *err)
{
    static const int signals[] = {SIGTERM, SIGINT, 0};
    AUTO(buf_done) struct buf database = {0}, authority = {0};
    struct runtime_config config = {.state_dir = daemon->options.state_dir,
                                    .run_dir = daemon->options.run_dir,
                                    .images_dir = daemon->options.images_dir,
                                    .on_exit = on_instance_exit,
                                    .arg = daemon};

    buf_addf(&database, "%s/state.db", daemon->options.state_dir);
    buf_addf(&authority, "%s/ca", daemon->options.state_dir);
    if ((daemon->loop = loop_new(NULL, err)) == NULL ||
        (daemon->signals = signals_open(daemon->loop, signals, on_signal, daemon, err)) == NULL ||
        (daemon->state = state_open(buf_text(&database), err)) == NULL ||
        (daemon->ca = local_ca_open(buf_text(&authority), clock_wall_ms(), err)) == NULL ||
        !sign_key_open(daemon->options.state_dir, daemon->sign_key, err))
        return false;
    config.loop = daemon->loop;
    daemon->meters = meters_new();
    daemon->runtime = host_runtime_new(&config, err);
    return daemon->runtime != NULL && daemon->runtime->ops->check(daemon->runtime, err) &&
           state_each_system(daemon->state, load_system, daemon, err) &&
           maintenance_load(daemon, err) && edge_link_open(daemon, upgrade_held(daemon), err) &&
           api_open(daemon, err);
}

static void close_parts(struct daemon *daemon)
{
    struct map_entry *entry;

    api_close(daemon);
    wait_free_all(daemon);
    if (daemon->loop != NULL)
        loop_round(daemon->loop, 0); /* what was put off */
    edge_link_close(daemon->edge);
    if (daemon->loop != NULL)
        loop_round(daemon->loop, 0);
    meters_free(daemon->meters);
    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;)
        system_free(entry->value);
    map_done(&daemon->systems);
    for (size_t i = 0; (entry = map_next(&daemon->unreadable, &i)) != NULL;)
        free(entry->value);
    map_done(&daemon->unreadable);
    maintenance_done(daemon);
    tree_sizes_done(daemon);
    certificates_done(daemon);
    if (daemon->runtime != NULL)
        daemon->runtime->ops->free(daemon->runtime);
    local_ca_close(daemon->ca);
    state_free(daemon->state);
    signals_close(daemon->signals);
    loop_free(daemon->loop);
}

static void tell_ready(const struct daemon *daemon)
{
    struct err err;

    if (daemon->options.ready_fd < 0)
        return;
    if (!file_write_fd(daemon->options.ready_fd, STR("r"), &err))
        log_warn("daemon", "whoever started it went away");
    fd_close(daemon->options.ready_fd);
}

static bool begin(struct daemon *daemon, struct err *err)
{
    if (geteuid() != 0)
        return err_set(err, ERR_DENIED, "the daemon must be run as root");
    upgrade_open(daemon);
    return make_folders(&daemon->options, err) &&
           (daemon->lock_fd = lock_state(daemon, err)) >= 0 &&
           (daemon->network_lock_fd = lock_network(daemon, err)) >= 0 && open_parts(daemon, err);
}

/* It keeps nothing that it could do without. */
static void on_shortage(struct reserve *reserve, enum reserve_event event)
{
    (void)reserve;
    if (event == RESERVE_SHORT)
        log_warn("daemon", "memory is short");
}

static void run(struct daemon *daemon)
{
    static struct reserve reserve;

    reserve_start(&reserve, daemon->loop, RESERVE_BYTES, on_shortage);
    adopt_all(daemon);
    daemon->renewed_ns = loop_now_ns(daemon->loop);
    timer_set(daemon->loop, &daemon->housekeeping,
              loop_now_ns(daemon->loop) + HOUSEKEEPING_MS * NS_PER_MS, on_housekeeping);
    log_info("daemon", "version %s, state in '%s'", ISHIZUE_VERSION, daemon->options.state_dir);
    upgrade_continue(daemon);
    tell_ready(daemon);
    if (!upgrade_is_leaving(daemon))
        loop_run(daemon->loop);
    reserve_stop(&reserve);
}

int daemon_main(const struct daemon_options *options)
{
    struct daemon daemon = {.options = *options,
                            .started_wall_ms = clock_wall_ms(),
                            .collect_due = true,
                            .api_fd = -1,
                            .lock_fd = -1,
                            .network_lock_fd = -1};
    struct err err;

    list_init(&daemon.subscribers);
    list_init(&daemon.waiters);
    list_init(&daemon.pending);
    (void)umask(022);
    (void)prctl(PR_SET_NAME, "ishizue", 0, 0, 0); /* it was run by way of /proc */
    bool began = begin(&daemon, &err);
    if (began)
        run(&daemon);
    else
        log_error("daemon", "%s", err.text);
    bool leaves = upgrade_prepare_leave(&daemon, began ? NULL : err.text);
    close_parts(&daemon);
    if (leaves)
        upgrade_leave(&daemon);
    upgrade_close(&daemon);
    fd_close(daemon.network_lock_fd);
    fd_close(daemon.lock_fd);
    return began && !leaves ? 0 : 1;
}
