/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/buf.h"
#include "edge/balance.h"
#include "edge/share.h"
#include "edge/table.h"
#include "edge/worker.h"

/* An instance has an address for each of its ports. */
static void set_known(struct map *known, const struct table_target *target)
{
    AUTO(buf_done) struct buf key = {0};

    buf_addf(&key, STR_FMT " " STR_FMT, STR_ARG(target->address_text), STR_ARG(target->id));
    (void)map_set(known, buf_str(&key), target->share);
}

static struct share *find_known(const struct map *known, const struct table_target *target)
{
    AUTO(buf_done) struct buf key = {0};

    buf_addf(&key, STR_FMT " " STR_FMT, STR_ARG(target->address_text), STR_ARG(target->id));
    return map_find(known, buf_str(&key));
}

static void add_known(struct map *known, const struct table *table)
{
    for (size_t i = 0; i < table->target_count; i++)
        if (table->targets[i].share != NULL)
            set_known(known, &table->targets[i]);
}

static struct share *get_share(struct map *known, struct table_target *target)
{
    struct share *former = find_known(known, target);

    if (former == NULL) {
        struct share *share = NEW(struct share);
        share->refs = 1;
        return share;
    }
    (void)__atomic_add_fetch(&former->refs, 1, __ATOMIC_RELAXED);
    return former;
}

void share_plan(struct table *table, const struct table *former)
{
    AUTO(map_done) struct map known = {0};

    if (former != NULL)
        add_known(&known, former);
    for (size_t u = 0; u < table->upstream_count; u++) {
        const struct table_upstream *upstream = &table->upstreams[u];
        if (upstream->balance == NULL || upstream->balance->max_connections == 0)
            continue;
        for (uint32_t i = 0; i < upstream->target_count; i++) {
            struct table_target *target = &table->targets[upstream->first_target + i];
            target->share = get_share(&known, target);
            set_known(&known, target); /* two upstreams may have it */
        }
    }
}

void share_unref(struct share *share)
{
    if (share != NULL && __atomic_sub_fetch(&share->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(share);
}

bool share_take(struct share *share, uint32_t max)
{
    if (__atomic_add_fetch(&share->active, 1, __ATOMIC_RELAXED) <= max)
        return true;
    (void)__atomic_sub_fetch(&share->active, 1, __ATOMIC_RELAXED);
    return false;
}

void share_release(struct share *share)
{
    (void)__atomic_sub_fetch(&share->active, 1, __ATOMIC_SEQ_CST);
}

void share_tell(struct share *share, struct worker *worker)
{
    if (__atomic_load_n(&share->waiting, __ATOMIC_SEQ_CST) == 0)
        return;
    uint64_t waiting = __atomic_exchange_n(&share->waiting, 0, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < worker->peers; i++)
        if (i != worker->index && (waiting >> i & 1) != 0)
            mailbox_send(&worker->workers[i]->inbox, &(struct letter){.kind = LETTER_ROOM});
}

void share_await(struct share *share, const struct worker *worker)
{
    (void)__atomic_or_fetch(&share->waiting, UINT64_C(1) << worker->index, __ATOMIC_SEQ_CST);
}
