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

static bool read_one(struct env *env, struct load *load, const char *path, struct map *ret,
                     struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    const struct dotenv_source source = {path, false, env_find, env};

    return file_read(path, DOTENV_BYTES_MAX, &text, err) &&
           dotenv_parse(buf_str(&text), &source, load->arena, ret, err);
}

bool env_read_files(struct env *env, struct load *load, const char *const *paths, size_t count,
                    struct err *err)
{
    AUTO(map_done) struct map read = {0};
    const struct map_entry *entry;

    for (size_t i = 0; i < count; i++)
        if (!read_one(env, load, paths[i], &read, err))
            return false;
    for (size_t i = 0; (entry = map_next(&read, &i)) != NULL;) {
        struct str name = str_from(entry->key, entry->key_len);
        if (env_find(env, name) == NULL)
            (void)map_set(&env->files, name, entry->value);
    }
    return true;
}

static void copy_map(const struct map *map, struct map *ret)
{
    const struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(map, &i)) != NULL;)
        (void)map_set(ret, str_from(entry->key, entry->key_len), entry->value);
}

void env_copy(const struct env *env, struct env *ret)
{
    *ret = (struct env){0};
    copy_map(&env->caller, &ret->caller);
    copy_map(&env->files, &ret->files);
}

static size_t list_map(const struct map *map, struct arena *arena, struct compose_pair *ret)
{
    const struct map_entry *entry;
    size_t count = 0;

    for (size_t i = 0; (entry = map_next(map, &i)) != NULL;)
        ret[count++] = (struct compose_pair){arena_str(arena, str_from(entry->key, entry->key_len)),
                                             (const char *)entry->value};
    return count;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct compose_pair *)a)->key, ((const struct compose_pair *)b)->key);
}

void env_list(const struct env *env, struct arena *arena, struct compose_pairs *ret)
{
    struct compose_pair *all =
        ARENA_ARRAY(arena, struct compose_pair, env->caller.live + env->files.live + 1);
    size_t count = list_map(&env->caller, arena, all);
    const struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&env->files, &i)) != NULL;) {
        struct str name = str_from(entry->key, entry->key_len);
        if (map_find(&env->caller, name) == NULL)
            all[count++] =
                (struct compose_pair){arena_str(arena, name), (const char *)entry->value};
    }
    qsort(all, count, sizeof *all, compare_names);
    *ret = (struct compose_pairs){all, count};
}

const char *env_find(void *context, struct str name)
{
    const struct env *env = (struct env *)context;
    const char *value = (const char *)map_find(&env->caller, name);

    return value != NULL ? value : (const char *)map_find(&env->files, name);
}
