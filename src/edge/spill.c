/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/spill.h"

static const uint32_t class_bytes[SPILL_CLASSES] = {2048, 16384, 65536, 327680};

enum { UNPOOLED = SPILL_CLASSES };

struct spill *spill_new(struct spill_pool *pool, size_t size)
{
    uint32_t class = 0;

    assert(size <= SPILL_MAX_BYTES);
    while (class < SPILL_CLASSES && class_bytes[class] - sizeof(struct spill) < size)
        class ++;
    uint32_t total =
        class == UNPOOLED ? (uint32_t)(size + sizeof(struct spill)) : class_bytes[class];
    struct spill *spill = class == UNPOOLED ? NULL : pool->free[class];
    if (spill != NULL) {
        pool->free[class] = spill->next;
        pool->kept_bytes[class] -= total;
    } else {
        spill = mem_grow(NULL, total);
    }
    spill->next = NULL;
    spill->class = class;
    spill->cap = total - (uint32_t)sizeof(struct spill);
    spill->from = spill->end = 0;
    return spill;
}

void spill_free(struct spill_pool *pool, struct spill *spill)
{
    if (spill == NULL)
        return;
    uint32_t class = spill->class;
    if (class == UNPOOLED || pool->kept_bytes[class] + class_bytes[class] > SPILL_KEPT_BYTES) {
        free(spill);
        return;
    }
    pool->kept_bytes[class] += class_bytes[class];
    spill->next = pool->free[class];
    pool->free[class] = spill;
}

void spill_pool_done(struct spill_pool *pool)
{
    for (size_t i = 0; i < SPILL_CLASSES; i++)
        while (pool->free[i] != NULL) {
            struct spill *first = pool->free[i];
            pool->free[i] = first->next;
            free(first);
        }
    *pool = (struct spill_pool){0};
}

void spill_add(struct spill_pool *pool, struct spill **spill, const void *bytes, size_t len)
{
    struct spill *old = *spill;

    if (old == NULL) {
        *spill = spill_new(pool, len);
    } else if (old->cap - old->end < len) {
        struct str kept = spill_str(old);
        *spill = spill_new(pool, kept.len + len);
        memcpy((*spill)->bytes, kept.ptr, kept.len);
        (*spill)->end = (uint32_t)kept.len;
        spill_free(pool, old);
    }
    memcpy((*spill)->bytes + (*spill)->end, bytes, len);
    (*spill)->end += (uint32_t)len;
}

void spill_drop(struct spill_pool *pool, struct spill **spill, size_t len)
{
    if (*spill == NULL)
        return;
    assert(len <= (*spill)->end - (*spill)->from);
    (*spill)->from += (uint32_t)len;
    if ((*spill)->from == (*spill)->end) {
        spill_free(pool, *spill);
        *spill = NULL;
    }
}
