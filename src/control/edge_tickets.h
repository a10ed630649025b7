/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of TLS session tickets, for all edges of this machine: they go with each
 * table, so a client resumes its session at whichever edge answers next, after
 * a restart or an upgrade too. A key makes tickets for half a day and opens them
 * for another day. They are kept where a reboot forgets them, and never on disk.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"

struct daemon;
struct edge_tickets;

/* The keys, the newest first, as a new reference; makes another one when it is time. */
json_t *edge_tickets_keys(struct daemon *daemon);
void edge_tickets_free(struct edge_tickets *tickets); /* takes NULL */
