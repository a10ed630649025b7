/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/clock.h"
#include "http/http_condition.h"
#include "http/http_negotiate.h"

/* What a head says. Lists may stand in several lines; of dates the first one counts. */
struct conditions {
    bool has_match;
    bool matches;
    bool has_none_match;
    bool none_matches; /* one of If-None-Match does */
    struct str unmodified_since;
    struct str modified_since;
};

static void note_other(const struct http_header *header, struct str etag, struct conditions *ret)
{
    if (str_eq_nocase(header->name, STR("If-Match"))) {
        ret->has_match = true;
        ret->matches = ret->matches || http_etag_is_listed_strongly(header->value, etag);
    } else if (str_eq_nocase(header->name, STR("If-Unmodified-Since")) &&
               ret->unmodified_since.ptr == NULL) {
        ret->unmodified_since = header->value;
    }
}

static void note(const struct http_header *header, struct str etag, struct conditions *ret)
{
    switch ((int)header->id) {
    case HTTP_IF_NONE_MATCH:
        ret->has_none_match = true;
        ret->none_matches = ret->none_matches || http_etag_is_listed(header->value, etag);
        break;
    case HTTP_IF_MODIFIED_SINCE:
        if (ret->modified_since.ptr == NULL)
            ret->modified_since = header->value;
        break;
    case HTTP_OTHER:
        note_other(header, etag, ret);
        break;
    default:
        break;
    }
}

/* False: <date> is not there, or is none. */
static bool read_date(struct str date, int64_t *ret)
{
    return date.ptr != NULL && clock_parse_http(date, ret);
}

int http_condition_check(const struct http1_head *head, struct str etag, int64_t modified_s)
{
    struct conditions conditions = {0};
    int64_t since;

    for (size_t i = 0; i < head->header_count; i++)
        note(&head->headers[i], etag, &conditions);
    if (conditions.has_match ? !conditions.matches
                             : read_date(conditions.unmodified_since, &since) && modified_s > since)
        return 412;
    if (conditions.has_none_match
            ? conditions.none_matches
            : read_date(conditions.modified_since, &since) && modified_s <= since)
        return 304;
    return 200;
}
