/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/layers.h"

/* "<tree>.deps" holds the name of a folder beside it. */
static bool find_dependencies(const char *tree, struct arena *arena, const char **ret,
                              struct err *err)
{
    AUTO(buf_done) struct buf name = {0};
    struct str parent = str_sub(str_of(tree), 0, str_find_last(str_of(tree), '/'));

    *ret = NULL;
    if (!file_read(arena_printf(arena, "%s.deps", tree), 256, &name, err))
        return err->code == ERR_NOT_FOUND;
    *ret = arena_printf(arena, STR_FMT "/%s", STR_ARG(parent), buf_text(&name));
    if (strchr(buf_text(&name), '/') != NULL || !file_is_dir(*ret))
        return err_set(err, ERR_NOT_FOUND, "the dependencies '%s' of a built tree are gone", *ret);
    return true;
}

bool layers_find(const char *tree, struct arena *arena, struct layers *ret, struct err *err)
{
    const char *dependencies = NULL;

    ret->count = 0;
    if (tree == NULL)
        return true;
    if (!file_is_dir(tree))
        return err_set(err, ERR_NOT_FOUND, "the built tree '%s' is gone", tree);
    if (!find_dependencies(tree, arena, &dependencies, err))
        return false;
    ret->items[ret->count++] = tree;
    if (dependencies != NULL)
        ret->items[ret->count++] = dependencies;
    return true;
}
