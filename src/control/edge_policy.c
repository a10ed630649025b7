/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "control/edge_policy.h"

/* Of a body, either way, where the table does not say (edge/table.h). */
enum { BODY_PAUSE_MS = 60000 };

/* 0 is no limit in the file, and a limit in the table. */
static json_int_t no_limit(uint64_t bytes)
{
    return bytes == 0 ? INT64_MAX : (json_int_t)MIN(bytes, (uint64_t)INT64_MAX);
}

static void set_pause(json_t *row, const char *key, uint64_t ms)
{
    if (ms > 0)
        (void)json_object_set_new(row, key, json_integer((json_int_t)ms));
}

void edge_policy_write(json_t *row, const struct compose_route *route, const char *folder)
{
    if (route->has_body_limit)
        (void)json_object_set_new(row, "body_limit_bytes",
                                  json_integer(no_limit(route->body_limit_bytes)));
    set_pause(row, "connect_timeout_ms", route->connect_timeout_ms);
    set_pause(row, "response_timeout_ms", route->response_timeout_ms);
    if (route->response_timeout_ms > BODY_PAUSE_MS) /* it is the clients' too: never shorter */
        set_pause(row, "body_timeout_ms", route->response_timeout_ms);
    set_pause(row, "tunnel_timeout_ms", route->idle_timeout_ms);
    if (route->cache_control != NULL)
        (void)json_object_set_new(row, "cache_control", json_string(route->cache_control));
    if (route->cache != NULL)
        edge_policy_cache(row, route->cache);
    if (route->rules != NULL)
        edge_policy_rules(row, route, folder);
    if (route->limits != NULL)
        edge_policy_limits(row, route->limits);
}
