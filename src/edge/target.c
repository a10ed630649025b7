/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/clock.h"
#include "edge/balance.h"
#include "edge/crash.h"
#include "edge/h2_target.h"
#include "edge/target.h"
#include "edge/worker.h"
#include "tls/mac.h"

static struct str copy_str(struct str text)
{
    char *copy = mem_new(text.len + 1);

    memcpy(copy, text.ptr, text.len);
    return str_from(copy, text.len);
}

static void free_str(struct str text)
{
    void *mem;

    memcpy(&mem, &text.ptr, sizeof mem);
    free(mem);
}

static struct target *target_new(struct worker *worker, const struct table_target *from)
{
    struct target *target = NEW(struct target);

    list_init(&target->idle);
    list_init(&target->sessions);
    list_push(&worker->targets, &target->link);
    target->address = from->address;
    target->address_text = copy_str(from->address_text);
    target->id = copy_str(from->id);
    target->hash = balance_hash(target->id);
    if (worker->view != NULL)
        target->born_ns = loop_now_ns(worker->loop);
    return target;
}

static void close_idle(struct target *target)
{
    while (!list_is_empty(&target->idle)) {
        struct target_conn *first = CONTAINER_OF(target->idle.next, struct target_conn, link);
        list_remove(&first->link);
        conn_close(&first->conn);
    }
    target->idle_count = 0;
}

static void target_free_unused(struct target *target)
{
    if (target->views > 0 || target->active > 0)
        return;
    close_idle(target);
    h2_target_close_all(target);
    list_remove(&target->link);
    free_str(target->id);
    free_str(target->address_text);
    free(target);
}

/* An instance with several ports is as many targets, and all of them have to be idle. */
static bool is_busy(struct worker *worker, struct str id)
{
    LIST_FOR_EACH (link, &worker->targets) {
        const struct target *target = CONTAINER_OF(link, struct target, link);
        if (target->active > 0 && str_eq(target->id, id))
            return true;
    }
    return false;
}

/* The last one of its id that becomes idle reports. */
static void report_idle(struct worker *worker, struct target *target)
{
    if (!target->unreported || is_busy(worker, target->id))
        return;
    target->unreported = false;
    worker_report(worker, LETTER_IDLE, worker->view->table->generation, target->id);
}

void target_take(struct target *target)
{
    target->active++;
}

void target_release(struct worker *worker, struct target *target)
{
    assert(target->active > 0);
    target->active--;
    report_idle(worker, target);
    target_free_unused(target);
}

void target_eject(struct target *target, const struct upstream_balance *balance, uint64_t now_ns)
{
    uint64_t base_ms =
        balance != NULL && balance->max_fails != 0 ? balance->fail_timeout_ms : TARGET_EJECT_MS;
    bool grows = balance != NULL && balance->max_fails != 0;
    uint64_t ms = grows ? base_ms << MIN(target->ejections, 16) : base_ms;

    target->ejected_until_ns = now_ns + MIN(ms, (uint64_t)TARGET_EJECT_MAX_MS) * NS_PER_MS;
    if (target->ejections < UINT8_MAX)
        target->ejections++;
    target->fails = 0;
    target->on_trial = false;
}

bool target_note_failure(struct target *target, const struct upstream_balance *balance,
                         uint64_t now_ns)
{
    bool was_on_trial = target->on_trial;

    if (balance == NULL || balance->max_fails == 0)
        return false;
    target->fails++;
    if (target->fails < balance->max_fails && !was_on_trial)
        return false;
    target_eject(target, balance, now_ns);
    return true;
}

void target_note_success(struct target *target, uint64_t now_ns)
{
    target->fails = 0;
    if (!target->on_trial)
        return;
    target->on_trial = false;
    target->ejections = 0;
    target->born_ns = now_ns; /* what has just recovered is not run over */
}

void target_note_health(struct worker *worker, struct str id, bool sick)
{
    LIST_FOR_EACH (link, &worker->targets) {
        struct target *target = CONTAINER_OF(link, struct target, link);
        if (!str_eq(target->id, id) || target->sick == sick)
            continue;
        target->sick = sick;
        if (sick)
            continue;
        target->ejected_until_ns = 0; /* the check knows better, and later */
        target->born_ns = loop_now_ns(worker->loop);
    }
    if (!sick)
        queue_wake(worker);
}

static bool same_target(const struct target *target, const struct table_target *wanted)
{
    return str_eq(target->id, wanted->id) && str_eq(target->address_text, wanted->address_text);
}

/* Targets of both tables are mostly in the same order: <hint> makes the search short. */
static struct target *find_target(struct worker *worker, const struct table_target *wanted,
                                  struct list **hint)
{
    struct list *start = *hint == &worker->targets ? worker->targets.next : *hint;
    struct list *at = start;

    if (list_is_empty(&worker->targets))
        return NULL;
    do {
        if (at != &worker->targets) {
            struct target *target = CONTAINER_OF(at, struct target, link);
            if (same_target(target, wanted)) {
                *hint = at->next;
                return target;
            }
        }
        at = at->next;
    } while (at != start);
    return NULL;
}

static void join_targets(struct worker *worker, struct view *view)
{
    const struct table *table = view->table;
    struct list *hint = worker->targets.next;

    view->targets = mem_new(MAX(table->target_count, 1) * sizeof *view->targets);
    for (size_t i = 0; i < table->target_count; i++) {
        const struct table_target *wanted = &table->targets[i];
        struct target *target = find_target(worker, wanted, &hint);
        if (target == NULL)
            target = target_new(worker, wanted);
        view->targets[i] = target;
        target->views++;
        target->weight = wanted->weight;
        bool again = target->generation == table->generation; /* of another upstream too */
        target->draining = wanted->draining || (again && target->draining);
        target->unreported = target->draining;
        target->sick = wanted->sick;
        target->generation = table->generation;
    }
}

/* What only some ways of balancing need. */
static void prepare_balance(struct view *view)
{
    const struct table *table = view->table;

    for (size_t u = 0; u < table->upstream_count; u++) {
        const struct table_upstream *upstream = &table->upstreams[u];
        if (upstream->balance == NULL)
            continue;
        if (upstream->balance->kind == BALANCE_ROUND_ROBIN && view->turns == NULL)
            view->turns = mem_new(table->target_count * sizeof *view->turns + 1);
        for (uint32_t i = 0; upstream->balance->sticky_cookie.len > 0 && i < upstream->target_count;
             i++) {
            struct target *target = view->targets[upstream->first_target + i];
            if (target->token == 0)
                target->token = mac_sign_u64(table->sign_key, SIGN_KEY_LEN, target->id) | 1;
        }
    }
}

struct view *view_new(struct worker *worker, struct table *table)
{
    struct view *view = NEW(struct view), *former = worker->view;

    view->worker = worker;
    view->table = table;
    view->users = 1;
    LIST_FOR_EACH (link, &worker->targets)
        CONTAINER_OF(link, struct target, link)->generation = 0;
    join_targets(worker, view);
    prepare_balance(view);
    worker->view = view;
    LIST_FOR_EACH (link, &worker->targets) {
        struct target *target = CONTAINER_OF(link, struct target, link);
        if (target->generation == 0 && !target->draining)
            target->draining = target->unreported = true; /* gone from the table */
        if (target->draining) {
            close_idle(target);
            h2_target_retire(target);
        }
        report_idle(worker, target);
    }
    if (former != NULL)
        view_unref(worker, former);
    queue_wake(worker);
    return view;
}

void view_unref(struct worker *worker, struct view *view)
{
    (void)worker;
    if (--view->users > 0)
        return;
    crash_route = NULL; /* perhaps one of this table, which may go with it */
    for (size_t i = 0; i < view->table->target_count; i++) {
        view->targets[i]->views--;
        target_free_unused(view->targets[i]);
    }
    table_unref(view->table);
    free(view->targets);
    free(view->turns);
    free(view);
}
