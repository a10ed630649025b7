/* SPDX-License-Identifier: Apache-2.0
 *
 * Range of a request (RFC 9110, 14): which bytes of a representation are asked
 * for. Only the unit "bytes" exists.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

/* More in one request are not served as ranges: they cost more than the whole. */
enum { HTTP_MAX_RANGES = 8 };

/* Both ends included; first <= last < size. */
struct http_range {
    uint64_t first;
    uint64_t last;
};

enum http_range_result {
    HTTP_RANGE_WHOLE, /* send everything with 200: malformed, other unit, too many, overlapping */
    HTTP_RANGE_PARTS, /* send 206 */
    HTTP_RANGE_UNSATISFIABLE, /* send 416: none of them lies in the representation */
};

/* Reads a Range header for a representation of <size> bytes. <ret> has room for
 * HTTP_MAX_RANGES and is filled with PARTS only, in the order of the request,
 * without those that lie behind the end. */
enum http_range_result http_range_parse(struct str value, uint64_t size, struct http_range *ret,
                                        size_t *ret_count);
