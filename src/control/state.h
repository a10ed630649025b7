/* SPDX-License-Identifier: Apache-2.0
 *
 * state.db: what must survive the daemon. Every change is committed when the
 * function returns. A failure of the disk is reported to the caller, who does
 * not act on what was not stored.
 */
#pragma once

#include "control/system.h"

struct buf;
struct err;
struct state;

enum { STATE_USER_BYTES = 33, STATE_MESSAGE_BYTES = 201 };

MUST_CHECK struct state *state_open(const char *path, struct err *err);
void state_free(struct state *state);

/* Changes until state_commit() are there together or not at all. One at a time. */
MUST_CHECK bool state_begin(struct state *state, struct err *err);
MUST_CHECK bool state_commit(struct state *state, struct err *err);
/* What was changed since state_begin() is not. */
void state_abandon(struct state *state);

/* Systems: wanted and current are 0 when NULL. */
MUST_CHECK bool state_save_system(struct state *state, const struct system *system,
                                  struct err *err);
MUST_CHECK bool state_delete_system(struct state *state, const char *name, struct err *err);

struct state_system {
    const char *name;
    const char *directory;
    const char *files;
    uid_t uid;
    uint32_t wanted;
    uint32_t current;
};
typedef bool state_system_fn(void *arg, const struct state_system *row, struct err *err);
MUST_CHECK bool state_each_system(struct state *state, state_system_fn *fn, void *arg,
                                  struct err *err);

/* The version of the schema that this program writes. */
size_t state_schema(void);
/* A copy for another program to try itself on, mode 0600. */
MUST_CHECK bool state_copy(struct state *state, const char *path, struct err *err);

/* ---- state_maintenance.c ---- */

struct state_maintenance {
    const char *page; /* NULL: the usual one */
    const char *user;
    int64_t since_ms;
};
MUST_CHECK bool state_save_maintenance(struct state *state, const char *system,
                                       const struct state_maintenance *row, struct err *err);
MUST_CHECK bool state_delete_maintenance(struct state *state, const char *system, struct err *err);
typedef void state_maintenance_fn(void *arg, const char *system,
                                  const struct state_maintenance *row);
MUST_CHECK bool state_each_maintenance(struct state *state, state_maintenance_fn *fn, void *arg,
                                       struct err *err);

/* What a person said of a service; PLAN_HOLD_NONE takes it back. Gone with the system. */
MUST_CHECK bool state_save_hold(struct state *state, const char *system, const char *service,
                                enum plan_hold hold, struct err *err);
typedef void state_hold_fn(void *arg, const char *service, enum plan_hold hold);
MUST_CHECK bool state_each_hold(struct state *state, const char *system, state_hold_fn *fn,
                                void *arg, struct err *err);

/* Volumes to remove once <service>, or with "" the system, has no instance, or the instance with
 * that id is gone. Gone with the system. */
MUST_CHECK bool state_doom_volume(struct state *state, const char *system, const char *service,
                                  const char *volume, struct err *err);
MUST_CHECK bool state_spare_volume(struct state *state, const char *system, const char *service,
                                   const char *volume, struct err *err);
/* All but those of an instance. */
MUST_CHECK bool state_spare_volumes(struct state *state, const char *system, struct err *err);
typedef void state_doomed_fn(void *arg, const char *service, const char *volume);
MUST_CHECK bool state_each_doomed(struct state *state, const char *system, state_doomed_fn *fn,
                                  void *arg, struct err *err);

/* The uid of system <name>: the one it had before, or a new one. */
MUST_CHECK bool state_uid(struct state *state, const char *name, uid_t *ret, struct err *err);

/* ---- state_records.c ---- */

/* Releases are added and read, never changed. <services> is JSON: {"web": {"hash", "tree"}}.
 * <note> is the command that made it; "run": of a one-off, which is never wanted. A number is
 * never given twice. */
MUST_CHECK bool state_add_release(struct state *state, const char *system, struct str config,
                                  struct str services, const char *note, uint32_t *ret_number,
                                  struct err *err);
MUST_CHECK bool state_read_release(struct state *state, const char *system, uint32_t number,
                                   struct buf *ret_config, struct buf *ret_services,
                                   struct err *err);

/* What is known of a release beside what it is. */
struct state_release {
    uint32_t number;
    int64_t created_ms; /* set by state_add_release() */
    const char *note;   /* the same */
    struct str services;
    uid_t uid;
    const char *user;   /* "": not known */
    uint32_t back_to;   /* the release that it brings back; 0: none */
    const char *commit; /* of the project folder; NULL: it had none */
    bool dirty;         /* the folder was not as in that commit */
    struct str changed; /* JSON, see release_changed_json() */
    const char *state;  /* "new", "reached", "failed", "superseded"; "": not known */
};
MUST_CHECK bool state_note_release(struct state *state, const char *system,
                                   const struct state_release *facts, struct err *err);
/* Changes its state; <from> NULL: whatever it was. */
MUST_CHECK bool state_mark_release(struct state *state, const char *system, uint32_t number,
                                   const char *from, const char *to, struct err *err);
typedef void state_release_fn(void *arg, const struct state_release *row);
/* The newest first, those of one-offs too. */
MUST_CHECK bool state_each_release(struct state *state, const char *system, state_release_fn *fn,
                                   void *arg, struct err *err);
MUST_CHECK bool state_forget_release(struct state *state, const char *system, uint32_t number,
                                     struct err *err);
MUST_CHECK bool state_forget_releases(struct state *state, const char *system, struct err *err);
/* The services of every release of every system; <note> as above. */
typedef void state_services_fn(void *arg, const char *note, struct str services);
MUST_CHECK bool state_each_services(struct state *state, state_services_fn *fn, void *arg,
                                    struct err *err);

/* ---- state_rollout.c ---- */

/* The change of a system to another release, the last one or the one under way. */
struct state_rollout {
    uint32_t from;
    uint32_t to;
    const char *command;  /* that began it: "deploy" */
    const char *strategy; /* that the command asked for; "": none */
    const char *state;
    uint32_t step;
    bool tolerates;
    bool paused;
    int64_t started_ms;
    int64_t since_ms; /* in this state */
    int64_t switched_ms;
    const char *why;
};
MUST_CHECK bool state_save_rollout(struct state *state, const char *system,
                                   const struct state_rollout *row, struct err *err);
MUST_CHECK bool state_delete_rollout(struct state *state, const char *system, struct err *err);
/* Not called when there is none. */
typedef bool state_rollout_fn(void *arg, const struct state_rollout *row, struct err *err);
MUST_CHECK bool state_read_rollout(struct state *state, const char *system, state_rollout_fn *fn,
                                   void *arg, struct err *err);

/* ---- state_records.c ---- */

enum { STATE_HISTORY_MAX = 10000 };

/* An action of a person. */
struct state_action {
    int64_t id;         /* of a row that was read */
    const char *system; /* "": of the daemon */
    const char *action;
    const char *services; /* "web, worker"; "": all, or none */
    uid_t uid;
    const char *user;
    int64_t time_ms;
    int64_t took_ms;
    uint32_t release;  /* wanted when it was over; 0: none */
    const char *error; /* NULL: it succeeded */
};
/* The oldest beyond STATE_HISTORY_MAX go. */
MUST_CHECK bool state_add_action(struct state *state, const struct state_action *action,
                                 struct err *err);
typedef void state_action_fn(void *arg, const struct state_action *row);
/* The newest <limit> of <system> (NULL: of all), the newest first. */
MUST_CHECK bool state_each_action(struct state *state, const char *system, uint32_t limit,
                                  state_action_fn *fn, void *arg, struct err *err);

struct state_lock {
    uid_t uid;
    char user[STATE_USER_BYTES];
    char message[STATE_MESSAGE_BYTES];
    int64_t time_ms;
};
/* *ret_held false: it is not locked. */
MUST_CHECK bool state_read_lock(struct state *state, const char *system, bool *ret_held,
                                struct state_lock *ret, struct err *err);
MUST_CHECK bool state_save_lock(struct state *state, const char *system,
                                const struct state_lock *lock, struct err *err);
MUST_CHECK bool state_delete_lock(struct state *state, const char *system, struct err *err);

/* ---- state.c ---- */

MUST_CHECK bool state_save_instance(struct state *state, const struct instance *instance,
                                    struct err *err);
MUST_CHECK bool state_delete_instance(struct state *state, const char *id, struct err *err);

struct state_instance {
    const char *id;
    const char *service;
    const char *address;
    const char *state;
    uint32_t number;
    uint32_t release;
    bool is_job;
    bool stopped;
    uint32_t restarts;
    uint32_t failures;
    int exit_status;
    int64_t created_wall_ms;
    int64_t started_wall_ms;
    bool paused;
    bool no_restart;
    const char *one_off; /* NULL: not one */
    bool auto_remove;
    bool leaving;
    bool takes_names;
};
typedef bool state_instance_fn(void *arg, const struct state_instance *row, struct err *err);
MUST_CHECK bool state_each_instance(struct state *state, const char *system, state_instance_fn *fn,
                                    void *arg, struct err *err);

/* The address of <owner> ("eshop/postgres", or an instance's id), given on first asking. */
MUST_CHECK bool state_address(struct state *state, const char *owner, char *ret, struct err *err);
MUST_CHECK bool state_forget_address(struct state *state, const char *owner, struct err *err);
/* Those of "<system>/..." */
MUST_CHECK bool state_forget_addresses(struct state *state, const char *system, struct err *err);

/* Migrations that were done; migration_marks.c says by what hashes. */
MUST_CHECK bool state_mark_migrated(struct state *state, const char *system, const char *service,
                                    const char *hash, struct err *err);
MUST_CHECK bool state_is_migrated(struct state *state, const char *system, const char *service,
                                  const char *hash, bool *ret, struct err *err);
MUST_CHECK bool state_forget_migration(struct state *state, const char *system, const char *service,
                                       const char *hash, struct err *err);
/* All but those of versions, "HASH/migrate". */
MUST_CHECK bool state_forget_runs(struct state *state, const char *system, struct err *err);
MUST_CHECK bool state_forget_migrations(struct state *state, const char *system, struct err *err);

/* The number that a published port without one has ("shop/web/tcp//80"); 0: none was stored. */
MUST_CHECK bool state_find_port(struct state *state, const char *owner, uint16_t *ret,
                                struct err *err);
MUST_CHECK bool state_keep_port(struct state *state, const char *owner, uint16_t port,
                                struct err *err);
MUST_CHECK bool state_forget_ports(struct state *state, const char *system, struct err *err);
