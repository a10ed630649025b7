/* SPDX-License-Identifier: Apache-2.0
 *
 * Which folders lie between an instance's own and the machine's root: the built
 * tree, the dependencies it was built on, the mask.
 */
#pragma once

#include "base/base.h"

struct arena;
struct err;

enum { LAYERS_MAX = 4 };

struct layers {
    const char *items[LAYERS_MAX]; /* topmost first */
    size_t count;
};

/* <tree> may be NULL: only the mask. ERR_NOT_FOUND when the tree or what it lies on is gone. */
MUST_CHECK bool layers_find(const char *state_dir, const char *tree, struct arena *arena,
                            struct layers *ret, struct err *err);
