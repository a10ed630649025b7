/* SPDX-License-Identifier: Apache-2.0
 *
 * What a route says about heads, paths, bodies and who may come. A route that
 * says nothing of it has none of these structs, and its requests pay a test for
 * NULL here and there.
 *
 * In the table, as members of a route:
 *
 *     "rules": {
 *       "request_headers": [{"op": "set" | "add" | "default" | "remove",
 *                            "name": "X-A", "value": "{client_ip}"}],
 *       "response_headers": [...],
 *       "rewrite": {"from": "/old/", "to": "/new/", "prefix": true},
 *       "keep_path": true,
 *       "cors": {"origins": ["https://a.test"], "methods": "GET, PUT", "headers": "X-A",
 *                "expose": "X-B", "credentials": true, "max_age": 600},
 *       "auth": {"realm": "...", "users": [{"name": "ann", "hash": "$2y$..."}]},
 *       "index": ["index.html"],
 *       "try_files": ["{path}", "{path}.html", "/index.html"],
 *       "error_pages": [{"status": 404, "body": "<!doctype html>..."}],
 *       "compress": ["br", "zstd", "gzip"],
 *       "trace": 100,
 *       "log": {"sample": 100, "errors": true}},
 *     "maintenance": {"page": "<!doctype html>...", "retry_after": 60, "allow": ["10.0.0.0/8"]}
 *
 * The variables of values are those of http/http_template.h. Rules for answers
 * count for all of them, the edge's own too. With "prefix" the target learns of
 * <from> by X-Forwarded-Prefix. "keep_path" is for redirects, which append path
 * and query. Of 1000 traces that begin here "trace" are sampled, and of 1000
 * lines of the access log "sample" are written, those of 5xx always.
 */
#pragma once

#include "base/base.h"
#include "base/cidr.h"
#include "base/str.h"
#include "edge/outlet.h"
#include "http/http1.h"
#include "http/http_negotiate.h"
#include "http/http_template.h"

struct exchange;
struct worker;

enum {
    RULES_MAX_HEADERS = 24,  /* each way; a head of 100 lines and these fit into H2_FIELDS_MAX */
    RULES_MAX_PIECES = 16,   /* of one value */
    RULES_HEAD_BYTES = 8192, /* of all lines of one way, variables at their longest */
    RULES_MAX_ORIGINS = 64,
    RULES_CORS_BYTES = 1024, /* each of methods, headers, expose */
    RULES_MAX_USERS = 256,
    RULES_HASH_BYTES = 384, /* CRYPT_OUTPUT_SIZE */
    RULES_USER_BYTES = 128,
    RULES_PASSWORD_BYTES = 512,
    RULES_MAX_PAGES = 16,
    RULES_PAGE_BYTES = 64 * 1024,
    RULES_MAX_FILES = 8, /* of index, of try_files */
    RULES_MAX_NETS = 64,
};

enum rule_op { RULE_SET, RULE_ADD, RULE_DEFAULT, RULE_REMOVE };

struct rule_piece {
    enum http_variable variable;
    struct str text;
};

struct rule_header {
    enum rule_op op;
    bool only_secure; /* HSTS over plain HTTP means nothing (RFC 6797, 7.2) */
    struct str name;
    const struct rule_piece *pieces;
    size_t piece_count;
};

struct rule_headers {
    const struct rule_header *items;
    size_t count;
    size_t room; /* bytes that all lines may take */
};

struct rules_cors {
    const struct str *origins;
    size_t origin_count;
    bool any; /* "*" is among them */
    struct str methods;
    struct str headers; /* empty: those that are asked for */
    struct str expose;
    bool credentials;
    uint32_t max_age;
};

struct rules_user {
    struct str name;
    struct str hash; /* NUL behind it */
};

struct rules_auth {
    struct str realm;
    const struct rules_user *users;
    size_t user_count;
};

struct rules_page {
    int status;
    struct str body;
};

struct rules_maintenance {
    struct str page; /* empty: the edge's own */
    uint32_t retry_after;
    const struct cidr *allow;
    size_t allow_count;
};

struct route_rules {
    struct rule_headers request;
    struct rule_headers response;
    struct str rewrite_from; /* empty: none */
    struct str rewrite_to;
    bool forward_prefix;
    bool keep_path;
    const struct rules_cors *cors; /* NULL: none, as the three below */
    const struct rules_auth *auth;
    const struct rules_maintenance *maintenance;
    const struct str *index;
    size_t index_count;
    const struct str *try_files;
    size_t try_file_count;
    const struct rules_page *pages;
    size_t page_count;
    enum http_coding codings[HTTP_CODING_IDENTITY]; /* those before are preferred */
    size_t coding_count;                            /* 0: nothing is compressed */
    bool traces;
    uint16_t trace_permille;
    bool samples_log;
    uint16_t log_permille;
    bool log_errors;
};

struct auth_job;

/* Of an exchange whose route has rules, until it ends. */
struct rules_state {
    char *path;  /* what the target is asked for; NULL: as it came */
    char *saved; /* the request's head while its password is checked */
    struct auth_job *job;
    struct outlet outlet;
    enum http_coding coding; /* that its answer may get */
    bool frames;             /* the outlet frames the answer's body, not response.c */
    bool drops_trace;        /* what the client sent as Traceparent is not passed on */
    bool begins_trace;       /* nor what it sent as Tracestate */
    bool origin_allowed;
    bool preflight; /* the browser's question before a request of another site */
    size_t origin_len;
    size_t user_len;
    size_t trace_len;
    char origin[HTTP_VARIABLE_BYTES];
    char user[RULES_USER_BYTES];
    char trace[HTTP_VARIABLE_BYTES];
};

/* rules.c: first of all. <path> is the normal form. False: it was answered. */
MUST_CHECK bool rules_begin(struct exchange *exchange, struct str path);
/* Is the route closed, and not for this client? False: it was answered. */
MUST_CHECK bool rules_admit_maintenance(struct exchange *exchange);
/* Other sites and passwords. False: it was answered, or waits for auth.c. */
MUST_CHECK bool rules_admit(struct exchange *exchange);
/* Takes NULL. */
void rules_free(struct rules_state *state);
/* For the access log: is this one of those that are wanted? */
bool rules_wants_log(const struct exchange *exchange);
/* Of the route; empty: the edge's own. */
struct str rules_page(const struct exchange *exchange, int status);
/* Where a redirect that keeps the path goes; <path> is the normal form. */
struct str rules_redirect(const struct exchange *exchange, struct str path);

/* rules_head.c: does not pass on this header of the request. */
bool rules_drop_request(const struct exchange *exchange, const struct http_header *header);
/* How much rules_put_request() writes at most. */
size_t rules_request_room(const struct exchange *exchange);
char *rules_put_request(const struct exchange *exchange, const struct http1_head *head, char *at);
/* exchange_write_head() for an exchange with rules: changes the head on its way, and starts the
 * outlet when the body is to be changed too. */
MUST_CHECK bool rules_write_head(struct exchange *exchange, size_t head_len,
                                 const struct iovec *iov, int count, bool whole);

/* cors.c: whose page asks; then, of the request. False: it was answered. */
void cors_begin(struct exchange *exchange);
MUST_CHECK bool cors_admit(struct exchange *exchange);
/* Lines of the answer, at most CORS_ROOM bytes. */
enum { CORS_ROOM = RULES_CORS_BYTES + HTTP_VARIABLE_BYTES + 256 };
char *cors_put_response(const struct exchange *exchange, char *at);

/* auth.c: false: it was answered, or goes on with exchange_resume() when the password was
 * checked. */
MUST_CHECK bool auth_admit(struct exchange *exchange);
