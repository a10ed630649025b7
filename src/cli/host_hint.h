/* SPDX-License-Identifier: Apache-2.0
 *
 * A start for `x-ishizue.host` of a service that is built from a Dockerfile, made
 * of that Dockerfile: to be pasted, read and corrected by a person.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "compose/model.h"

/* Appends lines of YAML for each build whose services have no steps, and a Dockerfile that can be
 * read. */
void host_hints_add(struct arena *arena, const struct compose *compose, struct buf *ret);
