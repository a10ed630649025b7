/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon's own structs and the functions its files share. Which file does
 * what:
 *     daemon.c      start, end, adoption of what runs
 *     operation.c   up, down, restart as a whole: progress lines and result
 *     up.c down.c   the parts of an operation before the reconcile loop takes over
 *     reconcile.c   asks the plan, takes its steps, decides about the operation
 *     instance.c    events of one instance and what is done about them
 *     spec.c        what the runtime is told about an instance: mounts, names
 *     check.c       health checks
 *     migration.c   the one job that runs before a release
 *     prune.c       logs of instances that are gone
 *     publish.c     network and edge are told who takes traffic
 *     edge_link.c   the edge's process and its channel
 *     edge_listeners.c  the listening sockets
 *     edge_table.c  the routing table as JSON
 *     api*.c        HTTP
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "control/daemon.h"
#include "control/system.h"
#include "json/json.h"

struct edge_link;
struct err;
struct http_server;
struct local_ca;
struct signals;
struct state;

struct daemon {
    struct daemon_options options;
    struct loop *loop;
    struct signals *signals;
    struct state *state;
    struct runtime *runtime;
    struct local_ca *ca;
    struct edge_link *edge;
    struct http_server *api;
    struct map systems;      /* name -> struct system */
    struct map unreadable;   /* name -> text: systems whose state could not be read */
    struct list subscribers; /* to all events */
    struct deferred publishing;
    struct timer housekeeping; /* log sizes, certificates */
    uint64_t renewed_ns;       /* when certificates were last looked at */
    int64_t started_wall_ms;
};

/* ---- operation.c ---- */

/* Somebody who reads lines: an API stream. push() must not free it; gone() is
 * called when no line will come any more. */
struct subscriber {
    struct list link;
    void (*push)(struct subscriber *subscriber, struct str line);
    void (*gone)(struct subscriber *subscriber);
};

enum operation_kind { OPERATION_UP, OPERATION_DOWN, OPERATION_RESTART };

struct operation {
    enum operation_kind kind;
    struct system *system;
    uint64_t started_ns;
    struct list subscribers;
    struct timer timeout;
    struct timer settling; /* the edge has to apply the last table before it ends */
    bool settled;          /* it had long enough */
    bool reconciling;      /* the preparations are over, the plan decides */
    bool changed;          /* something was done */
    bool remove_volumes;   /* DOWN */
    uint64_t grace_ms;     /* -t; UINT64_MAX: what the file says */
    /* UP and RESTART */
    struct release *candidate; /* not wanted yet */
    bool force_recreate;
    struct compose_texts fresh; /* services to recreate whatever; in the candidate's arena */
    char **environment;         /* of the caller, for builds; NULL at the end */
    size_t builds_left;
    struct err *failure; /* the first one; set while the way back is walked */
    char *failure_logs;  /* JSON list of lines */
};

struct operation *operation_begin(struct system *system, enum operation_kind kind, struct err *err);
/* "step": <service> and <instance> may be NULL. Also told to who follows all events. */
void operation_step(struct system *system, const char *service, const char *instance,
                    const char *state, const char *text);
void operation_output(struct system *system, const char *service, struct str line);
void operation_warn(struct system *system, const char *text);
/* Sends the result and frees it. <err> NULL: the asked state was reached. */
void operation_end(struct operation *operation, const struct err *err);
/* Notes why it cannot succeed, with the last lines of <instance>'s log (or NULL). First one counts.
 */
void operation_fail(struct operation *operation, const struct err *err,
                    const struct instance *instance);
const char *operation_kind_name(enum operation_kind kind);

/* ---- daemon.c ---- */

struct system *daemon_find_system(const struct daemon *daemon, const char *name);
/* Finds or makes it. */
MUST_CHECK bool daemon_get_system(struct daemon *daemon, const char *name, const char *directory,
                                  struct system **ret, struct err *err);
/* When nothing of it is left. */
void daemon_forget_system(struct daemon *daemon, struct system *system);
void system_set_wanted(struct system *system, struct release *release);
void system_set_current(struct system *system, struct release *release);

/* ---- up.c, down.c ---- */

struct up_request {
    const char *directory;
    struct str config;   /* resolved project */
    const json_t *files; /* for `ls` */
    const json_t *environment;
    const json_t *services; /* only these are recreated by force_recreate; empty: all */
    bool force_recreate;
    uint64_t timeout_ms;
};
MUST_CHECK bool up_begin(struct daemon *daemon, const char *name, const struct up_request *request,
                         struct subscriber *subscriber, struct err *err);
MUST_CHECK bool restart_begin(struct system *system, const json_t *services, uint64_t grace_ms,
                              struct subscriber *subscriber, struct err *err);
MUST_CHECK bool down_begin(struct system *system, bool remove_volumes, uint64_t grace_ms,
                           struct subscriber *subscriber, struct err *err);
/* The instances are gone: removes volumes, addresses, the rest. */
void down_finish(struct operation *operation);

/* ---- reconcile.c ---- */

/* Looks at the system again when this round is over. */
void system_touch(struct system *system);
/* The rows the plan and the traffic rule are made for. */
struct reconcile_view {
    struct arena arena;
    struct plan_service *services; /* of the wanted release, then left-over ones */
    size_t service_count;
    struct plan_instance *instances;
    struct instance **real; /* the same order */
    size_t instance_count;
};
void reconcile_view_init(struct reconcile_view *view, const struct system *system);
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
void instance_event(struct instance *instance, enum instance_event event, const char *detail);
/* Its process ended: asks the runtime how, applies the restart policy. */
void instance_exited(struct instance *instance);
/* Somebody asks for it again: what it failed at before does not count, and what has ended or is
 * unhealthy is started again. */
void instance_begin_afresh(struct instance *instance);
/* A daemon that has just started finds out how it is. */
void instance_adopt(struct instance *instance);
/* Memory only. */
void instance_free(struct instance *instance);

/* ---- spec.c ---- */

/* Everything in <ret> belongs to <arena> or to the instance. Makes volume folders. */
MUST_CHECK bool spec_make(struct instance *instance, struct arena *arena, struct instance_spec *ret,
                          struct err *err);
/* The folder of a named volume. */
char *spec_volume_path(const struct daemon *daemon, const char *name, struct arena *arena);
/* The name of the volume that instance <number> of <service> has at <target> without naming one. */
char *spec_anonymous_name(const struct system *system, const char *service, uint32_t number,
                          const char *target, struct arena *arena);
/* Can instances of services <a> and <b> of <compose> reach each other? */
bool spec_share_network(const struct compose_service *a, const struct compose_service *b);
/* The stable address of a service. */
MUST_CHECK bool spec_service_address(struct system *system, const char *service, char *ret,
                                     struct err *err);

/* ---- check.c ---- */

void check_start(struct instance *instance);
void check_stop(struct instance *instance);
bool check_exists(const struct instance *instance);
/* The edge's answer to a probe. */
void check_answered(struct daemon *daemon, const char *id, uint32_t check, bool healthy,
                    const char *detail);

/* ---- migration.c ---- */

enum plan_migration migration_state(const struct system *system, size_t service);
void migration_start(struct system *system, size_t service);
/* The job has ended. */
void migration_ended(struct instance *job);

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

/* ---- edge_table.c ---- */

struct edge_listener_wish {
    uint16_t port;
    const char *ip;      /* NULL: every address */
    const char *kind;    /* "http", "https", "tcp" */
    uint16_t https_port; /* http: where to redirect to; 0: not */
    const char *service; /* tcp, and http of one service */
    uint16_t target;
    bool routes; /* the routes of x-ishizue apply */
};
/* The listeners <compose> asks for, in <arena>. */
size_t edge_table_wishes(const struct compose *compose, struct arena *arena,
                         struct edge_listener_wish **ret);
/* Would the edge take the routes of <candidate>? Names the first thing that it would refuse, such
 * as a name that there is no certificate for. Its ports are reserved. */
MUST_CHECK bool edge_table_check(struct daemon *daemon, const struct release *candidate,
                                 struct err *err);
/* The whole table; descriptors of static folders are appended to <fds>. */
json_t *edge_table_make(struct daemon *daemon, uint64_t generation, int *fds, size_t *fd_count);
/* "https://eshop.localhost:8443/", ... as a JSON list. */
json_t *edge_table_addresses(const struct system *system);

/* ---- edge_link.c ---- */

MUST_CHECK bool edge_link_open(struct daemon *daemon, struct err *err);
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
