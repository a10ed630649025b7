/* SPDX-License-Identifier: Apache-2.0
 *
 * What a request says about the answer it wants: entity tags it has already
 * (RFC 9110, 13.1) and content codings it can read (RFC 9110, 12.5.3).
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

/* Is <etag> (with its quotes, perhaps W/) in <list>, the value of an
 * If-None-Match header? Weak comparison; "*" matches. From the first malformed
 * element on nothing matches. */
bool http_etag_is_listed(struct str list, struct str etag);

/* The same by strong comparison, for If-Match: neither is weak. */
bool http_etag_is_listed_strongly(struct str list, struct str etag);

/* Strong comparison, for If-Range: equal and neither is weak. */
bool http_etag_is_same(struct str a, struct str b);

/* In order of preference where a client likes several the same. */
enum http_coding {
    HTTP_CODING_BR,
    HTTP_CODING_ZSTD,
    HTTP_CODING_GZIP,
    HTTP_CODING_IDENTITY,
};

/* The best coding among <available>, bits 1 << HTTP_CODING_..., by the value of
 * Accept-Encoding. Identity when nothing else is wanted, also where it was
 * forbidden: an answer that is not compressed serves better than a 406. */
enum http_coding http_coding_pick(struct str accept_encoding, unsigned available);

/* "br", "zstd", "gzip", "identity". */
const char *http_coding_name(enum http_coding coding);
