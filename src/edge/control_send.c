/* SPDX-License-Identifier: Apache-2.0
 *
 * Events for the daemon. It may be stopped, or wait for a disk, for longer than
 * its socket has room: what it has to know, such as that a target is idle, waits
 * here until it reads again, up to a limit. A daemon that comes in its place is
 * told all of that anew (control.h).
 */
#include "base/base.h"

#include "base/err.h"
#include "base/log.h"
#include "edge/control.h"
#include "json/json.h"

struct unsent {
    struct list link; /* in edge.unsent, the oldest first */
    size_t len;
    char text[];
};

/* Said once for each time that it does not read. */
static void note_lost(struct edge *edge)
{
    if (!edge->has_lost)
        log_warn("edge", "events for the daemon are lost");
    edge->has_lost = true;
}

static void unsent_free(struct edge *edge, struct unsent *unsent)
{
    list_remove(&unsent->link);
    edge->unsent_count--;
    free(unsent);
}

static void keep(struct edge *edge, struct str text)
{
    struct unsent *unsent = mem_grow(NULL, sizeof *unsent + text.len);

    unsent->len = text.len;
    memcpy(unsent->text, text.ptr, text.len);
    list_push(&edge->unsent, &unsent->link);
    edge->unsent_count++;
    watch_set(edge->loop, &edge->channel_watch, EPOLLIN | EPOLLOUT);
}

void control_send(struct edge *edge, json_t *event, const int *fds, size_t fd_count)
{
    AUTO(json_unref) json_t *owned = event;
    AUTO(buf_done) struct buf text = {0};
    struct err err;

    if (edge->channel_fd < 0 || owned == NULL)
        return;
    json_format(owned, false, &text);
    bool is_long = text.len > CHANNEL_MAX_BYTES, is_full = edge->unsent_count > 0;
    if (!is_long && !is_full && channel_send(edge->channel_fd, buf_str(&text), fds, fd_count, &err))
        return;
    is_full = is_full || (!is_long && err.code == ERR_LIMIT);
    bool may_wait = !is_long && is_full && fd_count == 0 && watch_is_active(&edge->channel_watch);
    if (may_wait && edge->unsent_count < CONTROL_UNSENT_MAX)
        keep(edge, buf_str(&text));
    else
        note_lost(edge);
}

void control_send_unsent(struct edge *edge)
{
    struct err err;

    while (edge->unsent_count > 0) {
        struct unsent *first = CONTAINER_OF(edge->unsent.next, struct unsent, link);
        if (!channel_send(edge->channel_fd, str_from(first->text, first->len), NULL, 0, &err))
            return; /* more room comes with an event, and so does the end */
        unsent_free(edge, first);
    }
    edge->has_lost = false;
    watch_set(edge->loop, &edge->channel_watch, EPOLLIN);
}

void control_forget_unsent(struct edge *edge)
{
    while (edge->unsent_count > 0)
        unsent_free(edge, CONTAINER_OF(edge->unsent.next, struct unsent, link));
    edge->has_lost = false;
}
