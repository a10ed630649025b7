/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client may not do: how often it asks, from where, how large and how slow
 * its requests may be, how many connections it has. Counting is done in fixed
 * memory that all workers share (bucket.h, tally.h); what is counted outlives
 * tables, because a limit is known by its place and its words.
 *
 * In the table, of a route:
 *     "limits": {"rates": [{"text": "20/s:40 per ip", "requests": 20, "seconds": 1, "burst": 40,
 *                           "per": "ip" | "route" | "header" | "cookie", "name": "x-api-key"}],
 *                "dry_run": true,              rates only count what they would refuse
 *                "allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16"],
 *                "header_bytes": 8192, "url_bytes": 2048,
 *                "body_rate": 240,             bytes a second; 0: as slow as it likes
 *                "client_certificate": "required" | "optional"}
 * of a listener:
 *     "limits": {"connections": 20000, "connections_per_ip": 1000, "counts_alone": false,
 *                "spare_loopback": true,
 *                "header_bytes": 8192, "url_bytes": 2048,
 *                "trusted_proxies": ["10.0.0.0/8"],   X-Forwarded-For is believed from there
 *                "proxy_protocol": ["10.0.0.0/8"]}    connections from there begin with its header
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "base/cidr.h"
#include "base/str.h"
#include "edge/bucket.h"

struct client;
struct exchange;
struct reader;
struct route;
struct table_listener;
struct table_upstream;

enum {
    LIMITS_MAX_RATES = 16,
    LIMITS_MAX_RANGES = 1000, /* of one list */
    LIMITS_MAX_HOPS = 100,    /* of X-Forwarded-For */
    LIMITS_BODY_RATE = 240,   /* bytes a second, where the route says nothing */
    LIMITS_BODY_GRACE_MS = 5000,
    LIMITS_CERTIFICATE_BYTES = 1024, /* most that limits_put_certificate() writes */
};

enum limits_key { LIMITS_PER_IP, LIMITS_PER_ROUTE, LIMITS_PER_HEADER, LIMITS_PER_COOKIE };

struct limits_rate {
    struct str text; /* as the file has it */
    struct str name; /* of the header, in lower case, or the cookie */
    enum limits_key key;
    uint64_t identity;
    uint64_t burst;
    struct bucket_rate rate;
};

/* The narrowest range that holds an address decides; of two equal ones the one that denies. */
struct limits_range {
    struct cidr cidr;
    bool allows;
};

enum limits_certificate {
    LIMITS_NO_CERTIFICATE,
    LIMITS_OPTIONAL_CERTIFICATE,
    LIMITS_REQUIRED_CERTIFICATE,
};

struct route_limits {
    const struct limits_rate *rates;
    size_t rate_count;
    bool dry_run;
    const struct limits_range *ranges; /* narrow ones first */
    size_t range_count;
    bool denies_others;    /* there is a list of those that are allowed */
    uint32_t header_bytes; /* 0: as the edge allows, and so is the next */
    uint32_t url_bytes;
    uint32_t body_rate;
    enum limits_certificate certificate;
};

struct listener_limits {
    uint32_t connections;        /* 0: no limit, and so is the next */
    uint32_t connections_per_ip; /* IPv6: of a /64 */
    bool counts_alone;           /* those of other listeners do not count */
    bool spare_loopback;
    uint32_t header_bytes;
    uint32_t url_bytes;
    const struct cidr *trusted;
    size_t trusted_count;
    const struct cidr *proxies; /* that send the PROXY protocol */
    size_t proxy_count;
};

/* table_limits.c: the member "limits", which may be absent. */
MUST_CHECK bool table_read_limits(struct reader *reader, const json_t *item, struct route *route);
MUST_CHECK bool table_read_listener_limits(struct reader *reader, const json_t *item,
                                           struct table_listener *listener);
/* The member "send_proxy" of an upstream, 1 or 2. */
MUST_CHECK bool table_read_send_proxy(struct reader *reader, const json_t *item,
                                      struct table_upstream *upstream);

/* The member "ticket_keys" of the table: keys of TLS sessions as tls_tickets_set() takes them. */
MUST_CHECK bool table_read_ticket_keys(struct reader *reader, const json_t *root);

/* limits_client.c: connections. */

/* Does a header of the PROXY protocol come first? */
bool limits_awaits_proxy(const struct client *client, const struct table_listener *config);
/* Counts <client>, whose address is known. False: it is one too many. */
MUST_CHECK bool limits_admit_client(struct client *client, const struct table_listener *config);
/* The opposite, with client->counted. */
void limits_forget_client(struct client *client);
/* Most bytes of a request head that this client may send. */
uint32_t limits_head_bytes(const struct client *client);
/* Who asks: the client, or whom a trusted proxy asks for; text. */
struct str limits_ip(const struct exchange *exchange);

/* The head of a request is in worker->head. */

/* Makes <exchange> one of him whom the trusted proxies ask for, by X-Forwarded-For, and
 * secure where they say that he came by https, by X-Forwarded-Proto. */
void limits_take_forwarded(struct exchange *exchange, const struct listener_limits *limits);

/* False: the request was answered. */

/* What the listener allows, and who asks by X-Forwarded-For. */
MUST_CHECK bool limits_admit_listener(struct exchange *exchange,
                                      const struct listener_limits *limits);
/* Of TLS: may the connection, which was opened for one host, be used for <host>? */
MUST_CHECK bool limits_admit_host(struct exchange *exchange, struct str host);
/* What exchange->route allows. */
MUST_CHECK bool limits_admit(struct exchange *exchange);

/* For a connection of a TCP listener: addresses and rates. */
MUST_CHECK bool limits_admit_tcp(struct exchange *exchange);

/* Lines about the client's certificate for the target, at most LIMITS_CERTIFICATE_BYTES. */
char *limits_put_certificate(const struct exchange *exchange, char *at);
/* Is <name> a header that limits_put_certificate() writes? No client may send it. */
bool limits_owns_header(struct str name);

/* The body of a request comes too slowly when it has been waited for longer than the grace and is
 * below the rate; time in which nobody waits for the client does not count. */
void limits_body_awaited(struct exchange *exchange);
/* Bytes came. False: too slowly. */
MUST_CHECK bool limits_body_came(struct exchange *exchange);
