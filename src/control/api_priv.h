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

/* api_systems.c */
json_t *api_describe_system(struct system *system);
void api_list_systems(struct api_call *call);
void api_show_system(struct api_call *call);
void api_show_config(struct api_call *call);
void api_exec(struct api_call *call);

/* api_logs.c */
void api_logs(struct api_call *call);
