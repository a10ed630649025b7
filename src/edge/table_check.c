/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "edge/check.h"
#include "edge/table_reader.h"
#include "json/json.h"

enum { DEFAULT_INTERVAL_MS = 2000, DEFAULT_TIMEOUT_MS = 5000, DEFAULT_FALL = 3, DEFAULT_RISE = 1 };

static bool read_count(struct reader *reader, const json_t *item, const char *key,
                       uint32_t otherwise, uint32_t *ret)
{
    uint64_t number;

    if (!reader_number(reader, item, key, CHECK_COUNT_MAX, otherwise, &number))
        return false;
    *ret = (uint32_t)number;
    return number > 0 || err_set(reader->err, ERR_INVALID, "'%s' is 0", key);
}

static bool read_interval(struct reader *reader, const json_t *item, uint32_t *ret)
{
    return reader_ms(reader, item, "interval_ms", DEFAULT_INTERVAL_MS, ret) &&
           (*ret >= CHECK_INTERVAL_MIN_MS ||
            err_set(reader->err, ERR_INVALID, "'interval_ms' is below %d", CHECK_INTERVAL_MIN_MS));
}

static bool read_status(struct reader *reader, const json_t *item, struct probe_question *ret)
{
    const json_t *pair = json_object_get(item, "status");
    json_int_t from = json_integer_value(json_array_get(pair, 0));
    json_int_t to = json_integer_value(json_array_get(pair, 1));

    ret->status_from = PROBE_STATUS_FROM;
    ret->status_to = PROBE_STATUS_TO;
    if (pair == NULL)
        return true;
    if (json_array_size(pair) != 2 || from < 100 || to > 599 || from > to)
        return err_set(reader->err, ERR_INVALID, "'status' is not [from, to], 100 to 599");
    ret->status_from = (uint16_t)from;
    ret->status_to = (uint16_t)to;
    return true;
}

static bool read_question(struct reader *reader, const json_t *item, struct probe_question *ret)
{
    struct str address;
    uint64_t version;

    if (!reader_need_text(reader, item, "address", TABLE_MAX_NAME_BYTES, &address) ||
        !table_read_address(address, &ret->address, reader->err) ||
        !reader_text(reader, item, "path", PROBE_PATH_BYTES, &ret->path) ||
        !reader_text(reader, item, "host", PROBE_HOST_BYTES, &ret->host) ||
        !reader_ms(reader, item, "timeout_ms", DEFAULT_TIMEOUT_MS, &ret->timeout_ms) ||
        !reader_number(reader, item, "send_proxy", 2, 0, &version) ||
        !read_status(reader, item, ret))
        return false;
    ret->send_proxy = (uint8_t)version;
    if (ret->path.len > 0 &&
        (ret->path.ptr[0] != '/' || !probe_is_clean(ret->path, PROBE_PATH_BYTES)))
        return err_set(reader->err, ERR_INVALID, "bad path '" STR_FMT "'", STR_ARG(ret->path));
    return probe_is_clean(ret->host, PROBE_HOST_BYTES) ||
           err_set(reader->err, ERR_INVALID, "bad host '" STR_FMT "'", STR_ARG(ret->host));
}

static bool read_check(struct reader *reader, const json_t *item, size_t i)
{
    struct table_check *check = &reader->table->checks[i];

    if (!reader_need_text(reader, item, "target", TABLE_MAX_NAME_BYTES, &check->target) ||
        !read_question(reader, item, &check->question) ||
        !read_interval(reader, item, &check->interval_ms) ||
        !read_count(reader, item, "fall", DEFAULT_FALL, &check->fall) ||
        !read_count(reader, item, "rise", DEFAULT_RISE, &check->rise))
        return false;
    check->sick = json_find_bool(item, "sick", false);
    reader->table->check_count = i + 1;
    return true;
}

bool table_read_checks(struct reader *reader, const json_t *root)
{
    size_t count = json_array_size(json_object_get(root, "checks"));

    reader->table->checks =
        ARENA_ARRAY(&reader->table->arena, struct table_check, MIN(count, (size_t)CHECKS_MAX) + 1);
    return reader_items(reader, root, "checks", CHECKS_MAX, read_check);
}
