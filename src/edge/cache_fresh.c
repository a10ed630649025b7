/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/clock.h"
#include "edge/cache_fresh.h"
#include "http/http_mime.h"

static bool is_name(const struct http_header *header, struct str name)
{
    return header->name.len == name.len && str_eq_nocase(header->name, name);
}

/* One field with one number, or the answer is taken for as old as can be (4.2.3: a value that is
 * not valid makes it stale). */
static int64_t read_age(struct str value, bool repeated)
{
    int64_t age;

    return repeated || !cache_seconds_parse(value, &age) ? CACHE_SECONDS_MAX : age;
}

static int64_t read_date(struct str value, int64_t otherwise)
{
    int64_t seconds;

    return clock_parse_http(value, &seconds) ? seconds : otherwise;
}

static void read_other(const struct http_header *header, struct cache_facts *ret, bool *aged)
{
    if (is_name(header, STR("Age"))) {
        ret->age_s = read_age(header->value, *aged);
        *aged = true;
    } else if (is_name(header, STR("Expires"))) {
        /* Of several the earliest: a cache errs on the side of asking once more. */
        int64_t at = MAX(read_date(header->value, 0), 0);
        ret->expires_s = ret->has_expires ? MIN(ret->expires_s, at) : at;
        ret->has_expires = true;
    } else if (is_name(header, STR("Pragma"))) {
        ret->pragma_no_cache |= cache_list_has(header->value, STR("no-cache"));
    }
}

static void read_header(const struct http_header *header, struct cache_facts *ret)
{
    switch ((int)header->id) {
    case HTTP_CACHE_CONTROL:
        ret->has_control = true;
        if (!ret->targeted)
            cache_control_parse(&ret->control, header->value);
        break;
    case HTTP_DATE:
        ret->date_s = read_date(header->value, CACHE_NONE);
        break;
    case HTTP_ETAG:
        ret->etag = header->value;
        break;
    case HTTP_LAST_MODIFIED:
        ret->last_modified_s = read_date(header->value, CACHE_NONE);
        ret->last_modified = ret->last_modified_s == CACHE_NONE ? (struct str){0} : header->value;
        break;
    case HTTP_SET_COOKIE:
        ret->has_set_cookie = true;
        break;
    case HTTP_CONTENT_TYPE:
        ret->is_events = http_mime_is(header->value, STR("text/event-stream"));
        break;
    case HTTP_VARY:
        ret->varies_on_all |= cache_list_has(header->value, STR("*"));
        break;
    default:
        break;
    }
}

/* A field of its own for caches in front of a site; what it says stands alone (RFC 9213, 2.2). */
static void read_targeted(const struct http1_head *head, struct cache_facts *ret)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (head->headers[i].id == HTTP_OTHER &&
            is_name(&head->headers[i], STR("CDN-Cache-Control")) &&
            head->headers[i].value.len > 0) {
            cache_control_parse(&ret->control, head->headers[i].value);
            ret->targeted = true;
        }
}

void cache_facts_read(const struct http1_head *head, struct cache_facts *ret)
{
    bool aged = false;

    *ret = (struct cache_facts){
        .status = head->status, .date_s = CACHE_NONE, .last_modified_s = CACHE_NONE};
    cache_control_init(&ret->control);
    read_targeted(head, ret);
    for (size_t i = 0; i < head->header_count; i++) {
        if (head->headers[i].id == HTTP_OTHER)
            read_other(&head->headers[i], ret, &aged);
        else
            read_header(&head->headers[i], ret);
    }
}

bool cache_status_is_heuristic(int status)
{
    static const int statuses[] = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501};

    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (statuses[i] == status)
            return true;
    return false;
}

/* Those whose meaning this cache knows (must-understand): not partial content. */
static bool is_understood(int status)
{
    static const int more[] = {201, 202, 302, 303, 307, 400, 401, 403, 406, 409,
                               412, 413, 415, 416, 421, 429, 500, 502, 503, 504};

    for (size_t i = 0; i < ARRAY_LEN(more); i++)
        if (more[i] == status)
            return true;
    return cache_status_is_heuristic(status);
}

/* It says itself how long it is fresh. */
static bool is_explicit(const struct cache_facts *facts)
{
    return facts->control.s_maxage != CACHE_NONE || facts->control.max_age != CACHE_NONE ||
           (facts->has_expires && !facts->targeted);
}

bool cache_facts_is_shareable(const struct cache_facts *facts)
{
    return facts->control.is_public || facts->control.must_revalidate ||
           facts->control.s_maxage != CACHE_NONE;
}

static bool may_assume(const struct cache_facts *facts)
{
    return cache_status_is_heuristic(facts->status) || facts->control.is_public;
}

struct cache_life cache_facts_life(const struct cache_facts *facts, int64_t default_s,
                                   int64_t now_s)
{
    const struct cache_control *control = &facts->control;
    int64_t date_s = facts->date_s == CACHE_NONE ? now_s : facts->date_s;

    if (control->s_maxage != CACHE_NONE)
        return (struct cache_life){.fresh_s = control->s_maxage};
    if (control->max_age != CACHE_NONE)
        return (struct cache_life){.fresh_s = control->max_age};
    if (facts->has_expires && !facts->targeted)
        return (struct cache_life){.fresh_s = MAX(facts->expires_s - date_s, 0)};
    if (!may_assume(facts) || (facts->pragma_no_cache && !facts->has_control))
        return (struct cache_life){.assumed = true};
    if (default_s != CACHE_NONE)
        return (struct cache_life){.fresh_s = default_s, .assumed = true};
    if (facts->last_modified_s == CACHE_NONE || facts->last_modified_s >= date_s)
        return (struct cache_life){.assumed = true};
    return (struct cache_life){
        .fresh_s = MIN((date_s - facts->last_modified_s) / 10, (int64_t)CACHE_HEURISTIC_MAX_S),
        .assumed = true};
}

int64_t cache_facts_age(const struct cache_facts *facts, int64_t delay_s, int64_t now_s)
{
    int64_t apparent_s = facts->date_s == CACHE_NONE ? 0 : MAX(now_s - facts->date_s, 0);
    int64_t corrected_s = facts->age_s + delay_s;

    return MIN(MAX(apparent_s, corrected_s), (int64_t)CACHE_SECONDS_MAX);
}

const char *cache_facts_refuse(const struct cache_facts *facts,
                               const struct cache_request_facts *request)
{
    const struct cache_control *control = &facts->control;

    if (facts->status < 200 || facts->status == 206 || facts->status == 304)
        return "status";
    if (control->no_store && !(control->must_understand && is_understood(facts->status)))
        return "no-store";
    if (control->must_understand && !is_understood(facts->status))
        return "must-understand";
    if (request->no_store)
        return "request";
    if (control->is_private)
        return "private";
    if (facts->is_events)
        return "events";
    if (facts->varies_on_all)
        return "vary";
    if (request->authorized && !cache_facts_is_shareable(facts))
        return "authorization";
    if (facts->has_set_cookie && !facts->targeted && !control->is_public &&
        control->s_maxage == CACHE_NONE)
        return "set-cookie";
    if (is_explicit(facts))
        return NULL;
    if (!may_assume(facts))
        return "status";
    return request->has_cookie ? "cookie" : NULL;
}
