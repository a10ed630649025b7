/* SPDX-License-Identifier: Apache-2.0
 *
 * What people ask of a system: operations from their beginning to their result,
 * and the smaller requests beside them. Part of daemon_priv.h, which includes it.
 */
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "control/system.h"
#include "json/json.h"

struct err;
struct system_change;

/* ---- history.c ---- */

/* Who asks. */
struct caller {
    uid_t uid;
    char user[33]; /* STATE_USER_BYTES; the number when it has no name */
};
/* Of the process at the other end. Through sudo it is who logged in. */
void caller_find(struct caller *ret, pid_t pid, uid_t uid);

struct operation;
struct state_action;
void history_add(struct daemon *daemon, const struct state_action *action);
/* <operation> is over. */
void history_add_operation(const struct operation *operation, const struct err *err);

/* ---- lock.c ---- */

/* ERR_LOCKED names who holds it and why. */
MUST_CHECK bool lock_check(const struct daemon *daemon, const char *system, struct err *err);
MUST_CHECK bool lock_acquire(struct daemon *daemon, const char *system, const char *message,
                             const struct caller *caller, struct err *err);
MUST_CHECK bool lock_release(struct daemon *daemon, const char *system, struct err *err);

/* ---- collect.c ---- */

/* An operation on <system> is over: releases that nobody needs go, then their trees. */
void collect_begin(struct system *system);
/* What could not be done because something was being built. */
void collect_housekeeping(struct daemon *daemon);

/* ---- operation.c ---- */

/* Somebody who reads lines: an API stream. push() must not free it; gone() is
 * called when no line will come any more. */
struct subscriber {
    struct list link;
    void (*push)(struct subscriber *subscriber, struct str line);
    void (*gone)(struct subscriber *subscriber);
};

enum operation_kind {
    OPERATION_UP,
    OPERATION_DOWN,
    OPERATION_RESTART,
    OPERATION_BUILD,
    OPERATION_CREATE,
    OPERATION_START,
    OPERATION_STOP,
    OPERATION_RM,
    OPERATION_PAUSE,
    OPERATION_UNPAUSE,
    OPERATION_RUN,
    OPERATION_ROLLBACK,
    OPERATION_SCALE,
    OPERATION_DEPLOY,
    OPERATION_PROMOTE,
    OPERATION_ABORT
};

/* When a deploy counts as done, for who asked for it. */
enum deploy_wait {
    DEPLOY_WAIT_DONE,     /* the old instances are gone, or kept warm */
    DEPLOY_WAIT_SWITCHED, /* all traffic is at the new release */
    DEPLOY_WAIT_STARTED,  /* it is under way */
};

/* What a request says about how its release takes over. */
struct deploy_request {
    bool present;
    const char *strategy; /* NULL: as the file says */
    enum deploy_wait wait;
    bool dry_run; /* what would be done, and nothing of it */
};

struct run;

enum { COMMIT_TEXT_BYTES = 65 };

struct operation {
    enum operation_kind kind;
    struct system *system;
    struct caller caller;
    uint64_t request; /* of the API: daemon.asking.serial */
    int64_t started_wall_ms;
    struct arena arena;
    struct compose_texts scope; /* the services it is about, in <arena> */
    bool has_scope;             /* false: all */
    uint64_t started_ns;
    struct list subscribers;
    struct timer timeout;
    struct timer settling;        /* the edge has to apply the last table before it ends */
    bool settled;                 /* it had long enough */
    bool reconciling;             /* the preparations are over, the plan decides */
    bool changed;                 /* something was done */
    uint64_t grace_ms;            /* -t; UINT64_MAX: what the file says */
    size_t pausing;               /* PAUSE and UNPAUSE: instances that are not there yet, and one */
    struct run *run;              /* RUN */
    int exit_status;              /* of the command when it fails; 0: by the error's code */
    bool forgets_releases;        /* DOWN: nobody can go back to what it was */
    uint32_t back_to;             /* ROLLBACK: the release that it brings back */
    struct deploy_request deploy; /* UP, DEPLOY; its texts are in <arena> */
    struct compose_texts unbuilt; /* dry run: services that would be built; in <arena> */
    bool follows;                 /* a rollout, whose end is its own */
    char commit[COMMIT_TEXT_BYTES]; /* UP, CREATE: of the project folder; empty: none */
    bool dirty;
    /* UP, CREATE, BUILD, RESTART, RUN, ROLLBACK and SCALE */
    struct release *candidate; /* not wanted yet */
    bool force_recreate;
    bool no_build;              /* a tree that is not there is an error */
    bool no_cache;              /* trees are built although they are there */
    struct compose_texts fresh; /* services to recreate whatever; in <arena> */
    char **environment;         /* of the caller, for builds; NULL at the end */
    struct list builds;         /* struct build_run: those under way */
    size_t builds_left;
    struct err *failure; /* the first one; set while the way back is walked */
    char *failure_logs;  /* JSON list of lines */
};

struct operation *operation_begin(struct system *system, enum operation_kind kind, struct err *err);
/* It fails when it has not ended by then; 0: never. Before it runs, its builds are given up. */
void operation_set_timeout(struct operation *operation, uint64_t timeout_ms);
/* "step": <service> and <instance> may be NULL. Also told to who follows all events. */
void operation_step(struct system *system, const char *service, const char *instance,
                    const char *state, const char *text);
void operation_step_of(const struct instance *instance, const char *state, const char *text);
void operation_output(struct system *system, const char *service, struct str line);
void operation_warn(struct system *system, const char *text);
/* Sends the result and frees it. <err> NULL: the asked state was reached. */
void operation_end(struct operation *operation, const struct err *err);
/* Is it about <service>? */
bool operation_has(const struct operation *operation, const char *service);
/* The one that waits for <service> to be as it is wanted; NULL: none does. */
struct operation *operation_of(const struct system *system, const char *service);
/* Does it end with another release being wanted? */
bool operation_releases(const struct operation *operation);
/* Is it over only when requests are answered by what it made? */
bool operation_serves(const struct operation *operation);
/* Notes why it cannot succeed, with the last lines of <instance>'s log (or NULL). First one counts.
 */
void operation_fail(struct operation *operation, const struct err *err,
                    const struct instance *instance);
const char *operation_kind_name(enum operation_kind kind);
/* Pushes <event>, and takes it over, to who follows the operation and to who follows all events. */
void operation_tell(struct system *system, json_t *event);
/* Ends well, with <result> (taken over) in place of the usual line. */
void operation_end_with(struct operation *operation, json_t *result);

/* ---- deploy.c ---- */

/* The rollout by which the candidate becomes the wanted release; NULL: it needs none. */
struct rollout *deploy_make_rollout(const struct operation *operation);
/* A rollback to a release whose instances are still there: they are what it wants. */
void deploy_take_warm(struct operation *operation);
/* Tells what a deploy would do, and ends it. */
void deploy_tell_plan(struct operation *operation);
/* May <kind> begin while the system's rollout stands where it does? */
MUST_CHECK bool deploy_check(const struct system *system, enum operation_kind kind,
                             struct err *err);
/* A release that needed no rollout is given up for the one before it. */
void deploy_note_return(struct operation *operation);
/* Has <operation> asked for the very release whose rollout is under way? */
bool deploy_joins(const struct operation *operation);
/* It follows a rollout: ends it when there is nothing more to wait for. */
void deploy_conclude(struct operation *operation, bool settled);
MUST_CHECK bool deploy_take_request(struct operation *operation,
                                    const struct deploy_request *request, struct err *err);
/* <all>: on to the last step. */
MUST_CHECK bool promote_begin(struct system *system, bool all, uint64_t timeout_ms,
                              struct subscriber *subscriber, struct err *err);
MUST_CHECK bool abort_begin(struct system *system, uint64_t timeout_ms,
                            struct subscriber *subscriber, struct err *err);

/* ---- up.c, down.c ---- */

struct up_request {
    const char *directory;
    struct str config;   /* resolved project */
    const json_t *files; /* for `ls` */
    const json_t *environment;
    const json_t *git;      /* {"commit", "dirty"} of the project folder; NULL: it has none */
    const json_t *services; /* only these and what they need; empty or NULL: all */
    bool force_recreate;
    bool no_deps;     /* not what they need */
    bool no_recreate; /* instances that are there stay as they are */
    bool no_start;    /* instances are made, but not started: `create` */
    bool no_build;
    bool no_cache;
    bool only_build;
    struct deploy_request deploy;
    uint64_t timeout_ms;
};
/* The common beginning of `up` and `run`: the operation with what <request> says about builds. */
MUST_CHECK struct operation *up_operation(struct system *system, enum operation_kind kind,
                                          const struct up_request *request, struct err *err);
/* Decodes and checks its candidate and holds the ports. */
MUST_CHECK bool up_prepare(struct operation *operation, const struct up_request *request,
                           struct err *err);
/* Reads the secrets of <candidate>, holds its ports. */
MUST_CHECK bool up_hold(struct daemon *daemon, struct release *candidate, struct err *err);
/* The same for one whose contents are kept already. */
MUST_CHECK bool up_hold_ports(struct daemon *daemon, struct release *candidate, struct err *err);
/* Where its files are. */
void up_place(struct system *system, const struct up_request *request);
/* Everything is built: from here on the plan decides. */
void up_built(struct operation *operation);
MUST_CHECK bool up_begin(struct daemon *daemon, const char *name, const struct up_request *request,
                         struct subscriber *subscriber, struct err *err);
MUST_CHECK bool restart_begin(struct system *system, const json_t *services, uint64_t grace_ms,
                              struct subscriber *subscriber, struct err *err);
/* <release>: whose volumes are removed when nothing of the system is known any more; NULL: none. */
MUST_CHECK bool down_begin(struct system *system, struct release *release, bool remove_volumes,
                           uint64_t grace_ms, struct subscriber *subscriber, struct err *err);
/* The instances are gone: removes volumes, addresses, the rest. */
void down_finish(struct operation *operation);
void down_clean(struct system *system);
/* Ends the builds of an operation that has changed nothing yet; it ends when they have. */
bool operation_cancel(struct system *system, const char *why);

/* ---- builds.c ---- */

/* Builds what the operation's services need and calls up_built(), or ends the operation. */
void builds_begin(struct operation *operation);
/* Ends those that are under way; the operation's failure is noted already. */
void builds_cancel(struct operation *operation);
/* The operation goes away before they have ended. */
void builds_abandon(struct operation *operation);

/* ---- builds_alike.c ---- */

struct build_spec;
struct release_service;
/* Is it built on this machine? */
bool builds_has(const struct release_service *made);
/* Sets the service of <spec>, whose other members are set: <made>, or another one of <release> that
 * is built alike, whose tree is for all of them. It is the first by name of those whose tree is
 * there, or the first of all, so that the same one is found again. */
MUST_CHECK bool builds_find_maker(struct runtime *runtime, const struct release *release,
                                  const struct release_service *made, struct build_spec *spec,
                                  struct err *err);

/* ---- scope.c ---- */

/* The names of a request, in <arena>; each must be a service of <system>. Empty: all. */
MUST_CHECK bool scope_choose(const struct system *system, const json_t *services,
                             struct arena *arena, struct compose_texts *ret, struct err *err);
/* True for every name when there are none. */
bool scope_has(const struct compose_texts *names, const char *name);
void scope_add(struct compose_texts *names, const char *name, struct arena *arena);
/* Adds what the services in <names> need, as the resolved project <config> has it. */
void scope_add_needed(const json_t *config, struct arena *arena, struct compose_texts *names);
/* Puts the services of <former> in place of those of <config> that <keep> has; with <keep_others>
 * those that <config> has not are added. */
MUST_CHECK bool scope_merge(json_t *config, const struct release *former,
                            const struct compose_texts *keep, bool keep_others, struct err *err);
bool system_has_instance(const struct system *system, const char *service);

/* ---- verbs.c ---- */

MUST_CHECK bool stop_begin(struct system *system, const json_t *services, uint64_t grace_ms,
                           struct subscriber *subscriber, struct err *err);
MUST_CHECK bool start_begin(struct system *system, const json_t *services, uint64_t timeout_ms,
                            struct subscriber *subscriber, struct err *err);
/* rm: with <stop> those that run too, with <volumes> their volumes without a name. */
MUST_CHECK bool rm_begin(struct system *system, const json_t *services, bool stop, bool volumes,
                         struct subscriber *subscriber, struct err *err);
/* Sends <signo>; *ret_names is a new list of who got it. */
MUST_CHECK bool kill_all_of(struct system *system, const json_t *services, const char *instance,
                            int signo, json_t **ret_names, struct err *err);

/* Sends the signal that came before it ran. */
void kill_early(struct instance *instance);

/* ---- pause.c ---- */

MUST_CHECK bool pause_begin(struct system *system, const json_t *services, bool paused,
                            struct subscriber *subscriber, struct err *err);
/* It is not paused any more: something else is to be done with it. */
void pause_end(struct instance *instance);
/* Makes the freezer agree with the flag. */
void pause_apply(struct instance *instance);

/* ---- run.c ---- */

struct run_request {
    struct up_request up;
    const char *service;
    const json_t *overrides; /* members that replace the service's */
    const char *name;        /* NULL: the usual one */
    bool remove;             /* when it has ended */
    bool takes_names;
};
MUST_CHECK bool run_begin(struct daemon *daemon, const char *name,
                          const struct run_request *request, struct subscriber *subscriber,
                          struct err *err);
/* The service itself, whose tree is needed too. */
struct release *run_release(const struct run *run, size_t *ret_service);
/* What it depends on is there: makes the instance. */
void run_make(struct operation *operation);
/* It was created, or could not be: ends the operation. */
void run_created(struct instance *instance, const struct err *err);
void run_free(struct run *run);              /* takes NULL */
json_t *run_describe(const struct run *run); /* for the result; NULL: nothing was made */
/* A one-off that has ended, or that nobody wants any more, is taken away. True when one is on its
 * way out. */
bool run_clear(struct system *system);
/* The system goes down, and its one-offs with it. */
MUST_CHECK bool run_leave(struct system *system, struct err *err);

/* ---- wait.c ---- */

/* Pushes a line for each of the instances <ids> that ends, and ends the stream with the last. */
void wait_add(struct daemon *daemon, struct subscriber *subscriber,
              const struct compose_texts *ids);
/* Its process ended, or it will not have one any more. */
void wait_ended(const struct instance *instance);
void wait_free_all(struct daemon *daemon);

/* ---- doom.c ---- */

/* Room in <change> for all volumes of <release>. */
void doom_prepare(struct system_change *change, const struct release *release, struct arena *arena);
void doom_add(struct system_change *change, const char *user, const char *volume);
/* The volumes without a name of all instances of <made>. */
void doom_add_anonymous(struct system_change *change, const struct system *system,
                        const struct release_service *made, const char *user, struct arena *arena);
/* Removes the volumes that are to be removed and that nobody uses any more. */
void doom_carry_out(struct system *system);

/* ---- signal_names.c ---- */

/* As file or image say it; NULL: neither does. */
const char *signal_stop_name(const struct instance *instance);
int signal_stop_of(const struct instance *instance);
