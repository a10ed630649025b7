/* SPDX-License-Identifier: Apache-2.0
 *
 * The compose file of the command line: which system a command is about, and
 * the file's errors and warnings for a person.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "compose/load.h"

struct cli;

/* Loads the project for the options given and prints what is wrong with it on standard error,
 * warnings too when <with_warnings>. <services_are_targets>: the words of the command line are
 * services, which must exist. Returns the exit status; 0 filled <ret> and <ret_resolved>. */
int project_load(struct cli *cli, bool services_are_targets, bool with_warnings,
                 struct compose **ret, json_t **ret_resolved);

/* The same with options of the caller's in <with>, which gets those of the command line added;
 * project_load() refuses what cannot run here. */
int project_load_with(struct cli *cli, struct compose_options *with, bool services_are_targets,
                      bool with_warnings, struct compose **ret, json_t **ret_resolved);

/* The same without printing; <diags> tell. */
bool project_read(struct cli *cli, bool services_are_targets, struct compose **ret,
                  json_t **ret_resolved, struct compose_diags *diags, struct err *err) MUST_CHECK;
bool project_read_with(struct cli *cli, struct compose_options *with, bool services_are_targets,
                       struct compose **ret, json_t **ret_resolved, struct compose_diags *diags,
                       struct err *err) MUST_CHECK;
void project_print_diags(struct cli *cli, const struct compose_diags *diags, bool with_warnings);

/* {"severity", "file", "line", "column", "path", "text", "hint"} for each. New reference. */
json_t *project_diags_json(const struct compose_diags *diags) MUST_CHECK;

/* Name of the system: -p, else the compose file's, else that of the system the daemon runs from
 * this folder, so that a broken file does not keep anybody from `down`. In the arena; NULL: an
 * error was printed and *ret_status is set. */
const char *project_system(struct cli *cli, int *ret_status) MUST_CHECK;
