/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands about a system that runs: its name, and a clear line when there is
 * nothing to ask.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "compose/model.h"

struct cli;

/* Name of the system of the command line. NULL: an error was printed and *ret_status is set; the
 * caller is not root, no daemon runs, or no name can be told. Whether the daemon knows the system
 * is for the daemon to say. */
const char *running_system(struct cli *cli, int *ret_status) MUST_CHECK;

/* Whether a daemon has worked here before: then services may run although none answers now. */
bool running_was_started(const struct cli *cli);

/* "/v1/systems/NAME" <rest> with "service=" for each of <services>; in the arena. */
const char *running_path(struct cli *cli, const char *system, const char *rest,
                         const struct compose_texts *services);

/* GET of running_path() for the services of the command line. False: an error was printed and
 * *ret_status is set. */
MUST_CHECK bool running_ask(struct cli *cli, const char *rest, const char **ret_system,
                            json_t **ret, int *ret_status);
