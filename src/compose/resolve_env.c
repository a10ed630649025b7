/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/file.h"
#include "compose/dotenv.h"
#include "compose/resolve.h"

enum { ENV_FILES_TOTAL_MAX = 1000, ENV_BYTES_TOTAL_MAX = 8 << 20 };

void resolve_open_values(const struct resolve *with, struct yaml_node *pairs, bool drop)
{
    if (with->env == NULL || yaml_is_null(pairs))
        return;
    for (size_t i = pairs->count; i-- > 0;) {
        struct yaml_item *item = &pairs->items[i];
        if (!yaml_is_null(item->node))
            continue;
        const char *value = env_find(with->env, str_of(item->key));
        if (value != NULL)
            item->node = yaml_new_text(with->load->arena, value, item->node);
        else if (drop)
            yaml_remove(pairs, i);
    }
}

struct scope {
    struct env *env;
    const struct yaml_node *environment; /* may be NULL */
};

/* Variables inside an env_file: the project's, then those of the service. */
static const char *find_in_scope(void *context, struct str name)
{
    const struct scope *scope = (struct scope *)context;
    const char *value = env_find(scope->env, name);

    for (size_t i = 0; value == NULL && scope->environment != NULL && i < scope->environment->count;
         i++)
        if (str_is(name, scope->environment->items[i].key) &&
            !yaml_is_null(scope->environment->items[i].node))
            value = scope->environment->items[i].node->text;
    return value;
}

static bool is_text(const struct yaml_node *map, const char *key, const char *text)
{
    const struct yaml_node *node = yaml_find(map, key);

    return node != NULL && node->kind == YAML_SCALAR && strcmp(node->text, text) == 0;
}

static void read_env_file(const struct resolve *with, const struct path *path,
                          const struct yaml_node *entry, struct scope *scope, struct map *vars)
{
    AUTO(buf_done) struct buf text = {0};
    const struct yaml_node *name = yaml_find(entry, "path");
    const struct yaml_node *format = yaml_find(entry, "format");

    if (yaml_is_null(name)) {
        load_error(with->load, entry, path, NULL, "an env_file needs a 'path'");
        return;
    }
    if (!yaml_is_null(format) && *format->text != '\0' && strcmp(format->text, "raw") != 0) {
        load_error(with->load, format, path, "use raw, or leave it out",
                   "there is no format '%.40s'", format->text);
        return;
    }
    const char *file = path_absolute(with->load, with->load->project_dir, name->text);
    struct err err;
    const struct dotenv_source source = {file, is_text(entry, "format", "raw"), find_in_scope,
                                         scope};
    if (!file_read(file, DOTENV_BYTES_MAX, &text, &err)) {
        if (err.code == ERR_NOT_FOUND && is_text(entry, "required", "false"))
            return;
        load_error(with->load, entry, path,
                   err.code == ERR_NOT_FOUND ? "make it, or give it 'required: false'" : NULL, "%s",
                   err.text);
    } else if (!dotenv_parse(buf_str(&text), &source, with->load->arena, vars, &err)) {
        load_error(with->load, entry, path, NULL, "%s", err.text);
    }
}

/* What `environment` says wins; the rest is added behind it. */
static void add_variables(const struct resolve *with, const struct path *path,
                          struct yaml_node *service, const struct map *vars)
{
    struct yaml_node *environment = yaml_find(service, "environment");
    const struct map_entry *var;

    if (!load_copy(with->load, service, path, vars->live))
        return;
    if (yaml_is_null(environment)) {
        environment = yaml_new(with->load->arena, YAML_MAP, service);
        yaml_set(with->load->arena, service, "environment", environment);
    }
    for (size_t i = 0; (var = map_next(vars, &i)) != NULL;) {
        const char *name = arena_str(with->load->arena, str_from(var->key, var->key_len));
        struct yaml_item *item = yaml_find_item(environment, name);
        struct yaml_node *value =
            yaml_new_text(with->load->arena, (const char *)var->value, service);

        if (item == NULL)
            yaml_set(with->load->arena, environment, name, value);
    }
}

static size_t bytes_of(const struct map *vars)
{
    const struct map_entry *var;
    size_t bytes = 0;

    for (size_t i = 0; (var = map_next(vars, &i)) != NULL;)
        bytes += var->key_len + strlen((const char *)var->value);
    return bytes;
}

static void resolve_container_env(const struct resolve *with, const struct path *path,
                                  struct yaml_node *service, size_t *total_bytes)
{
    AUTO(map_done) struct map vars = {0};
    const struct yaml_item *item = yaml_find_item(service, "env_file");
    const struct path list = {path, "env_file", 0};

    if (item == NULL)
        return;
    const struct yaml_node *files = item->node;
    struct scope scope = {with->env, yaml_find(service, "environment")};
    for (size_t i = 0; i < files->count; i++) {
        const struct path here = {&list, NULL, i};
        read_env_file(with, &here, files->items[i].node, &scope, &vars);
    }
    *total_bytes += bytes_of(&vars);
    if (*total_bytes > ENV_BYTES_TOTAL_MAX)
        load_error(with->load, files, path, NULL, "the env_files hold more than %d MiB together",
                   ENV_BYTES_TOTAL_MAX >> 20);
    else if (vars.live > 0)
        add_variables(with, path, service, &vars);
    item = yaml_find_item(service, "env_file"); /* may have moved */
    yaml_remove(service, (size_t)(item - service->items));
}

static void resolve_service_env(const struct resolve *with, const struct path *path,
                                struct yaml_node *service, size_t *total_bytes)
{
    const struct yaml_node *hooks = yaml_find(service, "pre_start");
    const struct path list = {path, "pre_start", 0};

    resolve_container_env(with, path, service, total_bytes);
    for (size_t i = 0; !yaml_is_null(hooks) && i < hooks->count; i++) {
        const struct path here = {&list, NULL, i};
        resolve_container_env(with, &here, hooks->items[i].node, total_bytes);
    }
}

void resolve_env_files(const struct resolve *with, struct yaml_node *services)
{
    const struct path root = {NULL, "services", 0};
    size_t total = 0;
    size_t total_bytes = 0;

    for (size_t i = 0; i < services->count && total_bytes <= ENV_BYTES_TOTAL_MAX; i++) {
        const struct path here = {&root, services->items[i].key, 0};
        const struct yaml_node *files = yaml_find(services->items[i].node, "env_file");

        total += files == NULL ? 0 : files->count;
        if (total > ENV_FILES_TOTAL_MAX) {
            load_error(with->load, files, &here, NULL, "more than %d env_file entries",
                       ENV_FILES_TOTAL_MAX);
            return;
        }
        resolve_service_env(with, &here, services->items[i].node, &total_bytes);
    }
}

static bool read_label_file(const struct resolve *with, const struct path *path,
                            const struct yaml_node *name, struct map *ret)
{
    AUTO(buf_done) struct buf text = {0};
    const struct dotenv_source source = {name->text, false, NULL, NULL};
    struct err err;

    if (file_read(name->text, DOTENV_BYTES_MAX, &text, &err) &&
        dotenv_parse(buf_str(&text), &source, with->load->arena, ret, &err))
        return true;
    load_error(with->load, name, path, NULL, "%s", err.text);
    return false;
}

/* What `labels` says wins. */
static void resolve_container_labels(const struct resolve *with, const struct path *path,
                                     struct yaml_node *service)
{
    AUTO(map_done) struct map vars = {0};
    const struct yaml_node *files = yaml_find(service, "label_file");
    const struct path list = {path, "label_file", 0};
    const struct map_entry *var;

    for (size_t i = 0; !yaml_is_null(files) && i < files->count; i++) {
        const struct path here = {&list, NULL, i};
        if (!read_label_file(with, &here, files->items[i].node, &vars))
            return;
    }
    if (!load_copy(with->load, service, path, vars.live))
        return;
    for (size_t i = 0; (var = map_next(&vars, &i)) != NULL;) {
        const char *name = arena_str(with->load->arena, str_from(var->key, var->key_len));
        struct yaml_node *labels = yaml_find(service, "labels");

        if (yaml_is_null(labels)) {
            labels = yaml_new(with->load->arena, YAML_MAP, service);
            yaml_set(with->load->arena, service, "labels", labels);
        }
        if (yaml_find_item(labels, name) == NULL)
            yaml_set(with->load->arena, labels, name,
                     yaml_new_text(with->load->arena, (const char *)var->value, service));
    }
}

void resolve_label_files(const struct resolve *with, struct yaml_node *services)
{
    const struct path root = {NULL, "services", 0};

    for (size_t i = 0; i < services->count; i++) {
        const struct path here = {&root, services->items[i].key, 0};
        const struct path list = {&here, "pre_start", 0};
        const struct yaml_node *hooks = yaml_find(services->items[i].node, "pre_start");

        resolve_container_labels(with, &here, services->items[i].node);
        for (size_t k = 0; !yaml_is_null(hooks) && k < hooks->count; k++) {
            const struct path hook = {&list, NULL, k};
            resolve_container_labels(with, &hook, hooks->items[k].node);
        }
    }
}
