/* SPDX-License-Identifier: Apache-2.0
 *
 * What a request brings for the choice of its target - address, cookies,
 * headers - and the cookies that its answer takes back.
 */
#include "base/base.h"

#include "edge/balance.h"
#include "edge/exchange.h"
#include "edge/head.h"
#include "edge/limits.h"
#include "edge/worker.h"
#include "tls/mac.h"

enum { DIGITS = 16 }; /* of a 64-bit number */

static char *put_hex(char *at, uint64_t number)
{
    static const char digits[] = "0123456789abcdef";

    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = digits[number >> shift & 15];
    return at;
}

static bool read_hex(struct str text, uint64_t *ret)
{
    uint64_t number = 0;

    if (text.len != DIGITS)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        number = number << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *ret = number;
    return true;
}

/* ---- visitors ---- */

static uint64_t sign_visitor(const struct exchange *exchange, uint64_t visitor)
{
    char text[8 + DIGITS];

    char *end = put_hex(head_put(text, STR("visitor ")), visitor);
    return mac_sign_u64(exchange->view->table->sign_key, SIGN_KEY_LEN,
                        str_from(text, (size_t)(end - text)));
}

/* "number.signature" */
static bool read_visitor(const struct exchange *exchange, struct str cookie, uint64_t *ret)
{
    uint64_t visitor, signature;
    struct str number = str_cut(&cookie, '.');

    if (!read_hex(number, &visitor) || !read_hex(cookie, &signature) ||
        sign_visitor(exchange, visitor) != signature)
        return false;
    *ret = visitor;
    return true;
}

uint32_t split_find_share(const struct upstream_split *split, uint32_t number)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < split->share_count; i++) {
        sum += split->shares[i].share;
        if (number < sum)
            return split->shares[i].release;
    }
    return split->shares[split->share_count - 1].release;
}

static uint32_t find_value(const struct upstream_split *split, struct str value)
{
    for (size_t i = 0; value.len > 0 && i < split->value_count; i++)
        if (str_eq(split->values[i].value, value))
            return split->values[i].release;
    return 0;
}

/* The edge's own cookie: an application's is left alone. */
static struct str visitor_cookie(const struct upstream_split *split)
{
    return split->is_free ? STR(VISITOR_COOKIE) : split->cookie;
}

static uint32_t choose_for_visitor(struct exchange *exchange, const struct upstream_split *split)
{
    struct str cookie = http1_cookie(&exchange->worker->head, visitor_cookie(split));
    uint64_t visitor;

    if (!read_visitor(exchange, cookie, &visitor)) {
        visitor = worker_random(exchange->worker);
        exchange->visitor = visitor;
        exchange->sets_visitor = true;
        exchange->sets_cookies = true;
    }
    return split_find_share(split, (uint32_t)(balance_mix(visitor) % SHARE_WHOLE));
}

/* A connection of TCP: drawn, or by its address where a visitor is to stay with his release. */
static uint32_t choose_for_address(struct exchange *exchange, const struct upstream_split *split)
{
    uint64_t number =
        split->by_visitor ? balance_hash(limits_ip(exchange)) : worker_random(exchange->worker);

    return split_find_share(split, (uint32_t)(number % SHARE_WHOLE));
}

static uint32_t choose_release(struct exchange *exchange, const struct upstream_split *split)
{
    const struct http1_head *head = &exchange->worker->head;
    struct str cookie = split->cookie.len > 0 ? http1_cookie(head, split->cookie) : (struct str){0};
    uint32_t release = 0;

    if (split->header.len > 0)
        release = find_value(split, http1_header_named(head, split->header));
    if (release == 0)
        release = find_value(split, cookie);
    if (release != 0)
        return release;
    if (split->by_visitor)
        return choose_for_visitor(exchange, split);
    return split_find_share(split, (uint32_t)(worker_random(exchange->worker) % SHARE_WHOLE));
}

/* ---- before the answer ---- */

static struct str hashed_text(const struct exchange *exchange,
                              const struct upstream_balance *balance)
{
    const struct http1_head *head = &exchange->worker->head;

    if (!exchange->is_tunnel)
        switch (balance->key) {
        case BALANCE_BY_URI:
            return head->path;
        case BALANCE_BY_HEADER:
            return http1_header_named(head, balance->key_name);
        case BALANCE_BY_COOKIE:
            return http1_cookie(head, balance->key_name);
        case BALANCE_BY_IP:
            break;
        }
    return limits_ip(exchange);
}

void balance_begin(struct exchange *exchange)
{
    const struct upstream_balance *balance =
        exchange->view->table->upstreams[exchange->upstream].balance;
    const struct http1_head *head = &exchange->worker->head;

    if (balance == NULL)
        return;
    if (balance->kind == BALANCE_HASH) {
        struct str text = hashed_text(exchange, balance);
        exchange->pick.hash = text.len > 0 ? balance_hash(text) : worker_random(exchange->worker);
    }
    if (exchange->is_tunnel) { /* TCP has no head */
        if (balance->split != NULL)
            exchange->pick.release = choose_for_address(exchange, balance->split);
        return;
    }
    if (balance->sticky_cookie.len > 0) {
        exchange->sets_cookies = true;
        if (!read_hex(http1_cookie(head, balance->sticky_cookie), &exchange->pick.sticky))
            exchange->pick.sticky = 0;
    }
    if (balance->split != NULL)
        exchange->pick.release = choose_release(exchange, balance->split);
}

/* ---- with the answer ---- */

static char *put_cookie_end(const struct exchange *exchange, char *at)
{
    at = HEAD_PUT(at, "; Path=/; HttpOnly; SameSite=Lax");
    if (exchange->is_secure)
        at = HEAD_PUT(at, "; Secure");
    return HEAD_PUT(at, "\r\n");
}

static char *put_visitor(const struct exchange *exchange, struct str name, char *at)
{
    at = head_put(HEAD_PUT(at, "Set-Cookie: "), name);
    *at++ = '=';
    at = put_hex(at, exchange->visitor);
    *at++ = '.';
    at = put_hex(at, sign_visitor(exchange, exchange->visitor));
    at = head_put_number(HEAD_PUT(at, "; Max-Age="), VISITOR_COOKIE_SECONDS);
    return put_cookie_end(exchange, at);
}

char *balance_put_cookies(const struct exchange *exchange, char *at)
{
    const struct upstream_balance *balance =
        exchange_targets(exchange)->table->upstreams[exchange->upstream].balance;

    if (balance == NULL)
        return at; /* another upstream answered in its place, or another table's */
    if (exchange->sets_visitor && balance->split != NULL)
        at = put_visitor(exchange, visitor_cookie(balance->split), at);
    if (balance->sticky_cookie.len > 0 && exchange->target != NULL &&
        exchange->target->token != 0 && exchange->target->token != exchange->pick.sticky) {
        at = head_put(HEAD_PUT(at, "Set-Cookie: "), balance->sticky_cookie);
        *at++ = '=';
        at = put_cookie_end(exchange, put_hex(at, exchange->target->token));
    }
    return at;
}
