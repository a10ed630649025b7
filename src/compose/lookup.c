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
        return err_set(err, ERR_INVALID,
                       "a compose file has an empty name; name it, or leave it out");
    if (strcmp(text, "-") != 0)
        text = path_absolute(load, options->working_dir, text);
    return add_file(ret, text, err);
}

/* Takes what stands before the next <separator> off <rest>; nothing is left when there is none. */
static struct str take_name(struct str *rest, struct str separator)
{
    for (size_t i = 0; i + separator.len <= rest->len; i++)
        if (str_eq(str_sub(*rest, i, separator.len), separator)) {
            struct str name = str_sub(*rest, 0, i);
            *rest = str_from(rest->ptr + i + separator.len, rest->len - i - separator.len);
            return name;
        }
    struct str name = *rest;
    *rest = (struct str){0};
    return name;
}

/* COMPOSE_FILE: each file must be there. */
static bool add_listed(struct load *load, const struct compose_options *options, struct env *env,
                       const char *list, struct lookup *ret, struct err *err)
{
    const char *given = env_find(env, STR("COMPOSE_PATH_SEPARATOR"));
    struct str separator = given == NULL || given[0] == '\0' ? STR(":") : str_of(given);
    struct str rest = str_of(list);

    do {
        if (!add_named(load, options, take_name(&rest, separator), ret, err))
            return err_prefix(err, "COMPOSE_FILE");
    } while (rest.ptr != NULL);
    return true;
}

static bool add_given(struct load *load, const struct compose_options *options, struct lookup *ret,
                      struct err *err)
{
    for (size_t i = 0; i < options->file_count; i++)
        if (!add_named(load, options, str_of(options->files[i]), ret, err))
            return false;
    return true;
}

static bool find_files(struct load *load, const struct compose_options *options, struct env *env,
                       struct lookup *ret, struct err *err)
{
    const char *listed = env_find(env, STR("COMPOSE_FILE"));

    if (ret->file_count > 0)
        return true;
    return listed != NULL ? add_listed(load, options, env, listed, ret, err)
                          : search_files(load, options, ret, err);
}

/* --project-directory, else the folder of the first file that has one, else the caller's. */
static const char *project_dir(struct load *load, const struct compose_options *options,
                               const struct lookup *lookup)
{
    if (options->project_directory != NULL)
        return path_absolute(load, options->working_dir, options->project_directory);
    for (size_t i = 0; i < lookup->file_count; i++)
        if (strcmp(lookup->files[i], "-") != 0)
            return parent_of(load, lookup->files[i]);
    return path_absolute(load, options->working_dir, ".");
}

/* --env-file, else COMPOSE_ENV_FILES of the caller. */
static bool find_env_files(struct load *load, const struct compose_options *options,
                           const struct env *env, struct lookup *ret, struct err *err)
{
    const char *listed = (const char *)map_find(&env->caller, STR("COMPOSE_ENV_FILES"));
    struct str rest = options->env_file_count > 0 ? (struct str){0} : str_of(listed);
    size_t count = options->env_file_count;

    for (size_t i = 0; i < count && i < COMPOSE_ENV_FILES_MAX; i++)
        ret->env_files[i] = path_absolute(load, options->working_dir, options->env_files[i]);
    while (rest.ptr != NULL && count <= COMPOSE_ENV_FILES_MAX) {
        struct str name = str_cut(&rest, ',');
        if (name.len > 0 && count++ < COMPOSE_ENV_FILES_MAX)
            ret->env_files[count - 1] =
                path_absolute(load, options->working_dir, arena_str(load->arena, name));
    }
    if (count > COMPOSE_ENV_FILES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d files of variables", COMPOSE_ENV_FILES_MAX);
    ret->env_file_count = count;
    return true;
}

/* COMPOSE_DISABLE_ENV_FILE, as Go reads a boolean. */
static bool reads_default_file(const struct env *env, bool *ret, struct err *err)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};
    const char *text = (const char *)map_find(&env->caller, STR("COMPOSE_DISABLE_ENV_FILE"));

    *ret = true;
    for (size_t i = 0; text != NULL && i < ARRAY_LEN(yes); i++) {
        if (strcmp(text, no[i]) == 0)
            return true;
        if (strcmp(text, yes[i]) == 0) {
            *ret = false;
            return true;
        }
    }
    return text == NULL ||
           err_set(err, ERR_INVALID, "COMPOSE_DISABLE_ENV_FILE is '%.60s'; write true or false",
                   text);
}

/* The files of variables that were named, else `.env` of <folder>. */
static bool read_env_files(struct load *load, struct env *env, const struct lookup *lookup,
                           const char *folder, struct err *err)
{
    const char *path = path_absolute(load, folder, ".env");
    bool by_default;

    if (lookup->env_file_count > 0)
        return env_read_files(env, load, lookup->env_files, lookup->env_file_count, err);
    if (!reads_default_file(env, &by_default, err))
        return false;
    return !by_default || !file_exists(path) || file_is_dir(path) ||
           env_read_files(env, load, &path, 1, err);
}

/* The COMPOSE_ variables of the first `.env` count as if they were the caller's. A wrong file is
 * told when it is read for good. */
static void adopt_variables(struct load *load, struct env *env, const struct lookup *lookup,
                            const char *folder)
{
    AUTO(env_done) struct env copy = {0};
    const struct map_entry *entry;
    struct err ignored;

    env_copy(env, &copy);
    if (!read_env_files(load, &copy, lookup, folder, &ignored))
        return;
    for (size_t i = 0; (entry = map_next(&copy.files, &i)) != NULL;) {
        struct str name = str_from(entry->key, entry->key_len);
        if (str_starts(name, STR("COMPOSE_")))
            (void)map_set(&env->caller, name, entry->value);
    }
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

/* COMPOSE_FILE may stand in a `.env`, and the files tell where the project's own `.env` is: so the
 * variables are read twice, and what was read first stays. */
static bool read_variables(struct load *load, const struct compose_options *options,
                           struct env *env, struct lookup *ret, struct err *err)
{
    if (!add_given(load, options, ret, err) || !find_env_files(load, options, env, ret, err))
        return false;
    const char *folder = project_dir(load, options, ret);
    adopt_variables(load, env, ret, folder);
    if (!read_env_files(load, env, ret, folder, err) || !find_files(load, options, env, ret, err))
        return false;
    ret->project_dir = project_dir(load, options, ret);
    load->project_dir = ret->project_dir;
    return strcmp(folder, ret->project_dir) == 0 ||
           read_env_files(load, env, ret, ret->project_dir, err);
}

bool lookup_find(struct load *load, const struct compose_options *options, struct env *env,
                 struct lookup *ret, struct err *err)
{
    assert(options->working_dir != NULL && options->working_dir[0] == '/');
    env_add_caller(env, load->arena, options->environment);
    load->home = (const char *)map_find(&env->caller, STR("HOME"));
    if (!read_variables(load, options, env, ret, err) || !find_profiles(options, env, ret, err))
        return false;
    ret->name = options->project_name;
    if (ret->name == NULL || ret->name[0] == '\0') /* as -p "$NAME" of a script is */
        ret->name = env_find(env, STR("COMPOSE_PROJECT_NAME"));
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
