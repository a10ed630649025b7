/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon replaces its own program, and then the edge. In this order:
 *     1. the new program is tried: it reads a copy of the state, and nothing else
 *     2. this process becomes the new program (handover.h); what runs is not touched
 *     3. the new program starts an edge beside the one that accepts (edge_handover.c)
 *     4. when that serves, the new program takes the place of the old one on the disk
 * Whatever fails before the end leads back to the former program, whose state is
 * taken back to the schema it knows (db.h).
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "control/operation.h"

struct daemon;
struct err;

enum { UPGRADE_TRY_MS = 30000, UPGRADE_CHILDREN_BYTES = 64 << 10 };

struct upgrade_request {
    const char *program; /* absolute */
    const char *install; /* the file it replaces when all went well; NULL: none */
    uint64_t drain_ms;   /* for connections of the former edge */
    bool only_try;
    struct caller caller;
};

/* The new program was tried: <err> NULL: it is good, and this process becomes it after the call,
 * unless it was asked for the trial only. <version> is its own. */
typedef void upgrade_tried_fn(void *arg, const char *version, uint64_t schema,
                              const struct err *err);
MUST_CHECK bool upgrade_begin(struct daemon *daemon, const struct upgrade_request *request,
                              upgrade_tried_fn *tried, void *arg, struct err *err);

/* What the former program left: before anything is opened. */
void upgrade_open(struct daemon *daemon);
void upgrade_close(struct daemon *daemon);
/* A descriptor of it; -1: none. */
int upgrade_take_fd(struct daemon *daemon, const char *key);
/* Listening sockets of it; NULL: none. */
const json_t *upgrade_held(const struct daemon *daemon);
/* Everything is open: goes on with the edge. */
void upgrade_continue(struct daemon *daemon);

/* This process is about to become another program. */
bool upgrade_is_leaving(const struct daemon *daemon);
/* The loop has ended, or could not begin (<why>): must this process become another program? Puts
 * together what that one needs; before anything is closed. */
bool upgrade_prepare_leave(struct daemon *daemon, const char *why);
/* Everything is closed. Returns only when no program can be run. */
void upgrade_leave(struct daemon *daemon);

/* From the beginning of a trial to the end of everything. */
bool upgrade_is_running(const struct daemon *daemon);
/* How the last one went: {"state": "none" | "running" | "done" | "failed", "from", "to", "error",
 * "took_ms", "former_edges": [pid, ...]} */
json_t *upgrade_json(const struct daemon *daemon);

/* In a process of its own, for another daemon that wants to become this program: can the state in
 * the copy <path> be read? Prints {"version": ..., "schema": ...}. Returns the exit status. */
int upgrade_try(const char *path, const char *images_dir);
