/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/hash.h"
#include "edge/cache_control.h"
#include "edge/cache_key.h"

/* A text that grows up to a limit. */
struct writer {
    char *at;
    char *end;
    bool overflows;
};

static void put(struct writer *writer, struct str text)
{
    if ((size_t)(writer->end - writer->at) < text.len) {
        writer->overflows = true;
        return;
    }
    if (text.len > 0)
        memcpy(writer->at, text.ptr, text.len);
    writer->at += text.len;
}

static void put_lower(struct writer *writer, struct str text)
{
    char *from = writer->at;

    put(writer, text);
    for (; from < writer->at; from++)
        if (*from >= 'A' && *from <= 'Z')
            *from = (char)(*from + ('a' - 'A'));
}

/* One that Connection names does not reach the target: nothing may be kept under its value. */
static bool is_named(const struct http_header *header, struct str name)
{
    return header->name.len == name.len && !header->hop_by_hop && str_eq_nocase(header->name, name);
}

/* ---- parts of a request ---- */

/* The next of "a=1; b=2" in all Cookie fields; <rest> is of field <*i>. False: the end. */
static bool next_cookie(const struct http1_head *head, size_t *i, struct str *rest,
                        struct str *ret_pair)
{
    while (rest->ptr == NULL) {
        if (*i == head->header_count)
            return false;
        if (head->headers[*i].id == HTTP_COOKIE)
            *rest = head->headers[*i].value;
        ++*i;
    }
    *ret_pair = str_trim(str_cut(rest, ';'));
    return true;
}

static bool is_cookie(struct str pair, struct str name)
{
    return pair.len > name.len && pair.ptr[name.len] == '=' &&
           str_eq(str_sub(pair, 0, name.len), name);
}

static bool has_cookie(const struct http1_head *head, struct str name)
{
    struct str rest = {0}, pair;

    for (size_t i = 0; next_cookie(head, &i, &rest, &pair);)
        if (is_cookie(pair, name))
            return true;
    return false;
}

/* A blank, or what some take for one, in its name, and a quote that does not end: some services
 * find another name, or another end, there than is found here. */
static bool is_odd(struct str pair)
{
    size_t end = str_find(pair, '='), quotes = 0;

    for (size_t i = 0; i < pair.len; i++) {
        char c = pair.ptr[i];
        quotes += c == '"';
        if (i < end && (c == ' ' || c == '\t' || (unsigned char)c >= 0x80))
            return true;
    }
    return quotes % 2 != 0;
}

bool cache_cookies_are_plain(const struct http1_head *head)
{
    struct str rest = {0}, pair;

    for (size_t i = 0; next_cookie(head, &i, &rest, &pair);)
        if (is_odd(pair))
            return false;
    return true;
}

static bool has_header(const struct http1_head *head, struct str name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (is_named(&head->headers[i], name))
            return true;
    return false;
}

bool cache_parts_match(const struct cache_part *parts, size_t count, const struct http1_head *head)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i].is_cookie ? has_cookie(head, parts[i].name) : has_header(head, parts[i].name))
            return true;
    return false;
}

/* An empty one is not the same as none, and no value has a CR: two are not one of both. */
static void put_value(struct writer *writer, struct str value)
{
    put(writer, STR("\r="));
    put(writer, value);
}

/* Each of them: of two cookies of one name some services take the first, some the last. */
static void put_part(struct writer *writer, const struct cache_part *part,
                     const struct http1_head *head)
{
    struct str rest = {0}, pair;

    put(writer, STR("\n"));
    for (size_t i = 0; part->is_cookie && next_cookie(head, &i, &rest, &pair);)
        if (is_cookie(pair, part->name))
            put_value(writer, str_sub(pair, part->name.len + 1, SIZE_MAX));
    for (size_t i = 0; !part->is_cookie && i < head->header_count; i++)
        if (is_named(&head->headers[i], part->name))
            put_value(writer, head->headers[i].value);
}

/* ---- the key ---- */

/* With a ';' in it some services see two parameters, of which the second may be any. */
static bool is_ignored(const struct route_cache *policy, struct str pair)
{
    struct str name = str_sub(pair, 0, str_find(pair, '='));

    if (str_find(pair, ';') < pair.len)
        return false;
    for (size_t i = 0; i < policy->ignore_count; i++)
        if (str_eq(name, policy->ignore[i]))
            return true;
    return false;
}

static void put_query(struct writer *writer, const struct route_cache *policy, struct str query)
{
    struct str mark = STR("?");

    if (query.ptr == NULL)
        return;
    if (policy->ignore_count == 0) {
        put(writer, mark);
        put(writer, query);
        return;
    }
    while (query.ptr != NULL) {
        struct str pair = str_cut(&query, '&');
        if (is_ignored(policy, pair))
            continue;
        put(writer, mark);
        put(writer, pair);
        mark = STR("&");
    }
}

/* Two listeners may lead the same host and path through different rules. */
static void put_listener(struct writer *writer, uint32_t listener)
{
    char text[16];

    str_format(text, sizeof text, "\nl%u", listener);
    put(writer, str_of(text));
}

bool cache_key_write(const struct route_cache *policy, const struct cache_place *place,
                     const struct http1_head *head, char *ret_bytes, struct cache_key *ret)
{
    struct writer writer = {.at = ret_bytes, .end = ret_bytes + CACHE_MAX_KEY_BYTES};

    put(&writer, place->system);
    put(&writer, STR("\n"));
    put(&writer, place->upstream);
    put(&writer, place->is_https ? STR("\ns") : STR("\np"));
    put_lower(&writer, place->host);
    put(&writer, STR("\n"));
    char *path = writer.at;
    put(&writer, place->path);
    put_query(&writer, policy, place->query);
    ret->system = str_from(ret_bytes, place->system.len);
    ret->path = str_from(path, (size_t)(writer.at - path));
    ret->base_len = (size_t)(writer.at - ret_bytes);
    put(&writer, place->asked);
    if (place->listener != 0)
        put_listener(&writer, place->listener);
    for (size_t i = 0; head != NULL && i < policy->key_count; i++)
        put_part(&writer, &policy->key[i], head);
    ret->text = str_from(ret_bytes, (size_t)(writer.at - ret_bytes));
    ret->hash = hash_bytes(ret_bytes, ret->base_len);
    return !writer.overflows;
}

/* ---- variants ---- */

/* What the edge tells the target about the client: it differs for each. */
static bool is_personal(struct str name)
{
    static const struct str names[] = {{"x-forwarded-for", 15},
                                       {"x-real-ip", 9},
                                       {"x-request-id", 12},
                                       {"traceparent", 11},
                                       {"forwarded", 9}};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, names[i]))
            return true;
    return false;
}

static bool is_in_key(struct str name)
{
    return str_eq_nocase(name, STR("host")) || str_eq_nocase(name, STR("x-forwarded-proto")) ||
           str_eq_nocase(name, STR("x-forwarded-host"));
}

static bool put_names(struct writer *writer, const char *start, struct str list, size_t *count)
{
    struct str name;

    while (cache_list_next(&list, &name)) {
        if (is_in_key(name))
            continue;
        if (is_personal(name) || ++*count > CACHE_MAX_VARY_NAMES)
            return false;
        if (writer->at > start)
            put(writer, STR(","));
        put_lower(writer, name);
    }
    return true;
}

bool cache_vary_write(const struct http1_head *response, char *ret_bytes, struct str *ret)
{
    struct writer writer = {.at = ret_bytes, .end = ret_bytes + CACHE_MAX_VARIANT_BYTES};
    size_t count = 0;

    for (size_t i = 0; i < response->header_count; i++)
        if (response->headers[i].id == HTTP_VARY &&
            !put_names(&writer, ret_bytes, response->headers[i].value, &count))
            return false;
    *ret = str_from(ret_bytes, (size_t)(writer.at - ret_bytes));
    return !writer.overflows;
}

/* In it the order does not matter where no weight is given, nor do small and capital letters. Of
 * Accept-Language the same is written, but many services take the first language, as it stands. */
static bool is_preference(struct str name)
{
    return str_eq(name, STR("accept-encoding"));
}

enum { ELEMENTS_MAX = 32 };

static void put_sorted(struct writer *writer, struct str *elements, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && str_cmp(elements[k], elements[k - 1]) < 0; k--) {
            struct str other = elements[k];
            elements[k] = elements[k - 1];
            elements[k - 1] = other;
        }
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            put(writer, STR(","));
        put(writer, elements[i]);
    }
}

/* What was written from <start> on, in order. */
static void sort_elements(struct writer *writer, char *start)
{
    struct str elements[ELEMENTS_MAX];
    char copy[CACHE_MAX_VARIANT_BYTES];
    struct str rest = str_from(copy, (size_t)(writer->at - start));
    size_t count = 0;

    memcpy(copy, start, rest.len);
    while (count < ELEMENTS_MAX && cache_list_next(&rest, &elements[count]))
        count++;
    writer->at = start;
    put_sorted(writer, elements, count);
}

/* Not a list: a comma in it may mean anything. */
static bool is_opaque(struct str name)
{
    return str_eq(name, STR("cookie")) || str_eq(name, STR("authorization")) ||
           str_eq(name, STR("user-agent"));
}

/* With the empty ones, unless it is a preference: to a service that reads no list "de," is not
 * "de", and what it answers to the one must not become the answer to the other. */
static size_t put_elements(struct writer *writer, struct str list, bool preference, size_t count)
{
    struct str element;

    while (preference ? cache_list_next(&list, &element) : cache_list_take(&list, &element)) {
        if (count++ > 0)
            put(writer, STR(","));
        if (preference)
            put_lower(writer, element);
        else
            put(writer, element);
    }
    return count;
}

/* The elements of all fields of that name, with a comma between them: how a list is written makes
 * no difference (RFC 9111, 4.1). */
static void put_values(struct writer *writer, struct str name, const struct http1_head *request)
{
    bool preference = is_preference(name), opaque = is_opaque(name);
    char *start = NULL;
    size_t count = 0;

    for (size_t i = 0; i < request->header_count; i++) {
        struct str value = request->headers[i].value;
        if (!is_named(&request->headers[i], name))
            continue;
        if (start == NULL) {
            put(writer, STR("="));
            start = writer->at;
        } else if (opaque) {
            put(writer, STR("\r")); /* no value has one: two fields are not one of both */
        }
        if (opaque)
            put(writer, value);
        else
            count = put_elements(writer, value, preference, count);
    }
    if (preference && count > 1 && count <= ELEMENTS_MAX && !writer->overflows)
        sort_elements(writer, start);
}

bool cache_variant_write(struct str vary, const struct http1_head *request, char *ret_bytes,
                         struct str *ret)
{
    struct writer writer = {.at = ret_bytes, .end = ret_bytes + CACHE_MAX_VARIANT_BYTES};

    while (vary.len > 0) {
        put_values(&writer, str_cut(&vary, ','), request);
        put(&writer, STR("\n"));
        if (vary.ptr == NULL)
            break;
    }
    *ret = str_from(ret_bytes, (size_t)(writer.at - ret_bytes));
    return !writer.overflows;
}
