/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of names and password hashes as htpasswd(1) writes them: "name:hash" a
 * line, comments behind '#'. Limits: 64 KiB, 256 names.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

struct arena;
struct err;

enum { HTPASSWD_BYTES = 64 * 1024, HTPASSWD_USERS = 256, HTPASSWD_NAME_BYTES = 128 };

struct htpasswd_user {
    const char *name;
    const char *hash;
};

/* Why <hash> cannot be checked: a static text with advice. NULL: it can. */
const char *htpasswd_refusal(struct str hash);
/* A name that may stand before ':' in a header. */
bool htpasswd_is_name(struct str name);
/* The error says the line. */
MUST_CHECK bool htpasswd_parse(struct str text, struct arena *arena, struct htpasswd_user **ret,
                               size_t *ret_count, struct err *err);
