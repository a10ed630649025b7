/* SPDX-License-Identifier: Apache-2.0
 *
 * What built trees take on the disk. A tree does not change once it is built, so
 * each is measured once, by a process of its own, and remembered in
 * <state_dir>/tree-sizes.json.
 */
#pragma once

#include "base/base.h"
#include "base/map.h"

struct daemon;

enum { TREE_SIZES_BYTES = 4 << 20, TREE_SIZES_MAX = 20000 };

/* Measures the folders that are keys of <folders> and not known yet, and forgets the others. <done>
 * is called when one was measured; not at all when there is nothing to do, or that fails. */
void tree_sizes_update(struct daemon *daemon, const struct map *folders,
                       void (*done)(struct daemon *daemon));
void tree_sizes_done(struct daemon *daemon);
/* False: it was not measured yet. */
bool tree_sizes_find(const struct daemon *daemon, const char *folder, uint64_t *ret_bytes);
/* The folders of the trees that <services>, of a stored release, names: each is a key of <ret>. */
void tree_sizes_add_folders(const char *tree, struct map *ret);
