/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "control/edge_policy.h"

void edge_policy_write(json_t *row, const struct compose_route *route, const char *folder)
{
    if (route->cache_control != NULL)
        (void)json_object_set_new(row, "cache_control", json_string(route->cache_control));
    if (route->cache != NULL)
        edge_policy_cache(row, route->cache);
    if (route->rules != NULL)
        edge_policy_rules(row, route, folder);
    if (route->limits != NULL)
        edge_policy_limits(row, route->limits);
}
