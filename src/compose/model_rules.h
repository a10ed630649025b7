/* SPDX-License-Identifier: Apache-2.0
 *
 * What a route says about heads, paths, bodies, other sites and passwords, and
 * x-ishizue.edge.access_log. Files are named here and read by whoever needs
 * what is in them: they may change.
 */
#pragma once

#include "base/base.h"
#include "compose/model.h"

struct compose_rule {
    const char *op; /* set, add, default, remove */
    const char *name;
    const char *value; /* NULL with remove */
};

struct compose_rule_list {
    const struct compose_rule *items;
    size_t count;
};

struct compose_cors {
    struct compose_texts origins;
    struct compose_texts methods; /* empty: the usual ones */
    struct compose_texts headers; /* empty: those that are asked for */
    struct compose_texts expose;
    bool credentials;
    uint64_t max_age_s;
};

struct compose_auth {
    const char *realm;
    struct compose_pairs users; /* name -> hash */
    const char *users_file;     /* absolute; NULL: none */
};

struct compose_error_page {
    uint32_t status;
    const char *file; /* absolute */
};

struct compose_rules {
    struct compose_rule_list request;
    struct compose_rule_list response;
    bool own_security_headers; /* those of the edge are not added: <response> has what is wanted */
    bool strip_prefix;
    const char *rewrite_from; /* NULL: not given */
    const char *rewrite_to;
    uint32_t redirect_status; /* 0: not given */
    bool keep_path;
    const struct compose_cors *cors; /* NULL: not given, and so is the next */
    const struct compose_auth *auth;
    struct compose_texts index;
    struct compose_texts try_files; /* `spa: true` is {path} and /index.html */
    const struct compose_error_page *pages;
    size_t page_count;
    struct compose_texts compress; /* br, zstd, gzip; empty: nothing is */
    bool traces;
    uint32_t trace_permille;
};

/* x-ishizue.edge.access_log */
struct compose_access_log {
    uint32_t permille;
    bool errors; /* 5xx are written whatever <permille> says */
};
