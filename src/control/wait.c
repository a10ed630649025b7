/* SPDX-License-Identifier: Apache-2.0
 *
 * Who waits for the end of instances: `wait`, `run` and `attach`. One line for
 * each end, whatever its restart policy does then.
 */
#include "base/base.h"

#include "base/err.h"
#include "control/daemon_priv.h"

/* Its one subscriber is in a list of its own, so that a client that goes away takes itself out. */
struct waiter {
    struct list link; /* in daemon.waiters */
    struct list subscribers;
    struct map ids; /* those that have not ended */
};

static void waiter_free(struct waiter *waiter)
{
    LIST_FOR_EACH (node, &waiter->subscribers) {
        struct subscriber *subscriber = CONTAINER_OF(node, struct subscriber, link);
        list_remove(node);
        subscriber->gone(subscriber);
    }
    list_remove(&waiter->link);
    map_done(&waiter->ids);
    free(waiter);
}

void wait_add(struct daemon *daemon, struct subscriber *subscriber, const struct compose_texts *ids)
{
    struct waiter *waiter = NEW(struct waiter);

    LIST_FOR_EACH (node, &daemon->waiters) { /* of clients that went away */
        struct waiter *old = CONTAINER_OF(node, struct waiter, link);
        if (list_is_empty(&old->subscribers))
            waiter_free(old);
    }
    list_init(&waiter->subscribers);
    list_push(&daemon->waiters, &waiter->link);
    list_push(&waiter->subscribers, &subscriber->link);
    for (size_t i = 0; i < ids->count; i++)
        (void)map_set(&waiter->ids, str_of(ids->items[i]), waiter);
    if (waiter->ids.live == 0)
        waiter_free(waiter);
}

static void push(struct waiter *waiter, const struct instance *instance)
{
    AUTO(buf_done) struct buf line = {0};
    char name[RUNTIME_ID_MAX + 1];

    instance_format_name(instance, name);
    AUTO(json_unref)
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:s?}", "event", "exited", "id", instance->id, "instance", name,
        "service", instance->made_of->service->name, "exit_status", instance->exit_status, "error",
        instance->start_error[0] == '\0' ? NULL : instance->start_error);
    json_format(json, false, &line);
    buf_add_char(&line, '\n');
    LIST_FOR_EACH (node, &waiter->subscribers) {
        struct subscriber *subscriber = CONTAINER_OF(node, struct subscriber, link);
        subscriber->push(subscriber, buf_str(&line));
    }
}

void wait_ended(const struct instance *instance)
{
    LIST_FOR_EACH (node, &instance->system->daemon->waiters) {
        struct waiter *waiter = CONTAINER_OF(node, struct waiter, link);
        if (map_remove(&waiter->ids, str_of(instance->id)) == NULL)
            continue;
        push(waiter, instance);
        if (waiter->ids.live == 0)
            waiter_free(waiter);
    }
}

void wait_free_all(struct daemon *daemon)
{
    LIST_FOR_EACH (node, &daemon->waiters)
        waiter_free(CONTAINER_OF(node, struct waiter, link));
}
