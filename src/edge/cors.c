/* SPDX-License-Identifier: Apache-2.0
 *
 * What pages of other sites may do, by the Fetch standard, 3.3. The edge answers
 * the browser's question before a request (preflight) and marks the answers that
 * the page may read. What the service says of it is not passed on.
 */
#include "base/base.h"

#include "edge/exchange.h"
#include "edge/head.h"
#include "edge/rules.h"
#include "edge/worker.h"

static bool is_allowed(const struct rules_cors *cors, struct str origin)
{
    for (size_t i = 0; i < cors->origin_count; i++)
        if (http_origin_matches(cors->origins[i], origin))
            return true;
    return false;
}

/* Only names and commas: it is going to be said back. */
static bool is_name_list(struct str list)
{
    for (size_t i = 0; i < list.len; i++)
        if (!http_is(list.ptr[i], HTTP_CLASS_TOKEN) && list.ptr[i] != ',' && list.ptr[i] != ' ')
            return false;
    return list.len > 0 && list.len <= RULES_CORS_BYTES;
}

static char *put_line(char *at, struct str name, struct str value)
{
    at = head_put(at, name);
    at = head_put(at, value);
    return HEAD_PUT(at, "\r\n");
}

static char *put_origin(const struct exchange *exchange, char *at)
{
    const struct rules_cors *cors = exchange->route->rules->cors;
    const struct rules_state *state = exchange->rules;
    struct str origin = cors->any ? STR("*") : str_from(state->origin, state->origin_len);

    if (!cors->any) /* caches must not give one site the answer for another */
        at = HEAD_PUT(at, "Vary: Origin\r\n");
    if (!state->origin_allowed)
        return at;
    at = put_line(at, STR("Access-Control-Allow-Origin: "), origin);
    return cors->credentials ? HEAD_PUT(at, "Access-Control-Allow-Credentials: true\r\n") : at;
}

char *cors_put_response(const struct exchange *exchange, char *at)
{
    const struct rules_cors *cors = exchange->route->rules->cors;

    at = put_origin(exchange, at);
    if (exchange->rules->origin_allowed && cors->expose.len > 0 && !exchange->rules->preflight)
        at = put_line(at, STR("Access-Control-Expose-Headers: "), cors->expose);
    if (exchange->rules->preflight && exchange->rules->origin_allowed) {
        at = put_line(at, STR("Access-Control-Allow-Methods: "), cors->methods);
        if (cors->max_age > 0) {
            at = HEAD_PUT(at, "Access-Control-Max-Age: ");
            at = head_put_number(at, cors->max_age);
            at = HEAD_PUT(at, "\r\n");
        }
    }
    return at;
}

static void answer_preflight(struct exchange *exchange, struct str asked)
{
    const struct rules_cors *cors = exchange->route->rules->cors;
    char lines[RULES_CORS_BYTES + 128], *at;

    exchange->rules->preflight = true;
    head_keep_texts(exchange);
    if (!exchange->rules->origin_allowed) {
        count_add(exchange->worker, COUNT_CORS_REFUSED, 1);
        answer_error(exchange, 403);
        return;
    }
    at = HEAD_PUT(lines, "Vary: Access-Control-Request-Headers\r\n");
    if (cors->headers.len > 0)
        at = put_line(at, STR("Access-Control-Allow-Headers: "), cors->headers);
    else if (is_name_list(asked))
        at = put_line(at, STR("Access-Control-Allow-Headers: "), asked);
    answer_empty(exchange, 204, str_from(lines, (size_t)(at - lines)));
}

void cors_begin(struct exchange *exchange)
{
    struct rules_state *state = exchange->rules;
    struct str origin = http1_header_named(&exchange->worker->head, STR("origin"));

    if (origin.len == 0 || origin.len > sizeof state->origin || !http_origin_is_sane(origin) ||
        str_find(origin, '*') < origin.len)
        return;
    memcpy(state->origin, origin.ptr, origin.len);
    state->origin_len = origin.len;
    state->origin_allowed = is_allowed(exchange->route->rules->cors, origin);
}

bool cors_admit(struct exchange *exchange)
{
    const struct http1_head *head = &exchange->worker->head;

    if (exchange->rules->origin_len == 0 || exchange->method != HTTP_OPTIONS ||
        http1_header_named(head, STR("access-control-request-method")).len == 0)
        return true;
    answer_preflight(exchange, http1_header_named(head, STR("access-control-request-headers")));
    return false;
}
