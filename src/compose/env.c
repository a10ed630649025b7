/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/file.h"
#include "compose/dotenv.h"
#include "compose/env.h"

void env_done(struct env *env)
{
    map_done(&env->caller);
    map_done(&env->files);
}

void env_add_caller(struct env *env, struct arena *arena, char *const *environment)
{
    for (; environment != NULL && *environment != NULL; environment++) {
        struct str value = str_of(*environment);
        struct str name = str_cut(&value, '=');

        if (value.ptr != NULL && name.len > 0)
            (void)map_set(&env->caller, name, arena_str(arena, value));
    }
}

static const char *find_caller(void *context, struct str name)
{
    const struct env *env = (struct env *)context;

    return (const char *)map_find(&env->caller, name);
}

bool env_read_file(struct env *env, struct load *load, const char *path, bool required,
                   struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    const struct dotenv_source source = {path, false, find_caller, env};

    if (!file_read(path, DOTENV_BYTES_MAX, &text, err))
        return err->code == ERR_NOT_FOUND && !required;
    return dotenv_parse(buf_str(&text), &source, load->arena, &env->files, err);
}

const char *env_find(void *context, struct str name)
{
    const struct env *env = (struct env *)context;
    const char *value = (const char *)map_find(&env->caller, name);

    return value != NULL ? value : (const char *)map_find(&env->files, name);
}
