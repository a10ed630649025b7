/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds the route of a request: the host's group (exact, then "*.rest", then any
 * host), and in it the longest path that covers the request's. A binary search
 * and a few steps, whatever the number of routes.
 */
#pragma once

#include "edge/table.h"

/* Sorts the routes and builds the groups. Called once, by table_read(). */
void route_index(struct table *table);

/* <host> and <path> are normal forms (http/path.h). NULL when no route covers
 * them on listener <listener_id>; then <ret_host_known> tells whether the host has any. */
const struct route *route_find(const struct table *table, uint32_t listener_id, struct str host,
                               struct str path, bool *ret_host_known);

/* Does <path>, for which <route> was found, lead there too when its encoded slashes are read as
 * slashes? Many services read them so, and /admin%2Fusers must not lead around what the route of
 * /admin demands. <bytes> has room for twice the path. */
bool route_is_certain(const struct table *table, uint32_t listener_id, struct str host,
                      struct str path, const struct route *route, char *bytes);
