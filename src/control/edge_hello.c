/* SPDX-License-Identifier: Apache-2.0
 *
 * What an edge says of itself and hands over: who it is and which sockets it
 * accepts on, when it ran before this daemon did, and where it counts.
 */
#include "base/base.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/file.h"
#include "control/edge_link_priv.h"
#include "edge/crash.h"
#include "edge/table.h"

/* The edge reads what comes from the net: what it sends is looked at like that. */
static bool is_tcp_listener(int fd)
{
    int listening = 0, protocol = 0;
    socklen_t len = sizeof listening;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening != 0 &&
           getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 && protocol == IPPROTO_TCP;
}

static bool is_held(const struct edge_link *link, uint32_t id)
{
    for (size_t i = 0; i < link->held.len; i++)
        if (link->held.ptr[i].id == id)
            return true;
    return false;
}

/* Of an edge that ran before: the sockets it accepts on. */
void edge_hello_take_listener(struct edge_process *process, const json_t *event)
{
    struct edge_link *link = process->owner;
    struct channel_message *message = &link->message;
    struct held held = {.id = (uint32_t)json_find_u64(event, "id", 0)};
    union socket_address address = {0};
    socklen_t len = sizeof address;

    if (!process->found || !process->introduced || process->sent.len >= process->announced ||
        message->fd_count != (size_t)link->workers || message->fd_count > ARRAY_LEN(held.fds))
        return; /* one that we started has no sockets but ours */
    for (size_t i = 0; i < message->fd_count; i++)
        if (!is_tcp_listener(message->fds[i]))
            return;
    if (getsockname(message->fds[0], &address.any, &len) != 0 ||
        (address.any.sa_family != AF_INET && address.any.sa_family != AF_INET6))
        return;
    VEC_PUSH(&process->sent, held.id);
    if (is_held(link, held.id))
        return; /* the former program left it to us, or another edge has it too */
    (void)socket_address_format_ip(&address, held.ip);
    held.port = socket_address_port(&address);
    memcpy(held.fds, message->fds, message->fd_count * sizeof held.fds[0]);
    message->fd_count = 0; /* ours now */
    link->last_id = MAX(link->last_id, held.id);
    VEC_PUSH(&link->held, held);
}

void edge_hello_take_hello(struct edge_process *process, const json_t *event)
{
    struct edge_link *link = process->owner;
    uint64_t workers = json_find_u64(event, "workers", 0);

    if (!process->found || process->introduced || workers < 1 || workers > WORKERS_MAX)
        return; /* one that we started has nothing to introduce */
    process->pid = (pid_t)json_find_u64(event, "pid", 0);
    process->applied = MIN(json_find_u64(event, "generation", 0), (uint64_t)INT64_MAX / 2);
    process->retired = json_find_bool(event, "retired", false);
    process->announced =
        (size_t)MIN(json_find_u64(event, "listeners", 0), (uint64_t)TABLE_MAX_LISTENERS);
    process->introduced = true;
    link->generation = MAX(link->generation, process->applied);
    if (!process->retired)
        link->workers = (int)workers;
}

/* Those of the edge that accepts are read; those of the next one when it does. */
void edge_hello_take_meters(struct edge_process *process, const json_t *event)
{
    struct channel_message *message = &process->owner->message;

    (void)event;
    if (message->fd_count != 1)
        return;
    fd_close(process->meters_fd);
    process->meters_fd = message->fds[0];
    message->fd_count = 0; /* ours now */
    if (process == process->owner->active)
        edge_process_attach_meters(process);
}

/* As edge_crash_send_page() makes it: memory that cannot shrink. */
static bool is_page(int fd)
{
    const int sealed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;

    return seals >= 0 && (seals & sealed) == sealed && fstat(fd, &st) == 0 &&
           st.st_size == CRASH_PAGE_BYTES;
}

/* Of an edge that ran before: where it says what it did when it crashed. */
void edge_hello_take_crash_page(struct edge_process *process, const json_t *event)
{
    struct channel_message *message = &process->owner->message;

    (void)event;
    if (!process->found || process->page_fd >= 0 || message->fd_count != 1 ||
        !is_page(message->fds[0]))
        return;
    process->page_fd = message->fds[0];
    message->fd_count = 0; /* ours now */
}
