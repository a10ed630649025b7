/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/buf.h"
#include "control/releases.h"
#include "json/json.h"

enum { SHOWN_DIGITS = 12 };

/* Everything but where a secret comes from: its content, and the value that the caller's variable
 * had. */
static json_t *mask_secret(const json_t *secret)
{
    static const char *const shown[] = {"name", "file", "environment", "external", "labels"};
    json_t *masked = json_object();
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)secret, key, value)
    {
        bool is_shown = false;
        for (size_t i = 0; !is_shown && i < ARRAY_LEN(shown); i++)
            is_shown = strcmp(shown[i], key) == 0;
        if (is_shown)
            (void)json_object_set(masked, key, value);
        else if (strcmp(key, "content") == 0)
            (void)json_object_set_new(masked, key, json_string("(not shown)"));
    }
    return masked;
}

json_t *releases_mask(const json_t *config)
{
    json_t *masked = json_deep_copy(config);
    json_t *secrets = json_object();
    const char *name;
    json_t *secret;

    json_object_foreach(json_object_get(config, "secrets"), name, secret)(void)
        json_object_set_new(secrets, name, mask_secret(secret));
    if (json_object_get(config, "secrets") == NULL)
        json_decref(secrets);
    else
        (void)json_object_set_new(masked, "secrets", secrets);
    return masked;
}

/* jansson's iterators want objects that may change. */
static json_t *loose(const json_t *value)
{
    return (json_t *)(uintptr_t)value;
}

static bool has_same(const json_t *a, const json_t *b, const char *key)
{
    return strcmp(json_find_text(a, key, ""), json_find_text(b, key, "")) == 0;
}

json_t *releases_changed(const json_t *services, const json_t *former, const char *key)
{
    json_t *added = json_array(), *removed = json_array(), *replaced = json_array();
    const char *name;
    json_t *service;

    json_object_foreach(loose(services), name, service)
    {
        const json_t *before = json_object_get(former, name);
        if (before == NULL)
            (void)json_array_append_new(added, json_string(name));
        else if (!has_same(service, before, key))
            (void)json_array_append_new(replaced, json_string(name));
    }
    json_object_foreach(loose(former), name, service)
    {
        if (json_object_get(services, name) == NULL)
            (void)json_array_append_new(removed, json_string(name));
    }
    return json_pack("{s:o, s:o, s:o}", "added", added, "removed", removed, "replaced", replaced);
}

bool releases_are_alike(const json_t *config, const json_t *services, const json_t *other_config,
                        const json_t *other_services)
{
    AUTO(json_unref)
    json_t *changed = releases_changed(services, other_services, "config_hash");
    const char *kind;
    json_t *names;

    json_object_foreach(changed, kind, names)
    {
        if (json_array_size(names) > 0)
            return false;
    }
    return json_equal(config, other_config);
}

/* ---- what is not in the file ---- */

/* The last piece of a path, and the first digits of a hash, are enough to tell two apart. */
static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static void add_line(json_t *list, const char *service, const char *what, const char *before,
                     const char *after)
{
    AUTO(buf_done) struct buf text = {0};

    buf_addf(&text, "%s: %s: %.*s is now %.*s", service, what, SHOWN_DIGITS, before, SHOWN_DIGITS,
             after);
    (void)json_array_append_new(list, json_from_bytes(buf_str(&text)));
}

/* Name of mount <i> of the service's secrets, then configs. */
static const char *source_of(const json_t *service, size_t i, bool *ret_secret)
{
    const json_t *secrets = json_object_get(service, "secrets");
    const json_t *configs = json_object_get(service, "configs");
    size_t count = json_array_size(secrets);

    *ret_secret = i < count;
    const json_t *mount =
        i < count ? json_array_get(secrets, i) : json_array_get(configs, i - count);
    return json_is_string(mount) ? json_string_value(mount) : json_find_text(mount, "source", "");
}

/* Hash of the content that <source> has for a service; NULL: it has none of that name. */
static const char *find_content(const json_t *config, const json_t *row, const char *source,
                                bool secret)
{
    const json_t *files = json_object_get(row, "files");
    bool is_secret;

    for (size_t i = 0; i < json_array_size(files); i++)
        if (strcmp(source_of(config, i, &is_secret), source) == 0 && is_secret == secret)
            return json_string_value(json_array_get(files, i));
    return NULL;
}

static void compare_contents(json_t *list, const char *name, const json_t *service,
                             const json_t *row, const json_t *other_service, const json_t *other)
{
    const json_t *files = json_object_get(row, "files");
    bool secret;

    for (size_t i = 0; i < json_array_size(files); i++) {
        AUTO(buf_done) struct buf what = {0};
        const char *source = source_of(service, i, &secret);
        const char *hash = json_string_value(json_array_get(files, i));
        const char *after = find_content(other_service, other, source, secret);
        buf_addf(&what, "content of %s '%s'", secret ? "secret" : "config", source);
        if (hash != NULL && after != NULL && strcmp(hash, after) != 0)
            add_line(list, name, buf_text(&what), hash, after);
    }
}

static void compare_trees(json_t *list, const char *name, const json_t *row, const json_t *other)
{
    const char *tree = json_find_text(row, "tree", NULL);
    const char *after = json_find_text(other, "tree", NULL);

    if (tree == NULL && after == NULL)
        return;
    tree = tree == NULL ? "nothing" : base_of(tree);
    after = after == NULL ? "nothing" : base_of(after);
    if (strcmp(tree, after) != 0)
        add_line(list, name, "built tree", tree, after);
}

static void compare_images(json_t *list, const char *name, const json_t *service,
                           const json_t *other)
{
    const char *image = json_find_text(service, "image", "");
    const char *after = json_find_text(other, "image", "");

    if (strcmp(image, after) != 0) {
        AUTO(buf_done) struct buf text = {0};
        buf_addf(&text, "%s: image: %s is now %s", name, image[0] == '\0' ? "nothing" : image,
                 after[0] == '\0' ? "nothing" : after);
        (void)json_array_append_new(list, json_from_bytes(buf_str(&text)));
    }
}

json_t *releases_differences(const json_t *config, const json_t *services,
                             const json_t *other_config, const json_t *other_services)
{
    json_t *list = json_array();
    const json_t *in = json_object_get(config, "services");
    const json_t *other_in = json_object_get(other_config, "services");
    const char *name;
    json_t *row;

    json_object_foreach(loose(services), name, row)
    {
        const json_t *other = json_object_get(other_services, name);
        if (other == NULL)
            continue;
        compare_images(list, name, json_object_get(in, name), json_object_get(other_in, name));
        compare_trees(list, name, row, other);
        compare_contents(list, name, json_object_get(in, name), row,
                         json_object_get(other_in, name), other);
    }
    return list;
}
