/* SPDX-License-Identifier: Apache-2.0
 *
 * What an instance needs before it can run, made by quick system calls and
 * undone from whatever state it was left in. Private to the host runtime.
 */
#pragma once

#include "base/base.h"

struct err;
struct host;
struct instance_spec;

/* Folders, root file system, network, config.json. On failure nothing is left. */
MUST_CHECK bool prepare(struct host *host, const struct instance_spec *spec, struct err *err);

/* Removes all of it. The process must have ended. */
MUST_CHECK bool prepare_undo(struct host *host, const char *id, struct err *err);
