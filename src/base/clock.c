/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

uint64_t clock_now_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SECOND + (uint64_t)ts.tv_nsec;
}

int64_t clock_wall_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void clock_format_rfc3339(int64_t wall_ms, char *ret)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm = {0};

    (void)gmtime_r(&seconds, &tm);
    (void)snprintf(ret, CLOCK_TEXT_BYTES, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
                   (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
                   (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
                   (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100,
                   (unsigned)(wall_ms % 1000) % 1000);
}

void clock_format_http(int64_t wall_seconds, char *ret)
{
    time_t seconds = (time_t)wall_seconds;
    struct tm tm = {0};

    (void)gmtime_r(&seconds, &tm);
    (void)snprintf(ret, CLOCK_TEXT_BYTES, "%s, %02u %s %04u %02u:%02u:%02u GMT",
                   days[tm.tm_wday % 7], (unsigned)tm.tm_mday % 100, months[tm.tm_mon % 12],
                   (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
                   (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

static bool read_number(struct str text, size_t from, size_t len, int max, int *ret)
{
    uint64_t value;

    if (!str_to_u64(str_sub(text, from, len), (uint64_t)max, &value))
        return false;
    *ret = (int)value;
    return true;
}

static bool read_month(struct str text, int *ret)
{
    for (int i = 0; i < 12; i++)
        if (str_is(text, months[i])) {
            *ret = i;
            return true;
        }
    return false;
}

bool clock_parse_http(struct str text, int64_t *ret_wall_seconds)
{
    static const char shape[] = "???, ?? ??? ???? ??:??:?? GMT";
    struct tm tm = {0};

    if (text.len != sizeof shape - 1)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (shape[i] != '?' && shape[i] != text.ptr[i])
            return false;
    if (!read_number(text, 5, 2, 31, &tm.tm_mday) || !read_month(str_sub(text, 8, 3), &tm.tm_mon) ||
        !read_number(text, 12, 4, 9999, &tm.tm_year) ||
        !read_number(text, 17, 2, 23, &tm.tm_hour) || !read_number(text, 20, 2, 59, &tm.tm_min) ||
        !read_number(text, 23, 2, 60, &tm.tm_sec))
        return false;
    tm.tm_year -= 1900;
    *ret_wall_seconds = (int64_t)timegm(&tm);
    return true;
}
