/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "edge/cache_store.h"
#include "edge/check.h"
#include "edge/control.h"
#include "edge/crash.h"
#include "edge/probe.h"
#include "edge/share.h"
#include "json/json.h"

static void send_error(struct edge *edge, const char *text)
{
    control_send(edge,
                 json_pack("{s:s, s:o}", "event", "error", "error", json_from_bytes(str_of(text))),
                 NULL, 0);
}

/* ---- listeners ---- */

static void listener_failed(struct edge *edge, uint64_t id, const char *text)
{
    control_send(edge,
                 json_pack("{s:s, s:I, s:o}", "event", "listener_failed", "id", (json_int_t)id,
                           "error", json_from_bytes(str_of(text))),
                 NULL, 0);
}

static struct edge_listener *find_listener(struct edge *edge, uint32_t id)
{
    for (size_t i = 0; i < edge->listeners.len; i++)
        if (edge->listeners.ptr[i].id == id)
            return &edge->listeners.ptr[i];
    return NULL;
}

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t len = sizeof listening;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening != 0;
}

static const char *check_sockets(const struct edge *edge, const struct channel_message *message)
{
    if (message->fd_count != edge->worker_count)
        return "expected one socket for each worker";
    for (size_t i = 0; i < message->fd_count; i++)
        if (!is_listening(message->fds[i]))
            return "a descriptor is not a listening socket";
    return NULL;
}

static void take_listener(struct edge *edge, const json_t *root, struct channel_message *message)
{
    uint64_t id = json_find_u64(root, "id", UINT64_MAX);
    const char *why = id > UINT32_MAX ? "no 'id'" : check_sockets(edge, message);

    if (why == NULL && find_listener(edge, (uint32_t)id) != NULL)
        why = "there is a listener of that id";
    if (why == NULL && edge->listeners.len == TABLE_MAX_LISTENERS)
        why = "too many listeners";
    if (why != NULL) {
        listener_failed(edge, id, why);
        return;
    }
    struct edge_listener listener = {.id = (uint32_t)id, .count = message->fd_count};
    for (size_t i = 0; i < message->fd_count; i++) {
        listener.fds[i] = message->fds[i];
        int copy = fcntl(message->fds[i], F_DUPFD_CLOEXEC, 0);
        if (copy < 0)
            listener_failed(edge, id, "too many open descriptors");
        else
            mailbox_send(&edge->workers[i]->inbox,
                         &(struct letter){.kind = LETTER_LISTENER, .number = id, .fd = copy});
    }
    message->fd_count = 0; /* they are the listener's now */
    VEC_PUSH(&edge->listeners, listener);
}

static void close_listener(struct edge *edge, size_t i)
{
    for (size_t n = 0; n < edge->listeners.ptr[i].count; n++)
        fd_close(edge->listeners.ptr[i].fds[n]);
    VEC_REMOVE(&edge->listeners, i);
}

static void close_unused_listeners(struct edge *edge)
{
    for (size_t i = edge->listeners.len; i-- > 0;)
        if (table_find_listener(edge->table, edge->listeners.ptr[i].id) == NULL)
            close_listener(edge, i);
}

/* ---- table ---- */

static bool check_listeners(struct edge *edge, const struct table *table, struct err *err)
{
    for (size_t i = 0; i < table->listener_count; i++)
        if (!edge->retired && find_listener(edge, table->listeners[i].id) == NULL)
            return err_set(err, ERR_INVALID, "listener %u has no sockets", table->listeners[i].id);
    return true;
}

static bool read_table(struct edge *edge, struct channel_message *message, struct table **ret,
                       struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    AUTO(table_unref) struct table *table = NULL;

    if (message->fd_count == 0)
        return err_set(err, ERR_INVALID, "the table's memory file was not sent");
    if (!channel_read_memfd(message->fds[0], TABLE_MAX_BYTES, &text, err) ||
        !table_read(buf_str(&text), message->fds + 1, message->fd_count - 1, &table, err))
        return false;
    fd_close(message->fds[0]);
    message->fd_count = 0; /* the folders are the table's now */
    if (!check_listeners(edge, table, err))
        return false;
    *ret = TAKE(table);
    return true;
}

static void take_table(struct edge *edge, const json_t *root, struct channel_message *message)
{
    json_int_t generation = (json_int_t)json_find_u64(root, "generation", 0);
    struct table *table;
    struct err err;

    if (!read_table(edge, message, &table, &err)) {
        control_send(edge,
                     json_pack("{s:s, s:I, s:o}", "event", "refused", "generation", generation,
                               "error", json_from_bytes(str_of(err.text))),
                     NULL, 0);
        return;
    }
    drain_plan(edge, table);
    share_plan(table, edge->table);
    check_plan(edge, table);
    cache_set_limit(edge->cache, table->cache_bytes);
    if (edge->unasked)
        cache_set_limit(edge->cache, 0);
    for (unsigned i = 0; i < edge->worker_count; i++)
        if (edge_has_worker(edge, i))
            mailbox_send(&edge->workers[i]->inbox,
                         &(struct letter){.kind = LETTER_TABLE, .table = table_ref(table)});
    table_unref(edge->table);
    edge->table = table;
    close_unused_listeners(edge);
    control_send(
        edge,
        json_pack("{s:s, s:I}", "event", "applied", "generation", (json_int_t)table->generation),
        NULL, 0);
}

/* ---- the rest ---- */

static void take_access_log(struct edge *edge, const json_t *root, struct channel_message *message)
{
    (void)root;
    if (message->fd_count != 1) {
        send_error(edge, "access_log needs one descriptor");
        return;
    }
    log_flusher_set(&edge->flusher, message->fds[0]);
    message->fd_count = 0;
    for (unsigned i = 0; i < edge->worker_count; i++)
        mailbox_send(&edge->workers[i]->inbox, &(struct letter){.kind = LETTER_ACCESS_LOG});
}

static bool attach(struct edge *edge, int fd, struct err *err);

static void send_meters(struct edge *edge)
{
    control_send(edge, json_pack("{s:s}", "event", "meters"), &edge->meters.fd, 1);
}

static void send_hello(struct edge *edge)
{
    json_int_t generation = edge->table == NULL ? 0 : (json_int_t)edge->table->generation;

    control_send(edge,
                 json_pack("{s:s, s:I, s:I, s:I, s:I, s:b, s:s}", "event", "hello", "pid",
                           (json_int_t)getpid(), "generation", generation, "workers",
                           (json_int_t)edge->worker_count, "listeners",
                           (json_int_t)edge->listeners.len, "retired", (int)edge->retired,
                           "version", ISHIZUE_VERSION),
                 NULL, 0);
    send_meters(edge);
    if (edge->crash_fd >= 0)
        control_send(edge, json_pack("{s:s}", "event", "crash_page"), &edge->crash_fd, 1);
    for (size_t i = 0; i < edge->listeners.len; i++)
        control_send(edge,
                     json_pack("{s:s, s:I}", "event", "listener", "id",
                               (json_int_t)edge->listeners.ptr[i].id),
                     edge->listeners.ptr[i].fds, edge->listeners.ptr[i].count);
}

static bool is_root(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == 0;
}

/* A new daemon takes the place of the old one, should that still be there. */
static void on_control(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct edge *edge = CONTAINER_OF(watch, struct edge, control_watch);
    AUTO(fd_close) int fd = accept4(edge->control_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct err err;

    (void)events;
    (void)now_ns;
    if (fd < 0)
        return;
    if (!is_root(fd)) {
        log_warn("edge", "a connection to the control socket was not from root: closed");
        return;
    }
    if (!attach(edge, TAKE_FD(fd), &err)) {
        log_error("edge", "the new daemon is not heard: %s", err.text);
        return;
    }
    send_hello(edge);
}

static void take_control(struct edge *edge, const json_t *root, struct channel_message *message)
{
    struct err err;

    (void)root;
    if (message->fd_count != 1 || !is_listening(message->fds[0])) {
        send_error(edge, "control needs one listening socket");
        return;
    }
    watch_remove(edge->loop, &edge->control_watch);
    fd_close(edge->control_fd);
    edge->control_fd = message->fds[0];
    message->fd_count = 0;
    if (!watch_add(edge->loop, &edge->control_watch, edge->control_fd, EPOLLIN, on_control, &err))
        send_error(edge, err.text);
}

static void take_probe(struct edge *edge, const json_t *root, struct channel_message *message)
{
    (void)message;
    probe_take_message(edge, root);
}

static void take_crash_page(struct edge *edge, const json_t *root, struct channel_message *message)
{
    struct err err;

    (void)root;
    if (message->fd_count != 1) {
        send_error(edge, "crash_page needs one descriptor");
    } else if (!crash_page_map(message->fds[0], &err)) {
        send_error(edge, err.text);
    } else {
        fd_close(edge->crash_fd);
        edge->crash_fd = message->fds[0];
        message->fd_count = 0;
    }
}

static void take_stats(struct edge *edge, const json_t *root, struct channel_message *message)
{
    (void)root;
    (void)message;
    control_send(edge, stats_make(edge), NULL, 0);
}

void control_stop(struct edge *edge)
{
    if (edge->stopping)
        return;
    edge->stopping = true;
    while (edge->listeners.len > 0)
        close_listener(edge, 0);
    for (unsigned i = 0; i < edge->worker_count; i++)
        mailbox_send(&edge->workers[i]->inbox, &(struct letter){.kind = LETTER_STOP});
}

/* A kept connection has had its last request, or has ended: nothing is served from the store any
 * more, and what is left of this edge may go on for long. */
static void on_unasked(struct timer *timer, uint64_t now_ns)
{
    struct edge *edge = CONTAINER_OF(timer, struct edge, unasked_timer);

    (void)now_ns;
    edge->unasked = true;
    cache_set_limit(edge->cache, 0);
}

/* Another edge accepts on the same sockets: what waits in their queues is that one's. */
static void take_retire(struct edge *edge, const json_t *root, struct channel_message *message)
{
    uint64_t drain_ms = json_find_u64(root, "drain_ms", EDGE_STOP_MS);

    (void)message;
    if (edge->stopping || edge->retired)
        return;
    edge->retired = true;
    timer_set(edge->loop, &edge->unasked_timer,
              loop_now_ns(edge->loop) + EDGE_KEEP_ALIVE_MS * NS_PER_MS, on_unasked);
    while (edge->listeners.len > 0)
        close_listener(edge, 0);
    for (unsigned i = 0; i < edge->worker_count; i++)
        mailbox_send(&edge->workers[i]->inbox,
                     &(struct letter){.kind = LETTER_RETIRE,
                                      .number = MIN(drain_ms, (uint64_t)EDGE_RETIRE_MAX_MS)});
}

static void take_stop(struct edge *edge, const json_t *root, struct channel_message *message)
{
    (void)root;
    (void)message;
    control_stop(edge);
}

static const struct {
    const char *type;
    void (*take)(struct edge *edge, const json_t *root, struct channel_message *message);
} messages[] = {
    {"listener", take_listener},   {"table", take_table}, {"access_log", take_access_log},
    {"control", take_control},     {"probe", take_probe}, {"stats", take_stats},
    {"retire", take_retire},       {"stop", take_stop},   {"crash_page", take_crash_page},
    {"cache", cache_take_message},
};

static void take_message(struct edge *edge, struct channel_message *message)
{
    AUTO(json_unref) json_t *root = NULL;
    struct err err;

    if (!json_parse(str_from(message->bytes, message->len), CHANNEL_MAX_BYTES, &root, &err)) {
        send_error(edge, err.text);
        return;
    }
    const char *type = json_find_text(root, "type", "");
    for (size_t i = 0; i < ARRAY_LEN(messages); i++)
        if (strcmp(messages[i].type, type) == 0) {
            messages[i].take(edge, root, message);
            return;
        }
    send_error(edge, "unknown type of message");
}

static void detach(struct edge *edge)
{
    watch_remove(edge->loop, &edge->channel_watch);
    fd_close(edge->channel_fd);
    edge->channel_fd = -1;
    control_forget_unsent(edge);
}

/* Descriptors that no handler took are closed, whatever the message was. */
static void on_channel(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct edge *edge = CONTAINER_OF(watch, struct edge, channel_watch);
    struct channel_message *message = &edge->message;
    struct err err;

    (void)now_ns;
    if ((events & EPOLLOUT) != 0)
        control_send_unsent(edge);
    switch (channel_receive(edge->channel_fd, message, &err)) {
    case CHANNEL_EMPTY:
        return;
    case CHANNEL_END:
        log_warn("edge", "the daemon is gone: serving with table %lu",
                 edge->table == NULL ? 0UL : (unsigned long)edge->table->generation);
        detach(edge);
        return;
    case CHANNEL_FAILED:
        log_error("edge", "%s", err.text);
        detach(edge);
        return;
    case CHANNEL_MESSAGE:
        take_message(edge, message);
        while (message->fd_count > 0)
            fd_close(message->fds[--message->fd_count]);
    }
}

static bool attach(struct edge *edge, int fd, struct err *err)
{
    if (edge->channel_fd >= 0)
        detach(edge);
    edge->channel_fd = fd;
    return watch_add(edge->loop, &edge->channel_watch, fd, EPOLLIN, on_channel, err);
}

bool control_start(struct edge *edge, struct err *err)
{
    int fd = TAKE_FD(edge->channel_fd);

    if (!attach(edge, fd, err))
        return false;
    control_send(edge, json_pack("{s:s, s:I}", "event", "ready", "pid", (json_int_t)getpid()), NULL,
                 0);
    send_meters(edge);
    return true;
}

void control_on_letter(struct mailbox *mailbox, struct letter *letter)
{
    struct edge *edge = CONTAINER_OF(mailbox, struct edge, inbox);

    if (letter->kind == LETTER_IDLE)
        drain_report(edge, letter);
    if (letter->kind != LETTER_STOPPED)
        return;
    edge->stopped |= UINT64_C(1) << letter->from;
    drain_forget_worker(edge, letter->from);
    if (++edge->stopped_count == edge->worker_count)
        loop_stop(edge->loop);
}

void control_done(struct edge *edge)
{
    detach(edge);
    watch_remove(edge->loop, &edge->control_watch);
    fd_close(edge->control_fd);
    fd_close(edge->crash_fd);
    while (edge->listeners.len > 0)
        close_listener(edge, 0);
    VEC_DONE(&edge->listeners);
    drain_done(edge);
    check_done(edge);
    table_unref(edge->table);
}
