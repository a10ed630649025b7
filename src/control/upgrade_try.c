/* SPDX-License-Identifier: Apache-2.0
 *
 * A program that another daemon may become proves that it can read the state:
 * in a process of its own, on a copy, without touching anything that runs.
 */
#include "base/base.h"

#include <stdio.h>

#include "base/err.h"
#include "base/file.h"
#include "compose/load.h"
#include "control/state.h"
#include "control/upgrade.h"
#include "runtime/recipe.h"
#include "json/json.h"

static bool read_config(struct state *state, const struct state_system *system, uint32_t number,
                        struct err *err)
{
    AUTO(buf_done) struct buf config = {0}, services = {0};
    AUTO(arena_done) struct arena arena = {0};
    struct compose *compose;
    struct compose_diags *diags = mem_new(sizeof *diags);

    bool ok =
        number == 0 || (state_read_release(state, system->name, number, &config, &services, err) &&
                        compose_load_resolved(buf_str(&config), system->directory, &arena, &compose,
                                              NULL, diags, err));
    free(diags);
    return ok;
}

static bool read_system(void *arg, const struct state_system *row, struct err *err)
{
    struct state *state = arg;

    return (read_config(state, row, row->wanted, err) &&
            read_config(state, row, row->current, err)) ||
           err_prefix(err, "%s", row->name);
}

static bool read_all(const char *path, const char *images_dir, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    struct recipes recipes;

    if (!file_exists(path)) /* it would be made */
        return err_set(err, ERR_NOT_FOUND, "there is no copy of the state at '%s'", path);
    struct state *state = state_open(path, err);
    bool ok = state != NULL && state_each_system(state, read_system, state, err) &&
              recipes_load(images_dir, &arena, &recipes, err);
    state_free(state);
    return ok;
}

int upgrade_try(const char *path, const char *images_dir)
{
    struct err err;

    if (!read_all(path, images_dir, &err)) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    (void)printf("{\"version\": \"" ISHIZUE_VERSION "\", \"schema\": %zu}\n", state_schema());
    return 0;
}
