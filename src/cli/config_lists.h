/* SPDX-License-Identifier: Apache-2.0
 *
 * What `config` prints instead of the project: names, variables, digests, one a
 * line, from the resolved project.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "compose/load.h"

struct cli;

/* "services", "networks" or "volumes": the keys, in order. */
void config_list_keys(const json_t *resolved, const char *section, struct buf *ret);
/* The image of each service; what is built has the name Compose would give it. */
void config_list_images(const json_t *resolved, struct buf *ret);
/* Each profile once, in order. */
void config_list_profiles(const json_t *resolved, struct buf *ret);
void config_list_models(const json_t *resolved, struct buf *ret);
/* NAME=value */
void config_list_environment(const struct compose_pairs *seen, struct buf *ret);

/* A table, or with <format> "json" or "yaml" a map. */
void config_list_variables(struct cli *cli, const struct compose_variables *variables,
                           const char *format, struct buf *ret);

/* "SERVICE DIGEST" for each of <wanted>: "*" or names with commas between. False when there is no
 * such service. */
MUST_CHECK bool config_list_hashes(struct cli *cli, const json_t *resolved, const char *wanted,
                                   struct buf *ret, struct err *err);
