/* SPDX-License-Identifier: Apache-2.0
 *
 * Intrusive list, doubly linked and circular. A head is a node of its own;
 * list_init() before use. Removal leaves the node unlinked, and removing an
 * unlinked (initialised) node does nothing.
 */
#pragma once

#include "base/base.h"

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *node)
{
    node->next = node->prev = node;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_add_before(struct list *node, struct list *place)
{
    node->prev = place->prev;
    node->next = place;
    place->prev->next = node;
    place->prev = node;
}

static inline void list_push(struct list *head, struct list *node)
{
    list_add_before(node, head);
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_add_before(node, head->next);
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* Safe against removal of <node> in the body. */
#define LIST_FOR_EACH(node, head)                                                                  \
    for (struct list *node = (head)->next, *node##_next = node->next; node != (head);              \
         node = node##_next, node##_next = node->next)
