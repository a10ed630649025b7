/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <arpa/inet.h>
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
    {{"d", 1}, 24 * 3600ULL * 1000000000},
    {{"w", 1}, 7 * 24 * 3600ULL * 1000000000},
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
        if (unit == 0 && rest.len == 0 && text.len > 0 && total == 0)
            return err_set(err, ERR_INVALID, "'" STR_FMT "' has no unit; write " STR_FMT "s",
                           STR_ARG(str_sub(text, 0, 60)), STR_ARG(str_sub(text, 0, 60)));
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

    if (text.len == 0)
        return err_set(err, ERR_INVALID,
                       "the port number is empty; is a variable of this line not set?");
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

static bool take_protocol(struct str *text, struct units_port *ret, struct err *err)
{
    size_t slash = str_find(*text, '/');
    struct str protocol = str_sub(*text, slash + 1, text->len);

    if (slash == text->len)
        return true;
    ret->is_udp = str_eq_nocase(protocol, STR("udp"));
    ret->is_sctp = str_eq_nocase(protocol, STR("sctp"));
    if (!ret->is_udp && !ret->is_sctp && !str_eq_nocase(protocol, STR("tcp")))
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

static bool is_address(struct str text)
{
    struct in6_addr address;
    char copy[64];

    if (text.len >= sizeof copy)
        return false;
    str_format(copy, sizeof copy, STR_FMT, STR_ARG(text));
    return inet_pton(AF_INET, copy, &address) == 1 || inet_pton(AF_INET6, copy, &address) == 1;
}

bool units_parse_port(struct str text, struct units_port *ret, struct err *err)
{
    struct units_port port = {0};
    struct str rest = text;

    if (!take_protocol(&rest, &port, err))
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
        if (port.host_ip.len > 0 && !is_address(port.host_ip))
            return err_set(err, ERR_INVALID,
                           "'" STR_FMT "' is no IP address; write 127.0.0.1:80:80",
                           STR_ARG(str_sub(port.host_ip, 0, 60)));
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

/* A command line, sign by sign. */
struct words {
    struct str rest;
    char quote;     /* ' or " that is open, or '\0' */
    bool in_ticks;  /* between two ` */
    bool in_dollar; /* within $( ) */
};

static bool is_open(const struct words *words)
{
    return words->quote != '\0' || words->in_ticks || words->in_dollar;
}

static char take_sign(struct words *words)
{
    char c = words->rest.ptr[0];

    words->rest = str_sub(words->rest, 1, words->rest.len);
    return c;
}

/* Quotes, ` and brackets. True when <c> is used up and no part of the word. */
static bool open_or_close(struct words *words, char c, const struct buf *word, bool *ret_bad)
{
    bool is_other = (c == '\'' && words->quote == '"') || (c == '"' && words->quote == '\'');

    if ((c == '\'' || c == '"') && !is_other && !words->in_dollar) {
        words->quote = words->quote == c ? '\0' : c;
        return true;
    }
    if (words->quote != '\0')
        return false;
    if (c == '`' && !words->in_dollar)
        words->in_ticks = !words->in_ticks;
    else if (c == ')' && !words->in_ticks)
        words->in_dollar = !words->in_dollar;
    else if (c == '(' && !words->in_ticks) {
        *ret_bad = words->in_dollar || word->len == 0 || word->ptr[word->len - 1] != '$';
        words->in_dollar = true;
    }
    return false;
}

/* Appends one word; <ret_there> tells whether there is one. False for a bracket that is wrong. At a
 * sign by which a shell would join or redirect commands it stops for good. */
static bool take_word(struct words *words, struct buf *word, bool *ret_there, bool *ret_stopped)
{
    bool bad = false;

    while (words->rest.len > 0 && !bad) {
        bool closes = words->quote != '\0' && words->rest.ptr[0] == words->quote;
        char c = words->rest.ptr[0];

        if (strchr(" \t\r\n", c) != NULL && !is_open(words))
            break;
        if (strchr(";&|<>", c) != NULL && !is_open(words)) {
            *ret_stopped = true;
            *ret_there &=
                !(c == '>' && word->len > 0 && word->ptr[0] >= '0' && word->ptr[0] <= '9');
            break;
        }
        (void)take_sign(words);
        if (c == '\\' && words->quote != '\'') {
            bad = words->rest.len == 0;
            if (!bad)
                buf_add_char(word, take_sign(words));
            *ret_there = true;
        } else if (open_or_close(words, c, word, &bad)) {
            *ret_there |= closes;
        } else {
            buf_add_char(word, c);
            *ret_there = true;
        }
    }
    return !bad;
}

bool units_cut_words(struct str text, struct arena *arena, const char ***ret, size_t *ret_count,
                     struct str *ret_rest, struct err *err)
{
    struct words words = {.rest = text};
    const char **list = ARENA_ARRAY(arena, const char *, 1);
    size_t count = 0;
    size_t cap = 1;
    bool stopped = false;

    while (words.rest.len > 0 && !stopped) {
        AUTO(buf_done) struct buf word = {0};
        bool there = false;

        if (strchr(" \t\r\n", words.rest.ptr[0]) != NULL) {
            (void)take_sign(&words);
            continue;
        }
        if (!take_word(&words, &word, &there, &stopped) || is_open(&words))
            return err_set(err, ERR_INVALID,
                           "a quote or a bracket is not closed in '" STR_FMT "'; write the command "
                           "as a list",
                           STR_ARG(str_sub(text, 0, 60)));
        if (!there)
            continue;
        if (count == UNITS_WORDS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d words in a command", UNITS_WORDS_MAX);
        if (count == cap) {
            const char **more = ARENA_ARRAY(arena, const char *, cap * 2);
            memcpy(more, list, count * sizeof *list);
            list = more;
            cap *= 2;
        }
        list[count++] = arena_str(arena, buf_str(&word));
    }
    *ret = list;
    *ret_count = count;
    *ret_rest = words.rest;
    return true;
}

bool units_split_words(struct str text, struct arena *arena, const char ***ret, size_t *ret_count,
                       struct err *err)
{
    struct str ignored;

    return units_cut_words(text, arena, ret, ret_count, &ignored, err);
}
