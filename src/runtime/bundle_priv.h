/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of an OCI configuration, by topic. Each adds to the object it is
 * given; the error names the key of the service without its place.
 */
#pragma once

#include "base/base.h"
#include "runtime/bundle.h"

/* bundle.c: a new reference. */
json_t *bundle_texts(const char *const *items, size_t count);

/* bundle_rights.c */
MUST_CHECK bool bundle_check_rights(const struct bundle *bundle, struct err *err);
/* user, groups and capabilities of the process */
void bundle_add_rights(const struct bundle *bundle, json_t *process);
/* A new reference; NULL: no filter. */
json_t *bundle_filter(const struct bundle *bundle);
void bundle_add_namespaces(const struct bundle *bundle, json_t *linux_part);
/* Does it have a host name of its own? */
bool bundle_has_own_names(const struct bundle *bundle);
void bundle_add_devices(const struct bundle *bundle, json_t *linux_part);
MUST_CHECK bool bundle_add_annotations(const struct bundle *bundle, json_t *config,
                                       struct err *err);

/* bundle_limits.c */
MUST_CHECK bool bundle_add_limits(const struct bundle *bundle, json_t *process, struct err *err);
MUST_CHECK bool bundle_add_sysctls(const struct bundle *bundle, json_t *linux_part,
                                   struct err *err);

/* bundle_resources.c: what the control groups are told */
MUST_CHECK bool bundle_add_resources(const struct bundle *bundle, json_t *linux_part,
                                     struct err *err);

/* bundle_mounts.c: a new reference */
MUST_CHECK bool bundle_mounts(const struct bundle *bundle, struct arena *arena, json_t **ret,
                              struct err *err);
