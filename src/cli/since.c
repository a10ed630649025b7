/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "cli/since.h"

enum { DIGITS_MAX = 12 };

/* Takes <count> digits (0: as many as there are) off the front. */
static bool take_number(struct str *text, size_t count, uint64_t *ret)
{
    size_t len = 0;

    while (len < text->len && text->ptr[len] >= '0' && text->ptr[len] <= '9')
        len++;
    if (len == 0 || len > DIGITS_MAX || (count != 0 && len != count))
        return false;
    bool ok = str_to_u64(str_sub(*text, 0, len), UINT64_MAX, ret);
    *text = str_sub(*text, len, text->len);
    return ok;
}

static bool take_char(struct str *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    *text = str_sub(*text, 1, text->len);
    return true;
}

static bool parse_duration(struct str text, uint64_t *ret_ms)
{
    static const struct {
        struct str name;
        uint64_t ms;
    } units[] = {{{"ms", 2}, 1}, {{"s", 1}, 1000}, {{"m", 1}, 60000}, {{"h", 1}, 3600000}};
    uint64_t total = 0, number;

    if (text.len == 0)
        return false;
    while (text.len > 0) {
        size_t unit = 0;

        if (!take_number(&text, 0, &number))
            return false;
        while (unit < ARRAY_LEN(units) && !str_starts(text, units[unit].name))
            unit++;
        if (unit == ARRAY_LEN(units))
            return false;
        text = str_sub(text, units[unit].name.len, text.len);
        total += number * units[unit].ms; /* at most 10^12 * 3.6 * 10^6 a time */
        if (total > INT64_MAX / 4)
            return false;
    }
    *ret_ms = total;
    return true;
}

/* Days since 1970 in the Gregorian calendar; the year starts in March, so that the leap day is its
 * last one. */
static int64_t days_from_date(uint64_t year, uint64_t month, uint64_t day)
{
    int64_t y = (int64_t)year - (month <= 2 ? 1 : 0);
    int64_t of_era = y % 400;
    int64_t of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)day - 1;

    return y / 400 * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool take_date(struct str *text, int64_t *ret_ms)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint64_t year, month, day;

    if (!take_number(text, 4, &year) || !take_char(text, '-') || !take_number(text, 2, &month) ||
        !take_char(text, '-') || !take_number(text, 2, &day) || year < 1970 || month < 1 ||
        month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > days[month - 1] + (leap && month == 2 ? 1U : 0U))
        return false;
    *ret_ms = days_from_date(year, month, day) * 86400000;
    return true;
}

static bool take_clock(struct str *text, int64_t *ret_ms)
{
    uint64_t hour, minute, second, fraction = 0, scale = 1000;

    if (!take_number(text, 2, &hour) || !take_char(text, ':') || !take_number(text, 2, &minute) ||
        !take_char(text, ':') || !take_number(text, 2, &second) || hour > 23 || minute > 59 ||
        second > 60)
        return false;
    if (take_char(text, '.')) {
        size_t before = text->len;
        if (!take_number(text, 0, &fraction))
            return false;
        for (size_t i = text->len; i < before; i++)
            scale *= 10;
        fraction = fraction * 1000000 / scale;
    }
    *ret_ms += (int64_t)((hour * 3600 + minute * 60 + second) * 1000 + fraction);
    return true;
}

static bool take_zone(struct str *text, int64_t *ret_ms)
{
    uint64_t hours, minutes;

    if (text->len == 0 || take_char(text, 'Z'))
        return true;
    int64_t sign = text->ptr[0] == '+' ? -1 : 1;
    if ((!take_char(text, '+') && !take_char(text, '-')) || !take_number(text, 2, &hours) ||
        !take_char(text, ':') || !take_number(text, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_ms += sign * (int64_t)(hours * 60 + minutes) * 60000;
    return true;
}

static bool parse_time(struct str text, int64_t *ret_ms)
{
    int64_t at_ms;

    if (!take_date(&text, &at_ms))
        return false;
    if (text.len > 0 &&
        (!take_char(&text, 'T') || !take_clock(&text, &at_ms) || !take_zone(&text, &at_ms)))
        return false;
    *ret_ms = at_ms;
    return text.len == 0;
}

bool since_parse(struct str text, int64_t now_ms, int64_t *ret_ms, struct err *err)
{
    uint64_t number;

    if (parse_duration(text, &number)) {
        *ret_ms = (int64_t)number >= now_ms ? 0 : now_ms - (int64_t)number;
        return true;
    }
    if (text.len <= DIGITS_MAX && str_to_u64(text, UINT64_MAX, &number)) {
        *ret_ms = (int64_t)number * 1000;
        return true;
    }
    if (parse_time(text, ret_ms))
        return true;
    return err_set(err, ERR_INVALID,
                   "'" STR_FMT "' is no time, write it like 10m or "
                   "2026-11-21T02:14:07Z",
                   STR_ARG(text));
}
