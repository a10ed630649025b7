/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "edge/check.h"
#include "edge/control.h"
#include "edge/worker.h"
#include "json/json.h"

enum { POSTPONE_MS = 20 };

struct check {
    struct list link; /* in edge.checks */
    struct edge *edge;
    const struct table_check *row; /* of the newest table */
    struct timer timer;
    struct probe *probe; /* NULL: none is under way */
    uint32_t fails;      /* in a row */
    uint32_t successes;  /* in a row, while sick */
    bool sick;
    bool is_wanted; /* by the table that is being planned */
};

static void on_due(struct timer *timer, uint64_t now_ns);

static void set_timer(struct check *check, uint64_t after_ms)
{
    struct loop *loop = check->edge->loop;

    timer_set(loop, &check->timer, loop_now_ns(loop) + after_ms * NS_PER_MS, on_due);
}

/* ---- telling ---- */

static void tell_daemon(const struct check *check, bool good, int status, struct str detail)
{
    control_send(check->edge,
                 json_pack("{s:s, s:o, s:b, s:b, s:i, s:o}", "event", "health", "target",
                           json_from_bytes(check->row->target), "ok", good, "sick", check->sick,
                           "status", status, "detail", json_from_bytes(detail)),
                 NULL, 0);
}

static char *copy_text(struct str text)
{
    char *copy = mem_new(text.len + 1);

    memcpy(copy, text.ptr, text.len);
    return copy;
}

static void tell_workers(const struct check *check)
{
    struct edge *edge = check->edge;

    for (unsigned i = 0; i < edge->worker_count; i++)
        if (edge_has_worker(edge, i))
            mailbox_send(&edge->workers[i]->inbox,
                         &(struct letter){.kind = LETTER_HEALTH,
                                          .number = check->sick,
                                          .text = copy_text(check->row->target)});
}

static void turn(struct check *check, bool sick, struct str detail)
{
    check->sick = sick;
    check->fails = check->successes = 0;
    tell_workers(check);
    if (sick)
        log_warn("edge", "target " STR_FMT " is left out: its check failed: " STR_FMT,
                 STR_ARG(check->row->target), STR_ARG(detail));
    else
        log_info("edge", "target " STR_FMT " is back: its check succeeds",
                 STR_ARG(check->row->target));
}

/* ---- asking ---- */

static void on_answer(void *arg, bool good, int status, struct str detail)
{
    struct check *check = arg;
    bool was_sick = check->sick;

    check->probe = NULL;
    check->edge->checks_made++;
    check->edge->checks_failed += !good;
    check->fails = good ? 0 : check->fails + 1;
    check->successes = good && was_sick ? check->successes + 1 : 0;
    if (!was_sick && check->fails >= check->row->fall)
        turn(check, true, detail);
    else if (was_sick && check->successes >= check->row->rise)
        turn(check, false, detail);
    if (!good || was_sick)
        tell_daemon(check, good, status, detail);
    set_timer(check, check->row->interval_ms);
}

static void on_due(struct timer *timer, uint64_t now_ns)
{
    struct check *check = CONTAINER_OF(timer, struct check, timer);

    (void)now_ns;
    if (check->edge->probe_count >= PROBES_MAX) {
        set_timer(check, POSTPONE_MS);
        return;
    }
    check->probe = probe_open(check->edge, &check->row->question, on_answer, check);
}

/* ---- tables ---- */

static void check_new(struct edge *edge, const struct table_check *row)
{
    struct check *check = NEW(struct check);

    check->edge = edge;
    check->row = row;
    check->sick = row->sick;
    check->is_wanted = true;
    list_push(&edge->checks, &check->link);
    /* Those of one table are spread over their interval. */
    set_timer(check, hash_bytes(row->target.ptr, row->target.len) % row->interval_ms);
}

static void check_free(struct check *check)
{
    timer_clear(&check->timer);
    if (check->probe != NULL)
        probe_cancel(check->probe);
    list_remove(&check->link);
    free(check);
}

static bool is_same(const struct table_check *a, const struct table_check *b)
{
    return str_eq(a->target, b->target) &&
           memcmp(&a->question.address, &b->question.address, sizeof a->question.address) == 0;
}

/* What is known of it stays. Another path is asked with the next question. */
static void adopt(struct check *check, const struct table_check *row)
{
    check->row = row;
    check->is_wanted = true;
    if (check->probe == NULL &&
        check->timer.due_ns > loop_now_ns(check->edge->loop) + row->interval_ms * NS_PER_MS)
        set_timer(check, row->interval_ms);
    if (check->sick != row->sick)
        tell_daemon(check, !check->sick, 0,
                    check->sick ? STR("its check failed") : (struct str){0});
}

static void mark_target(struct table *table, const struct map *sick)
{
    for (size_t i = 0; i < table->target_count; i++)
        table->targets[i].sick = map_find(sick, table->targets[i].id) != NULL;
}

void check_plan(struct edge *edge, struct table *next)
{
    AUTO(map_done) struct map known = {0}, sick = {0};

    LIST_FOR_EACH (link, &edge->checks) {
        struct check *check = CONTAINER_OF(link, struct check, link);
        check->is_wanted = false;
        (void)map_set(&known, check->row->target, check);
    }
    for (size_t i = 0; i < next->check_count; i++) {
        struct check *check = map_find(&known, next->checks[i].target);
        if (check != NULL && !check->is_wanted && is_same(check->row, &next->checks[i]))
            adopt(check, &next->checks[i]);
        else
            check_new(edge, &next->checks[i]);
    }
    LIST_FOR_EACH (link, &edge->checks) {
        struct check *check = CONTAINER_OF(link, struct check, link);
        if (!check->is_wanted)
            check_free(check);
        else if (check->sick)
            (void)map_set(&sick, check->row->target, check);
    }
    mark_target(next, &sick);
}

void check_done(struct edge *edge)
{
    LIST_FOR_EACH (link, &edge->checks)
        check_free(CONTAINER_OF(link, struct check, link));
}

struct check_totals check_totals(const struct edge *edge)
{
    struct check_totals totals = {.made = edge->checks_made, .failed = edge->checks_failed};

    LIST_FOR_EACH (link, &edge->checks) {
        const struct check *check = CONTAINER_OF(link, struct check, link);
        totals.down += check->sick;
        totals.up += !check->sick;
    }
    return totals;
}
