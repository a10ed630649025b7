/* SPDX-License-Identifier: Apache-2.0
 *
 * From the resolved tree, which the program works with, to what `config` shows:
 * the shape that Compose prints. It leaves out numbers that are zero, and as
 * JSON also every x- key that is not at the top; ours is kept, for a printed
 * project must mean the same when it is read again.
 */
#include "base/base.h"

#include <float.h>
#include <stdio.h>

#include "compose/format.h"
#include "compose/schema.h"
#include "json/json.h"

struct print {
    bool as_json;
    bool escape_dollars;
    bool as_written; /* the tree was not interpolated: nothing is known about its values */
};

/* A zero that differs from nothing. */
static bool keeps_zero(const char *key)
{
    static const char *const kept[] = {"replicas", "scale",     "retries",      "parallelism",
                                       "soft",     "hard",      "max_attempts", "http",
                                       "https",    "http_port", "https_port",   "mem_swappiness"};

    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        if (strcmp(key, kept[i]) == 0)
            return true;
    return false;
}

static bool is_zero(const struct schema *schema, const json_t *value)
{
    return ((schema->type == SCHEMA_INT || schema->type == SCHEMA_NUMBER) &&
            json_is_number(value) && json_number_value(value) == 0) ||
           (schema->type == SCHEMA_BYTES && json_is_string(value) &&
            strcmp(json_string_value(value), "0") == 0);
}

/* <inner> is the schema of the member. */
static bool is_left_out(const struct print *print, const struct schema *schema, const char *key,
                        const struct schema *inner, const json_t *value)
{
    bool is_own = strncmp(key, "x-", 2) == 0 && schema->type == SCHEMA_OBJECT;

    if (print->as_written)
        return false;
    if (is_own && strcmp(key, VALUE_OF_ENVIRONMENT) == 0)
        return true;
    if (is_own)
        return print->as_json && schema != &schema_compose && strcmp(key, "x-ishizue") != 0;
    return schema->type == SCHEMA_OBJECT && is_zero(inner, value) && !keeps_zero(key);
}

/* Compose keeps fractions in 32 bits and prints the shortest text that reads back as the same. */
static json_t *print_number(double number)
{
    char text[48];

    for (int digits = 1; digits <= FLT_DECIMAL_DIG; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, (double)(float)number);
        if (strtof(text, NULL) == (float)number)
            break;
    }
    return json_real(strtod(text, NULL));
}

static json_t *print_text(const struct print *print, const json_t *value)
{
    AUTO(buf_done) struct buf text = {0};

    if (!print->escape_dollars || strchr(json_string_value(value), '$') == NULL)
        return json_incref((json_t *)(uintptr_t)value);
    for (const char *at = json_string_value(value); *at != '\0'; at++) {
        buf_add_char(&text, *at);
        if (*at == '$')
            buf_add_char(&text, '$');
    }
    return json_from_bytes(buf_str(&text));
}

static json_t *print_value(const struct print *print, const struct schema *schema,
                           const json_t *value)
{
    json_t *object = (json_t *)(uintptr_t)value;

    if (json_is_object(value)) {
        json_t *copy = json_object();
        for (void *at = json_object_iter(object); at != NULL;
             at = json_object_iter_next(object, at)) {
            const char *key = json_object_iter_key(at);
            const json_t *member = json_object_iter_value(at);
            const struct schema *inner = schema_member(schema, key);
            if (!is_left_out(print, schema, key, inner, member))
                (void)json_object_set_new_nocheck(copy, key, print_value(print, inner, member));
        }
        return copy;
    }
    if (json_is_array(value)) {
        static const struct schema any = {.type = SCHEMA_ANY};
        const struct schema *items = schema->items == NULL ? &any : schema->items;
        json_t *copy = json_array();
        for (size_t i = 0; i < json_array_size(value); i++)
            (void)json_array_append_new(copy, print_value(print, items, json_array_get(value, i)));
        return copy;
    }
    if (json_is_real(value) && schema->type == SCHEMA_NUMBER)
        return print_number(json_real_value(value));
    return json_is_string(value) ? print_text(print, value) : json_incref(object);
}

static void add_if_missing(json_t *object, const char *key, json_t *value)
{
    if (json_object_get(object, key) == NULL)
        (void)json_object_set_new(object, key, value);
    else
        json_decref(value);
}

static void rename_member(json_t *object, const char *from, const char *to)
{
    json_t *value = json_object_get(object, from);

    if (value == NULL)
        return;
    (void)json_object_set(object, to, value);
    (void)json_object_del(object, from);
}

/* Compose's JSON has capitals here. */
static void rename_devices(json_t *blkio)
{
    const char *name;
    json_t *list, *device;
    size_t i;

    json_object_foreach(blkio, name, list)
    {
        json_array_foreach(list, i, device)
        {
            rename_member(device, "path", "Path");
            rename_member(device, "rate", "Rate");
            rename_member(device, "weight", "Weight");
        }
    }
}

/* What a service, a job and a hook before the start have in JSON even when it is not given. */
static void add_to_container(json_t *container)
{
    add_if_missing(container, "command", json_null());
    add_if_missing(container, "entrypoint", json_null());
    rename_devices(json_object_get(container, "blkio_config"));
}

static void add_to_service(json_t *service)
{
    json_t *deploy = json_object_get(service, "deploy");
    json_t *entry;
    size_t i;

    add_to_container(service);
    if (deploy != NULL) {
        add_if_missing(deploy, "resources", json_object());
        add_if_missing(deploy, "placement", json_object());
    }
    json_array_foreach(json_object_get(service, "pre_start"), i, entry) add_to_container(entry);
    json_array_foreach(json_object_get(json_object_get(service, "develop"), "watch"), i, entry)
    {
        add_if_missing(entry, "exec", json_object());
        add_if_missing(json_object_get(entry, "exec"), "command", json_null());
    }
}

static void add_for_json(json_t *root)
{
    const char *name;
    json_t *member;

    json_object_foreach(json_object_get(root, "services"), name, member) add_to_service(member);
    json_object_foreach(json_object_get(root, "jobs"), name, member) add_to_container(member);
    json_object_foreach(json_object_get(root, "networks"), name, member)
        add_if_missing(member, "ipam", json_object());
}

/* True is what it is when nothing is said. */
static void drop_if_true(json_t *object, const char *key)
{
    if (json_is_true(json_object_get(object, key)))
        (void)json_object_del(object, key);
}

static void drop_defaults(json_t *section)
{
    const char *name;
    json_t *member, *entry;
    size_t i;

    json_object_foreach(section, name, member)
    {
        json_array_foreach(json_object_get(member, "volumes"), i, entry)
            drop_if_true(json_object_get(entry, "bind"), "create_host_path");
        json_array_foreach(json_object_get(member, "env_file"), i, entry)
            drop_if_true(entry, "required");
    }
}

/* The short form of a bind mount says so, and only here it is seen. */
static void add_as_written(json_t *root)
{
    const char *name;
    json_t *member, *entry;
    size_t i;

    json_object_foreach(json_object_get(root, "services"), name, member)
    {
        json_array_foreach(json_object_get(member, "volumes"), i, entry)
        {
            json_t *bind = json_object_get(entry, "bind");
            if (json_is_object(bind) && json_object_size(bind) == 0)
                (void)json_object_set_new(bind, "create_host_path", json_true());
        }
    }
}

/* {"default": null, "k": "/path"} as a list. */
static void list_keys(json_t *section)
{
    const char *name, *key;
    json_t *member, *path;

    json_object_foreach(section, name, member)
    {
        json_t *build = json_object_get(member, "build");
        const json_t *ssh = json_object_get(build, "ssh");
        if (!json_is_object(ssh))
            continue;
        json_t *list = json_array();
        json_object_foreach((json_t *)(uintptr_t)ssh, key, path)
        {
            AUTO(buf_done) struct buf text = {0};
            buf_add_text(&text, key);
            if (json_is_string(path))
                buf_addf(&text, "=%s", json_string_value(path));
            (void)json_array_append_new(list, json_from_bytes(buf_str(&text)));
        }
        (void)json_object_set_new(build, "ssh", list);
    }
}

json_t *format_print(const json_t *resolved, bool as_json, bool escape_dollars, bool as_written)
{
    const struct print print = {as_json, escape_dollars, as_written};
    json_t *root = print_value(&print, &schema_compose, resolved);

    if (as_written) {
        add_as_written(root);
        return root;
    }
    drop_defaults(json_object_get(root, "services"));
    drop_defaults(json_object_get(root, "jobs"));
    list_keys(json_object_get(root, "services"));
    list_keys(json_object_get(root, "jobs"));
    if (as_json)
        add_for_json(root);
    return root;
}
