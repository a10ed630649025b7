/* SPDX-License-Identifier: Apache-2.0
 *
 * Which texts of a compose file are paths. */
#include "base/base.h"

#include <limits.h>

#include "compose/resolve.h"

typedef void (*path_fn)(struct load *load, const char *base, struct yaml_node *node);

static void make_absolute(struct load *load, const char *base, struct yaml_node *node)
{
    const char *text = node->text;

    if (node->kind != YAML_SCALAR || *text == '/' || yaml_is_null(node))
        return;
    if (*text == '~' && text[1] != '/' && load->home != NULL)
        node->text = path_absolute(load, load->home, text + 1);
    else
        node->text = path_absolute(load, base, text);
}

static void make_absolute_unless_empty(struct load *load, const char *base, struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR && *node->text != '\0')
        make_absolute(load, base, node);
}

/* An address, or another service, is no folder. */
static void make_context(struct load *load, const char *base, struct yaml_node *node)
{
    static const char *const prefixes[] = {"service:", "github.com/", "git@", NULL};

    if (node->kind != YAML_SCALAR || strstr(node->text, "://") != NULL)
        return;
    for (const char *const *prefix = prefixes; *prefix != NULL; prefix++)
        if (str_starts(str_of(node->text), str_of(*prefix)))
            return;
    make_absolute_unless_empty(load, base, node);
}

static void make_watched(struct load *load, const char *base, struct yaml_node *node)
{
    char real[PATH_MAX];

    make_absolute_unless_empty(load, base, node);
    if (node->kind == YAML_SCALAR && realpath(node->text, real) != NULL)
        node->text = arena_text(load->arena, real);
}

static bool is_of_windows(const char *text)
{
    return ((text[0] >= 'A' && text[0] <= 'Z') || (text[0] >= 'a' && text[0] <= 'z')) &&
           text[1] == ':' && (text[2] == '\\' || text[2] == '/');
}

static void make_mount(struct load *load, const char *base, struct yaml_node *node)
{
    const struct yaml_node *type = yaml_find(node, "type");
    struct yaml_node *source = yaml_find(node, "source");

    if (type == NULL || type->kind != YAML_SCALAR || strcmp(type->text, "bind") != 0 ||
        source == NULL)
        return;
    if (source->kind == YAML_SCALAR && is_of_windows(source->text))
        load_unfit(load, source, NULL, "name a folder of this machine",
                   "'%.80s' is a path of Windows", source->text);
    else
        make_absolute(load, base, source);
}

static const char *scalar(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_find(map, key);

    return node != NULL && node->kind == YAML_SCALAR ? node->text : "";
}

/* A volume of the local driver may be a folder of the machine. */
static void make_volume(struct load *load, const char *base, struct yaml_node *node)
{
    const struct yaml_node *options = yaml_find(node, "driver_opts");
    struct yaml_node *device = yaml_find(options, "device");

    if (strcmp(scalar(node, "driver"), "local") == 0 && strcmp(scalar(options, "o"), "bind") == 0 &&
        device != NULL)
        make_absolute(load, base, device);
}

static const struct {
    const char *place; /* "*": every member or entry */
    path_fn make;
} places[] = {
    {"services.*.build.context", make_context},
    {"services.*.build.additional_contexts.*", make_context},
    {"services.*.build.ssh.*", make_absolute_unless_empty},
    {"services.*.env_file.*.path", make_absolute_unless_empty},
    {"services.*.label_file.*", make_absolute_unless_empty},
    {"services.*.extends.file", make_absolute_unless_empty},
    {"services.*.develop.watch.*.path", make_watched},
    {"services.*.volumes.*", make_mount},
    {"services.*.pre_start.*.env_file.*.path", make_absolute_unless_empty},
    {"services.*.pre_start.*.label_file.*", make_absolute_unless_empty},
    {"services.*.pre_start.*.volumes.*", make_mount},
    {"jobs.*.build.context", make_context},
    {"jobs.*.build.additional_contexts.*", make_context},
    {"jobs.*.build.ssh.*", make_absolute_unless_empty},
    {"jobs.*.env_file.*.path", make_absolute_unless_empty},
    {"jobs.*.label_file.*", make_absolute_unless_empty},
    {"jobs.*.extends.file", make_absolute_unless_empty},
    {"jobs.*.volumes.*", make_mount},
    {"configs.*.file", make_absolute},
    {"secrets.*.file", make_absolute},
    {"volumes.*", make_volume},
};

static void visit(struct load *load, const char *base, struct yaml_node *node, struct str place,
                  path_fn make)
{
    if (node == NULL)
        return;
    if (place.ptr == NULL) {
        make(load, base, node);
        return;
    }
    struct str step = str_cut(&place, '.');
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_item *item = &node->items[i];
        if (str_is(step, "*") || (item->key != NULL && str_is(step, item->key)))
            visit(load, base, item->node, place, make);
    }
}

void resolve_paths(struct load *load, const char *base, struct yaml_node *root)
{
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        visit(load, base, root, str_of(places[i].place), places[i].make);
}
