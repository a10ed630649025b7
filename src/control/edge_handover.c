/* SPDX-License-Identifier: Apache-2.0
 *
 * A new edge in the place of the one that accepts, without a connection lost:
 * the new one is given copies of the same listening sockets and the table, and
 * both accept for a moment; then the old one stops accepting and finishes what
 * it has. Nothing waits in a queue that closes, because the sockets are the same.
 */
#include "base/base.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "control/edge_link_priv.h"

static void end(struct edge_link *link, const struct err *err)
{
    edge_replaced_fn *done = TAKE(link->handover.done);

    timer_clear(&link->handover.timer);
    link->next = NULL;
    if (done != NULL)
        done(link->handover.arg, err);
}

void edge_handover_failed(struct edge_link *link, const char *why)
{
    struct edge_process *process = link->next;
    struct err err;

    if (link->handover.done == NULL)
        return;
    if (process != NULL) {
        edge_process_kill(process);
        edge_process_free(process);
    }
    if (link->active == NULL) /* it ended meanwhile */
        edge_link_start_later(link);
    err_set(&err, ERR_PROGRAM, "the new edge does not serve, the former one goes on: %.300s", why);
    end(link, &err);
}

static void on_timeout(struct timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    edge_handover_failed(CONTAINER_OF(timer, struct edge_link, handover.timer),
                         "it has not applied its table in time");
}

void edge_handover_applied(struct edge_process *process)
{
    struct edge_link *link = process->owner;
    struct edge_process *former = link->active;

    if (process != link->next)
        return;
    edge_process_lead(process);
    if (former != NULL)
        edge_process_retire(former, link->handover.drain_ms);
    log_info("daemon", "edge: process %d accepts now; %d finishes what it has", (int)process->pid,
             former == NULL ? 0 : (int)former->pid);
    end(link, NULL);
}

static size_t count_processes(const struct edge_link *link)
{
    size_t count = 0;

    LIST_FOR_EACH (node, &link->processes)
        count++;
    return count;
}

bool edge_link_check_replace(const struct edge_link *link, struct err *err)
{
    if (link->handover.done != NULL)
        return err_set(err, ERR_LOCKED, "a new edge is starting already; try again in a moment");
    if (count_processes(link) >= EDGES_MAX)
        return err_set(err, ERR_LIMIT,
                       "%d former edges still have connections to finish; try again when some have "
                       "ended",
                       EDGES_MAX - 1);
    return true;
}

bool edge_link_replace(struct edge_link *link, uint64_t drain_ms, edge_replaced_fn *done, void *arg,
                       struct err *err)
{
    struct loop *loop = link->daemon->loop;

    if (!edge_link_check_replace(link, err))
        return false;
    link->next = edge_process_start(link, err);
    if (link->next == NULL)
        return false;
    link->handover.drain_ms = drain_ms;
    link->handover.done = done;
    link->handover.arg = arg;
    timer_set(loop, &link->handover.timer, loop_now_ns(loop) + HANDOVER_MS * NS_PER_MS, on_timeout);
    daemon_publish(link->daemon);
    return true;
}

bool edge_link_has_process(const struct edge_link *link, pid_t pid)
{
    LIST_FOR_EACH (node, &link->processes)
        if (CONTAINER_OF(node, struct edge_process, link)->pid == pid)
            return true;
    return false;
}

json_t *edge_link_former(const struct edge_link *link)
{
    json_t *list = json_array();

    LIST_FOR_EACH (node, &link->processes) {
        const struct edge_process *process = CONTAINER_OF(node, struct edge_process, link);
        if (process->retired)
            (void)json_array_append_new(list, json_integer(process->pid));
    }
    return list;
}
