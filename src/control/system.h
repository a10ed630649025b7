/* SPDX-License-Identifier: Apache-2.0
 *
 * What the daemon knows: systems, their releases and their instances. All of it
 * is in state.db too (state.h), written before anything is done about it. One
 * thread, the daemon's.
 */
#pragma once

#include <sys/types.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/list.h"
#include "base/map.h"
#include "compose/model.h"
#include "deploy/instance_fsm.h"
#include "deploy/plan.h"
#include "io/loop.h"
#include "runtime/runtime.h"

struct daemon;
struct operation;
struct rollout;
struct system_row;

enum { SYSTEM_NAME_MAX = 40, HASH_TEXT_BYTES = 65, STATE_ADDRESS_BYTES = 16 };

/* What a release adds to a service of the model. */
struct release_service {
    const struct compose_service *service;
    const struct runtime_image *image; /* what the runtime brings; NULL: provided by the edge */
    char config_hash[HASH_TEXT_BYTES]; /* of everything that makes an instance what it is */
    char hash[HASH_TEXT_BYTES];        /* the same, or that of an instance made anew on request */
    const char *tree;                  /* built tree; NULL: none */
    const char **files; /* hashes of the contents of its secrets, then of its configs */
    size_t file_count;
};

/* Immutable once made. Freed when no instance and no system refers to it. */
struct release {
    uint32_t number;
    uint32_t refs;
    struct arena arena;
    const struct compose *compose;
    const char *text;                 /* resolved project, JSON */
    struct release_service *services; /* in the model's order */
};

/* Does anybody listen on the port that traffic goes to? Asked of those without a health check. */
enum instance_port { INSTANCE_PORT_UNKNOWN, INSTANCE_PORT_CLOSED, INSTANCE_PORT_OPEN };

struct instance {
    struct list link; /* in system.instances */
    struct system *system;
    struct release *release; /* a reference */
    struct release_service *made_of;
    char id[RUNTIME_ID_MAX + 1];
    char address[STATE_ADDRESS_BYTES];
    uint32_t number;
    bool is_job;       /* a migration or a one-off: runs once, takes no part in the plan */
    char *one_off;     /* name of an instance that `run` made, number 0; NULL: not one */
    bool auto_remove;  /* one-off: goes away when it has ended */
    bool takes_names;  /* one-off: answers to the names of its service too */
    int early_signal;  /* came while it was being started; 0: none */
    bool leaving;      /* one-off: is to end and go away */
    bool awaits_begin; /* one-off that was created: its client attaches, then lets it begin */
    enum instance_state state;
    bool stopped;      /* was asked to end */
    bool paused;       /* frozen on request */
    bool no_restart;   /* a person's signal: its restart policy does not apply to the next end */
    uint32_t restarts; /* since it was made */
    uint32_t failures; /* since it was last ready */
    int exit_status;
    int64_t created_wall_ms;
    int64_t started_wall_ms;
    uint64_t started_ns;    /* when its process started, as far as this daemon knows */
    bool in_traffic;        /* as last published */
    bool waits_at_edge;     /* unhealthy: takes traffic as soon as the edge finds it well again */
    bool at_edge;           /* the edge was told of it: it will say when nothing uses it */
    struct timer timer;     /* of the state: back-off, drain, grace */
    struct timer udp_timer; /* out of traffic: until then it may answer what came over UDP */
    struct timer check_timer;
    uint64_t check_deadline_ns; /* WARMING: sick after this */
    uint32_t check_failures;    /* in a row */
    uint32_t check_successes;   /* in a row, while unhealthy */
    uint32_t checks; /* number of the check under way; a late answer to another is dropped */
    enum instance_port port;
    uint64_t port_looked_ns;    /* when it was last looked where it listens; 0: never */
    uint64_t port_elsewhere_ns; /* since when it listens, but not there; 0: it does not */
    char check_detail[400];     /* what the last failing check said */
    char start_error[400];      /* why it could not be started the last time; empty: it was */
    char *log_path;
    uint32_t remove_tries;
    uint64_t names_round;    /* names_publish() has looked at it since releases last changed */
    uint64_t names_hash;     /* of the names it was told */
    struct deferred drained; /* once the network knows, when the edge was never told of it */
    struct deferred freeing;
};

struct system {
    char name[SYSTEM_NAME_MAX + 1];
    struct daemon *daemon;
    uid_t uid;                 /* of all its instances, and their gid */
    char *directory;           /* where its file is */
    char *files;               /* JSON list of its files, for `ls` */
    struct release *wanted;    /* NULL: nothing is to run */
    struct release *current;   /* the last one that was reached; NULL: none */
    struct map holds;          /* service -> enum plan_hold, of those that are held */
    bool has_doomed;           /* volumes are to be removed as soon as nobody uses them */
    struct map addresses;      /* owner -> text: what network_service_address() knows */
    struct arena addresses_of; /* its texts */
    struct list instances;
    struct operation *operation; /* NULL: none */
    struct rollout *rollout;     /* under way, or the last one; NULL: none */
    struct deferred reconciling;
};

/* The model's index of service <name>, or SIZE_MAX. */
size_t release_find(const struct release *release, const char *name);
struct release *release_ref(struct release *release);
void release_unref(struct release *release); /* takes NULL */

struct instance *system_find_instance(const struct system *system, const char *id);
/* "eshop-backend-1": how people name it. <ret> has RUNTIME_ID_MAX + 1 bytes. */
void instance_format_name(const struct instance *instance, char *ret);
