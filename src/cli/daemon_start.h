/* SPDX-License-Identifier: Apache-2.0
 *
 * Starts the daemon in the background when none answers. Root only.
 */
#pragma once

#include "base/base.h"

struct cli;
struct err;

/* True when a daemon answers. When one was started and ended at once, the error is the last line it
 * logged and the lines before it were printed on standard error. */
MUST_CHECK bool daemon_ensure(struct cli *cli, struct err *err);
