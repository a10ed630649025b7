/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>

#include "base/vec.h"
#include "compose/units.h"

static const uint64_t ns_max = 100ULL * 366 * 24 * 3600 * 1000000000ULL;
static const uint64_t bytes_max = 1ULL << 60;

/* Takes "12" or "12.5" off <rest>: the whole part and up to nine decimals in billionths. */
static bool take_number(struct str *rest, uint64_t *ret_whole, uint64_t *ret_billionths)
{
    size_t whole = 0;
    size_t end;

    while (whole < rest->len && rest->ptr[whole] >= '0' && rest->ptr[whole] <= '9')
        whole++;
    end = whole;
    uint64_t billionths = 0;
    if (end < rest->len && rest->ptr[end] == '.') {
        uint64_t weight = 100000000;
        for (end++; end < rest->len && rest->ptr[end] >= '0' && rest->ptr[end] <= '9'; end++) {
            billionths += weight * (uint64_t)(rest->ptr[end] - '0');
            weight /= 10;
        }
        if (end == 1)
            return false; /* a dot alone */
    }
    if (end == 0)
        return false;
    *ret_whole = 0;
    if (whole > 0 && !str_to_u64(str_sub(*rest, 0, whole), UINT64_MAX, ret_whole))
        return false;
    *ret_billionths = billionths;
    *rest = str_sub(*rest, end, rest->len);
    return true;
}

/* Adds whole and fraction times <unit>; false above <max>. */
static bool add_scaled(uint64_t whole, uint64_t billionths, uint64_t unit, uint64_t max,
                       uint64_t *total)
{
    unsigned __int128 sum = (unsigned __int128)whole * unit + *total +
                            (unsigned __int128)billionths * unit / 1000000000U;

    if (sum > max)
        return false;
    *total = (uint64_t)sum;
    return true;
}

static const struct {
    struct str name;
    uint64_t ns;
} duration_units[] = {
    /* longer names first: "ms" is not "m" */
    {{"ns", 2}, 1},
    {{"us", 2}, 1000},
    {{"\xc2\xb5s", 3}, 1000},
    {{"ms", 2}, 1000000},
    {{"s", 1}, 1000000000},
    {{"m", 1}, 60ULL * 1000000000},
    {{"h", 1}, 3600ULL * 1000000000},
};

static uint64_t take_unit(struct str *rest)
{
    for (size_t i = 0; i < ARRAY_LEN(duration_units); i++)
        if (str_starts(*rest, duration_units[i].name)) {
            *rest = str_sub(*rest, duration_units[i].name.len, rest->len);
            return duration_units[i].ns;
        }
    return 0;
}

bool units_parse_duration(struct str text, uint64_t *ret_ns, struct err *err)
{
    struct str rest = text;
    uint64_t total = 0;

    if (str_is(text, "0")) {
        *ret_ns = 0;
        return true;
    }
    do {
        uint64_t whole;
        uint64_t billionths;
        uint64_t unit = 0;

        if (take_number(&rest, &whole, &billionths))
            unit = take_unit(&rest);
        if (unit == 0)
            return err_set(err, ERR_INVALID, "'" STR_FMT "' is no duration; write it as 1m30s",
                           STR_ARG(str_sub(text, 0, 60)));
        if (!add_scaled(whole, billionths, unit, ns_max, &total))
            return err_set(err, ERR_LIMIT, "duration '" STR_FMT "' is above 100 years",
                           STR_ARG(str_sub(text, 0, 60)));
    } while (rest.len > 0);
    *ret_ns = total;
    return true;
}

static void add_fraction(uint64_t whole, uint64_t rest, int digits, const char *unit,
                         struct buf *ret)
{
    char fraction[16];

    (void)snprintf(fraction, sizeof fraction, "%0*llu", digits, (unsigned long long)rest);
    size_t len = strlen(fraction);
    while (len > 0 && fraction[len - 1] == '0')
        len--;
    buf_addf(ret, "%llu%s%.*s%s", (unsigned long long)whole, len > 0 ? "." : "", (int)len, fraction,
             unit);
}

void units_format_duration(uint64_t ns, struct buf *ret)
{
    if (ns == 0) {
        buf_add_text(ret, "0s");
    } else if (ns < 1000) {
        buf_addf(ret, "%lluns", (unsigned long long)ns);
    } else if (ns < 1000000) {
        add_fraction(ns / 1000, ns % 1000, 3, "\xc2\xb5s", ret);
    } else if (ns < 1000000000) {
        add_fraction(ns / 1000000, ns % 1000000, 6, "ms", ret);
    } else {
        uint64_t seconds = ns / 1000000000;
        if (seconds >= 3600)
            buf_addf(ret, "%lluh", (unsigned long long)(seconds / 3600));
        if (seconds >= 60)
            buf_addf(ret, "%llum", (unsigned long long)(seconds / 60 % 60));
        add_fraction(seconds % 60, ns % 1000000000, 9, "s", ret);
    }
}

static bool shift_of(struct str unit, unsigned *ret)
{
    static const char letters[] = "bkmgtp";
    char lower[4] = "";

    if (unit.len > 3)
        return false;
    for (size_t i = 0; i < unit.len; i++)
        lower[i] = (char)(unit.ptr[i] | 0x20);
    const char *at = lower[0] == '\0' ? letters : strchr(letters, lower[0]);
    if (at == NULL || (at == letters && unit.len > 1))
        return false;
    *ret = (unsigned)(at - letters) * 10;
    return unit.len < 2 || strcmp(lower + 1, "b") == 0 || strcmp(lower + 1, "ib") == 0;
}

bool units_parse_bytes(struct str text, uint64_t *ret, struct err *err)
{
    struct str rest = text;
    uint64_t whole;
    uint64_t billionths;
    uint64_t total = 0;
    unsigned shift;

    if (!take_number(&rest, &whole, &billionths) || !shift_of(str_trim(rest), &shift))
        return err_set(err, ERR_INVALID, "'" STR_FMT "' is no size; write it as 512m or 2g",
                       STR_ARG(str_sub(text, 0, 60)));
    if (!add_scaled(whole, billionths, 1ULL << shift, bytes_max, &total))
        return err_set(err, ERR_LIMIT, "size '" STR_FMT "' is above 1 EiB",
                       STR_ARG(str_sub(text, 0, 60)));
    *ret = total;
    return true;
}

static bool parse_port_number(struct str text, uint16_t *ret, struct err *err)
{
    uint64_t number;

    if (!str_to_u64(text, UINT64_MAX, &number))
        return err_set(err, ERR_INVALID, "'" STR_FMT "' is no port number",
                       STR_ARG(str_sub(text, 0, 60)));
    if (number > 65535)
        return err_set(err, ERR_INVALID, "port %llu is above 65535", (unsigned long long)number);
    if (number == 0)
        return err_set(err, ERR_INVALID, "port 0 cannot be used; leave it out for any free port");
    *ret = (uint16_t)number;
    return true;
}

bool units_parse_port_range(struct str text, uint16_t *ret_first, uint16_t *ret_last,
                            struct err *err)
{
    struct str rest = text;
    struct str first = str_cut(&rest, '-');
    uint16_t low;
    uint16_t high;

    if (!parse_port_number(first, &low, err))
        return false;
    high = low;
    if (rest.ptr != NULL && !parse_port_number(rest, &high, err))
        return false;
    if (high < low)
        return err_set(err, ERR_INVALID, "port range '" STR_FMT "' runs backwards",
                       STR_ARG(str_sub(text, 0, 60)));
    *ret_first = low;
    *ret_last = high;
    return true;
}

static bool take_protocol(struct str *text, bool *ret_is_udp, struct err *err)
{
    size_t slash = str_find(*text, '/');
    struct str protocol = str_sub(*text, slash + 1, text->len);

    *ret_is_udp = false;
    if (slash == text->len)
        return true;
    *ret_is_udp = str_eq_nocase(protocol, STR("udp"));
    if (!*ret_is_udp && !str_eq_nocase(protocol, STR("tcp")))
        return err_set(err, ERR_INVALID, "protocol '" STR_FMT "' is not known; use tcp or udp",
                       STR_ARG(str_sub(protocol, 0, 60)));
    *text = str_sub(*text, 0, slash);
    return true;
}

static struct str without_brackets(struct str ip)
{
    if (ip.len >= 2 && ip.ptr[0] == '[' && ip.ptr[ip.len - 1] == ']')
        return str_sub(ip, 1, ip.len - 2);
    return ip;
}

bool units_parse_port(struct str text, struct units_port *ret, struct err *err)
{
    struct units_port port = {0};
    struct str rest = text;

    if (!take_protocol(&rest, &port.is_udp, err))
        return false;
    size_t colon = str_find_last(rest, ':');
    struct str target = colon == rest.len ? rest : str_sub(rest, colon + 1, rest.len);
    if (!units_parse_port_range(target, &port.target_first, &port.target_last, err))
        return false;
    struct str published = colon == rest.len ? STR("") : str_sub(rest, 0, colon);
    colon = str_find_last(published, ':');
    if (colon < published.len) {
        port.host_ip = without_brackets(str_sub(published, 0, colon));
        published = str_sub(published, colon + 1, published.len);
        if (port.host_ip.len == 0)
            return err_set(err, ERR_INVALID, "no address before ':' in '" STR_FMT "'",
                           STR_ARG(str_sub(text, 0, 60)));
    }
    if (published.len > 0 &&
        !units_parse_port_range(published, &port.published_first, &port.published_last, err))
        return false;
    if (published.len > 0 && port.target_first != port.target_last &&
        port.published_last - port.published_first != port.target_last - port.target_first)
        return err_set(err, ERR_INVALID, "port ranges of different length in '" STR_FMT "'",
                       STR_ARG(str_sub(text, 0, 60)));
    *ret = port;
    return true;
}

/* Appends the word at <at> to <word>; returns the place behind it, NULL for an open quote. */
static const char *take_word(const char *at, const char *end, struct buf *word)
{
    char quote = '\0';

    for (; at < end; at++) {
        if (quote == '\0' && strchr(" \t\r\n", *at) != NULL)
            break;
        if (*at == quote)
            quote = '\0';
        else if (quote == '\0' && (*at == '\'' || *at == '"'))
            quote = *at;
        else if (*at == '\\' && quote != '\'' && at + 1 < end &&
                 (quote == '\0' || strchr("\\\"$`\n", at[1]) != NULL))
            buf_add_char(word, *++at);
        else
            buf_add_char(word, *at);
    }
    return quote == '\0' ? at : NULL;
}

bool units_split_words(struct str text, struct arena *arena, const char ***ret, size_t *ret_count,
                       struct err *err)
{
    const char *at = text.ptr;
    const char *end = text.ptr + text.len;
    const char **words = ARENA_ARRAY(arena, const char *, 1);
    size_t count = 0;
    size_t cap = 1;

    for (;;) {
        AUTO(buf_done) struct buf word = {0};

        while (at < end && strchr(" \t\r\n", *at) != NULL)
            at++;
        if (at >= end)
            break;
        at = take_word(at, end, &word);
        if (at == NULL)
            return err_set(err, ERR_INVALID, "a quote is not closed in '" STR_FMT "'",
                           STR_ARG(str_sub(text, 0, 60)));
        if (count == UNITS_WORDS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d words in a command", UNITS_WORDS_MAX);
        if (count == cap) {
            const char **more = ARENA_ARRAY(arena, const char *, cap * 2);
            memcpy(more, words, count * sizeof *words);
            words = more;
            cap *= 2;
        }
        words[count++] = arena_str(arena, buf_str(&word));
    }
    *ret = words;
    *ret_count = count;
    return true;
}
