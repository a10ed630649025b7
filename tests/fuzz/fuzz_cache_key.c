/* SPDX-License-Identifier: Apache-2.0
 *
 * A request and an answer, or two requests, as text, split at an empty line: keys,
 * variants and Cache-Control. Two requests have one key exactly when they are equal
 * in all that the key is made of, which is written out here in another way, with
 * the length of each piece before it. What is ignored makes no difference; a list
 * read again is the same list; numbers stay in their bounds.
 */
#include "base/base.h"

#include "base/buf.h"
#include "base/hash.h"
#include "edge/cache_fresh.h"
#include "edge/cache_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool in_bounds(int64_t seconds)
{
    return seconds >= CACHE_NONE && seconds <= CACHE_SECONDS_MAX;
}

static void check_control(struct str text)
{
    struct cache_control control;
    struct str rest = text, element;
    int64_t seconds;

    cache_control_init(&control);
    cache_control_parse(&control, text);
    assert(in_bounds(control.max_age) && in_bounds(control.s_maxage) &&
           in_bounds(control.stale_while_revalidate) && in_bounds(control.stale_if_error) &&
           in_bounds(control.max_stale) && in_bounds(control.min_fresh));
    while (cache_list_next(&rest, &element)) {
        assert(element.len > 0 && element.ptr >= text.ptr &&
               element.ptr + element.len <= text.ptr + text.len);
        assert(cache_list_has(element, element) || memchr(element.ptr, '"', element.len) != NULL);
    }
    if (cache_seconds_parse(text, &seconds))
        assert(seconds >= 0 && seconds <= CACHE_SECONDS_MAX);
}

static void check_key(const struct route_cache *policy, const struct http1_head *head)
{
    static char one[CACHE_MAX_KEY_BYTES], two[CACHE_MAX_KEY_BYTES];
    struct cache_place place = {.system = STR("s"),
                                .upstream = STR("s/u:1"),
                                .host = head->host,
                                .path = head->path,
                                .query = head->query};
    struct cache_key a, b;

    if (!cache_key_write(policy, &place, head, one, &a))
        return;
    assert(a.text.len <= CACHE_MAX_KEY_BYTES && a.base_len <= a.text.len);
    assert(a.path.ptr >= one && a.path.ptr + a.path.len <= one + a.base_len);
    assert(a.hash == hash_bytes(one, a.base_len));
    bool good = cache_key_write(policy, &place, NULL, two, &b);
    assert(good && b.text.len == a.base_len && b.hash == a.hash);
    place.is_https = true;
    good = cache_key_write(policy, &place, head, two, &b);
    assert(good && !str_eq(a.text, b.text));
    place.is_https = false;
    place.upstream = STR("s/u:2");
    good = cache_key_write(policy, &place, head, two, &b);
    assert(good && !str_eq(a.text, b.text));
}

/* ---- the key in another way ---- */

static void put(struct buf *out, const char *what, struct str text)
{
    buf_addf(out, "%s%zu:", what, text.len);
    buf_add_str(out, text);
}

static void put_lower(struct buf *out, const char *what, struct str text)
{
    buf_addf(out, "%s%zu:", what, text.len);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        buf_add_char(out, (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c));
    }
}

static void put_query(struct buf *out, const struct route_cache *policy, struct str query)
{
    for (struct str rest = query; rest.ptr != NULL;) {
        struct str pair = str_cut(&rest, '&');
        struct str name = str_sub(pair, 0, str_find(pair, '='));
        bool ignored = false;
        for (size_t i = 0; i < policy->ignore_count; i++)
            ignored = ignored || str_eq(name, policy->ignore[i]);
        if (!ignored || (pair.len > 0 && memchr(pair.ptr, ';', pair.len) != NULL))
            put(out, "query", pair);
    }
}

/* All cookies <name>. */
static void put_cookie(struct buf *out, const struct http1_head *head, struct str name)
{
    AUTO(buf_done) struct buf start = {0};

    buf_add_str(&start, name);
    buf_add_char(&start, '=');
    for (size_t i = 0; i < head->header_count; i++) {
        struct str rest =
            head->headers[i].id == HTTP_COOKIE ? head->headers[i].value : (struct str){0};
        while (rest.ptr != NULL) {
            struct str pair = str_trim(str_cut(&rest, ';'));
            if (str_starts(pair, buf_str(&start)))
                put(out, "cookie", str_sub(pair, start.len, SIZE_MAX));
        }
    }
}

static void canonical_write(const struct route_cache *policy, const struct http1_head *head,
                            struct buf *out)
{
    put_lower(out, "host", head->host);
    put(out, "path", head->path);
    put_query(out, policy, head->query);
    for (size_t i = 0; i < policy->key_count; i++) {
        const struct cache_part *part = &policy->key[i];
        if (part->is_cookie)
            put_cookie(out, head, part->name);
        for (size_t k = 0; !part->is_cookie && k < head->header_count; k++)
            if (!head->headers[k].hop_by_hop && str_eq_nocase(head->headers[k].name, part->name))
                put(out, "header", head->headers[k].value);
    }
}

static bool write_key(const struct route_cache *policy, const struct http1_head *head, char *bytes,
                      struct cache_key *ret)
{
    struct cache_place place = {.system = STR("s"),
                                .upstream = STR("s/u:1"),
                                .host = head->host,
                                .path = head->path,
                                .query = head->query};

    return cache_key_write(policy, &place, head, bytes, ret);
}

static void check_pair(const struct route_cache *policy, const struct http1_head *one,
                       const struct http1_head *two)
{
    static char one_bytes[CACHE_MAX_KEY_BYTES], two_bytes[CACHE_MAX_KEY_BYTES];
    AUTO(buf_done) struct buf one_text = {0};
    AUTO(buf_done) struct buf two_text = {0};
    struct cache_key a, b;

    if (!write_key(policy, one, one_bytes, &a) || !write_key(policy, two, two_bytes, &b))
        return;
    canonical_write(policy, one, &one_text);
    canonical_write(policy, two, &two_text);
    assert(str_eq(a.text, b.text) == str_eq(buf_str(&one_text), buf_str(&two_text)));
}

/* The same request with something ignored in its query, and with something that is not. */
static void check_query(const struct route_cache *policy, const struct http1_head *head)
{
    static char one_bytes[CACHE_MAX_KEY_BYTES], two_bytes[CACHE_MAX_KEY_BYTES];
    static struct http1_head other;
    AUTO(buf_done) struct buf query = {0};
    struct cache_key a, b;

    other = *head;
    buf_add_text(&query, "utm_source=x");
    if (head->query.ptr != NULL) {
        buf_add_char(&query, '&');
        buf_add_str(&query, head->query);
    }
    other.query = buf_str(&query);
    if (!write_key(policy, head, one_bytes, &a) || !write_key(policy, &other, two_bytes, &b))
        return;
    assert(str_eq(a.text, b.text) && a.hash == b.hash);
    query.ptr[0] = 'U';
    if (write_key(policy, &other, two_bytes, &b))
        assert(!str_eq(a.text, b.text));
}

static void check_variant(const struct http1_head *request, const struct http1_head *response)
{
    static char vary[CACHE_MAX_VARIANT_BYTES], one[CACHE_MAX_VARIANT_BYTES],
        two[CACHE_MAX_VARIANT_BYTES];
    struct str names, first, second;

    if (!cache_vary_write(response, vary, &names) ||
        !cache_variant_write(names, request, one, &first))
        return;
    assert(names.len <= CACHE_MAX_VARIANT_BYTES && first.len <= CACHE_MAX_VARIANT_BYTES);
    bool good = cache_variant_write(names, request, two, &second);
    assert(good && str_eq(first, second));
    assert((names.len == 0) == (first.len == 0));
}

static void check_facts(const struct http1_head *response)
{
    struct cache_request_facts request = {.default_s = CACHE_NONE};
    struct cache_facts facts;

    cache_facts_read(response, &facts);
    struct cache_life life = cache_facts_life(&facts, CACHE_NONE, 1795262400);
    int64_t age_s = cache_facts_age(&facts, 1, 1795262400);
    assert(life.fresh_s >= 0 && age_s >= 0 && age_s <= CACHE_SECONDS_MAX);
    if (facts.control.is_private || facts.varies_on_all)
        assert(cache_facts_refuse(&facts, &request) != NULL);
    request.authorized = true;
    if (cache_facts_refuse(&facts, &request) == NULL)
        assert(cache_facts_is_shareable(&facts));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http1_head request, response;
    static struct str ignored[] = {{"utm_source", 10}, {"a", 1}};
    static struct cache_part parts[] = {{true, {"lang", 4}}, {false, {"x-device", 8}}};
    struct route_cache policy = {
        .ignore = ignored, .ignore_count = 2, .key = parts, .key_count = 2};
    struct str text = str_from(data, size);
    const char *why;

    check_control(text);
    if (http1_parse_request(text, &request, &why) != HTTP1_DONE)
        return 0;
    check_key(&policy, &request);
    check_query(&policy, &request);
    (void)cache_parts_match(parts, ARRAY_LEN(parts), &request);
    (void)cache_cookies_are_plain(&request);
    struct str rest = str_sub(text, request.head_bytes, SIZE_MAX);
    if (http1_parse_request(rest, &response, &why) == HTTP1_DONE) {
        check_pair(&policy, &request, &response);
        return 0;
    }
    if (http1_parse_response(rest, HTTP_GET, &response, &why) != HTTP1_DONE)
        return 0;
    check_facts(&response);
    check_variant(&request, &response);
    return 0;
}
