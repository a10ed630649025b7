/* SPDX-License-Identifier: Apache-2.0
 *
 * One edge as the daemon has it: its process, its channel, what it was sent.
 * Each has a control socket where the next daemon finds it; that of the one that
 * accepts has the name every version of this program knows.
 */
#include "base/base.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "control/edge_crash.h"
#include "control/edge_link_priv.h"
#include "control/meters.h"
#include "io/child.h"

static const char active_name[] = "edge.sock";
static const char name_start[] = "edge-", name_end[] = ".sock";

static const char *own_path(const struct edge_process *process, struct buf *path)
{
    buf_clear(path);
    buf_addf(path, "%s/%s%d%s", process->owner->daemon->options.run_dir, name_start,
             (int)process->pid, name_end);
    return buf_text(path);
}

static const char *active_path(const struct edge_link *link, struct buf *path)
{
    buf_clear(path);
    buf_addf(path, "%s/%s", link->daemon->options.run_dir, active_name);
    return buf_text(path);
}

/* ---- sending ---- */

bool edge_process_is_heard(const struct edge_process *process)
{
    return process != NULL && watch_is_active(&process->channel);
}

bool edge_process_send(struct edge_process *process, json_t *json, const int *fds, size_t count)
{
    AUTO(json_unref) json_t *owned = json;
    AUTO(buf_done) struct buf text = {0};
    struct err err;

    assert(owned != NULL);
    if (!edge_process_is_heard(process))
        return false;
    json_format(owned, false, &text);
    if (text.len > CHANNEL_MAX_BYTES) {
        log_error("daemon", "edge: a message of %zu bytes was not sent", text.len);
        return false;
    }
    if (channel_send(process->channel.fd, buf_str(&text), fds, count, &err))
        return true;
    if (err.code != ERR_CLOSED) /* else its end is about to be told, and why */
        log_error("daemon", "edge %d: %s", (int)process->pid, err.text);
    return false;
}

static bool has_listener(const struct edge_process *process, uint32_t id)
{
    for (size_t i = 0; i < process->sent.len; i++)
        if (process->sent.ptr[i] == id)
            return true;
    return false;
}

void edge_process_send_listeners(struct edge_process *process)
{
    const struct edge_link *link = process->owner;

    for (size_t i = 0; !process->retired && i < link->held.len; i++) {
        const struct held *held = &link->held.ptr[i];
        if (held->named && !has_listener(process, held->id) &&
            edge_process_send(process,
                              json_pack("{s:s, s:i}", "type", "listener", "id", (int)held->id),
                              held->fds, (size_t)link->workers))
            VEC_PUSH(&process->sent, held->id);
    }
}

static const char *access_log_path(const struct edge_link *link, struct buf *path)
{
    buf_addf(path, "%s/access.log", link->daemon->options.state_dir);
    return buf_text(path);
}

void edge_process_send_access_log(struct edge_process *process)
{
    AUTO(buf_done) struct buf path = {0};
    AUTO(fd_close)
    int fd = open(access_log_path(process->owner, &path), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                  0640);

    if (fd < 0)
        log_error("daemon", "edge: cannot open its access log '%s'", buf_text(&path));
    else
        (void)edge_process_send(process, json_pack("{s:s}", "type", "access_log"), &fd, 1);
}

void edge_process_retire(struct edge_process *process, uint64_t drain_ms)
{
    process->retired = true;
    process->sent.len = 0;
    (void)edge_process_send(
        process, json_pack("{s:s, s:I}", "type", "retire", "drain_ms", (json_int_t)drain_ms), NULL,
        0);
}

/* ---- receiving ---- */

static void take_message(struct edge_process *process)
{
    struct channel_message *message = &process->owner->message;
    AUTO(json_unref) json_t *event = NULL;
    struct err err;

    if (!json_parse(str_from(message->bytes, message->len), CHANNEL_MAX_BYTES, &event, &err))
        log_error("daemon", "edge: it sent nonsense: %s", err.text);
    else
        edge_link_take_event(process, event);
    for (size_t i = 0; i < message->fd_count; i++)
        fd_close(message->fds[i]);
}

static void close_channel(struct edge_process *process)
{
    struct edge_link *link = process->owner;
    int fd = process->channel.fd;

    if (!watch_is_active(&process->channel))
        return;
    watch_remove(link->daemon->loop, &process->channel);
    fd_close(fd);
    for (size_t i = link->probes.len; i-- > 0;)
        if (link->probes.ptr[i].process == process)
            VEC_REMOVE(&link->probes, i);
}

static void on_channel(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct edge_process *process = CONTAINER_OF(watch, struct edge_process, channel);
    struct err err;

    (void)events;
    (void)now_ns;
    while (watch_is_active(watch)) {
        switch (channel_receive(watch->fd, &process->owner->message, &err)) {
        case CHANNEL_MESSAGE:
            take_message(process);
            break;
        case CHANNEL_EMPTY:
            return;
        case CHANNEL_FAILED:
            log_error("daemon", "edge: %s", err.text);
            return;
        case CHANNEL_END:
            close_channel(process);
            if (process->child == NULL) /* nobody else tells us */
                edge_link_ended(process, CHILD_STATUS_UNKNOWN);
            return;
        }
    }
}

/* ---- start and end ---- */

static void on_exit_of_edge(void *arg, int exit_status, bool timed_out)
{
    struct edge_process *process = arg;

    (void)timed_out;
    process->child = NULL;
    if (process->channel.fn != NULL) /* what it said last */
        on_channel(&process->channel, 0, 0);
    if (process->freeing.pending) /* its end was told while that was read */
        return;
    close_channel(process);
    edge_link_ended(process, exit_status);
}

static bool spawn(struct edge_process *process, int channel_fd, struct err *err)
{
    const struct edge_link *link = process->owner;
    AUTO(buf_done) struct buf folder = {0};
    char workers[8], uid[16];

    buf_addf(&folder, "%s/empty", link->daemon->options.run_dir);
    if (!file_make_dirs(buf_text(&folder), 0755, err))
        return false;
    str_format(workers, sizeof workers, "%d", link->workers);
    str_format(uid, sizeof uid, "%d", EDGE_UID);
    const char *const argv[] = {"ishizue",   "edge",  "--channel-fd", "0",
                                "--workers", workers, "--uid",        uid,
                                "--gid",     uid,     "--chroot-dir", buf_text(&folder),
                                NULL};
    struct child_spec spec = {.argv = argv,
                              .program =
                                  "/proc/self/exe", /* ours, whatever its name leads to now */
                              .input_fd = channel_fd,
                              .share_output = true,
                              .exit = on_exit_of_edge,
                              .arg = process};
    process->child = child_start(link->daemon->loop, &spec, err);
    if (process->child == NULL)
        return false;
    process->pid = child_pid(process->child);
    return true;
}

static void send_control(struct edge_process *process)
{
    AUTO(buf_done) struct buf path = {0};
    struct err err;
    AUTO(fd_close) int control = socket_listen_unix_packets(own_path(process, &path), &err);

    if (control < 0)
        log_error("daemon", "edge: %s", err.text);
    else
        (void)edge_process_send(process, json_pack("{s:s}", "type", "control"), &control, 1);
}

static struct edge_process *process_new(struct edge_link *link)
{
    struct edge_process *process = NEW(struct edge_process);

    process->owner = link;
    process->page_fd = process->meters_fd = -1;
    list_push(&link->processes, &process->link);
    return process;
}

struct edge_process *edge_process_start(struct edge_link *link, struct err *err)
{
    struct edge_process *process;
    int ends[2];

    if (!channel_open(ends, err))
        return NULL;
    AUTO(fd_close) int theirs = ends[1];
    AUTO(fd_close) int ours = ends[0];
    process = process_new(link);
    if (!watch_add(link->daemon->loop, &process->channel, ours, EPOLLIN, on_channel, err)) {
        edge_process_free(process);
        return NULL;
    }
    (void)TAKE_FD(ours);
    if (!spawn(process, theirs, err)) {
        edge_process_free(process);
        return NULL;
    }
    process->started_ns = loop_now_ns(link->daemon->loop);
    send_control(process);
    edge_crash_send_page(process);
    edge_process_send_access_log(process);
    log_info("daemon", "edge: started as process %d", (int)process->pid);
    return process;
}

void edge_process_attach_meters(struct edge_process *process)
{
    if (process->meters_fd >= 0)
        meters_attach(process->owner->daemon, TAKE_FD(process->meters_fd));
}

void edge_process_lead(struct edge_process *process)
{
    struct edge_link *link = process->owner;
    AUTO(buf_done) struct buf own = {0}, active = {0};

    if (link->active != NULL && link->active != process)
        (void)rename(active_path(link, &active), own_path(link->active, &own));
    link->active = process;
    if (rename(own_path(process, &own), active_path(link, &active)) != 0 && !process->found)
        log_error("daemon", "edge: the next daemon will not find it: cannot rename '%s'",
                  buf_text(&own));
    edge_process_attach_meters(process);
}

static void on_freed(struct deferred *deferred)
{
    free(CONTAINER_OF(deferred, struct edge_process, freeing));
}

void edge_process_free(struct edge_process *process)
{
    struct edge_link *link = process->owner;

    child_forget(TAKE(process->child));
    close_channel(process);
    edge_ask_forget(process);
    list_remove(&process->link);
    if (link->active == process)
        link->active = NULL;
    if (link->next == process)
        link->next = NULL;
    VEC_DONE(&process->sent);
    map_done(&process->idle);
    fd_close(process->page_fd);
    fd_close(process->meters_fd);
    loop_defer(link->daemon->loop, &process->freeing, on_freed);
}

void edge_process_kill(struct edge_process *process)
{
    AUTO(buf_done) struct buf path = {0};

    if (process->child != NULL)
        child_kill(process->child);
    (void)unlink(own_path(process, &path));
}

/* ---- those that run already ---- */

/* Is <pid> an edge of this run folder? An edge's word for its number is not enough. */
static bool is_edge(const struct edge_link *link, pid_t pid)
{
    AUTO(buf_done) struct buf folder = {0};
    char path[48], root[4096];
    struct stat st;

    str_format(path, sizeof path, "/proc/%d", (int)pid);
    if (pid <= 1 || stat(path, &st) != 0 || st.st_uid != EDGE_UID)
        return false;
    str_format(path, sizeof path, "/proc/%d/root", (int)pid);
    ssize_t len = readlink(path, root, sizeof root);
    buf_addf(&folder, "%s/empty", link->daemon->options.run_dir);
    return len > 0 && str_eq(str_from(root, (size_t)len), buf_str(&folder));
}

/* Not through the loop: nothing else may happen before what runs was adopted. */
static void hear_introduction(struct edge_process *process)
{
    uint64_t deadline_ns = clock_now_ns() + HELLO_MS * NS_PER_MS;
    struct pollfd poll_fd = {.fd = process->channel.fd, .events = POLLIN};
    struct err err;

    while (!(process->introduced && process->sent.len >= process->announced) &&
           clock_now_ns() < deadline_ns) {
        enum channel_result result =
            channel_receive(process->channel.fd, &process->owner->message, &err);
        if (result == CHANNEL_MESSAGE)
            take_message(process);
        else if (result == CHANNEL_EMPTY)
            (void)poll(&poll_fd, 1, 100);
        else
            return;
    }
}

/* NULL: nobody is there, or nobody that answers. */
static struct edge_process *connect_to(struct edge_link *link, const char *path)
{
    struct err err;
    int fd = socket_connect_unix_packets(path, &err);

    if (fd < 0) {
        if (err.code == ERR_NOT_FOUND)
            (void)unlink(path);
        return NULL;
    }
    struct edge_process *process = process_new(link);
    process->found = true;
    if (!watch_add(link->daemon->loop, &process->channel, fd, EPOLLIN, on_channel, &err)) {
        fd_close(fd);
        edge_process_free(process);
        return NULL;
    }
    hear_introduction(process);
    if (!process->introduced || !is_edge(link, process->pid)) {
        log_warn("daemon", "edge: the one at '%s' does not answer", path);
        edge_process_free(process);
        return NULL;
    }
    process->child = child_adopt(link->daemon->loop, process->pid, on_exit_of_edge, process, &err);
    return process;
}

static void find_others(struct edge_link *link)
{
    AUTO(buf_done) struct buf path = {0};
    DIR *dir = opendir(link->daemon->options.run_dir);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct str name = str_of(entry->d_name);
        if (!str_starts(name, str_of(name_start)) || !str_ends(name, str_of(name_end)))
            continue;
        buf_clear(&path);
        buf_addf(&path, "%s/%s", link->daemon->options.run_dir, entry->d_name);
        struct edge_process *process = connect_to(link, buf_text(&path));
        if (process == NULL || process->retired)
            continue;
        if (link->active == NULL)
            edge_process_lead(process);
        else /* its daemon ended while it took over */
            edge_process_retire(process, EDGE_DRAIN_MS);
    }
    if (dir != NULL)
        (void)closedir(dir);
}

static bool is_known(const struct edge_link *link, pid_t pid)
{
    LIST_FOR_EACH (node, &link->processes)
        if (CONTAINER_OF(node, struct edge_process, link)->pid == pid)
            return true;
    return false;
}

static void end_at_once(pid_t pid)
{
    AUTO(fd_close) int process = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = process, .events = POLLIN};

    log_warn("daemon", "edge: process %d does not answer and is ended", (int)pid);
    if (process >= 0 && syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0) == 0)
        (void)poll(&ended, 1, HELLO_MS);
}

/* They would keep the ports and serve an old table for ever. */
static void end_strangers(const struct edge_link *link)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    uint64_t pid;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (str_to_u64(str_of(entry->d_name), INT32_MAX, &pid) && is_edge(link, (pid_t)pid) &&
            !is_known(link, (pid_t)pid))
            end_at_once((pid_t)pid);
    if (dir != NULL)
        (void)closedir(dir);
}

void edge_process_find_all(struct edge_link *link)
{
    AUTO(buf_done) struct buf path = {0};
    struct edge_process *process = connect_to(link, active_path(link, &path));

    if (process != NULL && !process->retired) {
        link->active = process;
        edge_process_attach_meters(process);
    }
    find_others(link);
    end_strangers(link);
}
