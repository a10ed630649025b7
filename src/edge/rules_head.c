/* SPDX-License-Identifier: Apache-2.0
 *
 * Header rules. Those of the request are applied while the head for the target
 * is written (head.c). An answer's head, whoever made it, is changed as text on
 * its way to the client, so that one place does it for targets, files, the cache
 * and the edge's own pages.
 */
#include "base/base.h"

#include "edge/exchange.h"
#include "edge/head.h"
#include "edge/limits.h"
#include "edge/rules.h"
#include "edge/worker.h"

enum {
    COMPRESS_MIN_BYTES = 1024,
    STATUS_AT = 9,          /* "HTTP/1.1 200" */
    RULES_WRITE_PIECES = 8, /* of conn_write() */
};

static struct str variable_text(const struct exchange *exchange, enum http_variable variable)
{
    switch (variable) {
    case HTTP_VARIABLE_CLIENT_IP:
        return limits_ip(exchange);
    case HTTP_VARIABLE_HOST:
        return exchange->host;
    case HTTP_VARIABLE_REQUEST_ID:
        return exchange->request_id;
    case HTTP_VARIABLE_SCHEME:
        return exchange->is_secure ? STR("https") : STR("http");
    case HTTP_VARIABLE_USER:
        return str_from(exchange->rules->user, exchange->rules->user_len);
    case HTTP_VARIABLE_TEXT:
    case HTTP_VARIABLE_PATH:
    case HTTP_VARIABLE_COUNT:
        break;
    }
    return (struct str){0};
}

static char *put_rule(const struct exchange *exchange, const struct rule_header *rule, char *at)
{
    at = head_put(at, rule->name);
    at = HEAD_PUT(at, ": ");
    for (size_t i = 0; i < rule->piece_count; i++)
        at = head_put(at, rule->pieces[i].variable == HTTP_VARIABLE_TEXT
                              ? rule->pieces[i].text
                              : variable_text(exchange, rule->pieces[i].variable));
    return HEAD_PUT(at, "\r\n");
}

static bool is_dropped(const struct rule_headers *rules, struct str name)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct rule_header *rule = &rules->items[i];
        if ((rule->op == RULE_SET || rule->op == RULE_REMOVE) && str_eq_nocase(rule->name, name))
            return true;
    }
    return false;
}

/* ---- request ---- */

/* X_Who, where the rules set X-Who: the same CGI variable. */
static bool is_disguise(struct str name, struct str ruled)
{
    if (name.len != ruled.len)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char a = name.ptr[i] == '_' ? '-' : name.ptr[i],
             b = ruled.ptr[i] == '_' ? '-' : ruled.ptr[i];
        if (!str_eq_nocase(str_from(&a, 1), str_from(&b, 1)))
            return false;
    }
    return true;
}

static bool is_dropped_disguise(const struct rule_headers *rules, struct str name)
{
    if (rules->count == 0 || str_find(name, '_') == name.len)
        return false;
    for (size_t i = 0; i < rules->count; i++) {
        const struct rule_header *rule = &rules->items[i];
        if ((rule->op == RULE_SET || rule->op == RULE_REMOVE) && is_disguise(name, rule->name))
            return true;
    }
    return false;
}

bool rules_drop_request(const struct exchange *exchange, const struct http_header *header)
{
    const struct route_rules *rules = exchange->route->rules;

    return (header->id == HTTP_AUTHORIZATION && rules->auth != NULL) ||
           (header->id == HTTP_TRACEPARENT && exchange->rules->drops_trace) ||
           (exchange->rules->begins_trace && header->name.len == sizeof "tracestate" - 1 &&
            str_eq_nocase(header->name, STR("tracestate"))) ||
           is_dropped(&rules->request, header->name) ||
           is_dropped_disguise(&rules->request, header->name);
}

size_t rules_request_room(const struct exchange *exchange)
{
    const struct rules_state *state = exchange->rules;
    const struct route_rules *rules = exchange->route->rules;

    return rules->request.room + sizeof state->trace + rules->rewrite_from.len + 64 +
           (state->path == NULL ? 0 : strlen(state->path));
}

/* One that Connection names is not passed on, so it is none. */
static bool has_header(const struct http1_head *head, struct str name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (!head->headers[i].hop_by_hop && str_eq_nocase(head->headers[i].name, name))
            return true;
    return false;
}

char *rules_put_request(const struct exchange *exchange, const struct http1_head *head, char *at)
{
    const struct rules_state *state = exchange->rules;
    const struct route_rules *rules = exchange->route->rules;

    if (state->drops_trace) {
        at = HEAD_PUT(at, "Traceparent: ");
        at = head_put(at, str_from(state->trace, state->trace_len));
        at = HEAD_PUT(at, "\r\n");
    }
    if (rules->forward_prefix && state->path != NULL) {
        struct str prefix = rules->rewrite_from;
        if (prefix.len > 1 && prefix.ptr[prefix.len - 1] == '/')
            prefix.len--;
        at = HEAD_PUT(at, "X-Forwarded-Prefix: ");
        at = head_put(at, prefix);
        at = HEAD_PUT(at, "\r\n");
    }
    for (size_t i = 0; i < rules->request.count; i++) {
        const struct rule_header *rule = &rules->request.items[i];
        if (rule->op != RULE_REMOVE && (rule->op != RULE_DEFAULT || !has_header(head, rule->name)))
            at = put_rule(exchange, rule, at);
    }
    return at;
}

/* ---- answer ---- */

/* A head as text, and what of it decides about its body. */
struct answer {
    struct str lines; /* behind the status line, without the blank one */
    int status;
    bool has_length;
    bool is_coded;
    bool no_transform;
    bool varies; /* by Accept-Encoding, and says so */
    uint64_t length;
    struct str type;
    struct str etag;
    unsigned present; /* bits of rules->response.items whose name is there */
};

static bool next_line(struct str *rest, struct str *ret_line, struct str *ret_name,
                      struct str *ret_value)
{
    if (rest->len == 0)
        return false;
    size_t len = str_find(*rest, '\n') + 1;
    *ret_line = str_sub(*rest, 0, len);
    *rest = str_sub(*rest, len, SIZE_MAX);
    size_t colon = str_find(*ret_line, ':');
    *ret_name = str_sub(*ret_line, 0, colon);
    *ret_value = str_trim(str_sub(*ret_line, colon + 1, SIZE_MAX));
    return true;
}

static void note_line(struct answer *answer, struct str name, struct str value)
{
    switch ((int)http_name_find(name)) {
    case HTTP_CONTENT_LENGTH:
        answer->has_length = str_to_u64(value, UINT64_MAX, &answer->length);
        break;
    case HTTP_CONTENT_ENCODING:
        answer->is_coded = true;
        break;
    case HTTP_CONTENT_TYPE:
        answer->type = value;
        break;
    case HTTP_CACHE_CONTROL:
        answer->no_transform = answer->no_transform || http_mentions(value, STR("no-transform"));
        break;
    case HTTP_VARY:
        answer->varies = answer->varies || http_mentions(value, STR("accept-encoding"));
        break;
    case HTTP_ETAG:
        answer->etag = value;
        break;
    default:
        break;
    }
}

static void read_answer(const struct rule_headers *rules, struct str head, struct answer *ret)
{
    struct str line, name, value, rest;

    ret->status = (head.ptr[STATUS_AT] - '0') * 100 + (head.ptr[STATUS_AT + 1] - '0') * 10 +
                  (head.ptr[STATUS_AT + 2] - '0');
    ret->lines = str_sub(head, str_find(head, '\n') + 1, SIZE_MAX);
    ret->lines.len -= 2; /* the blank line */
    static_assert(RULES_MAX_HEADERS <= 32, "a bit for each");
    for (rest = ret->lines; next_line(&rest, &line, &name, &value);) {
        note_line(ret, name, value);
        for (size_t i = 0; i < rules->count; i++)
            if (rules->items[i].op == RULE_DEFAULT && str_eq_nocase(rules->items[i].name, name))
                ret->present |= 1U << i;
    }
}

/* Text that repeats itself. Events are left alone: nothing of them may wait. */
static bool is_compressible(struct str type)
{
    static const char *const types[] = {
        "application/javascript",
        "application/json",
        "application/xml",
        "application/wasm",
        "application/ld+json",
        "application/manifest+json",
        "application/rss+xml",
        "application/atom+xml",
        "application/xhtml+xml",
        "application/geo+json",
        "application/graphql",
        "application/problem+json",
        "application/x-javascript",
        "image/svg+xml",
        "image/x-icon",
        "font/ttf",
        "font/otf",
        "application/vnd.ms-fontobject",
    };

    type = str_trim(str_sub(type, 0, str_find(type, ';')));
    if (str_eq_nocase(str_sub(type, 0, 5), STR("text/")))
        return !str_eq_nocase(type, STR("text/event-stream"));
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_eq_nocase(type, str_of(types[i])))
            return true;
    return false;
}

static bool may_compress(const struct exchange *exchange, const struct answer *answer)
{
    return exchange->route->rules->coding_count > 0 && answer->status != 206 &&
           answer->status != 204 && answer->status != 205 && answer->status != 304 &&
           !answer->is_coded && !answer->no_transform && is_compressible(answer->type) &&
           (!answer->has_length || answer->length >= COMPRESS_MIN_BYTES);
}

/* Starts the outlet where the body is compressed, or where its frame was left to it. */
static void start_outlet(struct exchange *exchange, const struct answer *answer, bool whole,
                         bool eligible)
{
    struct outlet *outlet = &exchange->rules->outlet;
    bool is_head = exchange->method == HTTP_HEAD;
    bool wants = eligible && exchange->rules->coding != HTTP_CODING_IDENTITY &&
                 exchange->minor_version > 0 && (!whole || is_head);

    outlet->worker = exchange->worker;
    outlet->no_body = is_head || answer->status == 204 || answer->status == 304;
    outlet->coder = wants ? outlet_coder(exchange->worker, exchange->rules->coding) : NULL;
    outlet->chunks = exchange->minor_version == 1 && !outlet->no_body &&
                     (outlet->coder != NULL || !answer->has_length);
    outlet->active = outlet->coder != NULL || (exchange->rules->frames && !answer->has_length);
    if (outlet->active && exchange->server != NULL)
        exchange->server->conn.read_less = true; /* it costs time: others get their turn */
}

static bool is_replaced(const struct exchange *exchange, struct str name)
{
    const struct route_rules *rules = exchange->route->rules;

    if (exchange->rules->outlet.coder != NULL &&
        (str_eq_nocase(name, STR("Content-Length")) || str_eq_nocase(name, STR("ETag")) ||
         str_eq_nocase(name, STR("Accept-Ranges"))))
        return true;
    if (rules->cors != NULL && !exchange->rules->preflight &&
        str_eq_nocase(str_sub(name, 0, 15), STR("Access-Control-")))
        return true;
    return is_dropped(&rules->response, name);
}

static char *put_coding(const struct exchange *exchange, const struct answer *answer, bool eligible,
                        char *at)
{
    const struct outlet *outlet = &exchange->rules->outlet;

    if (outlet->coder != NULL) {
        at = HEAD_PUT(at, "Content-Encoding: ");
        at = head_put(at, str_of(http_coding_name(exchange->rules->coding)));
        at = HEAD_PUT(at, "\r\n");
        if (answer->etag.len > 0) { /* other bytes, the same content: weak (RFC 9110, 8.8.1) */
            at = answer->etag.ptr[0] == 'W' ? HEAD_PUT(at, "ETag: ") : HEAD_PUT(at, "ETag: W/");
            at = head_put(at, answer->etag);
            at = HEAD_PUT(at, "\r\n");
        }
    }
    if (eligible && !answer->varies)
        at = HEAD_PUT(at, "Vary: Accept-Encoding\r\n");
    if (outlet->active && outlet->chunks)
        at = HEAD_PUT(at, "Transfer-Encoding: chunked\r\n");
    return at;
}

/* The changed head in worker->ruled; returns its length. */
static size_t write_answer(const struct exchange *exchange, struct str head,
                           const struct answer *answer, bool eligible)
{
    const struct rule_headers *rules = &exchange->route->rules->response;
    struct str rest = answer->lines, line, name, value;
    char *start = exchange->worker->ruled;
    char *at = head_put(start, str_from(head.ptr, (size_t)(answer->lines.ptr - head.ptr)));

    while (next_line(&rest, &line, &name, &value))
        if (!is_replaced(exchange, name))
            at = head_put(at, line);
    for (size_t i = 0; i < rules->count; i++)
        if (rules->items[i].op != RULE_REMOVE && (answer->present & (1U << i)) == 0 &&
            (!rules->items[i].only_secure || exchange->is_secure))
            at = put_rule(exchange, &rules->items[i], at);
    if (exchange->route->rules->cors != NULL)
        at = cors_put_response(exchange, at);
    at = put_coding(exchange, answer, eligible, at);
    at = HEAD_PUT(at, "\r\n");
    assert((size_t)(at - start) <= RULED_BYTES);
    return (size_t)(at - start);
}

static_assert(RULED_BYTES >= WORKER_HEAD_BYTES + RULES_HEAD_BYTES + CORS_ROOM + 512,
              "a head with all that rules add fits");

bool rules_write_head(struct exchange *exchange, size_t head_len, const struct iovec *iov,
                      int count, bool whole)
{
    struct str head = str_from(iov[0].iov_base, head_len);
    struct answer answer = {0};
    struct iovec out[RULES_WRITE_PIECES];

    if (head.ptr[STATUS_AT] == '1')
        return exchange_send_head(exchange, head_len, iov, count, whole);
    assert(count <= RULES_WRITE_PIECES);
    read_answer(&exchange->route->rules->response, head, &answer);
    bool eligible = may_compress(exchange, &answer);
    start_outlet(exchange, &answer, whole, eligible);
    size_t len = write_answer(exchange, head, &answer, eligible);
    struct str joined = str_from(head.ptr + head_len, iov[0].iov_len - head_len);
    memcpy(out, iov, (size_t)count * sizeof *out);
    if (exchange->rules->outlet.active) {
        memcpy(&out[0].iov_base, &joined.ptr, sizeof out[0].iov_base);
        out[0].iov_len = joined.len;
        return outlet_write(exchange, str_from(exchange->worker->ruled, len), out, count, whole);
    }
    (void)head_put(exchange->worker->ruled + len, joined);
    out[0] = (struct iovec){exchange->worker->ruled, len + joined.len};
    return exchange_send_head(exchange, len, out, count, whole);
}
