/* SPDX-License-Identifier: Apache-2.0
 *
 * Access log: one JSON object a line for each request. A worker formats into a
 * block of memory; full blocks, and twice a second all others, go to the
 * flusher, a thread that writes them. A worker never waits for the disk: when
 * too many blocks are on their way, lines are dropped and counted, as are lines
 * that the file did not take.
 *
 *     {"time":"2026-11-21T02:14:07.123Z","client":"192.0.2.7","method":"GET",
 *      "host":"eshop.localhost","path":"/api/products","status":200,"bytes":600,
 *      "duration_ms":1.234,"target":"10.213.0.5:8000",
 *      "upstream":"eshop/backend:8000","release":12,"attempts":1,
 *      "request_id":"...","system":"eshop","route":"/api/"}
 *
 * A route with a cache has "cache" beside: "hit", or why the target was asked: "miss", "stale",
 * "request", "bypass", "method".
 *
 * "upstream" and "release" are there when a target was asked, "trace_id" and
 * "user" when the route has rules for them.
 *
 * The query is left out: it is where secrets end up.
 */
#pragma once

#include <pthread.h>

#include "base/base.h"
#include "base/str.h"
#include "io/loop.h"

struct err;
struct exchange;
struct worker;

enum { LOG_BLOCK_BYTES = 64 * 1024, LOG_MAX_BLOCKS = 64, LOG_FLUSH_MS = 500 };

struct log_block {
    struct log_block *next;
    size_t len;
    char bytes[LOG_BLOCK_BYTES];
};

struct log_flusher {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct log_block *full;
    struct log_block **full_end;
    struct log_block *empty;
    size_t blocks; /* of all workers, wherever they are */
    int fd;        /* -1: nobody wants lines */
    int next_fd;   /* replaces fd after the blocks that are full now; -1: none */
    uint64_t lost; /* lines that <fd> did not take; written by the thread alone, relaxed */
    bool stopping;
};

MUST_CHECK bool log_flusher_start(struct log_flusher *flusher, struct err *err);
/* Lines go to <fd>, which becomes the flusher's, from now on. */
void log_flusher_set(struct log_flusher *flusher, int fd);
/* How many lines could not be written so far; for any thread. */
uint64_t log_flusher_lost(const struct log_flusher *flusher);
/* Writes what is there and ends the thread. */
void log_flusher_stop(struct log_flusher *flusher);

/* A worker's side. */
struct access_log {
    struct log_flusher *flusher;
    struct log_block *block;
    struct timer timer;
    bool wanted;
};

void access_log_add(struct worker *worker, const struct exchange *exchange);
/* Hands on what is there. */
void access_log_flush(struct worker *worker);
