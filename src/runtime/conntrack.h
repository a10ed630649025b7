/* SPDX-License-Identifier: Apache-2.0
 *
 * Forgets where UDP conversations lead. A conversation goes where its first
 * packet was sent for as long as somebody talks: without this, a client that
 * never pauses would go on asking an instance that takes no traffic any more.
 * TCP connections end with their instance and are left alone.
 */
#pragma once

#include <netinet/in.h>

#include "base/base.h"

struct err;

/* May a conversation that was translated go on to <address>? */
typedef bool conntrack_keeps_fn(const void *arg, struct in_addr address);

/* Deletes every UDP entry of this network namespace that was translated (nftables `dnat`) to an
 * address of 10.213.0.0/16 which <keeps> denies. Reads the whole table: some tens of milliseconds
 * when it has 100,000 entries. */
MUST_CHECK bool conntrack_forget_udp(conntrack_keeps_fn *keeps, const void *arg, struct err *err);
