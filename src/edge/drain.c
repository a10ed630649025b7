/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/control.h"

static const struct table_target *find_target(const struct table *table, struct str id)
{
    for (size_t i = 0; i < table->target_count; i++)
        if (str_eq(table->targets[i].id, id))
            return &table->targets[i];
    return NULL;
}

static size_t find_drain(const struct edge *edge, struct str id)
{
    size_t i = 0;

    while (i < edge->drains.len && !str_is(id, edge->drains.ptr[i].id))
        i++;
    return i;
}

static void add_drain(struct edge *edge, struct str id, uint64_t generation)
{
    size_t i = find_drain(edge, id);
    uint64_t all = edge->worker_count == 64 ? UINT64_MAX : (UINT64_C(1) << edge->worker_count) - 1;

    if (i == edge->drains.len) {
        char *copy = mem_new(id.len + 1);
        memcpy(copy, id.ptr, id.len);
        VEC_PUSH(&edge->drains, (struct edge_drain){.id = copy});
    }
    edge->drains.ptr[i].generation = generation;
    edge->drains.ptr[i].busy = all & ~edge->stopped;
}

static void remove_drain(struct edge *edge, size_t i)
{
    free(edge->drains.ptr[i].id);
    VEC_REMOVE(&edge->drains, i);
}

void drain_plan(struct edge *edge, const struct table *next)
{
    const struct table *former = edge->table;

    for (size_t i = 0; i < next->target_count; i++) {
        const struct table_target *target = &next->targets[i];
        size_t known = find_drain(edge, target->id);
        if (target->draining)
            add_drain(edge, target->id, next->generation);
        else if (known < edge->drains.len)
            remove_drain(edge, known);
    }
    /* Of one that was draining before, workers say no more than they have said, or will. */
    for (size_t i = 0; former != NULL && i < former->target_count; i++)
        if (!former->targets[i].draining && find_target(next, former->targets[i].id) == NULL)
            add_drain(edge, former->targets[i].id, next->generation);
}

/* <worker> has nothing of drain <i> any more. */
static void leave(struct edge *edge, size_t i, unsigned worker)
{
    edge->drains.ptr[i].busy &= ~(UINT64_C(1) << worker);
    if (edge->drains.ptr[i].busy != 0)
        return;
    control_send(edge, json_pack("{s:s, s:s}", "event", "idle", "target", edge->drains.ptr[i].id),
                 NULL, 0);
    remove_drain(edge, i);
}

void drain_report(struct edge *edge, const struct letter *letter)
{
    size_t i = find_drain(edge, str_of(letter->text));

    if (i == edge->drains.len || letter->number < edge->drains.ptr[i].generation)
        return;
    leave(edge, i, letter->from);
}

void drain_forget_worker(struct edge *edge, unsigned worker)
{
    for (size_t i = edge->drains.len; i-- > 0;)
        leave(edge, i, worker);
}

void drain_done(struct edge *edge)
{
    while (edge->drains.len > 0)
        remove_drain(edge, edge->drains.len - 1);
    VEC_DONE(&edge->drains);
}
