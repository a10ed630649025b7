/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of targets: into the store while they pass, as news about what is
 * there (304), or as a reason to forget it.
 */
#include "base/base.h"

#include "base/clock.h"
#include "edge/cache_control.h"
#include "edge/cache_use.h"
#include "edge/head.h"
#include "edge/limits.h"
#include "edge/rules.h"

/* ---- the entry ---- */

/* The headers that are stored, of one answer or of two. */
struct gathered {
    const struct http_header *items[CACHE_MAX_HEADERS];
    size_t count;
    size_t bytes; /* of their lines */
    bool has_date;
};

static bool is_name(const struct http_header *header, struct str name)
{
    return header->name.len == name.len && str_eq_nocase(header->name, name);
}

static void gather(struct gathered *gathered, const struct http_header *header)
{
    if (gathered->count == CACHE_MAX_HEADERS)
        return;
    gathered->items[gathered->count++] = header;
    gathered->bytes += header->name.len + header->value.len + 4;
    gathered->has_date |= header->id == HTTP_DATE;
}

/* RFC 9111, 3.1: what is for one connection, for one answer, or not for those who come later. */
static bool is_stored(const struct http_header *header, const struct cache_facts *facts)
{
    return !header->hop_by_hop && header->id != HTTP_CONTENT_LENGTH &&
           !is_name(header, STR("Age")) && !is_name(header, STR("Proxy-Authentication-Info")) &&
           !cache_list_has(facts->control.no_cache_fields, header->name) &&
           !cache_list_has(facts->control.private_fields, header->name);
}

/* The names in several Vary, and the values in several headers with tags, in one text. */
struct texts {
    struct str vary;
    struct str variant;
    struct str tags;
};

static char *keep(char **at, struct str text)
{
    char *start = *at;

    *at = head_put(start, text);
    return start;
}

static struct str keep_str(char **at, struct str text)
{
    return str_from(keep(at, text), text.len);
}

static void note_header(struct cache_entry *entry, const struct http_header *header)
{
    if (header->id == HTTP_ETAG)
        entry->etag = header->value;
    if (header->id == HTTP_LAST_MODIFIED &&
        clock_parse_http(header->value, &entry->last_modified_s))
        entry->last_modified = header->value;
}

static void put_header(struct cache_entry *entry, const struct http_header *from, char **at)
{
    struct http_header *header = &entry->headers[entry->header_count++];

    *header = (struct http_header){.id = from->id};
    header->name = keep_str(at, from->name);
    (void)keep(at, STR(": "));
    header->value = keep_str(at, from->value);
    (void)keep(at, STR("\r\n"));
    note_header(entry, header);
}

/* One reference, without a body; NULL: no room. */
static struct cache_entry *build(const struct cache_use *use, const struct gathered *gathered,
                                 const struct texts *texts, int status, struct str reason)
{
    struct worker *worker = use->exchange->worker;
    struct http_header date = {
        .name = STR("Date"), .value = str_of(worker_date(worker)), .id = HTTP_DATE};
    size_t more = gathered->has_date ? 0 : 1;
    size_t lines_bytes = gathered->bytes + more * (date.name.len + date.value.len + 4);
    char *at;

    /* Those of two answers may be more than one could have. */
    if (gathered->count + more > CACHE_MAX_HEADERS ||
        lines_bytes + reason.len > EDGE_RESPONSE_HEAD_BYTES)
        return NULL;
    struct cache_entry *entry =
        cache_entry_new(worker->cache, gathered->count + more,
                        lines_bytes + use->key.text.len + texts->vary.len + texts->variant.len +
                            texts->tags.len + reason.len,
                        &at);
    if (entry == NULL)
        return NULL;
    for (size_t i = 0; i < gathered->count; i++)
        put_header(entry, gathered->items[i], &at);
    if (more > 0)
        put_header(entry, &date, &at);
    entry->hash = use->key.hash;
    entry->base_len = use->key.base_len;
    entry->key = keep_str(&at, use->key.text);
    entry->system = str_sub(entry->key, 0, use->key.system.len);
    entry->path =
        str_sub(entry->key, (size_t)(use->key.path.ptr - use->key.text.ptr), use->key.path.len);
    entry->vary = keep_str(&at, texts->vary);
    entry->variant = keep_str(&at, texts->variant);
    entry->tags = keep_str(&at, texts->tags);
    entry->reason = keep_str(&at, reason);
    entry->status = status;
    return entry;
}

/* How long it may be used, and for whom. */
static void set_life(struct cache_entry *entry, const struct cache_use *use,
                     const struct cache_facts *facts)
{
    const struct route_cache *policy = use->exchange->route->cache;
    const struct cache_control *control = &facts->control;
    uint64_t now_ms = cache_now_ms(use->exchange->worker);
    int64_t now_s = clock_wall_ms() / 1000;
    int64_t delay_s = (int64_t)(now_ms - use->asked_ms) / 1000;
    struct cache_life life = cache_facts_life(facts, use->facts.default_s, now_s);
    bool strict = control->must_revalidate;
    bool shared_only =
        control->s_maxage != CACHE_NONE; /* the same, but for what it allows itself */

    entry->born_ms = (int64_t)now_ms - cache_facts_age(facts, delay_s, now_s) * 1000;
    entry->fresh_ms = life.fresh_s * 1000;
    entry->is_assumed = life.assumed;
    entry->must_validate = control->no_cache;
    entry->must_revalidate = strict || shared_only;
    entry->is_shareable = cache_facts_is_shareable(facts);
    if (strict || control->no_cache)
        return;
    entry->while_revalidate_ms =
        1000 * (control->stale_while_revalidate != CACHE_NONE ? control->stale_while_revalidate
                : shared_only                                 ? 0
                                                              : policy->while_revalidate_s);
    entry->if_error_ms = 1000 * (control->stale_if_error != CACHE_NONE ? control->stale_if_error
                                 : shared_only                         ? 0
                                                                       : policy->if_error_s);
}

/* Stale at once, and nothing to ask the target about it: it would never be used. */
static bool is_useless(const struct cache_entry *entry, uint64_t now_ms)
{
    return entry->born_ms + entry->fresh_ms + entry->while_revalidate_ms + entry->if_error_ms <=
               (int64_t)now_ms &&
           entry->etag.len == 0 && entry->last_modified.len == 0;
}

/* ---- tags and variants ---- */

static struct str join_tags(const struct cache_use *use, const struct http1_head *head, char *bytes)
{
    struct str name = use->exchange->route->cache->tags;
    size_t len = 0;

    for (size_t i = 0; name.len > 0 && i < head->header_count; i++) {
        struct str value = head->headers[i].value;
        if (!is_name(&head->headers[i], name) || len + value.len + 1 > CACHE_MAX_VARIANT_BYTES)
            continue;
        if (len > 0)
            bytes[len++] = ',';
        len = (size_t)(head_put(bytes + len, value) - bytes);
    }
    return str_from(bytes, len);
}

/* Reads the request again beside the answer's head, which stays in worker->head. */
static bool make_variant(const struct cache_use *use, struct str vary, char *bytes, struct str *ret)
{
    AUTO(free) struct http1_head *request = NULL;
    const char *why;

    if (vary.len == 0) {
        *ret = (struct str){0};
        return true;
    }
    request = NEW(struct http1_head);
    enum http1_result result = http1_parse_request(spill_str(use->head), request, &why);
    assert(result == HTTP1_DONE);
    return cache_variant_write(vary, request, bytes, ret);
}

/* ---- filling ---- */

/* The body's length when it is known. */
static uint64_t announced_bytes(const struct http1_head *head)
{
    return head->framing == HTTP_LENGTH ? head->content_length : 0;
}

static bool differs_by_client(const struct rule_header *rule)
{
    for (size_t i = 0; rule->op != RULE_REMOVE && i < rule->piece_count; i++)
        switch (rule->pieces[i].variable) {
        case HTTP_VARIABLE_CLIENT_IP:
        case HTTP_VARIABLE_REQUEST_ID:
        case HTTP_VARIABLE_USER:
            return true;
        case HTTP_VARIABLE_TEXT:
        case HTTP_VARIABLE_HOST: /* of the key, as is the listener */
        case HTTP_VARIABLE_SCHEME:
        case HTTP_VARIABLE_PATH:
        case HTTP_VARIABLE_COUNT:
            break;
        }
    return false;
}

/* Does <vary> name what the edge tells the target about each client, by a rule or of its
 * certificate? Requests do not show what that is, so no variant of theirs can be told apart. */
static bool varies_by_client(const struct route *route, struct str vary)
{
    struct str name;

    while (cache_list_next(&vary, &name)) {
        if (limits_owns_header(name))
            return true;
        for (size_t i = 0; route->rules != NULL && i < route->rules->request.count; i++) {
            const struct rule_header *rule = &route->rules->request.items[i];
            if (str_eq_nocase(rule->name, name) && differs_by_client(rule))
                return true;
        }
    }
    return false;
}

static bool refuse(struct cache_use *use, const char *why)
{
    use->status.detail = why;
    return false;
}

/* The texts live in worker->joined. */
static bool make_texts(const struct cache_use *use, const struct http1_head *head,
                       struct texts *ret)
{
    char *bytes = use->exchange->worker->joined;

    static_assert((int)WORKER_JOINED_BYTES >= 3 * (int)CACHE_MAX_VARIANT_BYTES, "all fit");
    ret->tags = join_tags(use, head, bytes + 2 * CACHE_MAX_VARIANT_BYTES);
    return cache_vary_write(head, bytes, &ret->vary) &&
           make_variant(use, ret->vary, bytes + CACHE_MAX_VARIANT_BYTES, &ret->variant);
}

bool cache_fill_start(struct cache_use *use, const struct cache_facts *facts)
{
    struct worker *worker = use->exchange->worker;
    const struct http1_head *head = &worker->head;
    const struct route_cache *policy = use->exchange->route->cache;
    struct gathered gathered = {.count = 0};
    struct texts texts;
    const char *why = cache_facts_refuse(facts, &use->facts);

    if (why != NULL)
        return refuse(use, why);
    if (head->framing == HTTP_UNTIL_CLOSE)
        return refuse(use, "length"); /* whether it is whole cannot be told */
    if (announced_bytes(head) > policy->max_object_bytes || !make_texts(use, head, &texts)) {
        count_add(worker, COUNT_CACHE_REFUSED, 1);
        return refuse(use, "limit");
    }
    if (varies_by_client(use->exchange->route, texts.vary))
        return refuse(use, "vary");
    for (size_t i = 0; i < head->header_count; i++)
        if (is_stored(&head->headers[i], facts))
            gather(&gathered, &head->headers[i]);
    use->body = cache_body_new(worker->cache);
    use->filling =
        use->body == NULL ? NULL : build(use, &gathered, &texts, head->status, head->reason);
    if (use->filling == NULL) {
        count_add(worker, COUNT_CACHE_REFUSED, 1);
        cache_body_unref(TAKE(use->body));
        return refuse(use, "room");
    }
    set_life(use->filling, use, facts);
    if (!is_useless(use->filling, cache_now_ms(worker)))
        return true;
    cache_entry_unref(TAKE(use->filling));
    cache_body_unref(TAKE(use->body));
    return refuse(use, "stale");
}

static void give_up(struct exchange *exchange)
{
    struct cache_use *use = exchange->cache;
    struct worker *worker = exchange->worker;

    count_add(worker, COUNT_CACHE_REFUSED, 1);
    cache_entry_unref(TAKE(use->filling));
    cache_body_unref(TAKE(use->body));
    cache_land(worker->cache, TAKE(use->flight), true, cache_now_ms(worker));
}

static void finish(struct exchange *exchange)
{
    struct cache_use *use = exchange->cache;
    struct worker *worker = exchange->worker;

    cache_body_end(use->body);
    use->filling->body = TAKE(use->body);
    if (cache_add(worker->cache, use->filling, use->epoch))
        count_add(worker, COUNT_CACHE_STORED, 1);
    cache_entry_unref(TAKE(use->filling));
    cache_land(worker->cache, TAKE(use->flight), false, cache_now_ms(worker));
}

bool cache_is_filling(const struct exchange *exchange)
{
    return exchange->cache->filling != NULL;
}

void cache_keep(struct exchange *exchange, struct str data)
{
    struct cache_use *use = exchange->cache;
    uint64_t more = exchange->response.framing == HTTP_LENGTH ? exchange->response.left : 0;

    if (use->filling == NULL)
        return;
    if (use->body->bytes + data.len > exchange->route->cache->max_object_bytes ||
        !cache_body_add(use->body, data, more))
        give_up(exchange);
    else if (exchange->response.done)
        finish(exchange);
}

/* ---- news about what is stored ---- */

/* What describes the stored bytes stays as it is. */
static bool is_of_body(const struct http_header *header)
{
    return header->id == HTTP_CONTENT_ENCODING || header->id == HTTP_CONTENT_LENGTH ||
           header->id == HTTP_ETAG || is_name(header, STR("Content-MD5")) ||
           is_name(header, STR("Content-Range"));
}

static bool has_name(const struct http1_head *head, struct str name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (is_name(&head->headers[i], name) && !is_of_body(&head->headers[i]))
            return true;
    return false;
}

/* The headers of both: <merged> gets those that are stored, for their facts. */
static void merge(const struct cache_entry *entry, const struct http1_head *news,
                  struct http1_head *merged)
{
    for (size_t i = 0; i < entry->header_count; i++)
        if (entry->headers[i].id != HTTP_DATE && !has_name(news, entry->headers[i].name))
            merged->headers[merged->header_count++] = entry->headers[i];
    for (size_t i = 0; i < news->header_count && merged->header_count < CACHE_MAX_HEADERS; i++)
        if (!is_of_body(&news->headers[i]) && !news->headers[i].hop_by_hop)
            merged->headers[merged->header_count++] = news->headers[i];
    merged->status = entry->status;
}

struct cache_entry *cache_freshen(struct cache_use *use)
{
    struct worker *worker = use->exchange->worker;
    struct cache_entry *old = use->stale;
    AUTO(free) struct http1_head *merged = NEW(struct http1_head);
    struct gathered gathered = {.count = 0};
    struct texts texts = {.vary = old->vary, .variant = old->variant, .tags = old->tags};
    struct cache_facts both;

    merge(old, &worker->head, merged);
    cache_facts_read(merged, &both);
    for (size_t i = 0; i < merged->header_count; i++)
        if (is_stored(&merged->headers[i], &both))
            gather(&gathered, &merged->headers[i]);
    struct cache_entry *entry = build(use, &gathered, &texts, old->status, old->reason);
    if (entry == NULL)
        return NULL;
    entry->body = cache_body_ref(old->body);
    set_life(entry, use, &both);
    if (cache_facts_refuse(&both, &use->facts) != NULL)
        cache_remove(old);
    else
        use->status.stored = cache_add(worker->cache, entry, use->epoch);
    return entry;
}
