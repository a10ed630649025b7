/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/file.h"
#include "edge/share.h"
#include "edge/table.h"
#include "tls/tls.h"

struct table *table_ref(struct table *table)
{
    (void)__atomic_add_fetch(&table->refs, 1, __ATOMIC_RELAXED);
    return table;
}

static void release_shares(struct table *table)
{
    for (size_t i = 0; i < table->target_count; i++)
        share_unref(table->targets[i].share);
}

void table_unref(struct table *table)
{
    if (table == NULL || __atomic_sub_fetch(&table->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < table->fd_count; i++)
        fd_close(table->fds[i]);
    release_shares(table);
    map_done(&table->groups);
    tls_context_free(table->tls);
    arena_done(&table->arena);
    free(table);
}

const struct table_listener *table_find_listener(const struct table *table, uint32_t id)
{
    for (size_t i = 0; i < table->listener_count; i++)
        if (table->listeners[i].id == id)
            return &table->listeners[i];
    return NULL;
}
