/* SPDX-License-Identifier: Apache-2.0
 *
 * Which folders lie between an instance's own and the machine's root: the built
 * tree and the dependencies it was built on.
 */
#pragma once

#include "base/base.h"

struct arena;
struct err;

enum { LAYERS_MAX = 2 };

struct layers {
    const char *items[LAYERS_MAX]; /* topmost first */
    size_t count;
};

/* <tree> may be NULL: none. ERR_NOT_FOUND when the tree or what it lies on is gone. */
MUST_CHECK bool layers_find(const char *tree, struct arena *arena, struct layers *ret,
                            struct err *err);
