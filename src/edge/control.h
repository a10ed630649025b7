/* SPDX-License-Identifier: Apache-2.0
 *
 * The edge's main thread: messages from the daemon and events to it, each one
 * packet of JSON on a SOCK_SEQPACKET channel, with descriptors beside.
 *
 * daemon -> edge
 *     {"type":"listener","id":N} + one listening socket for each worker. The next table must have
 *         a listener of that id, or they are closed again.
 *     {"type":"table","generation":G} + memory file with the table, then the folders
 *         that its "files_fd" count from 0
 *     {"type":"access_log"} + file open for appending; a new one replaces it (rotation)
 *     {"type":"control"} + a listening SOCK_SEQPACKET unix socket, where the next daemon connects
 *     {"type":"crash_page"} + memory file of a page, see crash.h
 *     {"type":"probe","probe":N,"address":"10.0.0.1:80","path":"/health"|null,"host":"...",
 *         "timeout_ms":1000,"send_proxy":0|1|2,"status":[200,399]}   GET that must answer so;
 *         without path: a connection
 *     {"type":"stats"}
 *     {"type":"cache","id":N,"system":"eshop","purge":"all"|"path"|"prefix"|"tag","text":"..."}
 *         without "purge" nothing goes
 *     {"type":"retire","drain_ms":600000}   another edge accepts on the same sockets: accept no
 *         more, tell clients with their next answer that it was the last, exit 0 when the last
 *         connection is gone, or after that time. Tables that come later need no listeners.
 *     {"type":"stop"}          accept no more, let requests end (at most 30 s), exit 0
 *
 * edge -> daemon
 *     {"event":"ready","pid":P}
 *     {"event":"hello","pid":P,"generation":G,"workers":W,"listeners":L,"retired":false,
 *         "version":"1.2.3"}, then for each of L
 *     {"event":"listener","id":N} + its sockets: to a daemon that came by the control socket
 *     {"event":"crash_page"} + the memory file that a former daemon gave: after hello
 *     {"event":"meters"} + the memory file of meter.h: after ready and hello
 *     {"event":"applied","generation":G}
 *     {"event":"refused","generation":G,"error":"..."}   the former table stays
 *     {"event":"listener_failed","id":N,"error":"..."}
 *     {"event":"probe","probe":N,"ok":true,"status":200,"detail":"..."}
 *     {"event":"health","target":"ID","ok":false,"sick":true,"status":500,"detail":"..."} check.h:
 *         each failure, each answer of a target that is out, and what the table does not know
 *     {"event":"idle","target":"ID"}   draining or gone, and no request or tunnel is left
 *     {"event":"cache","id":N,"purged":N,"system_entries":N,"system_bytes":N,...} and all of stats
 *     {"event":"stats","generation":G,"requests":N,...}  totals of all workers since the start, and
 *         of the checks: "health_checks", "health_checks_failed"; "targets_up" and "targets_down"
 * now
 *     {"event":"error","error":"..."}  a message that made no sense
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "base/list.h"
#include "base/vec.h"
#include "edge/access_log.h"
#include "edge/edge.h"
#include "edge/mailbox.h"
#include "edge/meter.h"
#include "edge/worker.h"
#include "io/channel.h"
#include "io/loop.h"
#include "io/reserve.h"
#include "io/signals.h"

enum {
    EDGE_RETIRE_MAX_MS = 24 * 3600 * 1000,
    CONTROL_UNSENT_MAX = 4096, /* events that wait for a daemon that does not read */
};

/* Sockets of a listener: copies, the workers have their own. */
struct edge_listener {
    uint32_t id;
    int fds[EDGE_MAX_WORKERS];
    size_t count;
};

/* A target that some worker still uses. */
struct edge_drain {
    char *id;
    uint64_t generation; /* reports about earlier ones do not count */
    uint64_t busy;       /* bit for each worker that has not reported */
};

struct edge {
    struct loop *loop;
    struct signals *signals;
    struct reserve reserve; /* the main thread's */
    int channel_fd;         /* -1: no daemon */
    struct watch channel_watch;
    struct list unsent; /* events, while the daemon does not read: control_send.c */
    size_t unsent_count;
    bool has_lost;
    int control_fd; /* -1: none was given */
    struct watch control_watch;
    struct mailbox inbox;
    struct log_flusher flusher;
    struct worker *workers[EDGE_MAX_WORKERS];
    unsigned worker_count;
    unsigned stopped_count;
    struct table *table;
    struct cache *cache;
    struct meter_region meters;
    VEC(struct edge_listener) listeners;
    VEC(struct edge_drain) drains;
    unsigned probe_count; /* under way */
    struct list checks;   /* check.c */
    uint64_t checks_made; /* answered, or not in time */
    uint64_t checks_failed;
    uint64_t stopped; /* bit for each worker that has ended */
    int crash_fd;     /* crash.h, for the next daemon; -1: none */
    bool stopping;
    bool retired; /* another edge accepts */
    bool unasked; /* and has for so long that nobody has a next request for this one */
    struct timer unasked_timer;
    struct channel_message message;
};

/* One that has ended reads no more letters. */
static inline bool edge_has_worker(const struct edge *edge, unsigned worker)
{
    return (edge->stopped >> worker & 1) == 0;
}

/* Takes over edge->channel_fd. */
MUST_CHECK bool control_start(struct edge *edge, struct err *err);
void control_done(struct edge *edge);
/* control_send.c. Sends and frees <event>, as soon as the daemon reads; dropped without a daemon.
 * With descriptors it goes at once or not at all. */
void control_send(struct edge *edge, json_t *event, const int *fds, size_t fd_count);
/* The channel has room again; the daemon is gone. */
void control_send_unsent(struct edge *edge);
void control_forget_unsent(struct edge *edge);
void control_stop(struct edge *edge);
void control_on_letter(struct mailbox *mailbox, struct letter *letter);

/* drain.c: who still uses what is leaving. Called when <next> is about to replace edge->table. */
void drain_plan(struct edge *edge, const struct table *next);
void drain_report(struct edge *edge, const struct letter *letter);
/* <worker> has ended: it uses nothing. */
void drain_forget_worker(struct edge *edge, unsigned worker);
void drain_done(struct edge *edge);

/* cache_purge.c */
void cache_take_message(struct edge *edge, const json_t *root, struct channel_message *message);

/* stats.c */
json_t *stats_make(const struct edge *edge);

/* confine.c: gives up every right that serving does not need. After this only
 * descriptors that are handed in lead anywhere. */
MUST_CHECK bool confine(const struct edge_options *options, struct err *err);
