/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests: what may be answered from the store, who has to ask a target.
 */
#include "base/base.h"

#include "edge/cache_use.h"
#include "edge/head.h"
#include "edge/limits.h"
#include "edge/rules.h"

/* ---- requests ---- */

static bool is_name(const struct http_header *header, struct str name)
{
    return header->name.len == name.len && str_eq_nocase(header->name, name);
}

/* What some services take for the address, the scheme or the method: an answer to it must not
 * become the answer to everybody. Services that read headers as CGI variables see '_' and '-'
 * alike. */
static bool is_hidden_address(const struct http_header *header)
{
    static const struct str names[] = {
        {"X-Original-URL", 14},       {"X-Rewrite-URL", 13},      {"X-HTTP-Method-Override", 22},
        {"X-HTTP-Method", 13},        {"X-Method-Override", 17},  {"X-Host", 6},
        {"X-Original-Host", 15},      {"X-Forwarded-Scheme", 18}, {"X-Forwarded-Ssl", 15},
        {"X-Forwarded-Uri", 15},      {"X-Forwarded-Path", 16},   {"X-HTTP-Host-Override", 20},
        {"X-Forwarded-Protocol", 20}, {"X-Url-Scheme", 12},       {"Front-End-Https", 15}};
    char dashed[24];
    struct str name = header->name;

    if ((name.ptr[0] | 0x20) != 'x' && (name.ptr[0] | 0x20) != 'f')
        return false;
    if (name.len > sizeof dashed)
        return false;
    for (size_t i = 0; i < name.len; i++)
        dashed[i] = name.ptr[i] == '_' ? '-' : name.ptr[i];
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(str_from(dashed, name.len), names[i]))
            return true;
    return false;
}

static void read_other(const struct http_header *header, struct cache_request *ret, bool *pragma)
{
    if (is_name(header, STR("Pragma")))
        *pragma |= cache_list_has(header->value, STR("no-cache"));
    else if (is_name(header, STR("If-Match")) || is_name(header, STR("If-Unmodified-Since")) ||
             is_hidden_address(header))
        ret->is_bypass = true;
}

void cache_request_read(const struct route *route, const struct http1_head *head,
                        struct cache_request *ret)
{
    const struct route_cache *policy = route->cache;
    bool pragma = false, has_control = false;
    bool is_own = route->rules != NULL && route->rules->auth != NULL; /* the target never sees it */

    *ret = (struct cache_request){.facts.default_s = policy->default_s};
    cache_control_init(&ret->control);
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        if (header->id == HTTP_CACHE_CONTROL) {
            cache_control_parse(&ret->control, header->value);
            has_control = true;
        } else if (header->id == HTTP_OTHER) {
            read_other(header, ret, &pragma);
        }
        ret->facts.authorized |= header->id == HTTP_AUTHORIZATION && !is_own;
        ret->facts.has_cookie |= header->id == HTTP_COOKIE;
        ret->has_range |= header->id == HTTP_RANGE;
        ret->has_condition |=
            header->id == HTTP_IF_NONE_MATCH || header->id == HTTP_IF_MODIFIED_SINCE;
    }
    ret->control.no_cache |= pragma && !has_control;
    ret->facts.no_store = ret->control.no_store;
    ret->facts.authorized |= policy->tells_who;
    ret->is_bypass |=
        policy->knows_cookies && ret->facts.has_cookie && !cache_cookies_are_plain(head);
    ret->facts.has_cookie &= !policy->knows_cookies;
    ret->is_bypass |=
        head->framing != HTTP_NO_BODY || head->upgrade ||
        (policy->bypass_count > 0 && cache_parts_match(policy->bypass, policy->bypass_count, head));
}

/* ---- entries ---- */

static int64_t left_ms(const struct cache_entry *entry, uint64_t now_ms)
{
    return entry->born_ms + entry->fresh_ms - (int64_t)now_ms;
}

int64_t cache_ttl_s(const struct cache_entry *entry, uint64_t now_ms)
{
    int64_t left = left_ms(entry, now_ms);

    return left >= 0 ? left / 1000 : -((-left + 999) / 1000);
}

/* Fresh enough, as it stands, for what the request allows (RFC 9111, 5.2.1). */
static bool is_wanted(const struct cache_entry *entry, const struct cache_control *control,
                      uint64_t now_ms)
{
    int64_t age_ms = (int64_t)now_ms - entry->born_ms;

    return !control->no_cache &&
           (control->max_age == CACHE_NONE || age_ms <= control->max_age * 1000) &&
           (control->min_fresh == CACHE_NONE ||
            left_ms(entry, now_ms) >= control->min_fresh * 1000);
}

enum cache_standing cache_judge(const struct cache_entry *entry,
                                const struct cache_control *control, uint64_t now_ms)
{
    int64_t left = left_ms(entry, now_ms);

    if (entry->must_validate)
        return CACHE_STALE;
    if (!is_wanted(entry, control, now_ms))
        return left > 0 ? CACHE_NOT_WANTED : CACHE_STALE;
    if (left > 0)
        return CACHE_FRESH;
    if (control->max_stale != CACHE_NONE && !entry->must_revalidate &&
        -left <= control->max_stale * 1000)
        return CACHE_FRESH;
    return -left < entry->while_revalidate_ms ? CACHE_STALE_FOR_NOW : CACHE_STALE;
}

/* May this request have it at all? */
static bool is_usable(const struct cache_entry *entry, const struct cache_request *request)
{
    return !(request->facts.authorized && !entry->is_shareable) &&
           !(request->facts.has_cookie && entry->is_assumed);
}

/* ---- what an exchange keeps ---- */

/* As the target is told. */
bool cache_is_https(const struct exchange *exchange)
{
    return exchange->is_secure;
}

struct cache_place cache_place_of(const struct exchange *exchange, const struct http1_head *head)
{
    const struct route *route = exchange->route;

    return (struct cache_place){
        .system = route->system,
        .upstream = exchange->view->table->upstreams[route->upstream].name,
        .is_https = cache_is_https(exchange),
        .host = head->host,
        .path = head->path,
        .query = head->query,
        .listener = exchange->rules == NULL ? 0 : exchange->client->listener_id,
        .asked = exchange->rules == NULL ? (struct str){0} : str_of(exchange->rules->path),
    };
}

/* The text of a request's head, from its first line to the empty one. */
static struct str text_of(const struct http1_head *head)
{
    const char *start = head->method_text.ptr;
    const char *at = head->header_count == 0 ? head->target.ptr + head->target.len
                                             : head->headers[head->header_count - 1].value.ptr +
                                                   head->headers[head->header_count - 1].value.len;

    while (at[0] != '\n' || at[1] != '\r' || at[2] != '\n')
        at++;
    return str_from(start, (size_t)(at + 3 - start));
}

struct cache_use *cache_use_new(struct exchange *exchange, const struct http1_head *head,
                                const struct cache_key *key)
{
    struct cache_use *use = mem_new(sizeof *use + key->text.len);
    struct str text = text_of(head);

    use->exchange = exchange;
    list_init(&use->waiting);
    use->key = *key;
    memcpy(use->key_bytes, key->text.ptr, key->text.len);
    use->key.text.ptr = use->key_bytes;
    use->key.system.ptr = use->key_bytes;
    use->key.path.ptr = use->key_bytes + (key->path.ptr - key->text.ptr);
    spill_add(&exchange->worker->spills, &use->head, text.ptr, text.len);
    return use;
}

void cache_use_read_head(struct cache_use *use)
{
    struct worker *worker = use->exchange->worker;
    const char *why;
    enum http1_result result = http1_parse_request(spill_str(use->head), &worker->head, &why);

    assert(result == HTTP1_DONE); /* as it was the first time */
}

static void use_free(struct cache_use *use, bool passes)
{
    struct worker *worker = use->exchange->worker;

    list_remove(&use->waiting);
    timer_clear(&use->timer);
    cache_land(worker->cache, use->flight, passes, cache_now_ms(worker));
    cache_entry_unref(use->stale);
    cache_entry_unref(use->filling);
    cache_body_unref(use->body);
    spill_free(&worker->spills, use->head);
    free(use);
}

void cache_forget(struct exchange *exchange)
{
    struct cache_use *use = TAKE(exchange->cache);

    if (use != NULL)
        use_free(use, false);
    cache_entry_unref(TAKE(exchange->hit));
}

/* ---- deciding ---- */

static bool is_condition(const struct http_header *header)
{
    switch ((int)header->id) {
    case HTTP_IF_NONE_MATCH:
    case HTTP_IF_MODIFIED_SINCE:
    case HTTP_IF_RANGE:
    case HTTP_RANGE:
        return true;
    default:
        return false;
    }
}

/* The target shall be asked about what is stored, not about what the client has. */
static void drop_conditions(struct http1_head *head)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (is_condition(&head->headers[i]))
            head->headers[i].hop_by_hop = true;
}

static bool has_validator(const struct cache_entry *entry)
{
    return entry->etag.len > 0 || entry->last_modified.len > 0;
}

/* The target is asked. */
static void go(struct exchange *exchange, const struct cache_request *request,
               const struct cache_key *key, struct cache_entry *entry, struct cache_flight *flight,
               const char *fwd)
{
    struct worker *worker = exchange->worker;
    struct cache_use *use = cache_use_new(exchange, &worker->head, key);

    use->flight = flight;
    use->status.fwd = fwd;
    use->facts = request->facts;
    use->epoch = cache_epoch(worker->cache, key->hash);
    use->asked_ms = cache_now_ms(worker);
    use->may_store = !request->is_bypass && exchange->method == HTTP_GET;
    if (entry != NULL && !request->is_bypass) {
        use->stale = cache_entry_ref(entry);
        use->validates = exchange->method == HTTP_GET && has_validator(entry);
        if (use->validates)
            drop_conditions(&worker->head);
    }
    exchange->cache = use;
}

static void answer_fresh(struct exchange *exchange, struct cache_entry *entry, uint8_t waits)
{
    struct worker *worker = exchange->worker;
    struct cache_status status = {.ttl_s = cache_ttl_s(entry, cache_now_ms(worker)),
                                  .has_ttl = true};

    if (waits > 0) {
        status.fwd = "miss";
        status.collapsed = true;
        count_add(worker, COUNT_CACHE_COLLAPSED, 1);
    }
    count_add(worker, COUNT_CACHE_HITS, 1);
    cache_serve(exchange, cache_entry_ref(entry), &status);
}

/* Sends what is stale and, unless somebody does already, asks for a new one. */
static void answer_stale(struct exchange *exchange, const struct cache_wanted *wanted,
                         const struct cache_key *key, struct cache_entry *entry)
{
    struct worker *worker = exchange->worker;
    struct cache_flight *flight = NULL;

    if (cache_join(worker->cache, wanted, entry, false, worker->index, cache_now_ms(worker),
                   &flight) == CACHE_LEADS)
        cache_revalidate(exchange, &worker->head, key, entry, flight);
    count_add(worker, COUNT_CACHE_STALE, 1);
    answer_fresh(exchange, entry, 0);
}

static const char *reason_of(const struct cache_entry *entry, enum cache_standing standing,
                             bool usable)
{
    if (entry == NULL)
        return "miss";
    if (!usable)
        return "bypass";
    return standing == CACHE_NOT_WANTED ? "request" : "stale";
}

/* One look. CACHE_AGAIN: the store has changed meanwhile. CACHE_GOES: the target is asked.
 * CACHE_WAITS: answered, or waiting. */
static enum cache_joined look(struct exchange *exchange, const struct cache_request *request,
                              const struct cache_key *key, uint8_t waits)
{
    struct worker *worker = exchange->worker;
    uint64_t now_ms = cache_now_ms(worker);
    struct cache_wanted wanted = {.key = key->text, .hash = key->hash, .head = &worker->head};
    AUTO(cache_entry_unref)
    struct cache_entry *entry = cache_find(worker->cache, &wanted, true);
    bool usable = entry != NULL && is_usable(entry, request);
    enum cache_standing standing =
        usable ? cache_judge(entry, &request->control, now_ms) : CACHE_STALE;
    struct cache_flight *flight = NULL;

    if (standing == CACHE_FRESH) {
        answer_fresh(exchange, entry, waits);
        return CACHE_WAITS;
    }
    if (standing == CACHE_STALE_FOR_NOW && exchange->method == HTTP_GET) {
        answer_stale(exchange, &wanted, key, entry);
        return CACHE_WAITS;
    }
    if (request->control.only_if_cached) {
        head_keep_texts(exchange);
        answer_error(exchange, 504);
        return CACHE_WAITS;
    }
    bool validates = usable && has_validator(entry);
    bool shares = exchange->method == HTTP_GET && !request->facts.no_store &&
                  !request->facts.authorized &&
                  (validates || (!request->has_range && !request->has_condition));
    enum cache_joined joined =
        shares ? cache_join(worker->cache, &wanted, entry, waits < CACHE_WAITS_MAX, worker->index,
                            now_ms, &flight)
               : CACHE_GOES;
    if (joined == CACHE_AGAIN)
        return joined;
    if (joined == CACHE_GOES && waits >= CACHE_WAITS_MAX)
        count_add(worker, COUNT_CACHE_SLOW, 1);
    if (joined == CACHE_WAITS) {
        cache_wait(exchange, &worker->head, key, waits);
        return joined;
    }
    count_add(worker, COUNT_CACHE_MISSES, 1);
    go(exchange, request, key, usable ? entry : NULL, flight, reason_of(entry, standing, usable));
    return CACHE_GOES;
}

/* Who gets the answer of which release is not the cache's to decide. */
static bool is_split(const struct exchange *exchange)
{
    const struct upstream_balance *balance =
        exchange->view->table->upstreams[exchange->route->upstream].balance;

    return balance != NULL && balance->split != NULL;
}

bool cache_decide(struct exchange *exchange, uint8_t waits)
{
    struct worker *worker = exchange->worker;
    const struct route_cache *policy = exchange->route->cache;
    struct cache_place place = cache_place_of(exchange, &worker->head);
    struct cache_request request;
    struct cache_key key;

    static_assert((int)WORKER_JOINED_BYTES >= (int)CACHE_MAX_KEY_BYTES, "a key fits");
    if (!cache_key_write(policy, &place, &worker->head, worker->joined, &key)) {
        count_add(worker, COUNT_CACHE_REFUSED, 1);
        return true;
    }
    cache_request_read(exchange->route, &worker->head, &request);
    if (request.is_bypass || is_split(exchange)) {
        count_add(worker, COUNT_CACHE_BYPASSES, 1);
        request.is_bypass = true;
        go(exchange, &request, &key, NULL, NULL, "bypass");
        return true;
    }
    enum cache_joined joined;
    do /* each time another worker has come further */
        joined = look(exchange, &request, &key, waits);
    while (joined == CACHE_AGAIN);
    return joined != CACHE_WAITS;
}

/* What changes something at the target makes what is stored of it wrong (RFC 9111, 4.4). */
static void go_unsafe(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    struct cache_place place = cache_place_of(exchange, &worker->head);
    struct cache_key key;

    if (!cache_key_write(exchange->route->cache, &place, NULL, worker->joined, &key))
        return;
    exchange->cache = cache_use_new(exchange, &worker->head, &key);
    exchange->cache->invalidates = true;
    exchange->cache->status.fwd = "method";
}

bool cache_admit(struct exchange *exchange)
{
    switch (exchange->method) {
    case HTTP_GET:
    case HTTP_HEAD:
        break;
    case HTTP_OPTIONS:
    case HTTP_TRACE:
        return true;
    case HTTP_POST:
    case HTTP_PUT:
    case HTTP_DELETE:
    case HTTP_CONNECT:
    case HTTP_PATCH:
    case HTTP_METHOD_OTHER:
        go_unsafe(exchange);
        return true;
    }
    if (exchange->ops == &cache_background_ops) {
        exchange->cache = cache_background_take(exchange);
        drop_conditions(&exchange->worker->head);
        return true;
    }
    return cache_decide(exchange, 0);
}

const char *cache_word(const struct exchange *exchange)
{
    if (exchange->cache != NULL && exchange->cache->status.fwd != NULL)
        return exchange->cache->status.fwd;
    return exchange->hit != NULL ? "hit" : "none";
}

/* ---- conditions for the target ---- */

size_t cache_conditions_bytes(const struct exchange *exchange)
{
    const struct cache_use *use = exchange->cache;

    return use == NULL || !use->validates ? 0
                                          : use->stale->etag.len + use->stale->last_modified.len +
                                                sizeof "If-None-Match: \r\nIf-Modified-Since: \r\n";
}

char *cache_put_conditions(const struct exchange *exchange, char *at)
{
    const struct cache_use *use = exchange->cache;

    if (use == NULL || !use->validates)
        return at;
    if (use->stale->etag.len > 0) {
        at = HEAD_PUT(at, "If-None-Match: ");
        at = head_put(at, use->stale->etag);
        at = HEAD_PUT(at, "\r\n");
    }
    if (use->stale->last_modified.len > 0) {
        at = HEAD_PUT(at, "If-Modified-Since: ");
        at = head_put(at, use->stale->last_modified);
        at = HEAD_PUT(at, "\r\n");
    }
    return at;
}
