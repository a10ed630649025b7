/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "control/api_priv.h"
#include "control/handover.h"
#include "control/state.h"
#include "control/upgrade.h"
#include "io/child.h"

enum { OUTPUT_MAX = 4096 };

enum upgrade_state {
    UPGRADE_NONE,
    UPGRADE_TRYING,
    UPGRADE_LEAVING,
    UPGRADE_EDGE,
    UPGRADE_DONE,
    UPGRADE_FAILED,
    UPGRADE_RETURNING
};

struct upgrade {
    struct daemon *daemon;
    enum upgrade_state state;
    json_t *handover; /* from the former program, and then to the next one */
    char *from;
    char *to;
    char *error; /* NULL: none */
    char *copy;  /* of the state, for the trial */
    char *program;
    char *install; /* NULL: none */
    uint64_t drain_ms;
    int64_t began_ms;
    int64_t took_ms;
    struct caller caller;
    struct buf output; /* of the trial */
    bool only_try;
    upgrade_tried_fn *tried;
    void *arg;
};

static void set_text(char **field, const char *text)
{
    free(*field);
    *field = text == NULL ? NULL : mem_copy_text(text);
}

static void forget(struct upgrade *upgrade)
{
    set_text(&upgrade->from, NULL);
    set_text(&upgrade->to, NULL);
    set_text(&upgrade->error, NULL);
    set_text(&upgrade->copy, NULL);
    set_text(&upgrade->program, NULL);
    set_text(&upgrade->install, NULL);
    buf_done(&upgrade->output);
    upgrade->output = (struct buf){0};
}

bool upgrade_is_running(const struct daemon *daemon)
{
    enum upgrade_state state = daemon->upgrade->state;

    return state == UPGRADE_TRYING || state == UPGRADE_LEAVING || state == UPGRADE_EDGE ||
           state == UPGRADE_RETURNING;
}

json_t *upgrade_json(const struct daemon *daemon)
{
    const struct upgrade *upgrade = daemon->upgrade;
    const char *state = upgrade_is_running(daemon)         ? "running"
                        : upgrade->state == UPGRADE_DONE   ? "done"
                        : upgrade->state == UPGRADE_FAILED ? "failed"
                                                           : "none";

    return json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:I, s:I, s:o}", "state", state, "version",
                     ISHIZUE_VERSION, "from", upgrade->from, "to", upgrade->to, "error",
                     upgrade->error, "began_ms", (json_int_t)upgrade->began_ms, "took_ms",
                     (json_int_t)upgrade->took_ms, "former_edges", edge_link_former(daemon->edge));
}

/* ---- the end of it ---- */

static void add_to_history(const struct upgrade *upgrade)
{
    AUTO(buf_done) struct buf what = {0};

    buf_addf(&what, "%s to %s", upgrade->from == NULL ? "?" : upgrade->from,
             upgrade->to == NULL ? "?" : upgrade->to);
    const struct state_action action = {.system = "",
                                        .action = "upgrade",
                                        .services = buf_text(&what),
                                        .uid = upgrade->caller.uid,
                                        .user = upgrade->caller.user,
                                        .time_ms = upgrade->began_ms,
                                        .took_ms = upgrade->took_ms,
                                        .error = upgrade->error};
    history_add(upgrade->daemon, &action);
}

static void finish(struct upgrade *upgrade, enum upgrade_state state)
{
    upgrade->state = state;
    upgrade->took_ms = clock_wall_ms() - upgrade->began_ms;
    add_to_history(upgrade);
    api_settle(upgrade->daemon);
}

/* The former program stays beside it, for the way back. */
static bool install(const struct upgrade *upgrade, struct err *err)
{
    AUTO(buf_done) struct buf former = {0};

    if (upgrade->install == NULL || strcmp(upgrade->install, upgrade->program) == 0)
        return true;
    buf_addf(&former, "%s.previous", upgrade->install);
    (void)unlink(buf_text(&former));
    if (link(upgrade->install, buf_text(&former)) != 0 && file_exists(upgrade->install))
        return err_sys(err, "cannot keep '%s' as '%s'", upgrade->install, buf_text(&former));
    if (rename(upgrade->program, upgrade->install) != 0)
        return err_sys(err, "cannot install '%s'", upgrade->install);
    return true;
}

static void on_edge_replaced(void *arg, const struct err *err)
{
    struct upgrade *upgrade = arg;
    struct err failed;

    if (err != NULL) {
        log_error("daemon", "upgrade: %s", err->text);
        set_text(&upgrade->error, err->text);
        upgrade->state = UPGRADE_RETURNING;
        loop_stop(upgrade->daemon->loop);
        return;
    }
    if (!install(upgrade, &failed)) { /* it runs; the next start is another matter */
        log_error("daemon", "upgrade: %s", failed.text);
        set_text(&upgrade->error, failed.text);
    }
    handover_release_guard(handover_take_fd(upgrade->handover, "guard"));
    fd_close(handover_take_fd(upgrade->handover, "former"));
    log_info("daemon", "upgrade: from %s to %s", upgrade->from, upgrade->to);
    finish(upgrade, upgrade->error == NULL ? UPGRADE_DONE : UPGRADE_FAILED);
}

/* ---- coming from another program ---- */

static void on_stray_exit(void *arg, int exit_status, bool timed_out)
{
    (void)arg, (void)exit_status, (void)timed_out;
}

/* Children of the former program, such as builds that were cut off: somebody must hear of their
 * end. Where the kernel does not list them they stay until this process ends. */
static void adopt_children(struct daemon *daemon)
{
    AUTO(buf_done) struct buf path = {0}, text = {0};
    struct err err;
    uint64_t pid;

    buf_addf(&path, "/proc/self/task/%d/children", (int)getpid());
    if (!file_read(buf_text(&path), UPGRADE_CHILDREN_BYTES, &text, &err))
        return;
    for (struct str rest = buf_str(&text); rest.ptr != NULL;)
        if (str_to_u64(str_cut(&rest, ' '), INT32_MAX, &pid) &&
            !edge_link_has_process(daemon->edge, (pid_t)pid) &&
            child_adopt(daemon->loop, (pid_t)pid, on_stray_exit, NULL, &err) == NULL)
            log_warn("daemon", "%s", err.text);
}

void upgrade_open(struct daemon *daemon)
{
    struct upgrade *upgrade = NEW(struct upgrade);
    struct err err;

    upgrade->daemon = daemon;
    daemon->upgrade = upgrade;
    if (daemon->options.handover_fd < 0)
        return;
    if (!handover_read(daemon->options.handover_fd, &upgrade->handover, &err)) {
        log_error("daemon", "upgrade: %s", err.text);
        return;
    }
    const json_t *from = upgrade->handover;
    set_text(&upgrade->from, json_find_text(from, "from", "?"));
    set_text(&upgrade->to, json_find_text(from, "to", "?"));
    set_text(&upgrade->error, json_find_text(from, "failed", NULL));
    set_text(&upgrade->program, json_find_text(from, "program", ""));
    set_text(&upgrade->install, json_find_text(from, "install", NULL));
    upgrade->drain_ms = json_find_u64(from, "drain_ms", EDGE_DRAIN_MS);
    upgrade->began_ms = (int64_t)json_find_u64(from, "began_ms", 0);
    upgrade->caller.uid = (uid_t)json_find_u64(from, "uid", 0);
    str_format(upgrade->caller.user, sizeof upgrade->caller.user, "%s",
               json_find_text(from, "user", ""));
    upgrade->state = upgrade->error == NULL ? UPGRADE_EDGE : UPGRADE_FAILED;
}

void upgrade_close(struct daemon *daemon)
{
    if (daemon->upgrade == NULL)
        return;
    if (daemon->upgrade->state == UPGRADE_EDGE) /* ended by a person: nobody is to come back */
        handover_release_guard(handover_take_fd(daemon->upgrade->handover, "guard"));
    forget(daemon->upgrade);
    json_decref(daemon->upgrade->handover);
    free(daemon->upgrade);
    daemon->upgrade = NULL;
}

int upgrade_take_fd(struct daemon *daemon, const char *key)
{
    json_t *handover = daemon->upgrade->handover;

    return handover == NULL ? -1 : handover_take_fd(handover, key);
}

const json_t *upgrade_held(const struct daemon *daemon)
{
    return json_object_get(daemon->upgrade->handover, "held");
}

void upgrade_continue(struct daemon *daemon)
{
    struct upgrade *upgrade = daemon->upgrade;
    struct err err;

    if (upgrade->handover == NULL)
        return;
    (void)json_object_del(upgrade->handover, "held");
    adopt_children(daemon);
    if (upgrade->state == UPGRADE_FAILED) {
        log_error("daemon", "upgrade: back at version " ISHIZUE_VERSION ": %s", upgrade->error);
        fd_close(handover_take_fd(upgrade->handover, "former"));
        finish(upgrade, UPGRADE_FAILED);
    } else if (daemon->unreadable.live > json_find_u64(upgrade->handover, "unreadable", 0)) {
        err_set(&err, ERR_INVALID, "the new program cannot read the state of every system");
        on_edge_replaced(upgrade, &err);
    } else if (!edge_link_replace(daemon->edge, upgrade->drain_ms, on_edge_replaced, upgrade,
                                  &err)) {
        on_edge_replaced(upgrade, &err);
    }
}

/* ---- leaving for another program ---- */

static bool check_idle(const struct daemon *daemon, struct err *err)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;) {
        const struct system *system = entry->value;
        if (system->operation != NULL)
            return err_set(err, ERR_LOCKED,
                           "'%s' is being changed by '%s'; wait for its end, or stop it by "
                           "'ishizue cancel'",
                           system->name, operation_kind_name(system->operation->kind));
    }
    return edge_link_check_replace(daemon->edge, err);
}

static bool check_free(const struct daemon *daemon, struct err *err)
{
    if (upgrade_is_running(daemon))
        return err_set(err, ERR_LOCKED, "an upgrade is running already");
    return check_idle(daemon, err);
}

/* It will be root's daemon. */
static bool check_program(const char *path, struct err *err)
{
    struct stat st;

    if (path[0] != '/')
        return err_set(err, ERR_INVALID, "the program must be named by an absolute path");
    if (stat(path, &st) != 0)
        return err_sys(err, "cannot look at '%s'", path);
    if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0)
        return err_set(err, ERR_INVALID, "'%s' is not a program", path);
    if (st.st_uid != 0 || (st.st_mode & 0022) != 0)
        return err_set(err, ERR_DENIED,
                       "'%s' can be written by others than root; chown root and chmod 755 it",
                       path);
    return true;
}

static void remove_copy(const struct upgrade *upgrade)
{
    static const char *const ends[] = {"", "-wal", "-shm"};

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        AUTO(buf_done) struct buf path = {0};
        buf_addf(&path, "%s%s", upgrade->copy, ends[i]);
        (void)unlink(buf_text(&path));
    }
}

static bool copy_state(struct upgrade *upgrade, struct err *err)
{
    AUTO(buf_done) struct buf path = {0};

    buf_addf(&path, "%s/upgrade-trial.db", upgrade->daemon->options.state_dir);
    set_text(&upgrade->copy, buf_text(&path));
    remove_copy(upgrade); /* of a daemon that was killed: its journal is another file's */
    return state_copy(upgrade->daemon->state, buf_text(&path), err);
}

/* The last line of what a trial printed. */
static struct str last_line(const struct buf *output)
{
    struct str text = str_trim(buf_str(output));
    size_t cut = str_find_last(text, '\n');

    return cut == text.len ? text : str_sub(text, cut + 1, text.len);
}

static bool read_trial(const struct upgrade *upgrade, int exit_status, bool timed_out, json_t **ret,
                       struct err *err)
{
    struct str line = last_line(&upgrade->output);

    if (timed_out)
        return err_set(err, ERR_TIMEOUT, "the new program did not read the state within %d s",
                       UPGRADE_TRY_MS / 1000);
    if (exit_status != 0)
        return err_set(err, ERR_PROGRAM, "the new program cannot take over (status %d): " STR_FMT,
                       exit_status, (int)MIN(line.len, (size_t)300),
                       line.ptr == NULL ? "" : line.ptr);
    if (!json_parse(line, OUTPUT_MAX, ret, err) || json_find_text(*ret, "version", NULL) == NULL)
        return err_set(err, ERR_PROGRAM, "the new program is not an ishizue that can take over");
    return true;
}

static void on_trial_output(void *arg, struct str bytes)
{
    struct upgrade *upgrade = arg;

    buf_add_str(&upgrade->output,
                str_sub(bytes, 0, OUTPUT_MAX - MIN(upgrade->output.len, (size_t)OUTPUT_MAX)));
}

static void on_trial_exit(void *arg, int exit_status, bool timed_out)
{
    struct upgrade *upgrade = arg;
    AUTO(json_unref) json_t *said = NULL;
    struct err err;

    remove_copy(upgrade);
    bool good = read_trial(upgrade, exit_status, timed_out, &said, &err) &&
                (upgrade->only_try || check_idle(upgrade->daemon, &err)); /* still */
    if (!good || upgrade->only_try) {
        upgrade->state = UPGRADE_NONE;
    } else {
        upgrade->state = UPGRADE_LEAVING;
        set_text(&upgrade->to, json_find_text(said, "version", "?"));
        loop_stop(upgrade->daemon->loop);
    }
    upgrade->tried(upgrade->arg, json_find_text(said, "version", "?"),
                   json_find_u64(said, "schema", 0), good ? NULL : &err);
    api_settle(upgrade->daemon);
}

static bool start_trial(struct upgrade *upgrade, struct err *err)
{
    const char *const argv[] = {upgrade->program, "daemon", "--try", upgrade->copy, NULL};
    struct child_spec spec = {.argv = argv,
                              .timeout_ms = UPGRADE_TRY_MS,
                              .output = on_trial_output,
                              .exit = on_trial_exit,
                              .arg = upgrade};

    return child_start(upgrade->daemon->loop, &spec, err) != NULL;
}

bool upgrade_begin(struct daemon *daemon, const struct upgrade_request *request,
                   upgrade_tried_fn *tried, void *arg, struct err *err)
{
    struct upgrade *upgrade = daemon->upgrade;

    if (!check_free(daemon, err) || !check_program(request->program, err))
        return false;
    forget(upgrade);
    set_text(&upgrade->from, ISHIZUE_VERSION);
    set_text(&upgrade->program, request->program);
    set_text(&upgrade->install, request->install);
    upgrade->drain_ms = request->drain_ms;
    upgrade->caller = request->caller;
    upgrade->only_try = request->only_try;
    upgrade->began_ms = clock_wall_ms();
    upgrade->tried = tried;
    upgrade->arg = arg;
    if (!copy_state(upgrade, err) || !start_trial(upgrade, err)) {
        remove_copy(upgrade); /* perhaps a part of it */
        return false;
    }
    upgrade->state = UPGRADE_TRYING;
    return true;
}

/* What every program needs that this process becomes. */
static void pack(struct upgrade *upgrade, json_t *ret)
{
    const struct daemon *daemon = upgrade->daemon;

    (void)json_object_update_new(
        ret,
        json_pack("{s:i, s:o, s:o, s:o, s:o, s:s, s:s?, s:s, s:s?, s:I, s:I, s:I, s:I, s:s}",
                  "format", HANDOVER_FORMAT, "lock", handover_keep(daemon->lock_fd), "network_lock",
                  handover_keep(daemon->network_lock_fd), "api", handover_keep(daemon->api_fd),
                  "held", daemon->edge == NULL ? json_array() : edge_link_keep(daemon->edge),
                  "from", upgrade->from, "to", upgrade->to, "program", upgrade->program, "install",
                  upgrade->install, "drain_ms", (json_int_t)upgrade->drain_ms, "unreadable",
                  (json_int_t)daemon->unreadable.live, "began_ms", (json_int_t)upgrade->began_ms,
                  "uid", (json_int_t)upgrade->caller.uid, "user", upgrade->caller.user));
}

bool upgrade_is_leaving(const struct daemon *daemon)
{
    return daemon->upgrade->state == UPGRADE_LEAVING || daemon->upgrade->state == UPGRADE_RETURNING;
}

bool upgrade_prepare_leave(struct daemon *daemon, const char *why)
{
    struct upgrade *upgrade = daemon->upgrade;

    if (upgrade == NULL)
        return false;
    if (upgrade->state == UPGRADE_EDGE && why != NULL) { /* could not begin */
        set_text(&upgrade->error, why);
        upgrade->state = UPGRADE_RETURNING;
    }
    if (upgrade->state == UPGRADE_LEAVING) {
        json_decref(upgrade->handover);
        upgrade->handover = json_object();
        (void)json_object_set_new(upgrade->handover, "former",
                                  json_integer(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
    } else if (upgrade->state != UPGRADE_RETURNING) {
        return false;
    }
    pack(upgrade, upgrade->handover);
    return true;
}

void upgrade_leave(struct daemon *daemon)
{
    struct upgrade *upgrade = daemon->upgrade;
    struct err err;

    if (upgrade->state == UPGRADE_RETURNING) {
        handover_return(upgrade->handover, upgrade->error, &err);
        log_error("daemon", "upgrade: there is no way back: %s", err.text);
        return;
    }
    handover_leave(upgrade->handover, &err);
    log_error("daemon", "upgrade: %s", err.text);
    handover_return(upgrade->handover, err.text, &err);
    log_error("daemon", "upgrade: %s", err.text);
}
