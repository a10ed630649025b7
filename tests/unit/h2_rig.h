/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker of the edge without its thread, with a clock that the test moves and a
 * client at the other end of a socket pair. "/r" is a redirect, "/u" has no
 * target, everything else is not found.
 */
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "edge/client.h"
#include "edge/h2.h"
#include "edge/worker.h"

static const char h2_rig_table[] =
    "{\"generation\":1,\"listeners\":[{\"id\":1,\"kind\":\"http\"}],"
    "\"upstreams\":[{\"name\":\"none\",\"targets\":[]}],"
    "\"routes\":[{\"path\":\"/r\",\"redirect\":\"/x\"},{\"path\":\"/u\",\"upstream\":0}]}";

static uint64_t h2_rig_now_ns = NS_PER_SECOND;

static uint64_t h2_rig_clock(void)
{
    return h2_rig_now_ns += 1000;
}

static inline struct worker *h2_rig_worker(void)
{
    struct worker *worker = NEW(struct worker);
    struct table *table;
    struct err err;

    worker->loop = loop_new(h2_rig_clock, &err);
    assert(worker->loop != NULL);
    list_init(&worker->listeners);
    list_init(&worker->clients);
    list_init(&worker->targets);
    list_init(&worker->queues);
    list_init(&worker->h2_dirty);
    list_init(&worker->h2_target_dirty);
    bool read = table_read(str_of(h2_rig_table), NULL, 0, &table, &err);
    assert(read);
    (void)view_new(worker, table);
    return worker;
}

/* The client's end. */
static inline int h2_rig_connect(struct worker *worker)
{
    static const struct table_listener config = {.id = 1, .kind = LISTENER_HTTP};
    union socket_address address = {.any.sa_family = AF_INET};
    int ends[2];

    int failed = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
    assert(failed == 0);
    client_open(worker, &config, ends[0], &address);
    return ends[1];
}
