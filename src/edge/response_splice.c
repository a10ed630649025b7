/* SPDX-License-Identifier: Apache-2.0
 *
 * Large bodies of a known length from a target to a plain client: by splice(2),
 * never more than the body's length, so that bytes behind it stay where they
 * are and are seen.
 */
#include "base/base.h"

#include <errno.h>
#include <sys/socket.h>

#include "edge/cache.h"
#include "edge/exchange.h"
#include "edge/pipe.h"
#include "edge/rules.h"
#include "edge/worker.h"

enum { WORTH_BYTES = 64 * 1024 };

bool response_may_splice(const struct exchange *exchange)
{
    const struct rules_state *rules = exchange->rules;

    return exchange->response.framing == HTTP_LENGTH && exchange->response.left >= WORTH_BYTES &&
           (exchange->cache == NULL || !cache_is_filling(exchange)) &&
           (rules == NULL || (!rules->outlet.active && !rules->frames)) &&
           conn_is_plain(exchange->side) && conn_is_plain(&exchange->server->conn) &&
           exchange->side->out == NULL;
}

/* More than the answer came: the connection is not to be trusted. */
static bool is_quiet(const struct conn *conn)
{
    char byte;

    return recv(conn->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void finish(struct exchange *exchange)
{
    struct conn *server = &exchange->server->conn;

    pipe_put(&exchange->worker->pipes, TAKE(exchange->pipe_out));
    server->drained = is_quiet(server);
    exchange->response.done = true;
    exchange_done(exchange);
}

/* One piece, which keeps the worker for some 100 us; true: there may be more. */
static bool move_once(struct exchange *exchange)
{
    struct conn *side = exchange->side, *server = &exchange->server->conn;
    struct worker *worker = exchange->worker;
    struct pipe *pipe = exchange->pipe_out;
    struct body *body = &exchange->response;
    size_t held = pipe->held, moved;

    enum pipe_result result =
        pipe_move(pipe, server->io.fd, side->io.fd, MIN(body->left, (uint64_t)PIPE_BYTES), &moved);
    uint64_t came = moved + pipe->held - held;
    body->left -= came;
    body->bytes += came;
    exchange->sent_bytes += moved;
    if (came > 0)
        conn_set_timeout(server, exchange->route->body_timeout_ms);
    switch (result) {
    case PIPE_MOVED:
        if (body->left > 0)
            return true;
        finish(exchange);
        return false;
    case PIPE_FULL:
        side->awaits_room = true;
        conn_set_timeout(side, EDGE_WRITE_MS);
        return false;
    case PIPE_EMPTY:
        pipe_put(&worker->pipes, TAKE(exchange->pipe_out));
        return false;
    case PIPE_ENDED: /* before its time */
        server->state->on_error(server);
        return false;
    case PIPE_BROKEN:
        break;
    }
    exchange_drop(exchange);
    return false;
}

bool response_splice(struct exchange *exchange)
{
    if (exchange->pipe_out == NULL)
        exchange->pipe_out = pipe_get(&exchange->worker->pipes);
    if (exchange->pipe_out == NULL)
        return false;
    if (move_once(exchange)) /* the others first */
        conn_rearm(&exchange->server->conn);
    return true;
}
