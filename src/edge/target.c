/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/clock.h"
#include "edge/target.h"
#include "edge/worker.h"

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
    list_push(&worker->targets, &target->link);
    target->address = from->address;
    target->address_text = copy_str(from->address_text);
    target->id = copy_str(from->id);
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
    list_remove(&target->link);
    free_str(target->id);
    free_str(target->address_text);
    free(target);
}

static void report_idle(struct worker *worker, struct target *target)
{
    if (!target->unreported || target->active > 0)
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

void target_eject(struct target *target, uint64_t now_ns)
{
    target->ejected_until_ns = now_ns + TARGET_EJECT_MS * NS_PER_MS;
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
        target->draining = wanted->draining;
        target->unreported = wanted->draining;
        target->generation = table->generation;
    }
}

struct view *view_new(struct worker *worker, struct table *table)
{
    struct view *view = NEW(struct view), *former = worker->view;

    view->table = table;
    view->users = 1;
    LIST_FOR_EACH (link, &worker->targets)
        CONTAINER_OF(link, struct target, link)->generation = 0;
    join_targets(worker, view);
    worker->view = view;
    LIST_FOR_EACH (link, &worker->targets) {
        struct target *target = CONTAINER_OF(link, struct target, link);
        if (target->generation == 0 && !target->draining)
            target->draining = target->unreported = true; /* gone from the table */
        if (target->draining)
            close_idle(target);
        report_idle(worker, target);
    }
    if (former != NULL)
        view_unref(worker, former);
    return view;
}

void view_unref(struct worker *worker, struct view *view)
{
    (void)worker;
    if (--view->users > 0)
        return;
    for (size_t i = 0; i < view->table->target_count; i++) {
        view->targets[i]->views--;
        target_free_unused(view->targets[i]);
    }
    table_unref(view->table);
    free(view->targets);
    free(view);
}

/* a is less busy than b for its weight */
static bool less_busy(const struct target *a, const struct target *b)
{
    return (uint64_t)a->active * b->weight < (uint64_t)b->active * a->weight;
}

struct target *view_pick(struct view *view, uint32_t upstream, const struct target *avoid,
                         uint64_t now_ns)
{
    const struct table_upstream *from = &view->table->upstreams[upstream];
    struct target *best = NULL, *fallback = NULL;

    view->next++;
    for (uint32_t i = 0; i < from->target_count; i++) {
        uint32_t at = from->first_target + (view->next + i) % from->target_count;
        struct target *target = view->targets[at];
        if (target->draining)
            continue;
        if (target == avoid || target->ejected_until_ns > now_ns) {
            if (fallback == NULL || fallback == avoid ||
                (target != avoid && less_busy(target, fallback)))
                fallback = target;
        } else if (best == NULL || less_busy(target, best)) {
            best = target;
        }
    }
    return best != NULL ? best : fallback;
}
