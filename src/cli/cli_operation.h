/* SPDX-License-Identifier: Apache-2.0
 *
 * An operation of the daemon (up, down, restart) from the request to the last
 * line, shown by progress.h, and what is said when it fails.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "cli/progress.h"

struct cli;

struct cli_operation {
    enum progress_kind kind;
    const char *system;
    const char *verb; /* last piece of the path */
    const json_t *body;
    const char *const *services; /* shown from the start, in this order; NULL: as they come */
    size_t service_count;
    bool only_start; /* return as soon as the daemon has answered with a line */
};

/* Returns the exit status. *ret_result is the result line, NULL when it never came; a new
 * reference. */
int cli_operation_run(struct cli *cli, const struct cli_operation *operation, json_t **ret_result);

/* "/v1/systems/NAME" and <rest>, in the arena. */
const char *cli_operation_path(struct cli *cli, const char *system, const char *rest);

/* A request of the system that is answered at once: prints the answer with --json, and otherwise
 * "eshop is <done>"; NULL: nothing. Returns the exit status. */
int cli_operation_change(struct cli *cli, const char *system, const char *method, const char *rest,
                         const json_t *body, const char *done);

/* How progress is shown for the options given. */
enum progress_mode cli_operation_mode(const struct cli *cli);
/* Neither JSON nor quiet. */
bool cli_operation_is_text(const struct cli *cli);

/* Prints "eshop <what> in 9.1 s: https://..." for a result unless it is JSON or quiet. */
void cli_operation_summary(struct cli *cli, const char *system, const char *what,
                           const json_t *result);
