/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/format.h"
#include "yaml/yaml.h"
#include "json/json.h"

struct printer {
    struct buf *out;
};

static bool is_safe_plain(const char *text)
{
    static const char *const words[] = {"y", "n", "yes", "no", "on", "off"};
    const struct yaml_node node = {.text = text};

    if (yaml_value(&node).type != YAML_TEXT || strchr("-?:,[]{}#&*!|>'\"%@`=<~ ", text[0]) != NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq_nocase(str_of(words[i]), str_of(text)))
            return false;
    size_t len = strlen(text);
    if (text[len - 1] == ' ' || text[len - 1] == ':' || strstr(text, ": ") != NULL ||
        strstr(text, " #") != NULL)
        return false;
    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    /* 22:22 and dates are numbers and times to other readers */
    return text[strspn(text, "0123456789:._-+eExXoTtZz")] != '\0';
}

static void add_text(struct printer *to, const char *text)
{
    if (text[0] != '\0' && is_safe_plain(text)) {
        buf_add_text(to->out, text);
        return;
    }
    AUTO(json_unref) json_t *quoted = json_from_bytes(str_of(text));
    json_format(quoted, false, to->out); /* a JSON text is a YAML text */
}

static void add_indent(struct printer *to, size_t depth)
{
    for (size_t i = 0; i < depth; i++)
        buf_add_text(to->out, "  ");
}

static bool is_inline(const json_t *value)
{
    return !(json_is_object(value) && json_object_size(value) > 0) &&
           !(json_is_array(value) && json_array_size(value) > 0);
}

static void add_inline(struct printer *to, const json_t *value)
{
    if (json_is_string(value))
        add_text(to, json_string_value(value));
    else
        json_format(value, false, to->out);
}

static void add_block(struct printer *to, const json_t *value, size_t depth, bool after_dash);

static void add_member(struct printer *to, const char *key, const json_t *value, size_t depth)
{
    add_text(to, key);
    buf_add_char(to->out, ':');
    if (is_inline(value)) {
        buf_add_char(to->out, ' ');
        add_inline(to, value);
        buf_add_char(to->out, '\n');
    } else {
        buf_add_char(to->out, '\n');
        add_block(to, value, depth + 1, false);
    }
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_object(struct printer *to, const json_t *value, size_t depth, bool after_dash)
{
    size_t count = 0;
    const char **keys = mem_new(json_object_size(value) * sizeof *keys);
    json_t *object = (json_t *)(uintptr_t)value;

    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at))
        keys[count++] = json_object_iter_key(at);
    qsort(keys, count, sizeof *keys, compare_texts);
    for (size_t i = 0; i < count; i++) {
        const json_t *member = json_object_get(value, keys[i]);
        if (!after_dash)
            add_indent(to, depth);
        after_dash = false;
        add_member(to, keys[i], member, depth);
    }
    free(keys);
}

static void add_array(struct printer *to, const json_t *value, size_t depth, bool after_dash)
{
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *entry = json_array_get(value, i);
        if (!after_dash)
            add_indent(to, depth);
        after_dash = false;
        buf_add_text(to->out, "- ");
        if (is_inline(entry)) {
            add_inline(to, entry);
            buf_add_char(to->out, '\n');
        } else {
            add_block(to, entry, depth + 1, true);
        }
    }
}

static void add_block(struct printer *to, const json_t *value, size_t depth, bool after_dash)
{
    if (json_is_object(value))
        add_object(to, value, depth, after_dash);
    else
        add_array(to, value, depth, after_dash);
}

void compose_format(const json_t *resolved, enum compose_format format, bool escape_dollars,
                    struct buf *ret)
{
    compose_format_partly(resolved, format, escape_dollars ? COMPOSE_ESCAPE_DOLLARS : 0, ret);
}

void compose_format_partly(const json_t *resolved, enum compose_format format, unsigned flags,
                           struct buf *ret)
{
    bool as_json = format == COMPOSE_FORMAT_JSON;
    AUTO(json_unref)
    json_t *shown = format_print(resolved, as_json, (flags & COMPOSE_ESCAPE_DOLLARS) != 0,
                                 (flags & COMPOSE_AS_WRITTEN) != 0);

    if (as_json) {
        json_format(shown, true, ret);
        buf_add_char(ret, '\n');
    } else {
        struct printer to = {ret};
        add_block(&to, shown, 0, false);
    }
}
