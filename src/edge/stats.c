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
