/* SPDX-License-Identifier: Apache-2.0
 *
 * What is stored of releases, for people and for the way back.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"

struct err;
struct operation;
struct release;
struct state;
struct subscriber;
struct system;

/* Stores the candidate of <operation> as the next release, with who made it and what it changes.
 */
MUST_CHECK bool releases_add(struct operation *operation, struct err *err);
/* The rollback is not to run the migrations that were done when the release was new: what came
 * after them would not be undone by them. */
MUST_CHECK bool releases_skip_migrations(const struct operation *operation, struct err *err);

/* Release <number> as it was; ERR_NOT_FOUND says what of it is gone. */
MUST_CHECK struct release *releases_read(const struct system *system, uint32_t number,
                                         struct err *err);
/* Does release <number> run what the current one runs? Restarts make such ones. */
MUST_CHECK bool releases_is_like_current(const struct system *system, uint32_t number, bool *ret,
                                         struct err *err);
/* The last reached release before the current one that differs from it; ERR_LOCKED while another
 * one is on its way. */
MUST_CHECK bool releases_find_former(struct system *system, uint32_t *ret, struct err *err);

/* ["web", ...]: services that a release after <to>, up to <from>, migrated in a way that its file
 * says cannot be undone. New reference. */
MUST_CHECK bool releases_irreversible(struct state *state, const char *system, uint32_t from,
                                      uint32_t to, json_t **ret, struct err *err);

MUST_CHECK bool rollback_begin(struct system *system, uint32_t number, uint64_t timeout_ms,
                               struct subscriber *subscriber, struct err *err);
/* <counts> is {"web": 3}: the wanted release with other numbers of instances. */
MUST_CHECK bool scale_begin(struct system *system, const json_t *counts, uint64_t timeout_ms,
                            struct subscriber *subscriber, struct err *err);

/* ---- releases_compare.c: pure ---- */

/* The resolved project without the contents of secrets. New reference. */
MUST_CHECK json_t *releases_mask(const json_t *config);
/* {"added": [...], "removed": [...], "replaced": [...]}: names of services by "hash" of what was
 * stored of them, or by <key>. NULL: there is no former release. New reference. */
MUST_CHECK json_t *releases_changed(const json_t *services, const json_t *former, const char *key);
/* Is there nothing that running one instead of the other would change, but who is made anew? */
bool releases_are_alike(const json_t *config, const json_t *services, const json_t *other_config,
                        const json_t *other_services);
/* ["web: another tree (3f9a... is now 77ab...)", ...]: what differs and is not in the file. */
MUST_CHECK json_t *releases_differences(const json_t *config, const json_t *services,
                                        const json_t *other_config, const json_t *other_services);
