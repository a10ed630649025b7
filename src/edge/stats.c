/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/control.h"

static const char *const names[COUNTERS] = {
    [COUNT_CONNECTIONS] = "connections",
    [COUNT_CONNECTIONS_OPEN] = "connections_open",
    [COUNT_REQUESTS] = "requests",
    [COUNT_1XX] = "responses_1xx",
    [COUNT_2XX] = "responses_2xx",
    [COUNT_3XX] = "responses_3xx",
    [COUNT_4XX] = "responses_4xx",
    [COUNT_5XX] = "responses_5xx",
    [COUNT_BYTES_OUT] = "body_bytes_out",
    [COUNT_TARGET_CONNECTIONS] = "target_connections",
    [COUNT_TARGET_FAILURES] = "target_failures",
    [COUNT_RETRIES] = "retries",
    [COUNT_CLIENT_ABORTS] = "client_aborts",
    [COUNT_TIMEOUTS] = "timeouts",
    [COUNT_LIMITS] = "limits_exceeded",
    [COUNT_HANDSHAKES] = "tls_handshakes",
    [COUNT_HANDSHAKE_FAILURES] = "tls_handshake_failures",
    [COUNT_TUNNELS] = "tunnels",
    [COUNT_LOG_DROPS] = "access_log_dropped",
    [COUNT_H2_CONNECTIONS] = "h2_connections",
    [COUNT_H2_REFUSED_STREAMS] = "h2_refused_streams",
    [COUNT_H2_HEADER_LISTS] = "h2_header_lists_exceeded",
    [COUNT_H2_STALLS] = "h2_stalled_streams",
    /* connections closed for too many of these */
    [COUNT_H2_COSTS + H2_COST_RESET] = "h2_floods_reset",
    [COUNT_H2_COSTS + H2_COST_OWN_RESET] = "h2_floods_provoked_reset",
    [COUNT_H2_COSTS + H2_COST_SETTINGS] = "h2_floods_settings",
    [COUNT_H2_COSTS + H2_COST_PING] = "h2_floods_ping",
    [COUNT_H2_COSTS + H2_COST_EMPTY] = "h2_floods_empty",
    [COUNT_H2_COSTS + H2_COST_WINDOW] = "h2_floods_window",
    [COUNT_H2_COSTS + H2_COST_SMALL] = "h2_floods_small",
    [COUNT_H2_COSTS + H2_COST_OTHER] = "h2_floods_other",
    [COUNT_H2_COSTS + H2_COST_CONTINUATION] = "h2_floods_continuation",
};

static uint64_t sum(const struct edge *edge, size_t counter)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < edge->worker_count; i++)
        total += __atomic_load_n(&edge->workers[i]->counters[counter], __ATOMIC_RELAXED);
    return total;
}

json_t *stats_make(const struct edge *edge)
{
    json_t *event =
        json_pack("{s:s, s:I}", "event", "stats", "generation",
                  edge->table == NULL ? (json_int_t)0 : (json_int_t)edge->table->generation);

    for (size_t i = 0; i < COUNTERS; i++)
        (void)json_object_set_new(event, names[i], json_integer((json_int_t)sum(edge, i)));
    return event;
}
