/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon's own structs and the functions its files share. Which file does
 * what:
 *     daemon.c      start, end, adoption of what runs
 *     system.c      systems and what is wanted of them
 *     operation.c   up, down, restart as a whole: progress lines and result
 *     up.c down.c   the parts of an operation before the reconcile loop takes over
 *     builds.c      trees that a release needs
 *     scope.c       operations on some of the services
 *     verbs.c       stop, start, rm, kill
 *     pause.c       pause, unpause
 *     run.c         one-off instances
 *     wait.c        who waits for the end of an instance
 *     doom.c        volumes that are to be removed
 *     reconcile.c   asks the plan, takes its steps, decides about the operation
 *     rollout*.c    from one release to the next, see rollout.h
 *     deploy.c      deploy, promote, abort
 *     instance.c    what is kept of one instance, and its names
 *     instance_events.c   what happens to it
 *     instance_actions.c  what is done about it
 *     signal_names.c      signals as people write them
 *     spec.c        what the runtime is told about an instance: mounts, names
 *     volumes.c     folders that instances see
 *     files.c       contents of secrets and configs
 *     releases.c    stored releases, rollback, scale
 *     retention.c collect.c  what of it goes when nobody can need it
 *     history.c     who did what
 *     lock.c        who keeps the others out
 *     restart.c     when what has ended starts again
 *     hooks.c       commands at the start and the end of an instance
 *     network.c     networks of the files: who shares one, whose namespace it is
 *     names.c       what an instance resolves
 *     ports.c       published ports: which number each one got; UDP
 *     certificates.c  what the edge shows its clients
 *     check.c       health checks
 *     migration.c   the one job that runs before a release
 *     prune.c       logs of instances that are gone
 *     publish.c     network and edge are told who takes traffic
 *     edge_link.c   what the edges are told and say
 *     edge_process.c   an edge's process and its channel
 *     edge_hello.c  what an edge says of itself
 *     edge_handover.c  a new edge in the place of another
 *     edge_crash.c  what an edge was busy with when it crashed
 *     edge_listeners.c  the listening sockets
 *     meters.c      which counter of the edge is whose
 *     edge_table.c  the routing table as JSON
 *     edge_wishes.c    the listeners that a release asks for
 *     edge_rollout.c   what a rollout adds to the table
 *     maintenance.c a page in the place of a system
 *     upgrade.c handover.c  another program in the place of this one
 *     api*.c        HTTP
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "control/daemon.h"
#include "control/operation.h"
#include "control/sign_key.h"
#include "control/system.h"
#include "json/json.h"

struct api_events;
struct edge_link;
struct err;
struct http_server;
struct local_ca;
struct meters;
struct signals;
struct state;
struct tree_sizes;
struct upgrade;

struct daemon {
    struct daemon_options options;
    struct loop *loop;
    struct signals *signals;
    struct state *state;
    struct runtime *runtime;
    struct local_ca *ca;
    struct edge_link *edge;
    struct meters *meters;              /* what the edge counts for whom: meters.h */
    char sign_key[SIGN_KEY_TEXT_BYTES]; /* of the edge's cookies */
    struct http_server *api;
    int api_fd; /* its listening socket */
    int lock_fd;
    int network_lock_fd;
    struct upgrade *upgrade; /* upgrade.h */
    struct map maintenance;  /* name of a system -> struct maintenance */
    struct list pending;     /* answers that wait, see api_settle.c */
    struct map systems;      /* name -> struct system */
    struct map unreadable;   /* name -> text: systems whose state could not be read */
    struct list subscribers; /* to all events */
    struct list waiters;     /* struct waiter, see wait.c */
    struct map given_certificates;
    struct edge_tickets *tickets; /* NULL until the first table, and so is the next */
    struct edge_sources *sources; /* files that the edge's table was made of */
    struct api_events *events;
    struct deferred publishing;
    struct timer housekeeping; /* log sizes, certificates */
    struct {
        uint64_t serial; /* of the request that is being answered, or was last */
        struct caller caller;
        bool recorded; /* it is in the history */
    } asking;
    bool collect_due; /* trees that nobody needs are to go */
    bool collecting;
    struct tree_sizes *tree_sizes; /* tree_sizes.h */
    uint64_t renewed_ns;           /* when certificates were last looked at */
    int64_t started_wall_ms;
};

/* ---- system.c ---- */

struct system *daemon_find_system(const struct daemon *daemon, const char *name);
/* Finds or makes it. */
MUST_CHECK bool daemon_get_system(struct daemon *daemon, const char *name, const char *directory,
                                  struct system **ret, struct err *err);
MUST_CHECK bool system_check_name(const char *name, struct err *err);
/* When nothing of it is left. */
void daemon_forget_system(struct daemon *daemon, struct system *system);
struct system *system_new(struct daemon *daemon, const char *name, const char *directory,
                          const char *files, uid_t uid);
/* Memory only. */
void system_free(struct system *system);
/* On failure nothing has changed. What was wanted and not reached has failed. */
MUST_CHECK bool system_set_wanted(struct system *system, struct release *release, struct err *err);
MUST_CHECK bool system_set_current(struct system *system, struct release *release, struct err *err);

struct system_change {
    struct {
        const char *service;
        enum plan_hold hold;
    } * holds;
    size_t hold_count;
    struct {
        const char *user; /* a service, the id of an instance, "": the system */
        const char *volume;
    } * dooms; /* volumes to remove when it is gone, or has no instance */
    size_t doom_count;
    bool spares_volumes;     /* nothing is to be removed any more */
    bool forgets_runs;       /* of `pre_start`: no instance is left */
    bool forgets_migrations; /* the data goes too */
    struct rollout *rollout; /* by which the wanted release is reached; taken over on success */
};
/* All of it is stored, or nothing has changed. <wanted> NULL: nothing is current either. */
MUST_CHECK bool system_become(struct system *system, struct release *wanted,
                              const struct system_change *change, struct err *err);
enum plan_hold system_hold(const struct system *system, const char *service);
/* Memory only. */
void system_note_hold(struct system *system, const char *service, enum plan_hold hold);

/* ---- reconcile.c ---- */

/* Looks at the system again when this round is over. */
void system_touch(struct system *system);
/* The rows the plan and the traffic rule are made for. */
struct plan;
struct reconcile_view {
    struct arena arena;
    struct plan_service *services; /* of the wanted release, then left-over ones */
    size_t service_count;
    struct plan_instance *instances;
    struct instance **real; /* the same order */
    size_t instance_count;
};
void reconcile_view_init(struct reconcile_view *view, const struct system *system);
/* Why <plan> failed, and the instance that did (or NULL). */
void reconcile_describe_failure(const struct reconcile_view *view, const struct plan *plan,
                                struct instance **ret_instance, struct err *err);
static inline void reconcile_view_done(struct reconcile_view *view)
{
    arena_done(&view->arena);
}
AUTO_VALUE(struct reconcile_view, reconcile_view_done)

/* ---- instance.c ---- */

/* Makes and stores a pending instance; with <migration>, one of its own. */
struct instance *instance_new(struct system *system, struct release *release, size_t service,
                              uint32_t number, bool is_job, struct err *err);
/* From its row. */
struct instance *instance_load(struct system *system, struct release *release, size_t service,
                               const char *id);
/* What `run` makes; <name> NULL: the usual one. */
struct instance *instance_new_one_off(struct system *system, struct release *release,
                                      size_t service, const char *name, struct err *err);
void instance_event(struct instance *instance, enum instance_event event, const char *detail);
/* Its process ended: asks the runtime how, applies the restart policy. */
void instance_exited(struct instance *instance);
/* Somebody asks for it again: what it failed at before does not count, and what has ended or is
 * unhealthy is started again. False when that cannot be stored. */
MUST_CHECK bool instance_begin_afresh(struct instance *instance, struct err *err);
/* Its process runs: what the file wants done then, and after that the health checks. */
void instance_look_after(struct instance *instance);
/* A one-off that was created starts. */
MUST_CHECK bool instance_let_begin(struct instance *instance, struct err *err);
void instance_act(struct instance *instance, enum instance_action action);
/* It takes no traffic any more. Nobody tells when a datagram has been answered: for a moment it
 * goes on, and those who talked to it over UDP stay with it. Others go elsewhere at once. */
void instance_await_udp(struct instance *instance);
void instance_send_kill(struct instance *instance);
/* A one-off that was created will not begin. */
void instance_abandon(struct instance *instance, const char *why);
/* A daemon that has just started finds out how it is. */
void instance_adopt(struct instance *instance);
/* Memory only. */
void instance_free(struct instance *instance);

/* ---- spec.c ---- */

/* Everything in <ret> belongs to <arena> or to the instance. Makes volume folders. */
MUST_CHECK bool spec_make(struct instance *instance, struct arena *arena, struct instance_spec *ret,
                          struct err *err);
/* The same without mounts and files: who it is and what it resolves. */
MUST_CHECK bool spec_describe(const struct instance *instance, struct arena *arena,
                              struct instance_spec *ret, struct err *err);
/* ---- network.c ---- */

/* Does an instance of <service> have an address of its own? */
bool network_has_address(const struct compose_service *service);
/* Can instances of service <a> of file <of_a> and <b> of <of_b> reach each other? */
bool network_is_shared(const struct compose *of_a, const struct compose_service *a,
                       const struct compose *of_b, const struct compose_service *b);
/* Are <a> of <of_a> and <b> of <of_b>, keys of the files, one network? */
bool network_is_common(const struct compose *of_a, const char *a, const struct compose *of_b,
                       const char *b);
/* Do the two files have a network in common? */
bool network_joins_files(const struct compose *a, const struct compose *b);
/* May instances of <service> of <compose> open connections to the world? */
bool network_leads_outside(const struct daemon *daemon, const struct compose *compose,
                           const struct compose_service *service);
/* The first instance of <service> in the release of <instance>; NULL: none. */
struct instance *network_find_sibling(const struct instance *instance, const char *service);
/* The instance whose network <instance> shares (network_mode: service:NAME); NULL: none is there.
 */
struct instance *network_joined(const struct instance *instance);
bool network_is_joined(const struct instance *instance); /* by another one that runs */
/* Where its ports are: its own address, that of the one whose network it shares, 127.0.0.1 in the
 * machine's network; NULL: nowhere. */
const char *network_address(const struct instance *instance);
/* Its network was made anew: those that share it start again. */
void network_restart_joined(struct instance *instance);
/* Can the networks of <candidate> be made? */
MUST_CHECK bool network_check(const struct daemon *daemon, const struct release *candidate,
                              struct err *err);
/* The stable address of a service; <number> 0: of all its instances. */
MUST_CHECK bool network_service_address(struct system *system, const char *service, uint32_t number,
                                        char *ret, struct err *err);

/* Gives back the addresses of the services and the published numbers. */
MUST_CHECK bool network_forget(struct system *system, struct err *err);

/* ---- names.c ---- */

/* What <instance> resolves; texts belong to <arena>. */
MUST_CHECK bool names_make(const struct instance *instance, struct arena *arena,
                           struct runtime_host **ret, size_t *ret_count, struct err *err);
/* Is there what <service> links to in other systems? */
MUST_CHECK bool names_check(const struct daemon *daemon, const struct compose *compose,
                            const struct compose_service *service, struct err *err);
/* Tells running instances the names that came or went with a release or a system. */
void names_publish(struct daemon *daemon);
/* It is being started with the names of <spec>. */
void names_told(struct instance *instance, const struct instance_spec *spec);

/* ---- volumes.c ---- */

/* The folder of a named volume. */
char *volumes_path(const struct daemon *daemon, const char *name, struct arena *arena);
/* The name of the volume that instance <number> of <service> has at <target> without naming one. */
char *volumes_anonymous_name(const struct system *system, const char *service, uint32_t number,
                             const char *target, struct arena *arena);
/* The same for a one-off, which has its own. */
char *volumes_one_off_name(const struct instance *instance, const char *target,
                           struct arena *arena);
/* Sets the mounts of <ret>; makes folders, mounts what has options of the local driver. */
MUST_CHECK bool volumes_make(struct instance *instance, struct arena *arena,
                             struct instance_spec *ret, struct err *err);
/* Does the file ask for something to be mounted on it? */
bool volumes_is_mounted(const struct compose_volume *volume);
/* Is all there that <service> had on the disk? Nothing that it needs to have had: then also false
 * when it keeps nothing. */
bool volumes_are_kept(const struct system *system, const struct release *release, size_t service,
                      bool needs_some);
/* Undoes those mounts; no instance of the system is left. */
void volumes_unmount(const struct daemon *daemon, const struct compose *compose);

/* ---- files.c ---- */

/* Reads and keeps the content of every secret and config that <release> uses; changes nothing else.
 */
MUST_CHECK bool files_take(struct daemon *daemon, struct release *release, struct err *err);
/* Sets the files of <ret>; they belong to <arena> or to the instance. */
MUST_CHECK bool files_make(const struct instance *instance, struct arena *arena,
                           struct instance_spec *ret, struct err *err);
/* Are the contents of <release> still there? */
MUST_CHECK bool files_check(const struct daemon *daemon, const struct release *release,
                            struct err *err);
/* Removes the contents that no release in use and none that is kept has. */
void files_prune(const struct daemon *daemon);

/* ---- restart.c ---- */

/* It has ended with its exit_status: is it started again? */
bool restart_applies(const struct instance *instance);
/* Is one that stays unhealthy ended and started again? */
bool restart_applies_to_unhealthy(const struct instance *instance);
/* After this long a life, what it failed at before does not count. */
uint64_t restart_window_ms(const struct instance *instance);
/* How long to wait before the next start. */
uint64_t restart_pause_ms(const struct instance *instance);

/* ---- hooks.c ---- */

enum hook_kind { HOOK_POST_START, HOOK_PRE_STOP };
/* <err> is NULL when every command succeeded. Not called when the instance is gone. */
typedef void hooks_done_fn(struct instance *instance, const struct err *err);
/* Runs the commands of <kind>; false, and nothing will be called, when the file has none. */
bool hooks_begin(struct instance *instance, enum hook_kind kind, hooks_done_fn *done);

/* ---- check.c ---- */

void check_start(struct instance *instance);
void check_stop(struct instance *instance);
bool check_exists(const struct instance *instance);
/* The port that x-ishizue.health asks; 0: there is none. */
uint16_t check_port(const struct instance *instance);
/* ---- check_port.c ---- */

/* Has it been listening for a while, but not on <port> where others could reach it? */
bool check_port_is_elsewhere(struct instance *instance, uint16_t port, uint64_t now_ns);
/* Tells who follows where it listens instead of <port>. */
void check_port_tell(const struct instance *instance, uint16_t port);

/* ---- check.c again ---- */

/* The edge's answer to a probe. */
void check_answered(struct daemon *daemon, const char *id, uint32_t check, bool healthy,
                    const char *detail);

/* ---- migration.c ---- */

enum plan_migration migration_state(const struct system *system, size_t service);
void migration_start(struct system *system, size_t service);
/* The container of `pre_start` that <job> is, in <arena>; NULL: none. */
const struct compose_service *migration_hook(const struct instance *job, struct arena *arena);
/* The job has ended. */
void migration_ended(struct instance *job);

/* ---- migration_marks.c ---- */

/* Runs of `pre_start`, and one of `migrate`. */
size_t migration_count_steps(const struct compose_service *service);
/* The first that <made> still needs, from 1; 0: none. */
size_t migration_next_step(const struct system *system, const struct release_service *made);
/* Has it a `migrate` that was not run for this version yet? */
bool migration_is_due(const struct system *system, const struct release_service *made);
/* It ended well. */
MUST_CHECK bool migration_mark_step(const struct system *system, const struct release_service *made,
                                    size_t step, struct err *err);
/* Nothing of <made> is to run. */
MUST_CHECK bool migration_mark_all(const struct system *system, const struct release_service *made,
                                   struct err *err);
/* What the candidate of <operation>, about to be wanted, has to run once more. */
MUST_CHECK bool migration_settle(const struct operation *operation, struct err *err);
/* Before `down`, after which only versions are remembered. */
MUST_CHECK bool migration_note_versions(const struct system *system, struct err *err);

/* ---- prune.c ---- */

/* <gone> is being freed: old logs of its service beyond the last few are removed. */
void prune_logs(const struct instance *gone);

/* ---- publish.c ---- */

/* Network and edge are told when this round is over. */
void daemon_publish(struct daemon *daemon);
/* The edge has no request left for <id>. */
void publish_drained(struct daemon *daemon, const char *id);
/* It ended, and its connections with it. */
void publish_edge_lost(struct daemon *daemon);

/* ---- ports.c ---- */

/* A published port. */
struct edge_listener_wish {
    uint16_t port;
    const char *ip;      /* NULL: every address */
    const char *kind;    /* "http", "https", "tcp"; "udp" is not the edge's */
    uint16_t https_port; /* http: where to redirect to; 0: not */
    const char *service; /* tcp, and http of one service */
    uint16_t target;
    bool routes;                       /* the routes of x-ishizue apply */
    const struct compose_x_port *said; /* tcp: more about it; NULL: nothing was said */
    const struct compose *compose;     /* tcp: where it is from */
};

static inline bool edge_wish_is_udp(const struct edge_listener_wish *wish)
{
    return strcmp(wish->kind, "udp") == 0;
}

struct publications {
    struct runtime_publication *ptr;
    size_t len, cap;
};

/* Chooses a number for every published port of <release> that has none, or a range: the one it had
 * before, or a free one, which is stored. Sets `published` in its model. */
MUST_CHECK bool ports_settle(struct daemon *daemon, const struct release *release, struct err *err);
/* Adds the UDP ports of <system>. */
void ports_publish(struct system *system, struct arena *arena, struct publications *ret);
/* The release that runs, and the one that is to take its place and may add to it; NULL: none. The
 * ports and routes of the first stay until the second was reached. */
void ports_releases(const struct system *system, const struct release *ret[2]);
/* The ports of both releases; the first <ret_first> are those of the first. */
size_t ports_wishes(const struct system *system, struct arena *arena,
                    struct edge_listener_wish **ret, size_t *ret_first);
/* What <instance> listens on for <wish>: its own file may say another port than the newest. */
uint16_t ports_target(const struct instance *instance, const struct edge_listener_wish *wish);

/* ---- certificates.c ---- */

/* Adds the certificate of <compose> to <list>; fails when there is none that the edge would take.
 */
MUST_CHECK bool certificates_check(struct daemon *daemon, const struct compose *compose,
                                   json_t *list, struct err *err);
/* The same for both releases of a system (ports_releases()); files that are bad by now are replaced
 * by the last good ones. False when one of them has no https; says so itself. */
MUST_CHECK bool certificates_add(struct system *system, const struct release *const releases[2],
                                 json_t *list);
/* Forgets the files that were not asked for since the last time. */
void certificates_sweep(struct daemon *daemon);
void certificates_done(struct daemon *daemon);

/* ---- edge_wishes.c ---- */

/* The listeners <compose> asks for, in <arena>. */
size_t edge_table_wishes(const struct compose *compose, struct arena *arena,
                         struct edge_listener_wish **ret);
/* "https://eshop.localhost:8443/", ... as a JSON list. */
json_t *edge_table_addresses(const struct system *system);

/* ---- edge_table.c ---- */

/* Would the edge take the routes of <candidate>? Names the first thing that it would refuse, such
 * as a name that there is no certificate for. Its ports are reserved. */
MUST_CHECK bool edge_table_check(struct daemon *daemon, const struct release *candidate,
                                 struct err *err);
/* The whole table; descriptors of static folders are appended to <fds>. */
json_t *edge_table_make(struct daemon *daemon, uint64_t generation, int *fds, size_t *fd_count);

/* ---- edge_link.c ---- */

enum { EDGE_DRAIN_MS = 600 * 1000 }; /* for connections of an edge that was replaced */

/* <held>: the sockets that the former program of this process left open; NULL: none. */
MUST_CHECK bool edge_link_open(struct daemon *daemon, const json_t *held, struct err *err);
/* Lists those sockets and lets them survive an exec. */
json_t *edge_link_keep(const struct edge_link *link);
/* <err> NULL: the new edge accepts. Else the former goes on. */
typedef void edge_replaced_fn(void *arg, const struct err *err);
/* Starts an edge in the place of the one that runs, which finishes what it has within <drain_ms>.
 */
MUST_CHECK bool edge_link_replace(struct edge_link *link, uint64_t drain_ms, edge_replaced_fn *done,
                                  void *arg, struct err *err);
/* Could it be done now? */
MUST_CHECK bool edge_link_check_replace(const struct edge_link *link, struct err *err);
bool edge_link_has_process(const struct edge_link *link, pid_t pid);
/* Numbers of the processes that were replaced and still finish what they have. */
json_t *edge_link_former(const struct edge_link *link);
void edge_link_close(struct edge_link *link);
/* Holds every listener that the wanted and current releases ask for, plus <candidate>'s: fails, and
 * changes nothing, when one of its ports is in use. */
MUST_CHECK bool edge_link_reserve(struct edge_link *link, const struct release *candidate,
                                  struct err *err);
/* Sends listeners and table. */
void edge_link_publish(struct edge_link *link);
uint32_t edge_link_listener_id(const struct edge_link *link, const char *ip, uint16_t port);
/* False when no edge is there: the probe will not be answered. */
bool edge_link_probe(struct edge_link *link, const struct instance *instance, uint32_t check,
                     const char *path, uint16_t port, uint64_t timeout_ms);
/* Does the edge work by the table that was sent last? True without an edge. */
bool edge_link_is_settled(const struct edge_link *link);
/* Keeps the access log within its bounds. */
void edge_link_housekeeping(struct edge_link *link, uint64_t now_ns);
pid_t edge_link_pid(const struct edge_link *link);
uint64_t edge_link_generation(const struct edge_link *link);

/* ---- api.c ---- */

MUST_CHECK bool api_open(struct daemon *daemon, struct err *err);
void api_close(struct daemon *daemon);
/* Something that answers wait for may have come: gives those that are due. */
void api_settle(struct daemon *daemon);
