/* SPDX-License-Identifier: Apache-2.0
 *
 * What is done about each key of a compose file, for a person and for programs.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "compose/load.h"

struct cli;

/* How many of <uses> are <support>. */
size_t key_report_count(const struct compose_uses *uses, enum compose_support support);

/* A table of the keys that are not simply honoured, equal ones of several services in one row; with
 * <every> a row for each key of the file. Nothing when there is no row. */
void key_report_print(struct cli *cli, const struct compose_uses *uses, bool every);

/* [{"path", "file", "line", "column", "support", "how"}], every key. New reference. */
json_t *key_report_json(const struct compose_uses *uses) MUST_CHECK;
