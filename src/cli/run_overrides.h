/* SPDX-License-Identifier: Apache-2.0
 *
 * What the options of `run` change in the service, as members of its part of the
 * resolved file.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"

struct cli;
struct err;

/* New reference; NULL with <err>. <service> is the resolved one. */
json_t *run_overrides_make(struct cli *cli, const json_t *service, bool tty, struct err *err);
