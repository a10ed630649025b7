/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/cache_control.h"
#include "http/http_names.h"

void cache_control_init(struct cache_control *control)
{
    *control = (struct cache_control){
        .max_age = CACHE_NONE,
        .s_maxage = CACHE_NONE,
        .stale_while_revalidate = CACHE_NONE,
        .stale_if_error = CACHE_NONE,
        .max_stale = CACHE_NONE,
        .min_fresh = CACHE_NONE,
    };
}

bool cache_seconds_parse(struct str text, int64_t *ret)
{
    int64_t seconds = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        seconds = MIN(seconds * 10 + (text.ptr[i] - '0'), (int64_t)CACHE_SECONDS_MAX);
    }
    *ret = seconds;
    return text.len > 0;
}

/* Where the element at the start of <text> ends: at a comma outside of quotes. */
static size_t element_end(struct str text)
{
    bool quoted = false;

    for (size_t i = 0; i < text.len; i++) {
        if (quoted && text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == '"')
            quoted = !quoted;
        else if (text.ptr[i] == ',' && !quoted)
            return i;
    }
    return text.len;
}

bool cache_list_take(struct str *rest, struct str *ret)
{
    size_t end = element_end(*rest);

    if (rest->ptr == NULL)
        return false;
    *ret = str_trim(str_sub(*rest, 0, end));
    *rest = end < rest->len ? str_sub(*rest, end + 1, SIZE_MAX) : (struct str){0};
    return true;
}

bool cache_list_next(struct str *rest, struct str *ret)
{
    while (cache_list_take(rest, ret))
        if (ret->len > 0)
            return true;
    return false;
}

bool cache_list_has(struct str list, struct str name)
{
    struct str element;

    while (cache_list_next(&list, &element))
        if (str_eq_nocase(element, name))
            return true;
    return false;
}

static struct str unquote(struct str value)
{
    if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
        return str_sub(value, 1, value.len - 2);
    return value;
}

static void read_seconds(struct str value, bool present, int64_t without, int64_t *ret)
{
    if (*ret != CACHE_NONE)
        return;
    if (!present)
        *ret = without;
    else if (!cache_seconds_parse(unquote(value), ret))
        *ret = 0;
}

/* no-cache and private, which may be about some fields only. Two lists of them are too much of a
 * good thing: the directive is about the whole answer then. */
static void read_fields(struct str value, bool *flag, struct str *fields)
{
    struct str names = unquote(value);

    if (names.len == 0 || fields->len > 0)
        *flag = true;
    else
        *fields = names;
}

struct number {
    struct str name;
    size_t at; /* of the member */
    int64_t without;
};

struct flag {
    struct str name;
    size_t at;
};

#define MEMBER(name) offsetof(struct cache_control, name)

static const struct number numbers[] = {
    {{"max-age", 7}, MEMBER(max_age), 0},
    {{"s-maxage", 8}, MEMBER(s_maxage), 0},
    {{"stale-while-revalidate", 22}, MEMBER(stale_while_revalidate), 0},
    {{"stale-if-error", 14}, MEMBER(stale_if_error), 0},
    {{"max-stale", 9}, MEMBER(max_stale), CACHE_SECONDS_MAX},
    {{"min-fresh", 9}, MEMBER(min_fresh), 0},
};

static const struct flag flags[] = {
    {{"no-store", 8}, MEMBER(no_store)},
    {{"public", 6}, MEMBER(is_public)},
    {{"must-revalidate", 15}, MEMBER(must_revalidate)},
    {{"proxy-revalidate", 16}, MEMBER(must_revalidate)},
    {{"must-understand", 15}, MEMBER(must_understand)},
    {{"only-if-cached", 14}, MEMBER(only_if_cached)},
};

static void read_directive(struct cache_control *control, struct str name, bool present,
                           struct str value)
{
    char *base = (char *)control;

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (str_eq_nocase(name, numbers[i].name))
            read_seconds(value, present, numbers[i].without,
                         (int64_t *)(void *)(base + numbers[i].at));
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (str_eq_nocase(name, flags[i].name))
            *(bool *)(base + flags[i].at) = true;
    if (str_eq_nocase(name, STR("no-cache")))
        read_fields(value, &control->no_cache, &control->no_cache_fields);
    else if (str_eq_nocase(name, STR("private")))
        read_fields(value, &control->is_private, &control->private_fields);
}

/* Even where it is written wrongly, who writes this does not want to be kept. */
static bool is_cautious(struct str name)
{
    return str_eq_nocase(name, STR("no-store")) || str_eq_nocase(name, STR("no-cache")) ||
           str_eq_nocase(name, STR("private"));
}

void cache_control_parse(struct cache_control *control, struct str value)
{
    struct str rest = value, element;

    if (value.len > CACHE_CONTROL_MAX_BYTES) {
        control->no_store = true;
        return;
    }
    while (cache_list_next(&rest, &element)) {
        size_t name_len = 0;
        while (name_len < element.len && http_is(element.ptr[name_len], HTTP_CLASS_TOKEN))
            name_len++;
        struct str name = str_sub(element, 0, name_len);
        bool present = name_len < element.len;
        if (!present || element.ptr[name_len] == '=')
            read_directive(control, name, present, str_sub(element, name_len + 1, SIZE_MAX));
        else if (is_cautious(name)) /* "no-cache; no-store" is seen in the wild */
            control->no_store = true;
    }
}
