/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "http/http_negotiate.h"

static const char *const coding_names[] = {
    [HTTP_CODING_BR] = "br",
    [HTTP_CODING_ZSTD] = "zstd",
    [HTTP_CODING_GZIP] = "gzip",
    [HTTP_CODING_IDENTITY] = "identity",
};

enum { QUALITY_UNSET = -1, QUALITY_BAD = -2, QUALITY_MAX = 1000 };

static bool is_weak(struct str etag)
{
    return str_starts(etag, STR("W/"));
}

static struct str opaque_tag(struct str etag)
{
    return is_weak(etag) ? str_sub(etag, 2, etag.len) : etag;
}

/* Takes one entity-tag from the start of <rest>: a comma may be inside the
 * quotes. Empty when there is none. */
static struct str cut_etag(struct str *rest)
{
    size_t start = is_weak(*rest) ? 3 : 1;
    struct str behind = str_sub(*rest, start, rest->len);
    size_t quote = str_find(behind, '"');

    if (rest->len < start || rest->ptr[start - 1] != '"' || quote == behind.len)
        return (struct str){0};
    struct str etag = str_sub(*rest, 0, start + quote + 1);
    *rest = str_trim(str_sub(*rest, etag.len, rest->len));
    return etag;
}

static bool is_listed(struct str list, struct str etag, bool strongly)
{
    struct str rest = str_trim(list), wanted = opaque_tag(etag);

    if (str_is(rest, "*"))
        return true;
    while (rest.len > 0) {
        if (rest.ptr[0] != ',') {
            struct str found = cut_etag(&rest);
            if (found.len == 0 || (rest.len > 0 && rest.ptr[0] != ','))
                return false;
            if (strongly ? http_etag_is_same(found, etag) : str_eq(opaque_tag(found), wanted))
                return true;
        }
        rest = str_trim(str_sub(rest, 1, rest.len));
    }
    return false;
}

bool http_etag_is_listed(struct str list, struct str etag)
{
    return is_listed(list, etag, false);
}

bool http_etag_is_listed_strongly(struct str list, struct str etag)
{
    return is_listed(list, etag, true);
}

bool http_etag_is_same(struct str a, struct str b)
{
    return a.len >= 2 && !is_weak(a) && str_eq(a, b);
}

/* qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ), in thousandths. */
static int read_quality(struct str text)
{
    int value = 0, scale = QUALITY_MAX;

    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.ptr[1] != '.'))
        return QUALITY_BAD;
    for (size_t i = 0; i < text.len; i++) {
        if (i == 1)
            continue;
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return QUALITY_BAD;
        value += (text.ptr[i] - '0') * scale;
        scale /= 10;
    }
    return value <= QUALITY_MAX ? value : QUALITY_BAD;
}

/* Splits "gzip;q=0.5" at its weight; 1 where there is none. */
static int cut_quality(struct str element, struct str *ret_name)
{
    struct str rest = element;

    *ret_name = str_trim(str_cut(&rest, ';'));
    if (rest.ptr == NULL)
        return QUALITY_MAX;
    rest = str_trim(rest);
    if (!str_eq_nocase(str_sub(rest, 0, 2), STR("q=")))
        return QUALITY_BAD;
    return read_quality(str_sub(rest, 2, rest.len));
}

static void note_quality(int *qualities, int *others, struct str name, int quality)
{
    if (str_is(name, "*"))
        *others = quality;
    if (str_eq_nocase(name, STR("x-gzip")))
        name = STR("gzip"); /* RFC 9110, 8.4.1.3 */
    for (size_t i = 0; i < ARRAY_LEN(coding_names); i++)
        if (str_eq_nocase(name, str_of(coding_names[i])))
            qualities[i] = quality;
}

enum http_coding http_coding_pick(struct str accept_encoding, unsigned available)
{
    int qualities[ARRAY_LEN(coding_names)], others = 0, best_quality = 0;
    enum http_coding best = HTTP_CODING_IDENTITY;

    for (size_t i = 0; i < ARRAY_LEN(qualities); i++)
        qualities[i] = QUALITY_UNSET;
    for (struct str rest = accept_encoding; rest.ptr != NULL;) {
        struct str name;
        int quality = cut_quality(str_cut(&rest, ','), &name);
        if (quality != QUALITY_BAD)
            note_quality(qualities, &others, name, quality);
    }
    for (size_t i = 0; i < ARRAY_LEN(qualities); i++) {
        int quality = qualities[i];
        if (quality == QUALITY_UNSET)
            quality = i == HTTP_CODING_IDENTITY ? MIN(others, 1) : others;
        if ((available & (1U << i)) != 0 && quality > best_quality) {
            best = (enum http_coding)i;
            best_quality = quality;
        }
    }
    return best;
}

const char *http_coding_name(enum http_coding coding)
{
    assert((size_t)coding < ARRAY_LEN(coding_names));
    return coding_names[coding];
}
