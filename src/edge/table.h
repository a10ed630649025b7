/* SPDX-License-Identifier: Apache-2.0
 *
 * The routing table: which sockets exist, which requests go where. The daemon
 * sends it whole, with a generation number, as JSON in a sealed memory file; it
 * is checked, then never changed, and shared by all workers. A request keeps
 * the table it began with; the last user frees it.
 *
 *     {"generation": 7,
 *      "ticket_keys": ["hexadecimal"],   of TLS sessions, the newest first
 *      "listeners": [{"id": 1, "kind": "http" | "https" | "tcp", "system": "eshop", "port": 8080,
 *                     "https_port": 8443,             kind http: everything is redirected there
 *                     "upstream": 0,                  kind tcp, and so is the next
 *                     "tcp": {"meter": 7, "limits": {...}, "rules": {...},
 *                             "connect_timeout_ms": 5000, "idle_timeout_ms": 3600000}}],
 *      "certificates": [{"names": ["eshop.localhost", "*.eshop.localhost"],
 *                        "certificate": PEM, "key": PEM,
 *                        "ocsp": base64, "client_ca": PEM}],         both as in tls/tls.h
 *      "upstreams": [{"name": "eshop/backend", "protocol": "http" | "h2c", "send_proxy": 0,
 *                     "targets": [{"id": "a1", "address": "10.213.0.5:8000", "weight": 1,
 *                                  "draining": false}]}],
 *      "routes": [{"system": "eshop",
 *                  "host": "eshop.localhost" | "*.eshop.localhost" | null,      null: any
 *                  "path": "/api/",          "/api" covers /api and /api/..., not /apix
 *                  "listeners": [1],         absent: all but tcp
 *
 *                  "upstream": 0 |
 *                  "files_fd": index of a descriptor of the message |
 *                  "redirect": "https://other.example/", "status": 308,
 *
 *                  "cache_control": "max-age=60", "hsts": true, "security_headers": true,
 *                  "body_limit_bytes": 104857600, "connect_timeout_ms": 5000,
 *                  "response_timeout_ms": 60000, "body_timeout_ms": 60000,
 *                  "tunnel_timeout_ms": 3600000}]}
 *
 * What the edge asks targets by itself, "checks": check.h. More of upstreams and targets:
 * balance.h. A route has "meter": 7 (meter.h), and "fallback_upstream": an upstream that is asked
 * what the other one answers by 404 to GET or HEAD.
 *
 * What is kept of answers, "cache" of a route and "cache_bytes" of all: cache.h.
 *
 * Limits, rules and maintenance of a route: limits.h, rules.h.
 *
 * Of the hosts that cover a request's, from the exact one to any, the first counts; within one the
 * longest path wins.
 */
#pragma once

#include "base/arena.h"
#include "base/base.h"
#include "base/map.h"
#include "base/str.h"
#include "io/socket.h"

struct err;
struct tls_context;

enum {
    TABLE_MAX_BYTES = 16 * 1024 * 1024,
    TABLE_MAX_LISTENERS = 256,
    TABLE_MAX_UPSTREAMS = 4096,
    TABLE_MAX_TARGETS = 16384, /* of all upstreams together */
    TABLE_MAX_ROUTES = 20000,
    TABLE_MAX_NAME_BYTES = 255,
    TABLE_MAX_PATH_BYTES = 1024,
    TABLE_MAX_VALUE_BYTES = 2048,
    TABLE_MAX_WEIGHT = 256,
};

enum listener_kind { LISTENER_HTTP, LISTENER_HTTPS, LISTENER_TCP };

struct table_listener {
    uint32_t id;
    enum listener_kind kind;
    struct str system;
    uint16_t port;
    uint16_t https_port;                  /* 0: no redirect */
    uint32_t upstream;                    /* kind tcp */
    const struct route *route;            /* kind tcp: what holds for its connections */
    const struct listener_limits *limits; /* NULL: none */
};

struct table_target {
    struct str id;
    struct str address_text;
    union socket_address address;
    uint32_t weight;
    uint32_t release;    /* 0: unknown */
    uint32_t meter;      /* meter.h; 0: none, here and in routes */
    struct share *share; /* with a limit: share.h */
    bool draining;
    bool sick; /* by its check, when the table came: check.h */
};

struct table_check;
struct upstream_balance;
struct listener_limits;
struct route_limits;
struct route_rules;
struct route_cache;

struct table_upstream {
    struct str name;
    bool is_h2;         /* "protocol": "h2c"; "http" is the default: h2_target.h */
    uint8_t send_proxy; /* version of the PROXY protocol that targets are told; 0: none */
    const struct upstream_balance *balance; /* NULL: the least busy, no split */
    uint32_t first_target;                  /* in table.targets */
    uint32_t target_count;
};

enum route_action { ROUTE_PROXY, ROUTE_FILES, ROUTE_REDIRECT };

struct route {
    struct str system;
    struct str host; /* lower case; "*.x" keeps its star; empty: any */
    struct str path;
    const uint32_t *listeners; /* ids */
    uint32_t listener_count;   /* 0: all */
    enum route_action action;
    uint32_t upstream;
    int files_fd; /* the table's */
    struct str redirect;
    int redirect_status;
    struct str cache_control;
    bool hsts;
    bool security_headers;
    uint64_t body_limit_bytes;
    uint32_t connect_timeout_ms;
    uint32_t response_timeout_ms;
    uint32_t body_timeout_ms;
    uint32_t tunnel_timeout_ms;
    uint32_t meter;
    uint32_t fallback_upstream; /* is asked what <upstream> does not know; UINT32_MAX: none */
    const struct route_limits *limits; /* NULL: none, as the two below */
    const struct route_rules *rules;
    const struct route_cache *cache;
    uint32_t shorter; /* next candidate of the group, by index, or ROUTE_NONE */
};

enum { ROUTE_NONE = UINT32_MAX };

/* The routes of one host, next to each other and sorted by path. */
struct route_group {
    uint32_t first;
    uint32_t count;
};

struct table {
    uint32_t refs; /* atomic */
    uint64_t generation;
    struct arena arena;
    struct table_listener *listeners;
    size_t listener_count;
    struct table_upstream *upstreams;
    size_t upstream_count;
    struct table_target *targets;
    size_t target_count;
    struct table_check *checks;
    size_t check_count;
    struct route *routes;
    size_t route_count;
    unsigned char sign_key[32]; /* of cookies */
    struct map groups;          /* host -> struct route_group of the arena */
    struct route_group *any_host;
    bool has_wild_hosts;
    uint64_t cache_bytes; /* for what the routes keep of answers; 0: none does (cache.h) */
    bool has_caches;
    struct tls_context *tls; /* NULL: no certificates */
    int *fds;                /* folders of static files, owned */
    size_t fd_count;
};

/* Reads <json>. On success the <fds> belong to the table; on failure they stay the caller's and
 * <err> names the member that is wrong. */
MUST_CHECK bool table_read(struct str json, const int *fds, size_t fd_count, struct table **ret,
                           struct err *err);

struct table *table_ref(struct table *table);
void table_unref(struct table *table); /* takes NULL */
AUTO_TYPE(struct table *, table_unref)

/* NULL when the table has no such listener. */
const struct table_listener *table_find_listener(const struct table *table, uint32_t id);
