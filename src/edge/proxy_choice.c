/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/h2_target.h"
#include "edge/proxy_priv.h"
#include "edge/share.h"

bool proxy_speaks_h2(const struct exchange *exchange)
{
    return !exchange->is_tunnel &&
           exchange_targets(exchange)->table->upstreams[exchange->upstream].is_h2;
}

static bool is_same_route(const struct route *a, const struct route *b)
{
    return str_eq(a->path, b->path) && str_eq(a->host, b->host) && str_eq(a->system, b->system) &&
           a->action == b->action &&
           (a->listener_count == 0 || b->listener_count == 0 || a->listeners[0] == b->listeners[0]);
}

/* The upstream that the route of <exchange> leads to by <table>; names of upstreams alone do not
 * tell: several routes may lead to one service by different rules. */
static uint32_t find_again(const struct exchange *exchange, const struct table *table)
{
    const struct route *route = exchange->route;

    if (exchange->client->kind == LISTENER_TCP) {
        const struct table_listener *listener =
            table_find_listener(table, exchange->client->listener_id);
        return listener == NULL || listener->kind != LISTENER_TCP ? UINT32_MAX : listener->upstream;
    }
    for (size_t i = 0; route != NULL && i < table->route_count; i++)
        if (is_same_route(&table->routes[i], route))
            return table->routes[i].upstream;
    return UINT32_MAX;
}

/* The newest table may have others. */
bool proxy_use_newest_view(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    struct view *view = exchange_targets(exchange), *former = exchange->later;

    if (view == worker->view)
        return false;
    uint32_t upstream = find_again(exchange, worker->view->table);
    if (upstream == UINT32_MAX)
        return false;
    exchange->later = view_ref(worker->view);
    exchange->upstream = upstream;
    exchange->request.chunk_out =
        exchange->request.framing == HTTP_CHUNKED || exchange->request.framing == HTTP_UNTIL_CLOSE;
    if (former != NULL) {
        exchange->target_text = (struct str){0}; /* perhaps of one that goes with it */
        view_unref(worker, former);
    }
    return true;
}

static struct target *pick(struct exchange *exchange, const struct target *avoid)
{
    uint64_t now_ns = loop_now_ns(exchange->worker->loop);
    struct target *target;

    exchange->pick.avoid = avoid;
    do
        target =
            balance_pick(exchange_targets(exchange), exchange->upstream, &exchange->pick, now_ns);
    while (target == NULL && proxy_use_newest_view(exchange));
    return target;
}

/* False: another worker took the last room. */
static bool take(struct exchange *exchange, struct target *target)
{
    const struct table_target *row = &exchange_targets(exchange)->table->targets[exchange->pick.at];

    if (proxy_speaks_h2(exchange) && !h2_target_has_room(target))
        return false;
    if (row->share != NULL && !share_take(row->share, proxy_balance(exchange)->max_connections))
        return false;
    exchange->share = row->share;
    exchange->target = target;
    exchange->target_text = target->address_text;
    exchange->meter = row->meter;
    exchange->release = row->release;
    exchange->failed = false;
    if (target->ejections > 0 && !target->on_trial && proxy_has_fail_limit(exchange))
        exchange->on_trial = target->on_trial = true;
    target_take(target);
    proxy_meter(exchange, METER_ACTIVE, 1);
    return true;
}

bool proxy_take_target(struct exchange *exchange, const struct target *avoid)
{
    struct target *target = pick(exchange, avoid);

    return target != NULL && take(exchange, target);
}
