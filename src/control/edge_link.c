/* SPDX-License-Identifier: Apache-2.0
 *
 * What the daemon tells its edges and hears from them: tables to all, probes to
 * the one that accepts. The messages are in edge/control.h.
 */
#include "base/base.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "control/edge_checks.h"
#include "control/edge_crash.h"
#include "control/edge_link_priv.h"
#include "control/meters.h"
#include "control/rollout.h"
#include "io/child.h"
#include "watch/log_rotate.h"

/* ---- tables ---- */

/* The listeners that <table> names. The edges close their copies of the others. */
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

static bool is_named(const struct edge_link *link, uint32_t id)
{
    for (size_t i = 0; i < link->held.len; i++)
        if (link->held.ptr[i].id == id)
            return link->held.ptr[i].named;
    return false;
}

/* The targets of <table> that are draining, as keys of <ret>. */
static void find_draining(const json_t *table, struct map *ret)
{
    const json_t *upstream, *target;
    size_t i, k;

    json_array_foreach(json_object_get(table, "upstreams"), i, upstream)
    {
        json_array_foreach(json_object_get(upstream, "targets"), k, target)
        {
            if (json_find_bool(target, "draining", false))
                (void)map_set(ret, str_of(json_find_text(target, "id", "")), ret);
        }
    }
}

/* What a process said about a target holds while the target drains: it gets nothing new. */
static void keep_idle(struct edge_process *process, const struct map *draining)
{
    struct map kept = {0};
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&process->idle, &i)) != NULL;)
        if (map_find(draining, str_from(entry->key, entry->key_len)) != NULL)
            (void)map_set(&kept, str_from(entry->key, entry->key_len), process);
    map_done(&process->idle);
    process->idle = kept;
}

static void send_table(struct edge_process *process, const int *fds, size_t count)
{
    struct edge_link *link = process->owner;

    edge_process_send_listeners(process);
    (void)edge_process_send(
        process,
        json_pack("{s:s, s:I}", "type", "table", "generation", (json_int_t)link->generation), fds,
        count);
    for (size_t i = process->sent.len; i-- > 0;)
        if (!is_named(link, process->sent.ptr[i]))
            VEC_REMOVE(&process->sent, i);
}

static void send_tables(struct edge_link *link)
{
    int fds[CHANNEL_MAX_FDS];
    size_t folders = 0; /* behind the table itself; files_fd counts from there */
    AUTO(buf_done) struct buf text = {0};
    AUTO(map_done) struct map draining = {0};
    struct err err;

    AUTO(json_unref)
    json_t *table = edge_table_make(link->daemon, ++link->generation, fds + 1, &folders);
    mark_named(link, table);
    find_draining(table, &draining);
    meters_table_sent(link->daemon);
    json_format(table, false, &text);
    fds[0] = channel_memfd("ishizue-table", buf_str(&text), &err);
    if (fds[0] < 0)
        log_error("daemon", "edge: %s", err.text);
    LIST_FOR_EACH (node, &link->processes) {
        struct edge_process *process = CONTAINER_OF(node, struct edge_process, link);
        keep_idle(process, &draining);
        if (fds[0] >= 0)
            send_table(process, fds, folders + 1);
    }
    explicit_bzero(text.ptr, text.len); /* private keys */
    for (size_t i = 0; i <= folders; i++)
        fd_close(fds[i]);
}

void edge_link_publish(struct edge_link *link)
{
    edge_listeners_prune(link);
    if (edge_process_is_heard(link->active) || edge_process_is_heard(link->next))
        send_tables(link);
    else
        api_settle(link->daemon);
}

/* ---- probes ---- */

bool edge_link_probe(struct edge_link *link, const struct instance *instance, uint32_t check,
                     const char *path, uint16_t port, uint64_t timeout_ms)
{
    const char *ip = network_address(instance);
    struct probe probe = {.process = link->active, .number = ++link->last_probe, .check = check};
    char address[SOCKET_TEXT_BYTES];

    if (ip == NULL || link->active == NULL)
        return false; /* it has no network; nobody could ask */

    str_format(address, sizeof address, "%s:%u", ip, (unsigned)port);
    str_format(probe.instance, sizeof probe.instance, "%s", instance->id);
    if (!edge_process_send(link->active,
                           json_pack("{s:s, s:I, s:s, s:s?, s:s, s:I, s:i, s:[i, i]}", "type",
                                     "probe", "probe", (json_int_t)probe.number, "address", address,
                                     "path", path, "host", instance->made_of->service->name,
                                     "timeout_ms", (json_int_t)timeout_ms, "send_proxy",
                                     (int)instance->made_of->service->x.send_proxy, "status",
                                     (int)instance->made_of->service->x.health.status_from,
                                     (int)instance->made_of->service->x.health.status_to),
                           NULL, 0))
        return false;
    VEC_PUSH(&link->probes, probe);
    return true;
}

static void on_probe_event(struct edge_process *process, const json_t *event)
{
    struct edge_link *link = process->owner;
    uint64_t number = json_find_u64(event, "probe", 0);
    char detail[400];

    for (size_t i = 0; i < link->probes.len; i++) {
        struct probe probe = link->probes.ptr[i];
        if (probe.number != number || probe.process != process)
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

/* One that was replaced still looks after what it has; nobody new comes to it. */
static void on_health_event(struct edge_process *process, const json_t *event)
{
    if (process == process->owner->active)
        edge_checks_take(process->owner->daemon, event);
}

/* ---- events ---- */

static void touch_waiting(struct edge_link *link)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&link->daemon->systems, &i)) != NULL;) {
        struct system *system = entry->value;
        if (system->operation != NULL || rollout_is_active(system))
            system_touch(system);
    }
    api_settle(link->daemon);
}

static void on_applied(struct edge_process *process, const json_t *event)
{
    struct edge_link *link = process->owner;
    uint64_t generation = json_find_u64(event, "generation", 0);

    process->applied = MAX(process->applied, MIN(generation, link->generation));
    process->healing = false;
    if (process->applied == link->generation)
        edge_handover_applied(process);
    touch_waiting(link);
}

bool edge_link_is_settled(const struct edge_link *link)
{
    LIST_FOR_EACH (node, &link->processes) {
        const struct edge_process *process = CONTAINER_OF(node, struct edge_process, link);
        if (edge_process_is_heard(process) && !process->deaf && process->applied < link->generation)
            return false;
    }
    return true;
}

static void on_refused(struct edge_process *process, const json_t *event)
{
    struct edge_link *link = process->owner;
    const char *why = json_find_text(event, "error", "?");

    log_error("daemon", "edge %d: table %llu was refused: %s", (int)process->pid,
              (unsigned long long)json_find_u64(event, "generation", 0), why);
    if (process->retired) { /* another version's: it finishes by the table it has */
        process->deaf = true;
        touch_waiting(link);
        return;
    }
    if (process == link->next && process->healing) {
        edge_handover_failed(link, why);
        return;
    }
    if (process->healing)
        return;
    process->healing = true; /* once: the sockets may be what it lacks */
    process->sent.len = 0;
    daemon_publish(link->daemon);
}

static bool is_idle_everywhere(const struct edge_link *link, struct str target)
{
    LIST_FOR_EACH (node, &link->processes) {
        const struct edge_process *process = CONTAINER_OF(node, struct edge_process, link);
        if (map_find(&process->idle, target) == NULL)
            return false;
    }
    return true;
}

void edge_link_check_idle(struct edge_link *link)
{
    struct edge_process *any = list_is_empty(&link->processes)
                                   ? NULL
                                   : CONTAINER_OF(link->processes.next, struct edge_process, link);
    struct map_entry *entry;

    for (size_t i = 0; any != NULL && (entry = map_next(&any->idle, &i)) != NULL;)
        if (is_idle_everywhere(link, str_from(entry->key, entry->key_len)))
            publish_drained(link->daemon, entry->key);
}

static void on_idle(struct edge_process *process, const json_t *event)
{
    const char *target = json_find_text(event, "target", "");

    if (process->idle.live >= IDLE_MAX)
        return; /* more than there can be instances */
    (void)map_set(&process->idle, str_of(target), process);
    if (is_idle_everywhere(process->owner, str_of(target)))
        publish_drained(process->owner->daemon, target);
}

static const struct {
    const char *name;
    void (*fn)(struct edge_process *process, const json_t *event);
} edge_events[] = {
    {"hello", edge_hello_take_hello},
    {"listener", edge_hello_take_listener},
    {"probe", on_probe_event},
    {"health", on_health_event},
    {"applied", on_applied},
    {"refused", on_refused},
    {"idle", on_idle},
    {"meters", edge_hello_take_meters},
    {"crash_page", edge_hello_take_crash_page},
    {"cache", edge_ask_take},
    {"stats", edge_ask_take},
};

void edge_link_take_event(struct edge_process *process, const json_t *event)
{
    const char *name = json_find_text(event, "event", "");

    for (size_t i = 0; i < ARRAY_LEN(edge_events); i++)
        if (strcmp(edge_events[i].name, name) == 0) {
            edge_events[i].fn(process, event);
            return;
        }
}

/* ---- the process that accepts ---- */

static bool start_active(struct edge_link *link, struct err *err)
{
    struct edge_process *process = edge_process_start(link, err);

    if (process == NULL)
        return false;
    edge_process_lead(process);
    daemon_publish(link->daemon);
    return true;
}

static void on_restart_due(struct timer *timer, uint64_t now_ns)
{
    struct edge_link *link = CONTAINER_OF(timer, struct edge_link, restart_timer);
    struct err err;

    (void)now_ns;
    if (!start_active(link, &err)) {
        log_error("daemon", "edge: %s", err.text);
        edge_link_start_later(link);
    }
}

/* At once the first time, then with growing pauses while it does not live long. */
void edge_link_start_later(struct edge_link *link)
{
    struct loop *loop = link->daemon->loop;

    timer_set(loop, &link->restart_timer, loop_now_ns(loop) + link->restart_ms * NS_PER_MS,
              on_restart_due);
    link->restart_ms = MIN(MAX(link->restart_ms * 2, (uint64_t)50), (uint64_t)RESTART_MAX_MS);
}

static void active_ended(struct edge_link *link, uint64_t started_ns)
{
    if (list_is_empty(&link->processes))
        publish_edge_lost(link->daemon);
    if (loop_now_ns(link->daemon->loop) - started_ns > STABLE_MS * NS_PER_MS)
        link->restart_ms = 0;
    if (link->next == NULL)
        edge_link_start_later(link);
    /* else the next one is about to accept */
}

void edge_link_ended(struct edge_process *process, int exit_status)
{
    struct edge_link *link = process->owner;
    uint64_t started_ns = process->started_ns;
    bool was_active = process == link->active, was_next = process == link->next;

    if (process->retired && (exit_status == 0 || exit_status == CHILD_STATUS_UNKNOWN))
        log_info("daemon", "edge: process %d has finished what it had", (int)process->pid);
    else
        log_error("daemon", "edge: ended with status %d (process %d)", exit_status,
                  (int)process->pid);
    edge_crash_report(process, exit_status);
    edge_process_kill(process); /* removes its socket */
    edge_process_free(process);
    if (was_active)
        active_ended(link, started_ns);
    if (was_next)
        edge_handover_failed(link, "it ended");
    edge_link_check_idle(link);
    touch_waiting(link);
}

/* ---- open and close ---- */

static bool reopen_access_log(void *arg, struct err *err)
{
    struct edge_link *link = arg;

    (void)err;
    LIST_FOR_EACH (node, &link->processes)
        edge_process_send_access_log(CONTAINER_OF(node, struct edge_process, link));
    return true;
}

void edge_link_housekeeping(struct edge_link *link, uint64_t now_ns)
{
    AUTO(buf_done) struct buf path = {0};
    struct err err;

    buf_addf(&path, "%s/access.log", link->daemon->options.state_dir);
    struct log_rotate rotate = {.path = buf_text(&path),
                                .max_bytes = ACCESS_LOG_BYTES,
                                .max_files = ACCESS_LOG_FILES,
                                .reopen = reopen_access_log,
                                .arg = link};
    if (!log_rotate_check(&rotate, now_ns, NULL, &err))
        log_warn("daemon", "edge: its access log: %s", err.text);
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

bool edge_link_open(struct daemon *daemon, const json_t *held, struct err *err)
{
    struct edge_link *link = NEW(struct edge_link);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    link->daemon = daemon;
    link->workers = (int)MIN(MAX(cpus, 1), (long)WORKERS_MAX);
    list_init(&link->processes);
    list_init(&link->asks);
    daemon->edge = link;
    edge_listeners_take_over(link, held);
    edge_process_find_all(link);
    if (link->active != NULL)
        log_info("daemon", "edge: process %d goes on", (int)link->active->pid);
    reserve_all(link);
    return link->active != NULL || start_active(link, err);
}

void edge_link_close(struct edge_link *link)
{
    if (link == NULL)
        return;
    timer_clear(&link->restart_timer);
    timer_clear(&link->handover.timer);
    while (!list_is_empty(&link->processes))
        edge_process_free(CONTAINER_OF(link->processes.next, struct edge_process, link));
    for (size_t i = 0; i < link->held.len; i++)
        edge_listener_close(link, &link->held.ptr[i]);
    VEC_DONE(&link->held);
    VEC_DONE(&link->probes);
    free(link);
}

pid_t edge_link_pid(const struct edge_link *link)
{
    return link->active == NULL ? 0 : link->active->pid;
}

uint64_t edge_link_generation(const struct edge_link *link)
{
    return link->generation;
}
