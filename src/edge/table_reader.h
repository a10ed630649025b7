/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the members of the table's JSON, with limits; for table_read.c and the
 * files that each read one topic of a route or an upstream (table_*.c). A
 * function that returns false has set reader->err, which names the member.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "edge/table.h"

struct reader {
    struct table *table; /* what is read belongs to its arena */
    const int *fds;
    size_t fd_count;
    struct err *err;
};

typedef bool reader_item_fn(struct reader *reader, const json_t *item, size_t i);

/* Calls <fn> for each object of the array <key>, which may be absent. */
MUST_CHECK bool reader_items(struct reader *reader, const json_t *from, const char *key, size_t max,
                             reader_item_fn *fn);
/* A text of printable characters, copied; absent or null gives the empty text. */
MUST_CHECK bool reader_text(struct reader *reader, const json_t *item, const char *key, size_t max,
                            struct str *ret);
/* The same, but it must be there and not be empty. */
MUST_CHECK bool reader_need_text(struct reader *reader, const json_t *item, const char *key,
                                 size_t max, struct str *ret);
/* A list of texts; absent or null gives none. */
MUST_CHECK bool reader_texts(struct reader *reader, const json_t *item, const char *key, size_t max,
                             size_t max_bytes, struct str **ret, size_t *ret_count);
/* Absent gives <otherwise>. */
MUST_CHECK bool reader_number(struct reader *reader, const json_t *item, const char *key,
                              uint64_t max, uint64_t otherwise, uint64_t *ret);
/* Milliseconds, 1 to a day. */
MUST_CHECK bool reader_ms(struct reader *reader, const json_t *item, const char *key,
                          uint32_t otherwise, uint32_t *ret);

/* table_rules.c: route->rules. */
MUST_CHECK bool table_read_rules(struct reader *reader, const json_t *item, struct route *route);

/* "10.0.0.1:80", "[2001:db8::1]:80" */
MUST_CHECK bool table_read_address(struct str text, union socket_address *ret, struct err *err);

/* table_check.c: the member "checks" of the table. */
MUST_CHECK bool table_read_checks(struct reader *reader, const json_t *root);
