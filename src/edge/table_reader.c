/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "edge/table_reader.h"
#include "http/http_names.h"
#include "json/json.h"

enum { MAX_TIMEOUT_MS = 86400000 };

bool reader_items(struct reader *reader, const json_t *from, const char *key, size_t max,
                  reader_item_fn *fn)
{
    const json_t *items = json_object_get(from, key);

    if (items == NULL)
        return true;
    if (!json_is_array(items))
        return err_set(reader->err, ERR_INVALID, "'%s' is not a list", key);
    if (json_array_size(items) > max)
        return err_set(reader->err, ERR_LIMIT, "'%s' has more than %zu items", key, max);
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        if (!json_is_object(item))
            return err_set(reader->err, ERR_INVALID, "%s[%zu] is not an object", key, i);
        if (!fn(reader, item, i))
            return err_prefix(reader->err, "%s[%zu]", key, i);
    }
    return true;
}

bool reader_text(struct reader *reader, const json_t *item, const char *key, size_t max,
                 struct str *ret)
{
    const json_t *value = json_object_get(item, key);
    struct str text;

    if (value == NULL || json_is_null(value)) {
        *ret = (struct str){0};
        return true;
    }
    if (!json_is_string(value))
        return err_set(reader->err, ERR_INVALID, "'%s' is not a text", key);
    text = str_from(json_string_value(value), json_string_length(value));
    if (text.len > max)
        return err_set(reader->err, ERR_LIMIT, "'%s' is longer than %zu bytes", key, max);
    for (size_t i = 0; i < text.len; i++)
        if (http_is(text.ptr[i], HTTP_CLASS_CONTROL) || text.ptr[i] == '\t')
            return err_set(reader->err, ERR_INVALID, "'%s' holds a control character", key);
    *ret = str_from(arena_str(&reader->table->arena, text), text.len);
    return true;
}

bool reader_need_text(struct reader *reader, const json_t *item, const char *key, size_t max,
                      struct str *ret)
{
    if (!reader_text(reader, item, key, max, ret))
        return false;
    return ret->len > 0 || err_set(reader->err, ERR_INVALID, "'%s' is missing or empty", key);
}

bool reader_texts(struct reader *reader, const json_t *item, const char *key, size_t max,
                  size_t max_bytes, struct str **ret, size_t *ret_count)
{
    const json_t *list = json_object_get(item, key);
    size_t count = json_array_size(list);

    *ret = NULL;
    *ret_count = 0;
    if (list == NULL || json_is_null(list))
        return true;
    if (!json_is_array(list))
        return err_set(reader->err, ERR_INVALID, "'%s' is not a list", key);
    if (count > max)
        return err_set(reader->err, ERR_LIMIT, "'%s' has more than %zu items", key, max);
    *ret = ARENA_ARRAY(&reader->table->arena, struct str, MAX(count, 1));
    for (size_t i = 0; i < count; i++) {
        AUTO(json_unref) json_t *one = json_pack("{s:O}", key, json_array_get(list, i));
        if (!reader_need_text(reader, one, key, max_bytes, &(*ret)[i]))
            return false;
    }
    *ret_count = count;
    return true;
}

bool reader_number(struct reader *reader, const json_t *item, const char *key, uint64_t max,
                   uint64_t otherwise, uint64_t *ret)
{
    if (json_object_get(item, key) == NULL) {
        *ret = otherwise;
        return true;
    }
    return json_get_u64(item, key, max, ret, reader->err);
}

bool reader_ms(struct reader *reader, const json_t *item, const char *key, uint32_t otherwise,
               uint32_t *ret)
{
    uint64_t number;

    if (!reader_number(reader, item, key, MAX_TIMEOUT_MS, otherwise, &number))
        return false;
    if (number == 0)
        return err_set(reader->err, ERR_INVALID, "'%s' is 0", key);
    *ret = (uint32_t)number;
    return true;
}
