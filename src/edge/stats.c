/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/cache_store.h"
#include "edge/check.h"
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
    [COUNT_EJECTIONS] = "target_ejections",
    [COUNT_QUEUED] = "queued",
    [COUNT_QUEUE_REJECTED] = "queue_rejected",
    [COUNT_RETRIES_DENIED] = "retries_denied",
    [COUNT_CLIENT_ABORTS] = "client_aborts",
    [COUNT_TIMEOUTS] = "timeouts",
    [COUNT_LIMITS] = "limits_exceeded",
    [COUNT_HANDSHAKES] = "tls_handshakes",
    [COUNT_HANDSHAKE_FAILURES] = "tls_handshake_failures",
    [COUNT_TUNNELS] = "tunnels",
    [COUNT_LOG_DROPS] = "access_log_dropped",
    [COUNT_MEMORY_SHORT] = "memory_short",
    [COUNT_CACHE_HITS] = "cache_hits",
    [COUNT_CACHE_MISSES] = "cache_misses",
    [COUNT_CACHE_STALE] = "cache_stale",
    [COUNT_CACHE_REVALIDATED] = "cache_revalidated",
    [COUNT_CACHE_COLLAPSED] = "cache_collapsed",
    [COUNT_CACHE_BYPASSES] = "cache_bypasses",
    [COUNT_CACHE_STORED] = "cache_stored",
    [COUNT_CACHE_REFUSED] = "cache_refused",
    [COUNT_CACHE_SLOW] = "cache_slow",
    [COUNT_H2_CONNECTIONS] = "h2_connections",
    [COUNT_H2_REFUSED_STREAMS] = "h2_refused_streams",
    [COUNT_H2_HEADER_LISTS] = "h2_header_lists_exceeded",
    [COUNT_H2_STALLS] = "h2_stalled_streams",
    [COUNT_H2_ERRORS] = "h2_errors",
    [COUNT_RATES] = "rate_limited",
    [COUNT_RATES_DRY_RUN] = "rate_limited_dry_run",
    [COUNT_ADDRESSES] = "addresses_denied",
    [COUNT_LONG_URLS] = "long_urls",
    [COUNT_LARGE_HEADS] = "large_heads",
    [COUNT_MISDIRECTED] = "misdirected_requests",
    [COUNT_CLIENT_CERTIFICATES] = "client_certificates_missing",
    [COUNT_CONNECTIONS_PER_IP] = "connections_per_ip_exceeded",
    [COUNT_LISTENER_FULL] = "listener_connections_exceeded",
    [COUNT_DESCRIPTORS] = "descriptors_short",
    [COUNT_PROXY_PROTOCOL] = "proxy_protocol_errors",
    [COUNT_SLOW_HEADS] = "slow_heads",
    [COUNT_SLOW_BODIES] = "slow_bodies",
    [COUNT_SLOW_READERS] = "slow_readers",
    [COUNT_RESUMED] = "tls_sessions_resumed",
    [COUNT_COMPRESSED] = "responses_compressed",
    [COUNT_COMPRESS_SKIPPED] = "compression_skipped",
    [COUNT_CORS_REFUSED] = "cors_refused",
    [COUNT_AUTH_FAILURES] = "auth_failures",
    [COUNT_AUTH_QUEUE] = "auth_queue_full",
    [COUNT_MAINTENANCE] = "maintenance_answers",
    [COUNT_H2_TARGET_CONNECTIONS] = "h2_target_connections",
    [COUNT_H2_TARGET_HEADER_LISTS] = "h2_target_header_lists_exceeded",
    [COUNT_H2_TARGET_ERRORS] = "h2_target_errors",
    [COUNT_H2_TARGET_RESETS] = "h2_target_resets",
    /* connections closed for too many of these */
    [COUNT_H2_TARGET_COSTS + H2_COST_RESET] = "h2_target_floods_reset",
    [COUNT_H2_TARGET_COSTS + H2_COST_OWN_RESET] = "h2_target_floods_provoked_reset",
    [COUNT_H2_TARGET_COSTS + H2_COST_SETTINGS] = "h2_target_floods_settings",
    [COUNT_H2_TARGET_COSTS + H2_COST_PING] = "h2_target_floods_ping",
    [COUNT_H2_TARGET_COSTS + H2_COST_EMPTY] = "h2_target_floods_empty",
    [COUNT_H2_TARGET_COSTS + H2_COST_WINDOW] = "h2_target_floods_window",
    [COUNT_H2_TARGET_COSTS + H2_COST_SMALL] = "h2_target_floods_small",
    [COUNT_H2_TARGET_COSTS + H2_COST_OTHER] = "h2_target_floods_other",
    [COUNT_H2_TARGET_COSTS + H2_COST_CONTINUATION] = "h2_target_floods_continuation",
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

/* Of all workers; lines of the access log may be lost behind them too. */
static uint64_t sum(const struct edge *edge, size_t counter)
{
    uint64_t total = counter == COUNT_LOG_DROPS ? log_flusher_lost(&edge->flusher) : 0;

    for (unsigned i = 0; i < edge->worker_count; i++)
        total += __atomic_load_n(&edge->workers[i]->counters[counter], __ATOMIC_RELAXED);
    return total;
}

static void add_cache(json_t *event, struct cache_totals totals)
{
    (void)json_object_set_new(event, "cache_entries", json_integer((json_int_t)totals.entries));
    (void)json_object_set_new(event, "cache_bytes", json_integer((json_int_t)totals.bytes));
    (void)json_object_set_new(event, "cache_limit_bytes",
                              json_integer((json_int_t)totals.limit_bytes));
    (void)json_object_set_new(event, "cache_evicted", json_integer((json_int_t)totals.evicted));
    (void)json_object_set_new(event, "cache_purged", json_integer((json_int_t)totals.purged));
}

static void add_checks(json_t *event, struct check_totals totals)
{
    (void)json_object_set_new(event, "health_checks", json_integer((json_int_t)totals.made));
    (void)json_object_set_new(event, "health_checks_failed",
                              json_integer((json_int_t)totals.failed));
    (void)json_object_set_new(event, "targets_up", json_integer(totals.up));
    (void)json_object_set_new(event, "targets_down", json_integer(totals.down));
}

json_t *stats_make(const struct edge *edge)
{
    json_t *event =
        json_pack("{s:s, s:I}", "event", "stats", "generation",
                  edge->table == NULL ? (json_int_t)0 : (json_int_t)edge->table->generation);

    for (size_t i = 0; i < COUNTERS; i++)
        (void)json_object_set_new(event, names[i], json_integer((json_int_t)sum(edge, i)));
    add_cache(event, cache_totals(edge->cache));
    add_checks(event, check_totals(edge));
    return event;
}
