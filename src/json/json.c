/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/arena.h"
#include "base/err.h"
#include "json/json.h"

/* jansson's own limit is 2048 levels; ours is counted before it runs. */
static bool check_depth(struct str text, struct err *err)
{
    size_t depth = 0;
    bool in_text = false;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (in_text) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_text = false;
        } else if (c == '"') {
            in_text = true;
        } else if ((c == '[' || c == '{') && ++depth > JSON_DEPTH_MAX) {
            return err_set(err, ERR_LIMIT, "JSON is nested deeper than %d levels", JSON_DEPTH_MAX);
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return true;
}

static struct arena *home;

static void *allocate(size_t size)
{
    return arena_alloc(home, size);
}

static void leave(void *value)
{
    (void)value;
}

void json_use_arena(struct arena *arena)
{
    home = arena;
    json_set_alloc_funcs(allocate, leave);
}

bool json_parse(struct str text, size_t limit_bytes, json_t **ret, struct err *err)
{
    if (text.len > limit_bytes)
        return err_set(err, ERR_LIMIT, "JSON of %zu bytes is above the limit of %zu", text.len,
                       limit_bytes);
    if (!check_depth(text, err))
        return false;

    json_error_t at;
    json_t *value = json_loadb(text.len == 0 ? "" : text.ptr, text.len,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &at);
    if (value == NULL) {
        for (char *c = at.text; *c != '\0'; c++) /* the text quotes the input */
            if ((unsigned char)*c < 0x20)
                *c = ' ';
        return err_set(err, ERR_INVALID, "line %d, column %d: not JSON: %s", at.line, at.column,
                       at.text);
    }
    *ret = value;
    return true;
}

static const char *type_name(const json_t *value)
{
    if (value == NULL)
        return "missing";
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

static bool wrong_type(const char *key, const char *wanted, const json_t *value, struct err *err)
{
    if (value == NULL)
        return err_set(err, ERR_INVALID, "'%s' is missing; it must be %s", key, wanted);
    return err_set(err, ERR_INVALID, "'%s' is %s; it must be %s", key, type_name(value), wanted);
}

bool json_get_text(const json_t *object, const char *key, const char **ret, struct err *err)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_string(value))
        return wrong_type(key, "a string", value, err);
    *ret = json_string_value(value);
    return true;
}

bool json_get_i64(const json_t *object, const char *key, int64_t *ret, struct err *err)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value))
        return wrong_type(key, "an integer", value, err);
    *ret = json_integer_value(value);
    return true;
}

bool json_get_u64(const json_t *object, const char *key, uint64_t max, uint64_t *ret,
                  struct err *err)
{
    int64_t value;

    if (!json_get_i64(object, key, &value, err))
        return false;
    if (value < 0)
        return err_set(err, ERR_INVALID, "'%s' is %lld; it must not be below 0", key,
                       (long long)value);
    if ((uint64_t)value > max)
        return err_set(err, ERR_LIMIT, "'%s' is %lld; it must not be above %llu", key,
                       (long long)value, (unsigned long long)max);
    *ret = (uint64_t)value;
    return true;
}

bool json_get_array(const json_t *object, const char *key, const json_t **ret, struct err *err)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_array(value))
        return wrong_type(key, "an array", value, err);
    *ret = value;
    return true;
}

bool json_get_object(const json_t *object, const char *key, const json_t **ret, struct err *err)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_object(value))
        return wrong_type(key, "an object", value, err);
    *ret = value;
    return true;
}

const char *json_find_text(const json_t *object, const char *key, const char *otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_string(value) ? json_string_value(value) : otherwise;
}

uint64_t json_find_u64(const json_t *object, const char *key, uint64_t otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) && json_integer_value(value) >= 0
               ? (uint64_t)json_integer_value(value)
               : otherwise;
}

bool json_find_bool(const json_t *object, const char *key, bool otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

/* Most texts: nothing has to be looked at but this. */
static bool is_plain_ascii(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] - 1U >= 0x7f)
            return false;
    return true;
}

json_t *json_from_bytes(struct str text)
{
    AUTO(buf_done) struct buf clean = {0};

    if (is_plain_ascii(text)) {
        json_t *plain = json_stringn_nocheck(text.len == 0 ? "" : text.ptr, text.len);
        assert(plain != NULL);
        return plain;
    }
    while (text.len > 0) {
        size_t len = str_utf8_len(text);

        if (len == 0 || text.ptr[0] == '\0')
            buf_add_text(&clean, "\xef\xbf\xbd");
        else
            buf_add(&clean, text.ptr, len);
        text = str_sub(text, len == 0 ? 1 : len, text.len);
    }
    json_t *value = json_stringn(buf_text(&clean), clean.len);
    assert(value != NULL);
    return value;
}
