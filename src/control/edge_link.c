/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon's side of the edge: starts it, starts it again, finds the one a
 * former daemon left, holds every listening socket so that a connection made
 * while no edge runs waits instead of being refused. The messages are in
 * edge/control.h.
 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "control/edge_link_priv.h"
#include "io/child.h"
#include "watch/log_rotate.h"

static void edge_gone(struct edge_link *link);

/* ---- sending ---- */

static bool send_json(struct edge_link *link, json_t *json, const int *fds, size_t count)
{
    AUTO(json_unref) json_t *owned = json;
    AUTO(buf_done) struct buf text = {0};
    struct err err;

    assert(owned != NULL);
    if (!watch_is_active(&link->channel))
        return false;
    json_format(owned, false, &text);
    if (text.len > CHANNEL_MAX_BYTES) {
        log_error("daemon", "edge: a message of %zu bytes was not sent", text.len);
        return false;
    }
    if (channel_send(link->channel.fd, buf_str(&text), fds, count, &err))
        return true;
    log_error("daemon", "edge: %s", err.text);
    return false;
}

static void send_listeners(struct edge_link *link)
{
    for (size_t i = 0; i < link->held.len; i++) {
        struct held *held = &link->held.ptr[i];
        if (held->named && !held->sent)
            held->sent =
                send_json(link, json_pack("{s:s, s:i}", "type", "listener", "id", (int)held->id),
                          held->fds, (size_t)link->workers);
    }
}

/* The listeners that <table> names. The edge closes its copies of the others. */
static void mark_named(struct edge_link *link, const json_t *table)
{
    const json_t *row;
    size_t index;

    for (size_t i = 0; i < link->held.len; i++)
        link->held.ptr[i].named = false;
    json_array_foreach(json_object_get(table, "listeners"), index, row)
    {
        for (size_t i = 0; i < link->held.len; i++)
            link->held.ptr[i].named |= link->held.ptr[i].id == json_find_u64(row, "id", 0);
    }
}

static void send_table(struct edge_link *link)
{
    int fds[CHANNEL_MAX_FDS];
    size_t count = 1; /* the first is the table itself; files_fd counts from the one after */
    size_t folders = 0;
    AUTO(buf_done) struct buf text = {0};
    struct err err;

    AUTO(json_unref)
    json_t *table = edge_table_make(link->daemon, ++link->generation, fds + 1, &folders);
    mark_named(link, table);
    send_listeners(link);
    json_format(table, false, &text);
    fds[0] = channel_memfd("ishizue-table", buf_str(&text), &err);
    count += folders;
    if (fds[0] < 0)
        log_error("daemon", "edge: %s", err.text);
    else
        (void)send_json(
            link,
            json_pack("{s:s, s:I}", "type", "table", "generation", (json_int_t)link->generation),
            fds, count);
    for (size_t i = 0; i < link->held.len; i++)
        link->held.ptr[i].sent &= link->held.ptr[i].named;
    explicit_bzero(text.ptr, text.len); /* private keys */
    for (size_t i = 0; i < count; i++)
        fd_close(fds[i]);
}

void edge_link_publish(struct edge_link *link)
{
    edge_listeners_prune(link);
    if (!watch_is_active(&link->channel))
        return;
    send_table(link);
}

/* ---- probes ---- */

bool edge_link_probe(struct edge_link *link, const struct instance *instance, uint32_t check,
                     const char *path, uint16_t port, uint64_t timeout_ms)
{
    const char *ip = network_address(instance);
    struct probe probe = {.number = ++link->last_probe, .check = check};
    char address[SOCKET_TEXT_BYTES];

    if (ip == NULL)
        return false; /* it has no network */

    str_format(address, sizeof address, "%s:%u", ip, (unsigned)port);
    str_format(probe.instance, sizeof probe.instance, "%s", instance->id);
    if (!send_json(link,
                   json_pack("{s:s, s:I, s:s, s:s?, s:s, s:I}", "type", "probe", "probe",
                             (json_int_t)probe.number, "address", address, "path", path, "host",
                             instance->made_of->service->name, "timeout_ms",
                             (json_int_t)timeout_ms),
                   NULL, 0))
        return false;
    VEC_PUSH(&link->probes, probe);
    return true;
}

static void on_probe_event(struct edge_link *link, const json_t *event)
{
    uint64_t number = json_find_u64(event, "probe", 0);
    char detail[400];

    for (size_t i = 0; i < link->probes.len; i++) {
        struct probe probe = link->probes.ptr[i];
        if (probe.number != number)
            continue;
        VEC_REMOVE(&link->probes, i);
        uint64_t status = json_find_u64(event, "status", 0);
        const char *said = json_find_text(event, "detail", "");
        if (status != 0)
            str_format(detail, sizeof detail, "answered %llu: %s", (unsigned long long)status,
                       said);
        else
            str_format(detail, sizeof detail, "%s", said);
        check_answered(link->daemon, probe.instance, probe.check,
                       json_find_bool(event, "ok", false), detail);
        return;
    }
}

/* ---- events ---- */

static void touch_waiting(struct edge_link *link)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&link->daemon->systems, &i)) != NULL;) {
        struct system *system = entry->value;
        if (system->operation != NULL)
            system_touch(system);
    }
}

static void on_applied(struct edge_link *link, const json_t *event)
{
    uint64_t generation = json_find_u64(event, "generation", 0);

    link->applied = MAX(link->applied, MIN(generation, link->generation));
    link->healing = false;
    touch_waiting(link);
}

bool edge_link_is_settled(const struct edge_link *link)
{
    return !watch_is_active(&link->channel) || link->applied >= link->generation;
}

static void on_refused(struct edge_link *link, const json_t *event)
{
    log_error("daemon", "edge: table %llu was refused: %s",
              (unsigned long long)json_find_u64(event, "generation", 0),
              json_find_text(event, "error", "?"));
    if (link->healing)
        return;
    link->healing = true; /* once: the sockets may be what it lacks */
    for (size_t i = 0; i < link->held.len; i++)
        link->held.ptr[i].sent = false;
    daemon_publish(link->daemon);
}

static void on_idle(struct edge_link *link, const json_t *event)
{
    publish_drained(link->daemon, json_find_text(event, "target", ""));
}

/* The edge reads what comes from the net: what it sends is looked at like that. */
static bool is_tcp_listener(int fd)
{
    int listening = 0, protocol = 0;
    socklen_t len = sizeof listening;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening != 0 &&
           getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 && protocol == IPPROTO_TCP;
}

/* From an edge that a former daemon started: the sockets it accepts on. */
static void on_listener(struct edge_link *link, const json_t *event)
{
    struct channel_message *message = &link->message;
    struct held held = {.id = (uint32_t)json_find_u64(event, "id", 0), .sent = true};
    union socket_address address = {0};
    socklen_t len = sizeof address;

    if (link->child != NULL || !link->introduced || link->held.len >= link->announced ||
        message->fd_count != (size_t)link->workers || message->fd_count > ARRAY_LEN(held.fds))
        return; /* one that we started has no sockets but ours */
    for (size_t i = 0; i < message->fd_count; i++)
        if (!is_tcp_listener(message->fds[i]))
            return;
    if (getsockname(message->fds[0], &address.any, &len) != 0 ||
        (address.any.sa_family != AF_INET && address.any.sa_family != AF_INET6))
        return;
    (void)socket_address_format_ip(&address, held.ip);
    held.port = socket_address_port(&address);
    memcpy(held.fds, message->fds, message->fd_count * sizeof held.fds[0]);
    message->fd_count = 0; /* ours now */
    link->last_id = MAX(link->last_id, held.id);
    VEC_PUSH(&link->held, held);
}

static void on_hello(struct edge_link *link, const json_t *event)
{
    uint64_t workers = json_find_u64(event, "workers", 0);

    if (link->child != NULL || link->introduced || workers < 1 || workers > WORKERS_MAX)
        return; /* one that we started has nothing to introduce */
    link->pid = (pid_t)json_find_u64(event, "pid", 0);
    link->generation = MIN(json_find_u64(event, "generation", 0), (uint64_t)INT64_MAX / 2);
    link->applied = link->generation;
    link->workers = (int)workers;
    link->announced = (size_t)json_find_u64(event, "listeners", 0);
    link->introduced = true;
}

static const struct {
    const char *name;
    void (*fn)(struct edge_link *link, const json_t *event);
} edge_events[] = {
    {"hello", on_hello},     {"listener", on_listener}, {"probe", on_probe_event},
    {"applied", on_applied}, {"refused", on_refused},   {"idle", on_idle},
};

static void on_message(struct edge_link *link)
{
    struct channel_message *message = &link->message;
    AUTO(json_unref) json_t *event = NULL;
    struct err err;

    if (!json_parse(str_from(message->bytes, message->len), CHANNEL_MAX_BYTES, &event, &err))
        log_error("daemon", "edge: it sent nonsense: %s", err.text);
    const char *name = json_find_text(event, "event", "");
    for (size_t i = 0; i < ARRAY_LEN(edge_events); i++)
        if (strcmp(edge_events[i].name, name) == 0)
            edge_events[i].fn(link, event);
    for (size_t i = 0; i < message->fd_count; i++)
        fd_close(message->fds[i]);
}

static void close_channel(struct edge_link *link)
{
    int fd = link->channel.fd;

    if (!watch_is_active(&link->channel))
        return;
    watch_remove(link->daemon->loop, &link->channel);
    fd_close(fd);
    link->probes.len = 0;
}

static void on_channel(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct edge_link *link = CONTAINER_OF(watch, struct edge_link, channel);
    struct err err;

    (void)events;
    (void)now_ns;
    while (watch_is_active(watch)) {
        switch (channel_receive(watch->fd, &link->message, &err)) {
        case CHANNEL_MESSAGE:
            on_message(link);
            break;
        case CHANNEL_EMPTY:
            return;
        case CHANNEL_FAILED:
            log_error("daemon", "edge: %s", err.text);
            return;
        case CHANNEL_END:
            close_channel(link);
            if (link->child == NULL) /* a former daemon's child: nobody else tells us */
                edge_gone(link);
            return;
        }
    }
}

/* ---- process ---- */

static const char *own_program(struct buf *path)
{
    char link[4096];
    ssize_t n = readlink("/proc/self/exe", link, sizeof link - 1);

    buf_clear(path);
    if (n > 0)
        buf_add(path, link, (size_t)n);
    return buf_text(path);
}

static void on_edge_exit(void *arg, int exit_status, bool timed_out)
{
    struct edge_link *link = arg;

    (void)timed_out;
    log_error("daemon", "edge: ended with status %d", exit_status);
    link->child = NULL;
    close_channel(link);
    edge_gone(link);
}

static bool spawn(struct edge_link *link, int channel_fd, struct err *err)
{
    AUTO(buf_done) struct buf program = {0}, folder = {0};
    char workers[8], uid[16];

    buf_addf(&folder, "%s/empty", link->daemon->options.run_dir);
    if (!file_make_dirs(buf_text(&folder), 0755, err))
        return false;
    str_format(workers, sizeof workers, "%d", link->workers);
    str_format(uid, sizeof uid, "%d", EDGE_UID);
    const char *const argv[] = {own_program(&program),
                                "edge",
                                "--channel-fd",
                                "0",
                                "--workers",
                                workers,
                                "--uid",
                                uid,
                                "--gid",
                                uid,
                                "--chroot-dir",
                                buf_text(&folder),
                                NULL};
    struct child_spec spec = {.argv = argv,
                              .input_fd = channel_fd,
                              .share_output = true,
                              .exit = on_edge_exit,
                              .arg = link};
    link->child = child_start(link->daemon->loop, &spec, err);
    if (link->child == NULL)
        return false;
    link->pid = child_pid(link->child);
    return true;
}

static const char *access_log_path(const struct edge_link *link, struct buf *path)
{
    buf_addf(path, "%s/access.log", link->daemon->options.state_dir);
    return buf_text(path);
}

static void send_access_log(struct edge_link *link)
{
    AUTO(buf_done) struct buf path = {0};
    AUTO(fd_close)
    int fd = open(access_log_path(link, &path), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

    if (fd < 0)
        log_error("daemon", "edge: cannot open its access log '%s'", buf_text(&path));
    else
        (void)send_json(link, json_pack("{s:s}", "type", "access_log"), &fd, 1);
}

static bool reopen_access_log(void *arg, struct err *err)
{
    (void)err;
    send_access_log(arg);
    return true;
}

void edge_link_housekeeping(struct edge_link *link, uint64_t now_ns)
{
    AUTO(buf_done) struct buf path = {0};
    struct log_rotate rotate = {.path = access_log_path(link, &path),
                                .max_bytes = ACCESS_LOG_BYTES,
                                .max_files = ACCESS_LOG_FILES,
                                .reopen = reopen_access_log,
                                .arg = link};
    struct err err;

    if (!log_rotate_check(&rotate, now_ns, NULL, &err))
        log_warn("daemon", "edge: its access log: %s", err.text);
}

static const char *control_path(const struct edge_link *link, struct buf *path)
{
    buf_addf(path, "%s/edge.sock", link->daemon->options.run_dir);
    return buf_text(path);
}

/* Sends everything that a new edge needs; the control socket is where a later daemon finds it. */
static void introduce(struct edge_link *link)
{
    AUTO(buf_done) struct buf path = {0};
    struct err err;

    for (size_t i = 0; i < link->held.len; i++)
        link->held.ptr[i].sent = false;
    AUTO(fd_close) int control = socket_listen_unix_packets(control_path(link, &path), &err);
    if (control < 0)
        log_error("daemon", "edge: %s", err.text);
    else
        (void)send_json(link, json_pack("{s:s}", "type", "control"), &control, 1);
    send_access_log(link);
    daemon_publish(link->daemon);
}

static bool start_edge(struct edge_link *link, struct err *err)
{
    int ends[2];

    if (!channel_open(ends, err))
        return false;
    AUTO(fd_close) int theirs = ends[1];
    AUTO(fd_close) int ours = ends[0];
    if (!spawn(link, theirs, err) ||
        !watch_add(link->daemon->loop, &link->channel, ours, EPOLLIN, on_channel, err))
        return false;
    (void)TAKE_FD(ours);
    link->started_ns = loop_now_ns(link->daemon->loop);
    introduce(link);
    log_info("daemon", "edge: started as process %d", (int)link->pid);
    return true;
}

static void on_restart_due(struct timer *timer, uint64_t now_ns)
{
    struct edge_link *link = CONTAINER_OF(timer, struct edge_link, restart_timer);
    struct err err;

    (void)now_ns;
    if (!start_edge(link, &err)) {
        log_error("daemon", "edge: %s", err.text);
        edge_gone(link);
    }
}

/* At once the first time, then with growing pauses while it does not live long. */
static void edge_gone(struct edge_link *link)
{
    struct loop *loop = link->daemon->loop;

    link->pid = 0;
    publish_edge_lost(link->daemon);
    if (loop_now_ns(loop) - link->started_ns > STABLE_MS * NS_PER_MS)
        link->restart_ms = 0;
    timer_set(loop, &link->restart_timer, loop_now_ns(loop) + link->restart_ms * NS_PER_MS,
              on_restart_due);
    link->restart_ms = MIN(MAX(link->restart_ms * 2, (uint64_t)50), (uint64_t)RESTART_MAX_MS);
}

/* ---- open and close ---- */

/* Not through the loop: nothing else may happen before what runs was adopted. */
static void hear_introduction(struct edge_link *link, int fd)
{
    uint64_t deadline_ns = clock_now_ns() + HELLO_MS * NS_PER_MS;
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    struct err err;

    while (!(link->introduced && link->held.len >= link->announced) &&
           clock_now_ns() < deadline_ns) {
        enum channel_result result = channel_receive(fd, &link->message, &err);
        if (result == CHANNEL_MESSAGE)
            on_message(link);
        else if (result == CHANNEL_EMPTY)
            (void)poll(&poll_fd, 1, 100);
        else
            return;
    }
}

/* It would keep the ports and serve an old table for ever. */
static void end_silent_edge(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 || peer.pid <= 1)
        return;
    AUTO(fd_close) int process = (int)syscall(SYS_pidfd_open, peer.pid, 0);
    struct pollfd ended = {.fd = process, .events = POLLIN};
    if (process >= 0 && syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0) == 0)
        (void)poll(&ended, 1, HELLO_MS);
}

/* Connects to an edge that outlived its daemon and hears which sockets it has. */
static bool find_edge(struct edge_link *link)
{
    AUTO(buf_done) struct buf path = {0};
    struct err err;
    int fd = socket_connect_unix_packets(control_path(link, &path), &err);

    if (fd < 0)
        return false;
    if (!watch_add(link->daemon->loop, &link->channel, fd, EPOLLIN, on_channel, &err)) {
        fd_close(fd);
        return false;
    }
    hear_introduction(link, fd);
    if (!link->introduced) {
        log_warn("daemon", "edge: the one that runs does not answer and is ended");
        end_silent_edge(fd);
        close_channel(link);
    }
    return link->introduced;
}

static void reserve_all(struct edge_link *link)
{
    struct map_entry *entry;
    struct err err;

    for (size_t i = 0; (entry = map_next(&link->daemon->systems, &i)) != NULL;) {
        const struct system *system = entry->value;
        LIST_FOR_EACH (node, &system->instances)
            if (!ports_settle(link->daemon, CONTAINER_OF(node, struct instance, link)->release,
                              &err))
                log_error("daemon", "%s: %s", system->name, err.text);
        if (system->wanted != NULL && !edge_link_reserve(link, system->wanted, &err))
            log_error("daemon", "%s: %s", system->name, err.text);
        if (system->current != NULL && system->current != system->wanted &&
            !edge_link_reserve(link, system->current, &err))
            log_error("daemon", "%s: %s", system->name, err.text);
    }
}

bool edge_link_open(struct daemon *daemon, struct err *err)
{
    struct edge_link *link = NEW(struct edge_link);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    link->daemon = daemon;
    link->workers = (int)MIN(MAX(cpus, 1), (long)WORKERS_MAX);
    daemon->edge = link;
    if (find_edge(link)) {
        log_info("daemon", "edge: process %d goes on", (int)link->pid);
        reserve_all(link);
        return true;
    }
    reserve_all(link);
    return start_edge(link, err);
}

void edge_link_close(struct edge_link *link)
{
    if (link == NULL)
        return;
    timer_clear(&link->restart_timer);
    close_channel(link);
    for (size_t i = 0; i < link->held.len; i++)
        edge_listener_close(link, &link->held.ptr[i]);
    VEC_DONE(&link->held);
    VEC_DONE(&link->probes);
    free(link);
}

pid_t edge_link_pid(const struct edge_link *link)
{
    return link->pid;
}

uint64_t edge_link_generation(const struct edge_link *link)
{
    return link->generation;
}
