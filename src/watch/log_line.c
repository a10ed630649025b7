/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "watch/log_line.h"

const char *log_stream_name(enum log_stream stream)
{
    return stream == LOG_STDOUT ? "stdout" : "stderr";
}

/* Exactly <digits> digits, a number from <min> to <max>. Moves <rest>. */
static bool take_number(struct str *rest, size_t digits, int min, int max, int *ret)
{
    uint64_t value;

    if (rest->len < digits || !str_to_u64(str_sub(*rest, 0, digits), (uint64_t)max, &value) ||
        value < (uint64_t)min)
        return false;
    *ret = (int)value;
    *rest = str_sub(*rest, digits, SIZE_MAX);
    return true;
}

static bool take_char(struct str *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    *rest = str_sub(*rest, 1, SIZE_MAX);
    return true;
}

/* ".5" is 500000000; no dot is 0. */
static bool take_fraction(struct str *rest, int64_t *ret_ns)
{
    int64_t unit_ns = (int64_t)NS_PER_SECOND / 10;

    *ret_ns = 0;
    if (!take_char(rest, '.'))
        return true;
    if (rest->len == 0 || rest->ptr[0] < '0' || rest->ptr[0] > '9')
        return false;
    for (; rest->len > 0 && rest->ptr[0] >= '0' && rest->ptr[0] <= '9'; unit_ns /= 10) {
        if (unit_ns == 0)
            return false; /* a tenth digit */
        *ret_ns += (rest->ptr[0] - '0') * unit_ns;
        *rest = str_sub(*rest, 1, SIZE_MAX);
    }
    return true;
}

/* "Z", "+09:00", "-03:30". */
static bool take_offset(struct str *rest, int64_t *ret_seconds)
{
    int hours, minutes;
    bool west = rest->len > 0 && rest->ptr[0] == '-';

    *ret_seconds = 0;
    if (take_char(rest, 'Z'))
        return true;
    if (!take_char(rest, west ? '-' : '+') || !take_number(rest, 2, 0, 23, &hours) ||
        !take_char(rest, ':') || !take_number(rest, 2, 0, 59, &minutes))
        return false;
    *ret_seconds = ((int64_t)hours * 60 + minutes) * (west ? -60 : 60);
    return true;
}

static int days_of_month(int year, int month)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* RFC 3339, 5.6, without its blank for T. A leap second is the next second's start. */
static bool take_time(struct str *rest, int64_t *ret_wall_ns)
{
    struct tm tm = {0};
    int year, month;
    int64_t fraction_ns, offset_seconds;

    if (!take_number(rest, 4, 1970, 2199, &year) || !take_char(rest, '-') ||
        !take_number(rest, 2, 1, 12, &month) || !take_char(rest, '-') ||
        !take_number(rest, 2, 1, days_of_month(year, month), &tm.tm_mday) ||
        !take_char(rest, 'T') || !take_number(rest, 2, 0, 23, &tm.tm_hour) ||
        !take_char(rest, ':') || !take_number(rest, 2, 0, 59, &tm.tm_min) ||
        !take_char(rest, ':') || !take_number(rest, 2, 0, 60, &tm.tm_sec) ||
        !take_fraction(rest, &fraction_ns) || !take_offset(rest, &offset_seconds))
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    *ret_wall_ns = ((int64_t)timegm(&tm) - offset_seconds) * (int64_t)NS_PER_SECOND + fraction_ns;
    return true;
}

static bool take_word(struct str *rest, const char *word)
{
    struct str expected = str_of(word);

    if (!str_starts(*rest, expected))
        return false;
    *rest = str_sub(*rest, expected.len, SIZE_MAX);
    return true;
}

bool log_line_parse(struct str line, struct log_line *ret, struct err *err)
{
    struct log_line parsed = {0};
    struct str rest = line;

    if (line.len > LOG_LINE_MAX)
        return err_set(err, ERR_LIMIT, "a log line of more than %d bytes", LOG_LINE_MAX);
    if (!take_time(&rest, &parsed.wall_ns) || !take_char(&rest, ' '))
        return err_set(err, ERR_INVALID, "a log line does not start with a time");
    if (take_word(&rest, "stderr "))
        parsed.stream = LOG_STDERR;
    else if (!take_word(&rest, "stdout "))
        return err_set(err, ERR_INVALID, "a log line is neither of stdout nor of stderr");
    if (take_word(&rest, "P "))
        parsed.partial = true;
    else if (!take_word(&rest, "F "))
        return err_set(err, ERR_INVALID, "a log line is tagged neither F nor P");
    parsed.text = rest;
    *ret = parsed;
    return true;
}
