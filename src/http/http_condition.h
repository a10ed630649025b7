/* SPDX-License-Identifier: Apache-2.0
 *
 * The conditions of a request for a representation that is there (RFC 9110, 13): is it to be sent,
 * does the client have it already, or is it not the one that he means? If-Range is not among them,
 * because it is about the range alone. A cache must not judge by all of them (RFC 9111, 4.3.2).
 */
#pragma once

#include "http/http1.h"

/* In the order of RFC 9110, 13.2.2, for GET and HEAD: 200, 304 or 412. <etag>, with its quotes, and
 * <modified_s>, UNIX time, are the representation's. Of a list of tags nothing behind a mistake
 * matches; a date that is none does not count. */
int http_condition_check(const struct http1_head *head, struct str etag, int64_t modified_s);
