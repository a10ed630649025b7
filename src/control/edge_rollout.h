/* SPDX-License-Identifier: Apache-2.0
 *
 * What a rollout adds to the edge's table: whose targets are of which release,
 * who gets which share, where the new release answers before its switch, and
 * where files of the old one are still found.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"

struct arena;
struct compose_texts;
struct instance;
struct release;
struct system;

/* The number by which the edge counts what <instance> answers. */
uint32_t edge_rollout_label(const struct instance *instance);
/* Is <instance>, of a service that is replaced, of the new release and ready? One of a service
 * that is not replaced counts when it takes traffic. */
bool edge_rollout_is_next(const struct instance *instance);
/* Is it of the old release, and does it answer still? */
bool edge_rollout_is_former(const struct instance *instance);
/* The member "split" of an upstream of <service>; NULL: all its targets are alike. New reference.
 */
json_t *edge_rollout_split(const struct system *system, const char *service);
/* The share of the new release, in 1/10000, while both take requests; false: there is no such
 * share.
 */
bool edge_rollout_share(const struct system *system, const char *service, uint32_t *ret);
/* The name and the release that answers by it at this moment; NULL: there is none. */
const char *edge_rollout_test_host(const struct system *system, const struct release **ret);
/* The paths below which files of the old release of <service> are asked for; NULL: none. */
const struct compose_texts *edge_rollout_assets(const struct system *system, const char *service);
/* The edge has an upstream of <service> by that name. */
void edge_rollout_note(struct system *system, const char *service, const char *name);
