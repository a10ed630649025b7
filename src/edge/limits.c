/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/hash.h"
#include "edge/exchange.h"
#include "edge/head.h"
#include "edge/limits.h"
#include "edge/rules.h"
#include "edge/worker.h"

/* Memory of the whole process; pages that no bucket is in cost nothing. */
static struct bucket_table buckets;

/* Refuses, and counts it as <counter> and as a limit. */
static bool refuse(struct exchange *exchange, int status, enum counter counter)
{
    count_add(exchange->worker, counter, 1);
    count_add(exchange->worker, COUNT_LIMITS, 1);
    head_keep_texts(exchange);
    answer_error(exchange, status);
    return false;
}

static bool check_size(struct exchange *exchange, uint32_t header_bytes, uint32_t url_bytes)
{
    const struct http1_head *head = &exchange->worker->head;

    if (url_bytes > 0 && head->target.len > url_bytes)
        return refuse(exchange, 414, COUNT_LONG_URLS);
    if (header_bytes > 0 && head->head_bytes > header_bytes)
        return refuse(exchange, 431, COUNT_LARGE_HEADS);
    return true;
}

bool limits_admit_host(struct exchange *exchange, struct str host)
{
    const struct table *table = exchange->view->table;
    const struct tls_stream *stream = exchange->client->conn.tls;

    return table->tls == NULL || tls_stream_fits(stream, table->tls, host) ||
           refuse(exchange, 421, COUNT_MISDIRECTED);
}

/* ---- addresses ---- */

static bool allows(const struct route_limits *limits, const uint8_t address[CIDR_ADDRESS_BYTES])
{
    for (size_t i = 0; i < limits->range_count; i++)
        if (cidr_covers(&limits->ranges[i].cidr, address))
            return limits->ranges[i].allows;
    return !limits->denies_others;
}

/* ---- rates ---- */

/* Who it is for <rate>. A request without the header or the cookie counts by its address. */
static uint64_t key_of(const struct exchange *exchange, const struct limits_rate *rate,
                       const uint8_t address[CIDR_ADDRESS_BYTES])
{
    const struct http1_head *head = &exchange->worker->head;
    uint64_t parts[3] = {rate->identity, 0, 0};
    struct str value = {0};

    if (rate->key == LIMITS_PER_HEADER)
        value = http1_header_named(head, rate->name);
    else if (rate->key == LIMITS_PER_COOKIE)
        value = http1_cookie(head, rate->name);
    if (value.len > 0) {
        parts[1] = 1;
        parts[2] = hash_bytes(value.ptr, value.len);
    } else if (rate->key != LIMITS_PER_ROUTE) {
        bool is_v4 = cidr_is_v4(address); /* whoever has IPv6 has at least a /64 */
        parts[1] = 2;
        parts[2] = hash_bytes(address, is_v4 ? CIDR_ADDRESS_BYTES : CIDR_ADDRESS_BYTES / 2);
    }
    return hash_bytes(parts, sizeof parts);
}

static uint64_t seconds(uint64_t us)
{
    return MAX((us + 999999) / 1000000, 1);
}

/* draft-ietf-httpapi-ratelimit-headers; the text of the limit is the name of the policy. */
static bool answer_exceeded(struct exchange *exchange, const struct limits_rate *rate,
                            uint64_t wait_us)
{
    char lines[ANSWER_LINES_BYTES];
    struct str page = exchange->rules == NULL ? (struct str){0} : rules_page(exchange, 429);
    unsigned long wait_s = seconds(wait_us);

    count_add(exchange->worker, COUNT_RATES, 1);
    count_add(exchange->worker, COUNT_LIMITS, 1);
    str_format(lines, sizeof lines,
               "Retry-After: %lu\r\n"
               "RateLimit-Policy: \"" STR_FMT "\";q=%lu;w=%lu\r\n"
               "RateLimit: \"" STR_FMT "\";r=0;t=%lu\r\n",
               wait_s, STR_ARG(rate->text), (unsigned long)rate->burst,
               (unsigned long)seconds(rate->rate.fill_us), STR_ARG(rate->text), wait_s);
    head_keep_texts(exchange);
    answer_error_with(exchange, 429, str_of(lines), page);
    return false;
}

/* The first rate that this one exceeds, and for how long; NULL: none, or it is only counted. */
static const struct limits_rate *find_exceeded(struct exchange *exchange,
                                               const struct route_limits *limits,
                                               const uint8_t address[CIDR_ADDRESS_BYTES],
                                               uint64_t *ret_wait_us)
{
    uint64_t now_us = loop_now_ns(exchange->worker->loop) / 1000;

    for (size_t i = 0; i < limits->rate_count; i++) {
        const struct limits_rate *rate = &limits->rates[i];
        if (bucket_take(&buckets, key_of(exchange, rate, address), &rate->rate, now_us,
                        ret_wait_us))
            continue;
        if (!limits->dry_run)
            return rate;
        count_add(exchange->worker, COUNT_RATES_DRY_RUN, 1);
    }
    return NULL;
}

static bool check_rates(struct exchange *exchange, const struct route_limits *limits,
                        const uint8_t address[CIDR_ADDRESS_BYTES])
{
    uint64_t wait_us = 0;
    const struct limits_rate *rate = find_exceeded(exchange, limits, address, &wait_us);

    return rate == NULL || answer_exceeded(exchange, rate, wait_us);
}

/* ---- certificates ---- */

static bool check_certificate(struct exchange *exchange, const struct route_limits *limits)
{
    const struct tls_stream *stream = exchange->client->conn.tls;

    if (limits->certificate != LIMITS_REQUIRED_CERTIFICATE ||
        (stream != NULL && tls_stream_client(stream) == TLS_CLIENT_VERIFIED))
        return true;
    return refuse(exchange, 403, COUNT_CLIENT_CERTIFICATES);
}

bool limits_owns_header(struct str name)
{
    struct str prefix = STR("X-Client-Cert-");

    return name.len >= prefix.len && str_eq_nocase(str_sub(name, 0, prefix.len), prefix);
}

char *limits_put_certificate(const struct exchange *exchange, char *at)
{
    const struct route *route = exchange->route;
    const struct tls_stream *stream = exchange->client->conn.tls;
    char subject[TLS_SUBJECT_BYTES], fingerprint[TLS_FINGERPRINT_BYTES];

    static_assert(TLS_SUBJECT_BYTES + TLS_FINGERPRINT_BYTES + 128 < LIMITS_CERTIFICATE_BYTES,
                  "the lines fit");
    if (route == NULL || route->limits == NULL ||
        route->limits->certificate == LIMITS_NO_CERTIFICATE)
        return at;
    enum tls_client client = stream == NULL ? TLS_CLIENT_NONE : tls_stream_client(stream);
    at = HEAD_PUT(at, "X-Client-Cert-Verify: ");
    at = client == TLS_CLIENT_VERIFIED ? HEAD_PUT(at, "SUCCESS")
         : client == TLS_CLIENT_NONE   ? HEAD_PUT(at, "NONE")
                                       : HEAD_PUT(at, "FAILED");
    at = HEAD_PUT(at, "\r\n");
    if (client != TLS_CLIENT_VERIFIED || !tls_stream_describe_client(stream, subject, fingerprint))
        return at;
    at = HEAD_PUT(at, "X-Client-Cert-Subject: ");
    at = head_put(at, str_of(subject));
    at = HEAD_PUT(at, "\r\nX-Client-Cert-Fingerprint: ");
    at = head_put(at, str_of(fingerprint));
    return HEAD_PUT(at, "\r\n");
}

/* ---- all of it ---- */

bool limits_admit(struct exchange *exchange)
{
    const struct route_limits *limits = exchange->route->limits;
    uint8_t address[CIDR_ADDRESS_BYTES] = {0};
    bool known = cidr_parse_address(limits_ip(exchange), address);

    assert(known);
    if (!allows(limits, address))
        return refuse(exchange, 403, COUNT_ADDRESSES);
    return check_rates(exchange, limits, address) &&
           check_size(exchange, limits->header_bytes, limits->url_bytes) &&
           check_certificate(exchange, limits);
}

/* There is nobody to tell why: the connection is closed. */
static bool close_refused(struct exchange *exchange, int status, enum counter counter)
{
    count_add(exchange->worker, counter, 1);
    count_add(exchange->worker, COUNT_LIMITS, 1);
    exchange_fail(exchange, status);
    return false;
}

bool limits_admit_tcp(struct exchange *exchange)
{
    const struct route_limits *limits = exchange->route->limits;
    uint64_t wait_us;
    uint8_t address[CIDR_ADDRESS_BYTES] = {0};
    bool known = cidr_parse_address(limits_ip(exchange), address);

    assert(known);
    if (!allows(limits, address))
        return close_refused(exchange, 403, COUNT_ADDRESSES);
    return find_exceeded(exchange, limits, address, &wait_us) == NULL ||
           close_refused(exchange, 429, COUNT_RATES);
}

bool limits_admit_listener(struct exchange *exchange, const struct listener_limits *limits)
{
    if (exchange->client->trusted)
        limits_take_forwarded(exchange, limits);
    return check_size(exchange, limits->header_bytes, limits->url_bytes);
}

/* ---- bodies ---- */

void limits_body_awaited(struct exchange *exchange)
{
    if (exchange->awaits_body_since_ns == 0)
        exchange->awaits_body_since_ns = loop_now_ns(exchange->worker->loop);
}

bool limits_body_came(struct exchange *exchange)
{
    const struct route_limits *limits = exchange->route->limits;
    uint64_t rate = limits == NULL ? LIMITS_BODY_RATE : limits->body_rate;

    if (exchange->awaits_body_since_ns == 0)
        return true;
    exchange->awaited_body_ns +=
        loop_now_ns(exchange->worker->loop) - exchange->awaits_body_since_ns;
    exchange->awaits_body_since_ns = 0;
    uint64_t waited_ms = exchange->awaited_body_ns / NS_PER_MS;
    if (waited_ms <= LIMITS_BODY_GRACE_MS || exchange->request.bytes * 1000 >= rate * waited_ms)
        return true;
    count_add(exchange->worker, COUNT_SLOW_BODIES, 1);
    count_add(exchange->worker, COUNT_TIMEOUTS, 1);
    return false;
}
