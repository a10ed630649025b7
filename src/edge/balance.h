/* SPDX-License-Identifier: Apache-2.0
 *
 * Which target of an upstream serves a request. What an upstream says about it
 * comes with the table; one that says nothing has no struct upstream_balance,
 * and gives requests to the least busy target.
 *
 * Members of an upstream in the table's JSON, all optional:
 *     "balance": "least" | "round-robin" | "two-choices" | "hash",
 *     "hash_key": "ip" | "uri" | "header:NAME" | "cookie:NAME"      for hash
 *     "sticky_cookie": NAME      a visitor stays at the target that answered first
 *     "slow_start_ms": 10000     a new target's share grows from nothing
 *     "max_connections": 50      requests at once at one target; others wait
 *     "max_fails": 3, "fail_timeout_ms": 10000      5xx or no answer in a row: left out for that
 *                                long, twice as long the next time; then one request tries it
 *     "queue": {"limit": 1000, "timeout_ms": 5000}  requests that wait for a target
 *     "meters": [{"release": 12, "meter": 5}]       meter.h: who counts what targets do
 *     "split": {"shares": [{"release": 12, "share": 9500}, {"release": 13, "share": 500}],
 *               "by": "request" | "visitor", "cookie": NAME, "header": NAME, "free": false,
 *               "values": {"beta": 13}}
 * Of a target: "release": 12. Of the table: "sign_key": 64 hexadecimal digits, for the cookies; it
 * must be there with "sticky_cookie" and with a split by visitor.
 *
 * A split decides about the release: a value of the header or the cookie that is in "values", then
 * a share of 10000: by request it is drawn, by visitor it follows from the number in a cookie,
 * signed so that nobody can choose. With "free" the cookie is the application's own and is only
 * read; the visitor's number has one of its own, "ishizue-visitor".
 * A release without a usable target leaves its requests to the
 * others; a release in no share takes requests only when no other target is left.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "base/str.h"

struct exchange;
struct reader;
struct table_upstream;
struct target;
struct view;

enum {
    SHARE_WHOLE = 10000,
    SPLIT_MAX_SHARES = 16,
    SPLIT_MAX_VALUES = 64,
    SIGN_KEY_LEN = 32,
    QUEUE_LIMIT = 1000, /* without "queue" */
    QUEUE_TIMEOUT_MS = 5000,
    QUEUE_MAX_LIMIT = 100000,
    BALANCE_MAX_NAME_BYTES = 64,
    VISITOR_COOKIE_SECONDS = 30 * 24 * 3600,
};

#define VISITOR_COOKIE "ishizue-visitor"

enum balance_kind { BALANCE_LEAST, BALANCE_ROUND_ROBIN, BALANCE_TWO_CHOICES, BALANCE_HASH };
enum balance_key { BALANCE_BY_IP, BALANCE_BY_URI, BALANCE_BY_HEADER, BALANCE_BY_COOKIE };

struct split_share {
    uint32_t release;
    uint32_t share;
};

struct split_value {
    struct str value;
    uint32_t release;
};

struct upstream_split {
    struct split_share *shares;
    size_t share_count;
    struct split_value *values;
    size_t value_count;
    struct str cookie; /* of visitors */
    struct str header; /* empty: none */
    bool by_visitor;
    bool is_free;
};

struct upstream_balance {
    enum balance_kind kind;
    enum balance_key key;
    struct str key_name;
    struct str sticky_cookie; /* empty: none */
    uint32_t slow_start_ms;   /* 0: none, as the two below */
    uint32_t max_connections;
    uint32_t max_fails;
    uint32_t fail_timeout_ms;
    uint32_t queue_limit;
    uint32_t queue_timeout_ms;
    const struct upstream_split *split; /* NULL: none */
};

/* What is known of a request before a target is picked, and what came of it. */
struct pick {
    const struct target *avoid; /* only when there is no other */
    uint64_t hash;              /* for BALANCE_HASH */
    uint64_t sticky;            /* token of the target it was at; 0: none */
    uint32_t release;           /* that the split chose; 0: any */
    bool takes_draining;        /* asks for what only a leaving release may have */
    bool is_full;               /* set: there are targets, but none has room */
    uint32_t at;                /* set: index of the one that was picked, in the table */
};

/* A target of <upstream>, by what it says. NULL: there is none, or <pick>->is_full. One that failed
 * a moment ago only when there is no other. */
struct target *balance_pick(struct view *view, uint32_t upstream, struct pick *pick,
                            uint64_t now_ns);

/* ---- split.c ---- */

/* Reads from worker->head what <exchange> brings for the choice. */
void balance_begin(struct exchange *exchange);
/* The release of a share, for <number> below SHARE_WHOLE. */
uint32_t split_find_share(const struct upstream_split *split, uint32_t number);
/* Lines of Set-Cookie for an answer of exchange->target; at most BALANCE_COOKIES_BYTES. */
char *balance_put_cookies(const struct exchange *exchange, char *at);

enum { BALANCE_COOKIES_BYTES = 2 * (BALANCE_MAX_NAME_BYTES + 128) };

/* ---- table_balance.c ---- */

/* Of an upstream whose targets were read. */
MUST_CHECK bool table_read_balance(struct reader *reader, const json_t *item,
                                   struct table_upstream *upstream);
MUST_CHECK bool table_read_sign_key(struct reader *reader, const json_t *item);

/* Spreads all bits of <x> over all bits (splitmix64's last steps). */
static inline uint64_t balance_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}
/* The same for the same bytes in every process: who hashes to a target does so after a restart. */
uint64_t balance_hash(struct str text);
