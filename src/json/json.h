/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON by jansson, with limits, one-line errors and getters that say what is
 * wrong. A `json_t *` that the caller owns is declared
 *     AUTO(json_unref) json_t *root = NULL;
 * What the getters return belongs to the object it was found in.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

struct arena;
struct err;

enum { JSON_DEPTH_MAX = 128, JSON_WRITE_DEPTH_MAX = 1024 };

/* Takes NULL. */
static inline void json_unref(json_t *value)
{
    json_decref(value);
}
AUTO_TYPE(json_t *, json_unref)

/* Every value made from now on lives in <arena> and goes with it: for a command that makes many and
 * then ends. Before the first value of the process; one thread. */
void json_use_arena(struct arena *arena);

/* Any JSON value (RFC 8259), UTF-8, of at most <limit_bytes> and JSON_DEPTH_MAX levels. A key that
 * comes twice in an object is an error. The error text starts with "line L, column C". */
MUST_CHECK bool json_parse(struct str text, size_t limit_bytes, json_t **ret, struct err *err);

/* Appends <value>; compact on one line, or indented by two blanks. Keys are sorted, so that equal
 * values give equal bytes; fractions have 15 significant digits, so that 0.1 stays 0.1. */
void json_format(const json_t *value, bool indented, struct buf *ret);

/* The member <key> of <object>, which must be there and have the type; ERR_INVALID otherwise. */
MUST_CHECK bool json_get_text(const json_t *object, const char *key, const char **ret,
                              struct err *err);
MUST_CHECK bool json_get_u64(const json_t *object, const char *key, uint64_t max, uint64_t *ret,
                             struct err *err);
MUST_CHECK bool json_get_i64(const json_t *object, const char *key, int64_t *ret, struct err *err);
MUST_CHECK bool json_get_array(const json_t *object, const char *key, const json_t **ret,
                               struct err *err);
MUST_CHECK bool json_get_object(const json_t *object, const char *key, const json_t **ret,
                                struct err *err);

/* The member, or <otherwise> when it is not there, is null or has another type. */
const char *json_find_text(const json_t *object, const char *key, const char *otherwise);
uint64_t json_find_u64(const json_t *object, const char *key, uint64_t otherwise);
bool json_find_bool(const json_t *object, const char *key, bool otherwise);

/* Text that came from outside may not be UTF-8; wrong bytes become U+FFFD, and so does NUL, which
 * json_parse() refuses. New reference. */
json_t *json_from_bytes(struct str text) MUST_CHECK;
