/* SPDX-License-Identifier: Apache-2.0
 *
 * What an edge was working on when it crashed: a page of memory that it shares
 * with the daemon (edge/crash.h). Read after its end; it names the route, never
 * anything of a request.
 */
#pragma once

#include "base/base.h"

struct edge_process;

/* Makes the page of a new edge and hands it over. */
void edge_crash_send_page(struct edge_process *process);
/* It has ended: says in log, events and history what the page tells. */
void edge_crash_report(const struct edge_process *process, int exit_status);
