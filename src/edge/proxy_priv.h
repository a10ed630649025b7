/* SPDX-License-Identifier: Apache-2.0
 *
 * The target's side of an exchange: proxy.c connects, tries again and lets go;
 * proxy_choice.c takes a target; proxy_idle.c has connections that wait; proxy_body.c passes the
 * request's body on.
 */
#pragma once

#include "edge/exchange.h"
#include "edge/worker.h"

/* Is the connection a stream of HTTP/2? */
static inline bool proxy_is_stream(const struct target_conn *server)
{
    return server->conn.state->ops != NULL;
}

static inline const struct upstream_balance *proxy_balance(const struct exchange *exchange)
{
    return exchange_targets(exchange)->table->upstreams[exchange->upstream].balance;
}

static inline bool proxy_has_fail_limit(const struct exchange *exchange)
{
    const struct upstream_balance *balance = proxy_balance(exchange);

    return balance != NULL && balance->max_fails != 0;
}

/* For the release that is being asked. */
static inline void proxy_meter(const struct exchange *exchange, enum meter_count count, uint64_t n)
{
    if (exchange->meter != 0)
        meter_add(&exchange->worker->meters[exchange->meter], count, n);
}

/* ---- proxy.c ---- */

bool proxy_is_connecting(const struct exchange *exchange);
/* The request was sent: the clock of the answer runs. */
void proxy_await_response(struct exchange *exchange);

/* ---- proxy_choice.c ---- */

bool proxy_speaks_h2(const struct exchange *exchange);
/* Goes on with the upstream that the route leads to by the newest table. False: it does already, or
 * the route is not there any more. */
bool proxy_use_newest_view(struct exchange *exchange);
/* Sets exchange->target, which is not <avoid> unless there is no other. False: no target has
 * room, or there is none. */
MUST_CHECK bool proxy_take_target(struct exchange *exchange, const struct target *avoid);

/* ---- proxy_idle.c ---- */

/* A connection that has answered waits for the next request from now on. False: it cannot. */
MUST_CHECK bool proxy_keep_idle(struct target_conn *server);
/* One of exchange->target that waits; NULL: there is none. */
struct target_conn *proxy_take_idle(struct exchange *exchange, bool can_repeat);
