/* SPDX-License-Identifier: Apache-2.0
 *
 * How the kernel writes down traffic, in parts that can be tested without one.
 * What cannot be read counts as nothing.
 */
#pragma once

#include "base/str.h"
#include "runtime/runtime.h"

/* Adds every interface but lo of a /proc/PID/net/dev. */
void usage_add_network(struct str text, struct runtime_usage *ret);
/* Adds every disk of blkio.throttle.io_service_bytes_recursive, or of <v2>'s io.stat. */
void usage_add_disks(struct str text, bool v2, struct runtime_usage *ret);
