/* SPDX-License-Identifier: Apache-2.0
 *
 * What takes the place of an image on this machine, for a person to read, and
 * the removal of all trees of a system.
 */
#include "base/base.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/helper_process.h"
#include "runtime/host_priv.h"

bool stand_in_find(struct runtime *runtime, const struct compose_service *service,
                   struct arena *arena, struct runtime_stand_in *ret, struct err *err)
{
    const struct recipe *recipe;
    const char *version;

    if (!recipes_match(&host_of(runtime)->recipes, service, arena, &recipe, &version, err))
        return false;
    if (recipe == NULL) {
        *ret = (struct runtime_stand_in){.built = service->build.present};
        return true;
    }
    *ret = (struct runtime_stand_in){
        .recipe = recipe->name,
        .version = arena_text(arena, version),
        .package = recipe->package,
        .program = recipe_expand(arena, recipe->find, version),
    };
    return true;
}

struct removal {
    struct arena arena;
    const char *folders[2];
    runtime_done_fn *done;
    void *arg;
};

/* In the helper process. */
static bool remove_folders(void *arg, struct err *err)
{
    const struct removal *removal = arg;

    for (size_t i = 0; i < ARRAY_LEN(removal->folders); i++)
        if (!file_remove_tree(removal->folders[i], err))
            return false;
    return true;
}

static void on_removed(void *arg, const struct err *err)
{
    struct removal *removal = arg;

    removal->done(removal->arg, err);
    arena_done(&removal->arena);
    free(removal);
}

/* A system's name becomes part of a path. */
static bool check_system(const char *name, struct err *err)
{
    size_t len = strlen(name);

    if (len > 0 && len <= 128 && name[0] != '.' &&
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len)
        return true;
    return err_set(err, ERR_INVALID, "'%.128s' is no name of a system", name);
}

bool trees_remove(struct runtime *runtime, const char *system, runtime_done_fn *done, void *arg,
                  struct err *err)
{
    const struct host *host = host_of(runtime);

    if (!check_system(system, err))
        return false;
    struct removal *removal = NEW(struct removal);
    removal->done = done;
    removal->arg = arg;
    removal->folders[0] = arena_printf(&removal->arena, "%s/trees/%s", host->state_dir, system);
    removal->folders[1] = arena_printf(&removal->arena, "%s/cache/%s", host->state_dir, system);
    if (helper_process_start(host->loop, remove_folders, on_removed, removal, err))
        return true;
    arena_done(&removal->arena);
    free(removal);
    return false;
}
