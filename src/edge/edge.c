/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "edge/cache_store.h"
#include "edge/control.h"
#include "edge/crash.h"
#include "edge/edge.h"
#include "tls/tls.h"

static void on_signal(void *arg, int signo)
{
    (void)signo;
    control_stop(arg);
}

/* Nothing can be let go of here: a table or an event may come at any time. */
static void on_shortage(struct reserve *reserve, enum reserve_event event)
{
    (void)reserve;
    if (event == RESERVE_SHORT)
        log_warn("edge", "memory is short");
}

static void *json_new(size_t size)
{
    return mem_grow(NULL, size);
}

static bool start_workers(struct edge *edge, unsigned count, struct err *err)
{
    if (!log_flusher_start(&edge->flusher, err))
        return false;
    for (unsigned i = 0; i < count; i++) {
        struct worker *worker = worker_new(i, &edge->inbox, &edge->flusher, err);
        if (worker == NULL)
            return false;
        worker->meters = meter_region_shard(&edge->meters, i);
        worker->peers = count;
        worker->workers = edge->workers;
        worker->cache = edge->cache;
        cache_attach(edge->cache, i, &worker->inbox);
        edge->workers[i] = worker;
        if (!worker_start(worker, err))
            return false;
        edge->worker_count++;
    }
    return true;
}

static bool start(struct edge *edge, const struct edge_options *options, struct err *err)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, 0};

    (void)prctl(PR_SET_NAME, "ishizue-edge", 0, 0, 0); /* it was run by way of /proc */
    tls_init();
    if (options->workers == 0 || options->workers > EDGE_MAX_WORKERS)
        return err_set(err, ERR_INVALID, "%u workers, expected 1 to %d", options->workers,
                       EDGE_MAX_WORKERS);
    listener_reserve_descriptors();
    if (!meter_region_open(&edge->meters, options->workers, err) || !confine(options, err))
        return false;
    crash_watch();
    edge->loop = loop_new(NULL, err);
    if (edge->loop == NULL)
        return false;
    reserve_start(&edge->reserve, edge->loop, EDGE_RESERVE_BYTES, on_shortage);
    json_set_alloc_funcs(json_new, free);
    edge->signals = signals_open(edge->loop, signals, on_signal, edge, err);
    return edge->signals != NULL &&
           mailbox_open(&edge->inbox, edge->loop, control_on_letter, err) &&
           start_workers(edge, options->workers, err) && control_start(edge, err);
}

int edge_main(const struct edge_options *options)
{
    struct edge *edge = NEW(struct edge);
    struct err err;

    edge->channel_fd = options->channel_fd;
    edge->control_fd = -1;
    edge->crash_fd = -1;
    list_init(&edge->checks);
    list_init(&edge->unsent);
    edge->cache = cache_new();
    edge->meters.fd = -1;
    if (!start(edge, options, &err)) {
        log_error("edge", "cannot start: %s", err.text);
        return 1; /* the process ends, and with it whatever was half started */
    }
    loop_run(edge->loop);
    for (unsigned i = 0; i < edge->worker_count; i++)
        worker_join(edge->workers[i]);
    log_flusher_stop(&edge->flusher);
    control_done(edge);
    meter_region_close(&edge->meters);
    cache_free(edge->cache);
    mailbox_close(&edge->inbox, edge->loop);
    signals_close(edge->signals);
    reserve_stop(&edge->reserve);
    loop_free(edge->loop);
    free(edge);
    return 0;
}
