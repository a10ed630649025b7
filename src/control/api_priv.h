/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the API share. The API itself is described in docs/api.md.
 */
#pragma once

#include "control/daemon_priv.h"
#include "http/server.h"

/* One request being answered. */
struct api_call {
    struct daemon *daemon;
    struct http_exchange *exchange;
    const struct http_request *request;
    struct str name;    /* of the system, from the path; empty: none */
    const json_t *body; /* an object; NULL for GET */
    char subject[201];  /* services it names, for the history */
    const char *action; /* for the history; NULL: it changes nothing */
    struct caller caller;
    uint64_t serial;
    int64_t began_ms; /* wall */
};

typedef void api_fn(struct api_call *call);

/* Answers; takes over <json>. */
void api_answer(struct api_call *call, int status, json_t *json);
void api_refuse(struct api_call *call, const struct err *err);
/* The value of <key> in the query, decoded, in <arena>; NULL when it is not there. <nth> counts
 * from 0 where a key comes several times. */
const char *api_query(const struct api_call *call, const char *key, size_t nth,
                      struct arena *arena);

/* A stream of JSON lines that a subscriber feeds; a client that does not read
 * is dropped with a last line that says so. */
struct subscriber *api_stream(struct api_call *call);
/* The stream of a call that failed after api_stream(): an answer with an error instead. */
void api_stream_refuse(struct subscriber *subscriber, const struct err *err);

/* NULL after answering that there is none. */
struct system *api_system(struct api_call *call);

/* The services of the query's "service" keys, in <arena>. False after answering that one of them
 * is not there. */
MUST_CHECK bool api_choice_make(struct api_call *call, const struct system *system,
                                struct arena *arena, struct compose_texts *ret);
/* Is <service> one of them? Everything is when none was named. */
bool api_choice_has(const struct compose_texts *choice, const char *service);

/* api_events.c */
void api_events_open(struct daemon *daemon);
void api_events_close(struct daemon *daemon); /* after the server, which lets go of its clients */
void api_events(struct api_call *call);

/* api_images.c */
void api_images(struct api_call *call);
void api_pull(struct api_call *call);
void api_remove_trees(struct api_call *call);
void api_volumes(struct api_call *call);

/* api_usage.c */
void api_stats(struct api_call *call);
void api_top(struct api_call *call);

/* api_systems.c */
json_t *api_describe_system(struct system *system);
void api_list_systems(struct api_call *call);
void api_show_system(struct api_call *call);
void api_show_config(struct api_call *call);
void api_exec(struct api_call *call);

/* api_rollout.c */
/* The member "deploy" of the body; texts stay the body's. */
MUST_CHECK bool api_deploy_request(const struct api_call *call, struct deploy_request *ret,
                                   struct err *err);
void api_rollout_show(struct api_call *call);
void api_promote(struct api_call *call);
void api_abort(struct api_call *call);

/* api_verbs.c */
/* Milliseconds under <key>, or <otherwise> when absent or null. */
uint64_t api_milliseconds(const struct api_call *call, const char *key, uint64_t otherwise);
/* What up and what is like it have in common; <config> holds the text. */
MUST_CHECK bool api_up_request(const struct api_call *call, struct buf *config,
                               struct up_request *ret, struct err *err);
void api_start(struct api_call *call);
void api_stop(struct api_call *call);
void api_rm(struct api_call *call);
void api_pause(struct api_call *call);
void api_unpause(struct api_call *call);
void api_kill(struct api_call *call);
void api_cancel(struct api_call *call);
void api_attach(struct api_call *call);
void api_begin(struct api_call *call);
void api_wait(struct api_call *call);
void api_run(struct api_call *call);

/* api_record.c */
/* Who asks, and for what: <path> is the route's. */
void api_record_begin(struct api_call *call, enum http_method method, const char *path);
/* The services that the body names. */
void api_record_subject(struct api_call *call);
/* It was answered; <error> NULL: it succeeded. */
void api_record(struct api_call *call, const char *error);

/* api_releases.c */
void api_releases(struct api_call *call);
void api_release_show(struct api_call *call);
void api_release_diff(struct api_call *call);
void api_rollback(struct api_call *call);
void api_scale(struct api_call *call);
void api_history(struct api_call *call);
void api_lock_show(struct api_call *call);
void api_lock_acquire(struct api_call *call);
void api_lock_release(struct api_call *call);

/* api_upgrade.c */
void api_upgrade(struct api_call *call);
void api_upgrade_show(struct api_call *call);
void api_maintenance_show(struct api_call *call);
void api_maintenance_begin(struct api_call *call);
void api_maintenance_end(struct api_call *call);

/* api_settle.c */
/* Answers when every edge works by what was published; takes over <answer>. */
void api_answer_settled(struct api_call *call, json_t *answer);
/* Answers with upgrade_json() when no upgrade is running. */
void api_answer_upgraded(struct api_call *call);

/* api_cache.c */
void api_cache_show(struct api_call *call);
void api_cache_purge(struct api_call *call);

/* api_edge.c */
void api_edge(struct api_call *call);

/* api_logs.c */
void api_logs(struct api_call *call);

/* ---- api_members.c ---- */

/* Has <value> the type that a member of this name has in every body? null stands for none. */
MUST_CHECK bool api_check_member(const char *name, const json_t *value, struct err *err);
