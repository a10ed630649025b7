/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/auth.h"
#include "edge/exchange.h"
#include "edge/head.h"
#include "edge/limits.h"
#include "edge/rules.h"
#include "edge/worker.h"
#include "http/path.h"

/* ---- paths ---- */

/* What of <path> is behind <from>; ptr NULL when it does not cover it. "/a" covers "/a" and
 * "/a/b", "/a/" only the latter. */
static struct str behind(struct str path, struct str from)
{
    if (!str_starts(path, from))
        return (struct str){0};
    struct str rest = str_sub(path, from.len, SIZE_MAX);
    if (from.ptr[from.len - 1] == '/')
        return str_sub(path, from.len - 1, SIZE_MAX);
    return rest.len == 0 || rest.ptr[0] == '/' ? rest : (struct str){0};
}

/* <to> and <rest> with one slash between them. */
static size_t join(struct str to, struct str rest, char *ret)
{
    if (to.len > 0 && to.ptr[to.len - 1] == '/' && rest.len > 0)
        to.len--;
    return (size_t)(head_put(head_put(ret, to), rest) - ret);
}

/* The path that the target is asked for. False: it would be none. */
static bool rewrite(const struct route_rules *rules, struct str path, char **ret)
{
    struct str rest = behind(path, rules->rewrite_from);
    AUTO(free) char *text = NULL;
    const char *why;
    size_t len;

    if (rest.ptr == NULL)
        return true;
    text = mem_new(path.len + rules->rewrite_to.len + 2);
    len = join(rules->rewrite_to, rest, text);
    if (len == 0)
        text[len++] = '/';
    if (!http_path_normalize(str_from(text, len), text, &len, &why))
        return false;
    text[len] = '\0';
    *ret = TAKE(text);
    return true;
}

struct str rules_redirect(const struct exchange *exchange, struct str path)
{
    const struct route *route = exchange->route;
    const struct http1_head *head = &exchange->worker->head;
    char *at = exchange->worker->joined;
    struct str rest = behind(path, route->path);

    static_assert(WORKER_JOINED_BYTES > TABLE_MAX_VALUE_BYTES + EDGE_HEAD_BYTES, "it fits");
    at += join(route->redirect, rest, at);
    if (head->query.ptr != NULL) {
        *at++ = '?';
        at = head_put(at, head->query);
    }
    return str_from(exchange->worker->joined, (size_t)(at - exchange->worker->joined));
}

/* ---- trace ---- */

static char *put_hex(struct worker *worker, size_t digits, char *at)
{
    char id[REQUEST_ID_BYTES];

    worker_random_id(worker, id);
    return head_put(at, str_from(id, digits));
}

/* Of two it is not known which one counts: as good as none. */
static struct str find_trace(const struct http1_head *head)
{
    struct str found = {0};

    for (size_t i = 0; i < head->header_count; i++) {
        if (head->headers[i].id != HTTP_TRACEPARENT)
            continue;
        if (found.ptr != NULL)
            return (struct str){0};
        found = head->headers[i].value;
    }
    return found;
}

/* Passes on what the client has when it is valid, else begins a trace, to which what vendors have
 * noted of the former (Tracestate) does not belong. */
static void take_trace(struct exchange *exchange)
{
    struct rules_state *state = exchange->rules;
    struct str given = find_trace(&exchange->worker->head);
    char *at = state->trace, draw[REQUEST_ID_BYTES];
    unsigned number = 0;

    state->drops_trace = true;
    if (given.len <= sizeof state->trace && http_traceparent_is_valid(given)) {
        state->trace_len = (size_t)(head_put(at, given) - at);
        return;
    }
    state->begins_trace = true;
    worker_random_id(exchange->worker, draw);
    for (size_t i = 0; i < 6; i++)
        number = number * 16 + (unsigned)(draw[i] <= '9' ? draw[i] - '0' : draw[i] - 'a' + 10);
    bool sampled = number % 1000 < exchange->route->rules->trace_permille;
    at = HEAD_PUT(at, "00-");
    at = put_hex(exchange->worker, 32, at);
    *at++ = '-';
    at = put_hex(exchange->worker, 16, at);
    at = sampled ? HEAD_PUT(at, "-01") : HEAD_PUT(at, "-00");
    state->trace_len = (size_t)(at - state->trace);
}

/* ---- maintenance ---- */

static bool is_let_in(const struct exchange *exchange, const struct rules_maintenance *maintenance)
{
    uint8_t bytes[CIDR_ADDRESS_BYTES];

    return maintenance->allow_count > 0 && cidr_parse_address(limits_ip(exchange), bytes) &&
           cidr_find(maintenance->allow, maintenance->allow_count, bytes);
}

bool rules_admit_maintenance(struct exchange *exchange)
{
    const struct rules_maintenance *maintenance = exchange->route->rules->maintenance;
    char line[64], *at;

    if (maintenance == NULL || is_let_in(exchange, maintenance))
        return true;
    count_add(exchange->worker, COUNT_MAINTENANCE, 1);
    head_keep_texts(exchange);
    at = HEAD_PUT(line, "Retry-After: ");
    at = head_put_number(at, maintenance->retry_after);
    at = HEAD_PUT(at, "\r\n");
    answer_error_with(exchange, 503, str_from(line, (size_t)(at - line)),
                      maintenance->page.len > 0 ? maintenance->page : rules_page(exchange, 503));
    return false;
}

/* ---- an exchange ---- */

/* The first of the route that the client takes: what it costs here decides, not which of several
 * good ones the client likes more. */
static enum http_coding pick_coding(const struct route_rules *rules, struct str accepted)
{
    for (size_t i = 0; accepted.len > 0 && i < rules->coding_count; i++) {
        unsigned available = 1U << rules->codings[i] | 1U << HTTP_CODING_IDENTITY;
        if (http_coding_pick(accepted, available) == rules->codings[i])
            return rules->codings[i];
    }
    return HTTP_CODING_IDENTITY;
}

bool rules_begin(struct exchange *exchange, struct str path)
{
    const struct route_rules *rules = exchange->route->rules;
    struct str accepted = http1_header(&exchange->worker->head, HTTP_ACCEPT_ENCODING);
    struct rules_state *state = exchange->rules = NEW(struct rules_state);

    state->coding = pick_coding(rules, accepted);
    state->frames = state->coding != HTTP_CODING_IDENTITY && exchange->minor_version > 0;
    if (rules->traces)
        take_trace(exchange);
    if (rules->cors != NULL) /* pages of other sites may read what refuses them, too */
        cors_begin(exchange);
    if (rules->rewrite_from.len == 0 || rewrite(rules, path, &state->path))
        return true;
    head_keep_texts(exchange);
    answer_error(exchange, 400);
    return false;
}

bool rules_admit(struct exchange *exchange)
{
    const struct route_rules *rules = exchange->route->rules;

    if (rules->cors != NULL && !cors_admit(exchange))
        return false;
    return rules->auth == NULL || auth_admit(exchange);
}

void rules_free(struct rules_state *state)
{
    if (state == NULL)
        return;
    auth_cancel(state->job);
    outlet_done(&state->outlet);
    free(state->path);
    free(state->saved);
    free(state);
}

struct str rules_page(const struct exchange *exchange, int status)
{
    const struct route_rules *rules = exchange->route->rules;

    for (size_t i = 0; i < rules->page_count; i++)
        if (rules->pages[i].status == status)
            return rules->pages[i].body;
    return (struct str){0};
}

bool rules_wants_log(const struct exchange *exchange)
{
    const struct route_rules *rules = exchange->route->rules;
    char draw[REQUEST_ID_BYTES];
    unsigned number = 0;

    if (!rules->samples_log || (rules->log_errors && exchange->status >= 500))
        return true;
    worker_random_id(exchange->worker, draw);
    for (size_t i = 0; i < 6; i++)
        number = number * 16 + (unsigned)(draw[i] <= '9' ? draw[i] - '0' : draw[i] - 'a' + 10);
    return number % 1000 < rules->log_permille;
}
