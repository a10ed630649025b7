/* SPDX-License-Identifier: Apache-2.0
 *
 * --dry-run: what up, down and restart would do, told from the file and from
 * what the daemon says runs. Changes nothing and starts no daemon.
 */
#pragma once

#include <jansson.h>

#include "compose/model.h"

struct cli;

/* Each returns the exit status. */
int plan_view_up(struct cli *cli, const struct compose *compose, const json_t *resolved);
int plan_view_down(struct cli *cli, const char *system);
int plan_view_restart(struct cli *cli, const char *system);
/* Each instance of the services named would be asked to do <action>. */
int plan_view_instances(struct cli *cli, const char *system, const char *action, const char *why);
