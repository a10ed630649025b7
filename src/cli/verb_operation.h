/* SPDX-License-Identifier: Apache-2.0
 *
 * Verbs that are one operation on the services of the command line.
 */
#pragma once

#include <jansson.h>

#include "cli/progress.h"

struct cli;

struct verb_operation {
    const char *verb; /* of the API */
    enum progress_kind kind;
    const char *done; /* "is stopped", for the last line */
    const char *why;  /* for --dry-run */
};

/* Returns the exit status. <body> has members beside "services", or is NULL. */
int verb_operation_run(struct cli *cli, const struct verb_operation *operation, json_t *body);

/* The words of the command line as a list of services. New reference. */
json_t *verb_services(const struct cli *cli);
/* -t as "timeout_ms"; left out when it was not given. New reference. */
json_t *verb_timeout(const struct cli *cli);
