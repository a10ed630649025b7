/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <dirent.h>
#include <glob.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/recipe.h"
#include "runtime/recipe_decode.h"

void recipe_split_image(struct str image, struct str *ret_name, struct str *ret_tag)
{
    static const char *const prefixes[] = {"docker.io/library/", "index.docker.io/library/",
                                           "docker.io/", "library/"};
    struct str name = str_sub(image, 0, str_find(image, '@'));
    size_t slash = str_find_last(name, '/');
    struct str last = slash == name.len ? name : str_sub(name, slash + 1, name.len);
    size_t colon = str_find(last, ':'); /* one before the last slash is a registry's port */

    *ret_tag = colon == last.len ? (struct str){0} : str_sub(last, colon + 1, last.len);
    name.len -= last.len - colon;
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_starts(name, str_of(prefixes[i]))) {
            name = str_sub(name, strlen(prefixes[i]), name.len);
            break;
        }
    *ret_name = name;
}

const struct recipe *recipes_find(const struct recipes *recipes, const char *image)
{
    struct str name, tag;

    recipe_split_image(str_of(image), &name, &tag);
    for (size_t i = 0; i < recipes->count; i++)
        for (size_t k = 0; k < recipes->items[i].match.count; k++)
            if (str_is(name, recipes->items[i].match.items[k]))
                return &recipes->items[i];
    return NULL;
}

const char *recipe_expand(struct arena *arena, const char *text, const char *version)
{
    const char *at = strstr(text, "{version}");

    if (at == NULL)
        return text;
    return arena_printf(arena, "%.*s%s%s", (int)(at - text), text, version,
                        at + strlen("{version}"));
}

/* "15" of "15.4-alpine", "v15" or "pg15"; empty when the tag names no version ("latest"). */
static struct str tag_major(struct str tag)
{
    size_t start = 0;

    if (str_starts(tag, STR("pg")))
        start = 2;
    else if (str_starts(tag, STR("v")))
        start = 1;
    size_t end = start;
    while (end < tag.len && tag.ptr[end] >= '0' && tag.ptr[end] <= '9')
        end++;
    return str_sub(tag, start, end - start);
}

/* The versions for which <find> is there, best (highest) last. */
static struct compose_texts installed_versions(const struct recipe *recipe, struct arena *arena)
{
    const char *at = strstr(recipe->find, "{version}");
    size_t before = (size_t)(at - recipe->find);
    size_t after = strlen(at + strlen("{version}"));
    struct compose_texts ret = {0};
    glob_t found = {0};

    if (glob(recipe_expand(arena, recipe->find, "*"), 0, NULL, &found) == 0) {
        ret.items = ARENA_ARRAY(arena, const char *, found.gl_pathc);
        for (size_t i = 0; i < found.gl_pathc; i++) {
            size_t len = strlen(found.gl_pathv[i]) - before - after;
            ret.items[ret.count++] = arena_str(arena, str_from(found.gl_pathv[i] + before, len));
        }
    }
    globfree(&found);
    return ret;
}

static const char *join(const struct compose_texts *texts, struct arena *arena)
{
    const char *all = "";
    for (size_t i = 0; i < texts->count; i++)
        all = arena_printf(arena, "%s%s%s", all, i == 0 ? "" : ", ", texts->items[i]);
    return all;
}

static bool missing(const struct recipe *recipe, const char *image, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND,
                   "image '%s' is run by the machine's own %s, which is not installed; install "
                   "the package %s",
                   image, recipe->name, recipe->package);
}

bool recipe_find_version(const struct recipe *recipe, const char *image, struct arena *arena,
                         const char **ret, struct err *err)
{
    struct str name, tag;
    bool versioned = strstr(recipe->find, "{version}") != NULL;
    struct compose_texts there = versioned ? installed_versions(recipe, arena) : recipe->versions;

    recipe_split_image(str_of(image), &name, &tag);
    struct str wanted = tag_major(tag);
    if (versioned ? there.count == 0 : access(recipe->find, X_OK) != 0)
        return missing(recipe, image, err);
    *ret = versioned ? there.items[there.count - 1] : "";
    if (wanted.len == 0 || there.count == 0)
        return true;
    for (size_t i = 0; i < there.count; i++)
        if (str_is(wanted, there.items[i])) {
            *ret = versioned ? there.items[i] : "";
            return true;
        }
    return err_set(err, ERR_INVALID,
                   "image '%s' asks for version " STR_FMT "; this machine's %s is %s; change the "
                   "tag or install that version",
                   image, STR_ARG(wanted), recipe->name, join(&there, arena));
}

bool recipes_match(const struct recipes *recipes, const struct compose_service *service,
                   struct arena *arena, const struct recipe **ret, const char **ret_version,
                   struct err *err)
{
    bool built = service->build.present || service->image == NULL;

    *ret_version = "";
    *ret = built ? NULL : recipes_find(recipes, service->image);
    if (*ret != NULL)
        return recipe_find_version(*ret, service->image, arena, ret_version, err);
    if (service->x.host.present)
        return true;
    if (built)
        return err_set(err, ERR_NOT_FOUND,
                       "service '%s' is built from a Dockerfile, which the host runtime cannot do; "
                       "add x-ishizue.host with build and command",
                       service->name);
    return err_set(err, ERR_NOT_FOUND,
                   "no recipe stands in for the image '%s' of service '%s'; add x-ishizue.host "
                   "with a command, or an image's recipe to the images folder",
                   service->image, service->name);
}

bool recipe_parse(struct str text, const char *file, struct arena *arena, struct recipe *ret,
                  struct err *err)
{
    struct yaml_node *root;
    struct yaml_limits limits = {.bytes = RECIPE_BYTES_MAX, .depth = 8, .nodes = 2000};

    return yaml_parse(text, file, &limits, arena, &root, err) &&
           recipe_decode(root, arena, ret, err);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool recipes_load(const char *folder, struct arena *arena, struct recipes *ret, struct err *err)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    const char *names[RECIPE_COUNT_MAX];
    size_t count = 0;

    if (dir == NULL)
        return err_sys(err, "cannot read the images folder '%s'", folder);
    while (count < RECIPE_COUNT_MAX && (entry = readdir(dir)) != NULL)
        if (str_ends(str_of(entry->d_name), STR(".yaml")))
            names[count++] = arena_text(arena, entry->d_name);
    bool more = count == RECIPE_COUNT_MAX;
    (void)closedir(dir);
    if (more)
        return err_set(err, ERR_LIMIT, "'%s' has more than %d recipes", folder,
                       RECIPE_COUNT_MAX - 1);
    qsort(names, count, sizeof *names, compare_names);
    ret->items = ARENA_ARRAY(arena, struct recipe, count);
    for (ret->count = 0; ret->count < count; ret->count++) {
        AUTO(buf_done) struct buf text = {0};
        const char *path = arena_printf(arena, "%s/%s", folder, names[ret->count]);
        if (!file_read(path, RECIPE_BYTES_MAX, &text, err) ||
            !recipe_parse(buf_str(&text), names[ret->count], arena, &ret->items[ret->count], err))
            return false;
    }
    return true;
}
