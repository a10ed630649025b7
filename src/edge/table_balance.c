/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "edge/balance.h"
#include "edge/meter.h"
#include "edge/table_reader.h"
#include "http/http_names.h"
#include "json/json.h"

enum {
    MAX_METERS = 256,
    MAX_CONNECTIONS = 1000000,
    MAX_FAILS = 1000,
    MAX_VALUE_BYTES = 256,
    DEFAULT_FAIL_TIMEOUT_MS = 10000,
};

static bool check_token(struct reader *reader, const char *key, struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!http_is(name.ptr[i], HTTP_CLASS_TOKEN))
            return err_set(reader->err, ERR_INVALID, "'%s' is not a name: '" STR_FMT "'", key,
                           STR_ARG(name));
    return true;
}

static bool read_name(struct reader *reader, const json_t *item, const char *key, struct str *ret)
{
    return reader_text(reader, item, key, BALANCE_MAX_NAME_BYTES, ret) &&
           check_token(reader, key, *ret);
}

/* ---- the way of balancing ---- */

static bool read_kind(struct reader *reader, const json_t *item, struct upstream_balance *ret)
{
    static const char *const kinds[] = {[BALANCE_LEAST] = "least",
                                        [BALANCE_ROUND_ROBIN] = "round-robin",
                                        [BALANCE_TWO_CHOICES] = "two-choices",
                                        [BALANCE_HASH] = "hash"};
    const char *text = json_find_text(item, "balance", "least");

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(text, kinds[i]) == 0) {
            ret->kind = (enum balance_kind)i;
            return true;
        }
    return err_set(reader->err, ERR_INVALID, "unknown balance '%.40s'", text);
}

static bool read_key(struct reader *reader, const json_t *item, struct upstream_balance *ret)
{
    struct str text;

    if (!reader_text(reader, item, "hash_key", BALANCE_MAX_NAME_BYTES + 8, &text))
        return false;
    ret->key = str_starts(text, STR("header:"))   ? BALANCE_BY_HEADER
               : str_starts(text, STR("cookie:")) ? BALANCE_BY_COOKIE
               : str_eq(text, STR("uri"))         ? BALANCE_BY_URI
                                                  : BALANCE_BY_IP;
    if (ret->key == BALANCE_BY_HEADER || ret->key == BALANCE_BY_COOKIE) {
        ret->key_name = str_sub(text, 7, SIZE_MAX);
        return ret->key_name.len > 0
                   ? check_token(reader, "hash_key", ret->key_name)
                   : err_set(reader->err, ERR_INVALID, "'hash_key' names nothing");
    }
    return ret->key == BALANCE_BY_URI || text.len == 0 || str_eq(text, STR("ip")) ||
           err_set(reader->err, ERR_INVALID, "unknown hash_key '" STR_FMT "'", STR_ARG(text));
}

static bool read_number(struct reader *reader, const json_t *item, const char *key, uint64_t max,
                        uint32_t otherwise, uint32_t *ret)
{
    uint64_t number;

    if (!reader_number(reader, item, key, max, otherwise, &number))
        return false;
    *ret = (uint32_t)number;
    return true;
}

static bool read_limits(struct reader *reader, const json_t *item, struct upstream_balance *ret)
{
    const json_t *queue = json_object_get(item, "queue");

    if (queue != NULL && !json_is_object(queue))
        return err_set(reader->err, ERR_INVALID, "'queue' is not an object");
    return read_number(reader, item, "slow_start_ms", 3600000, 0, &ret->slow_start_ms) &&
           read_number(reader, item, "max_connections", MAX_CONNECTIONS, 0,
                       &ret->max_connections) &&
           read_number(reader, item, "max_fails", MAX_FAILS, 0, &ret->max_fails) &&
           reader_ms(reader, item, "fail_timeout_ms", DEFAULT_FAIL_TIMEOUT_MS,
                     &ret->fail_timeout_ms) &&
           read_number(reader, queue, "limit", QUEUE_MAX_LIMIT, QUEUE_LIMIT, &ret->queue_limit) &&
           reader_ms(reader, queue, "timeout_ms", QUEUE_TIMEOUT_MS, &ret->queue_timeout_ms);
}

/* ---- split ---- */

static bool read_release(struct reader *reader, const json_t *value, uint32_t *ret)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number <= 0 || number > UINT32_MAX)
        return err_set(reader->err, ERR_INVALID, "'release' is not the number of one");
    *ret = (uint32_t)number;
    return true;
}

static bool read_shares(struct reader *reader, const json_t *item, struct upstream_split *ret)
{
    const json_t *list = json_object_get(item, "shares");
    size_t count = json_array_size(list);
    uint64_t sum = 0;

    if (!json_is_array(list) || count == 0 || count > SPLIT_MAX_SHARES)
        return err_set(reader->err, ERR_INVALID, "'shares' is not a list of 1 to %d",
                       SPLIT_MAX_SHARES);
    ret->shares = ARENA_ARRAY(&reader->table->arena, struct split_share, count);
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(list, i);
        uint64_t share;
        if (!read_release(reader, json_object_get(one, "release"), &ret->shares[i].release) ||
            !json_get_u64(one, "share", SHARE_WHOLE, &share, reader->err))
            return err_prefix(reader->err, "shares[%zu]", i);
        ret->shares[i].share = (uint32_t)share;
        sum += share;
    }
    ret->share_count = count;
    return sum == SHARE_WHOLE || err_set(reader->err, ERR_INVALID, "the shares sum up to %lu of %d",
                                         (unsigned long)sum, SHARE_WHOLE);
}

static bool read_values(struct reader *reader, const json_t *item, struct upstream_split *ret)
{
    json_t *object = json_object_get(item, "values"), *release;
    size_t count = json_object_size(object);
    const char *key;

    if (object == NULL || json_is_null(object))
        return true;
    if (!json_is_object(object) || count > SPLIT_MAX_VALUES)
        return err_set(reader->err, ERR_INVALID, "'values' is not an object of at most %d",
                       SPLIT_MAX_VALUES);
    ret->values = ARENA_ARRAY(&reader->table->arena, struct split_value, MAX(count, 1));
    json_object_foreach(object, key, release)
    {
        struct split_value *value = &ret->values[ret->value_count++];
        struct str text = str_of(key);
        if (text.len > MAX_VALUE_BYTES)
            return err_set(reader->err, ERR_LIMIT, "a value is longer than %d bytes",
                           MAX_VALUE_BYTES);
        value->value = str_from(arena_str(&reader->table->arena, text), text.len);
        if (!read_release(reader, release, &value->release))
            return err_prefix(reader->err, "values");
    }
    return true;
}

static bool read_split(struct reader *reader, const json_t *item, struct upstream_balance *ret)
{
    const json_t *object = json_object_get(item, "split");

    if (object == NULL || json_is_null(object))
        return true;
    if (!json_is_object(object))
        return err_set(reader->err, ERR_INVALID, "'split' is not an object");
    struct upstream_split *split = ARENA_ARRAY(&reader->table->arena, struct upstream_split, 1);
    const char *by = json_find_text(object, "by", "request");
    split->by_visitor = strcmp(by, "visitor") == 0;
    split->is_free = json_find_bool(object, "free", false);
    if (!split->by_visitor && strcmp(by, "request") != 0)
        return err_set(reader->err, ERR_INVALID, "split by '%.40s', expected request or visitor",
                       by);
    if (!read_shares(reader, object, split) || !read_values(reader, object, split) ||
        !read_name(reader, object, "cookie", &split->cookie) ||
        !read_name(reader, object, "header", &split->header))
        return err_prefix(reader->err, "split");
    if (split->cookie.len == 0 && split->by_visitor)
        split->cookie = STR(VISITOR_COOKIE);
    ret->split = split;
    return true;
}

/* ---- all of it ---- */

static bool read_meters(struct reader *reader, const json_t *item, struct table_upstream *upstream)
{
    const json_t *list = json_object_get(item, "meters");
    struct table_target *targets = reader->table->targets + upstream->first_target;

    if (list != NULL && (!json_is_array(list) || json_array_size(list) > MAX_METERS))
        return err_set(reader->err, ERR_INVALID, "'meters' is not a list of at most %d",
                       MAX_METERS);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        uint64_t release, meter;
        if (!json_get_u64(one, "release", UINT32_MAX, &release, reader->err) ||
            !json_get_u64(one, "meter", METER_SLOTS - 1, &meter, reader->err))
            return err_prefix(reader->err, "meters[%zu]", i);
        for (uint32_t n = 0; n < upstream->target_count; n++)
            if (targets[n].release == release)
                targets[n].meter = (uint32_t)meter;
    }
    return true;
}

/* Cookies that say where a visitor is served could be made by anybody without one. */
static bool check_signed(struct reader *reader, const struct upstream_balance *balance)
{
    static const unsigned char none[SIGN_KEY_LEN];
    const char *key = balance->sticky_cookie.len > 0                         ? "sticky_cookie"
                      : balance->split != NULL && balance->split->by_visitor ? "split"
                                                                             : NULL;

    return key == NULL || memcmp(reader->table->sign_key, none, sizeof none) != 0 ||
           err_set(reader->err, ERR_INVALID, "'%s' needs cookies, and there is no 'sign_key'", key);
}

bool table_read_balance(struct reader *reader, const json_t *item, struct table_upstream *upstream)
{
    static const char *const keys[] = {
        "balance",         "hash_key",  "sticky_cookie", "slow_start_ms",
        "max_connections", "max_fails", "queue",         "split"};
    bool has_any = false;

    if (!read_meters(reader, item, upstream))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        has_any |= json_object_get(item, keys[i]) != NULL;
    if (!has_any)
        return true;
    struct upstream_balance *balance =
        ARENA_ARRAY(&reader->table->arena, struct upstream_balance, 1);
    upstream->balance = balance;
    return read_kind(reader, item, balance) && read_key(reader, item, balance) &&
           read_name(reader, item, "sticky_cookie", &balance->sticky_cookie) &&
           read_limits(reader, item, balance) && read_split(reader, item, balance) &&
           check_signed(reader, balance);
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool table_read_sign_key(struct reader *reader, const json_t *item)
{
    unsigned char *key = reader->table->sign_key;
    struct str text;

    static_assert(sizeof reader->table->sign_key == SIGN_KEY_LEN, "the key");
    if (!reader_text(reader, item, "sign_key", 2 * SIGN_KEY_LEN, &text))
        return false;
    if (text.len == 0)
        return true;
    for (size_t i = 0; i < SIGN_KEY_LEN; i++) {
        int high = text.len == 2 * SIGN_KEY_LEN ? digit_of(text.ptr[2 * i]) : -1;
        int low = high < 0 ? -1 : digit_of(text.ptr[2 * i + 1]);
        if (low < 0)
            return err_set(reader->err, ERR_INVALID, "'sign_key' is not 64 hexadecimal digits");
        key[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}
