/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/file.h"
#include "compose/lookup.h"

enum { PROFILES_MAX = 256, PARENTS_MAX = 128 };

static const char *const file_names[] = {"compose.yaml", "compose.yml", "docker-compose.yml",
                                         "docker-compose.yaml"};
static const char *const override_names[] = {"compose.override.yml", "compose.override.yaml",
                                             "docker-compose.override.yml",
                                             "docker-compose.override.yaml"};

void lookup_done(struct lookup *lookup)
{
    map_done(&lookup->profiles);
}

static const char *find_in(struct load *load, const char *folder, const char *const *names,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *path = path_absolute(load, folder, names[i]);
        if (file_exists(path) && !file_is_dir(path))
            return path;
    }
    return NULL;
}

static const char *parent_of(struct load *load, const char *folder)
{
    return path_absolute(load, folder, "..");
}

static bool add_file(struct lookup *lookup, const char *path, struct err *err)
{
    if (lookup->file_count == COMPOSE_FILES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d compose files", COMPOSE_FILES_MAX);
    lookup->files[lookup->file_count++] = path;
    return true;
}

/* Upward from the working folder, as Compose does. */
static bool search_files(struct load *load, const struct compose_options *options,
                         struct lookup *ret, struct err *err)
{
    const char *folder = options->project_directory != NULL
                             ? path_absolute(load, options->working_dir, options->project_directory)
                             : path_absolute(load, options->working_dir, ".");
    const char *start = folder;

    for (int i = 0; i < PARENTS_MAX; i++) {
        const char *found = find_in(load, folder, file_names, ARRAY_LEN(file_names));
        if (found != NULL) {
            const char *override = find_in(load, folder, override_names, ARRAY_LEN(override_names));
            return add_file(ret, found, err) && (override == NULL || add_file(ret, override, err));
        }
        if (strcmp(folder, "/") == 0)
            break;
        folder = parent_of(load, folder);
    }
    return err_set(err, ERR_NOT_FOUND,
                   "no compose.yaml or docker-compose.yml in '%s' or a folder above it; "
                   "name one with -f",
                   start);
}

static bool add_named(struct load *load, const struct compose_options *options, struct str name,
                      struct lookup *ret, struct err *err)
{
    const char *text = arena_str(load->arena, name);

    if (name.len == 0)
        return true;
    if (strcmp(text, "-") != 0)
        text = path_absolute(load, options->working_dir, text);
    return add_file(ret, text, err);
}

static bool add_listed(struct load *load, const struct compose_options *options, struct env *env,
                       const char *list, struct lookup *ret, struct err *err)
{
    const char *separator = env_find(env, STR("COMPOSE_PATH_SEPARATOR"));
    struct str rest = str_of(list);
    char at = separator == NULL || separator[0] == '\0' ? ':' : separator[0];

    while (rest.ptr != NULL)
        if (!add_named(load, options, str_cut(&rest, at), ret, err))
            return false;
    return true;
}

static bool find_files(struct load *load, const struct compose_options *options, struct env *env,
                       struct lookup *ret, struct err *err)
{
    const char *listed = env_find(env, STR("COMPOSE_FILE"));

    for (size_t i = 0; i < options->file_count; i++)
        if (!add_named(load, options, str_of(options->files[i]), ret, err))
            return false;
    if (ret->file_count == 0 && listed != NULL && !add_listed(load, options, env, listed, ret, err))
        return false;
    return ret->file_count > 0 || search_files(load, options, ret, err);
}

static void find_project_dir(struct load *load, const struct compose_options *options,
                             struct lookup *ret)
{
    if (options->project_directory != NULL)
        ret->project_dir = path_absolute(load, options->working_dir, options->project_directory);
    else if (ret->file_count > 0 && strcmp(ret->files[0], "-") != 0)
        ret->project_dir = parent_of(load, ret->files[0]);
    else
        ret->project_dir = path_absolute(load, options->working_dir, ".");
    load->project_dir = ret->project_dir;
}

/* The files of variables: --env-file, else COMPOSE_ENV_FILES, else `.env` of <folder>. */
static bool read_env_files(struct load *load, const struct compose_options *options,
                           struct env *env, const char *folder, struct err *err)
{
    const char *listed = env_find(env, STR("COMPOSE_ENV_FILES"));

    if (options->env_file_count > COMPOSE_ENV_FILES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d files of variables", COMPOSE_ENV_FILES_MAX);
    for (size_t i = 0; i < options->env_file_count; i++)
        if (!env_read_file(env, load,
                           path_absolute(load, options->working_dir, options->env_files[i]), true,
                           err))
            return false;
    if (options->env_file_count > 0)
        return true;
    if (listed == NULL || listed[0] == '\0')
        return folder == NULL ||
               env_read_file(env, load, path_absolute(load, folder, ".env"), false, err);
    size_t count = 0;
    for (struct str rest = str_of(listed); rest.ptr != NULL;) {
        const char *path = arena_str(load->arena, str_trim(str_cut(&rest, ',')));
        if (++count > COMPOSE_ENV_FILES_MAX)
            return err_set(err, ERR_LIMIT, "more than %d files of variables",
                           COMPOSE_ENV_FILES_MAX);
        if (!env_read_file(env, load, path_absolute(load, options->working_dir, path), true, err))
            return false;
    }
    return true;
}

static bool add_profile(struct lookup *lookup, struct str name, struct err *err)
{
    if (name.len == 0)
        return true;
    if (lookup->profiles.live >= PROFILES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d profiles", PROFILES_MAX);
    (void)map_set(&lookup->profiles, name, lookup);
    return true;
}

static bool find_profiles(const struct compose_options *options, struct env *env,
                          struct lookup *ret, struct err *err)
{
    struct str rest = str_of(env_find(env, STR("COMPOSE_PROFILES")));

    for (size_t i = 0; i < options->profile_count; i++)
        if (!add_profile(ret, str_of(options->profiles[i]), err))
            return false;
    while (options->profile_count == 0 && rest.ptr != NULL)
        if (!add_profile(ret, str_trim(str_cut(&rest, ',')), err))
            return false;
    return true;
}

/* COMPOSE_FILE may stand in the `.env` of the working folder, and the `.env` that counts is that of
 * the project's folder: so the variables are read up to twice. */
static bool read_variables(struct load *load, const struct compose_options *options,
                           struct env *env, struct lookup *ret, struct err *err)
{
    const char *here =
        path_absolute(load, options->working_dir,
                      options->project_directory == NULL ? "." : options->project_directory);

    if (options->file_count > 0 || options->env_file_count > 0 ||
        env_find(env, STR("COMPOSE_FILE")) != NULL) {
        if (!find_files(load, options, env, ret, err))
            return false;
        find_project_dir(load, options, ret);
        return read_env_files(load, options, env, ret->project_dir, err);
    }
    if (!read_env_files(load, options, env, here, err) || !find_files(load, options, env, ret, err))
        return false;
    find_project_dir(load, options, ret);
    if (strcmp(here, ret->project_dir) == 0 || env_find(env, STR("COMPOSE_FILE")) != NULL)
        return true;
    map_done(&env->files);
    env->files = (struct map){0};
    return read_env_files(load, options, env, ret->project_dir, err);
}

bool lookup_find(struct load *load, const struct compose_options *options, struct env *env,
                 struct lookup *ret, struct err *err)
{
    assert(options->working_dir != NULL && options->working_dir[0] == '/');
    env_add_caller(env, load->arena, options->environment);
    load->home = (const char *)map_find(&env->caller, STR("HOME"));
    if (!read_variables(load, options, env, ret, err) || !find_profiles(options, env, ret, err))
        return false;
    ret->name = options->project_name != NULL ? options->project_name
                                              : env_find(env, STR("COMPOSE_PROJECT_NAME"));
    if (ret->name != NULL && ret->name[0] == '\0')
        ret->name = NULL;
    return true;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

const char *lookup_normal_name(struct arena *arena, const char *name)
{
    AUTO(buf_done) struct buf out = {0};

    for (; *name != '\0'; name++) {
        char c = *name >= 'A' && *name <= 'Z' ? (char)(*name | 0x20) : *name;
        if (is_name_char(c) && (out.len > 0 || (c != '-' && c != '_')))
            buf_add_char(&out, c);
    }
    return arena_str(arena, buf_str(&out));
}

bool lookup_is_name(const char *name)
{
    if (*name == '\0' || *name == '-' || *name == '_' || strlen(name) > 63)
        return false;
    for (; *name != '\0'; name++)
        if (!is_name_char(*name))
            return false;
    return true;
}
