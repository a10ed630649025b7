/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/map.h"
#include "cli/cli.h"
#include "cli/config_lists.h"
#include "cli/text_table.h"
#include "json/json.h"

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys of <object> in order; the caller frees the array. */
static const char **sorted_keys(const json_t *object, size_t *ret_count)
{
    json_t *json = (json_t *)(uintptr_t)object;
    const char **keys = mem_new((json_object_size(object) + 1) * sizeof *keys);
    size_t count = 0;

    for (void *at = json_object_iter(json); at != NULL; at = json_object_iter_next(json, at))
        keys[count++] = json_object_iter_key(at);
    qsort(keys, count, sizeof *keys, compare_texts);
    *ret_count = count;
    return keys;
}

void config_list_keys(const json_t *resolved, const char *section, struct buf *ret)
{
    size_t count;
    AUTO(free) const char **keys = sorted_keys(json_object_get(resolved, section), &count);

    for (size_t i = 0; i < count; i++)
        buf_addf(ret, "%s\n", keys[i]);
}

void config_list_images(const json_t *resolved, struct buf *ret)
{
    const json_t *services = json_object_get(resolved, "services");
    size_t count;
    AUTO(free) const char **names = sorted_keys(services, &count);

    for (size_t i = 0; i < count; i++) {
        const char *image = json_find_text(json_object_get(services, names[i]), "image", NULL);
        if (image != NULL)
            buf_addf(ret, "%s\n", image);
        else
            buf_addf(ret, "%s-%s\n", json_find_text(resolved, "name", ""), names[i]);
    }
}

void config_list_profiles(const json_t *resolved, struct buf *ret)
{
    AUTO(json_unref) json_t *seen = json_object();
    const char *name;
    json_t *service, *profile;
    size_t i, count;

    json_object_foreach(json_object_get(resolved, "services"), name, service)
    {
        json_array_foreach(json_object_get(service, "profiles"), i, profile)(void)
            json_object_set_new(seen, json_string_value(profile), json_true());
    }
    AUTO(free) const char **names = sorted_keys(seen, &count);
    for (size_t k = 0; k < count; k++)
        buf_addf(ret, "%s\n", names[k]);
}

void config_list_models(const json_t *resolved, struct buf *ret)
{
    const json_t *models = json_object_get(resolved, "models");
    size_t count;
    AUTO(free) const char **keys = sorted_keys(models, &count);

    for (size_t i = 0; i < count; i++) {
        const char *model = json_find_text(json_object_get(models, keys[i]), "model", NULL);
        if (model != NULL)
            buf_addf(ret, "%s\n", model);
    }
}

void config_list_environment(const struct compose_pairs *seen, struct buf *ret)
{
    for (size_t i = 0; i < seen->count; i++)
        buf_addf(ret, "%s=%s\n", seen->items[i].key, seen->items[i].value);
}

static void list_variables_json(const struct compose_variables *variables, struct buf *ret)
{
    AUTO(json_unref) json_t *all = json_object();

    for (size_t i = 0; i < variables->count; i++) {
        const struct compose_variable *variable = &variables->items[i];
        (void)json_object_set_new(
            all, variable->name,
            json_pack("{s:s, s:o, s:o, s:b}", "Name", variable->name, "DefaultValue",
                      json_from_bytes(str_of(variable->default_value)), "PresenceValue",
                      json_from_bytes(str_of(variable->replacement)), "Required",
                      (int)variable->required));
    }
    json_format(all, false, ret);
    buf_add_char(ret, '\n');
}

static void add_quoted(const char *key, const char *value, struct buf *ret)
{
    AUTO(json_unref) json_t *text = json_from_bytes(str_of(value));

    buf_addf(ret, "    %s: ", key);
    json_format(text, false, ret);
    buf_add_char(ret, '\n');
}

static void list_variables_yaml(const struct compose_variables *variables, struct buf *ret)
{
    for (size_t i = 0; i < variables->count; i++) {
        const struct compose_variable *variable = &variables->items[i];
        buf_addf(ret, "%s:\n", variable->name);
        add_quoted("name", variable->name, ret);
        add_quoted("defaultvalue", variable->default_value, ret);
        add_quoted("presencevalue", variable->replacement, ret);
        buf_addf(ret, "    required: %s\n", variable->required ? "true" : "false");
    }
    if (variables->count == 0)
        buf_add_text(ret, "{}\n");
}

void config_list_variables(struct cli *cli, const struct compose_variables *variables,
                           const char *format, struct buf *ret)
{
    static const struct text_table_column columns[] = {
        {.header = "NAME"},
        {.header = "REQUIRED"},
        {.header = "DEFAULT VALUE"},
        {.header = "ALTERNATE VALUE"},
    };
    AUTO(text_table_done) struct text_table table;

    if (format != NULL && strcmp(format, "json") == 0) {
        list_variables_json(variables, ret);
        return;
    }
    if (format != NULL) {
        list_variables_yaml(variables, ret);
        return;
    }
    text_table_init(&table, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < variables->count; i++) {
        const struct compose_variable *variable = &variables->items[i];
        text_table_add(&table, STYLE_NONE, variable->name);
        text_table_add(&table, STYLE_NONE, variable->required ? "true" : "false");
        text_table_add(&table, STYLE_NONE, variable->default_value);
        text_table_add(&table, STYLE_NONE, variable->replacement);
    }
    text_table_format(&table, &cli->out, ret);
}

static void add_hash(struct cli *cli, const char *name, const json_t *service, struct buf *ret)
{
    AUTO(buf_done) struct buf text = {0};
    char digest[CLI_DIGEST_BYTES] = "";

    json_format(service, false, &text);
    cli->programs->digest(buf_str(&text), digest);
    buf_addf(ret, "%s %s\n", name, digest);
}

/* The services that <wanted> names, as the keys of a map. */
static json_t *wanted_services(const json_t *services, const char *wanted, struct err *err)
{
    AUTO(json_unref) json_t *ret = json_object();
    struct str rest = str_of(wanted);

    while (rest.ptr != NULL) {
        AUTO(buf_done) struct buf name = {0};
        buf_add_str(&name, str_cut(&rest, ','));
        json_t *service = json_object_get(services, buf_text(&name));
        if (service == NULL) {
            (void)err_set(err, ERR_INVALID,
                          "no such service: '%.80s', 'ishizue config --services' lists them",
                          buf_text(&name));
            return NULL;
        }
        (void)json_object_set(ret, buf_text(&name), service);
    }
    return TAKE(ret);
}

bool config_list_hashes(struct cli *cli, const json_t *resolved, const char *wanted,
                        struct buf *ret, struct err *err)
{
    json_t *services = json_object_get(resolved, "services");
    AUTO(json_unref)
    json_t *chosen =
        strcmp(wanted, "*") == 0 ? json_incref(services) : wanted_services(services, wanted, err);
    size_t count;

    if (chosen == NULL)
        return false;
    AUTO(free) const char **names = sorted_keys(chosen, &count);
    for (size_t i = 0; i < count; i++)
        add_hash(cli, names[i], json_object_get(chosen, names[i]), ret);
    return true;
}
