/* SPDX-License-Identifier: Apache-2.0
 *
 * One normal form of paths and hosts for the whole program, so that a route, a
 * limit and a file are chosen by the same text. The normal form is for matching
 * and for finding files; a proxy passes the target on as it came.
 *
 * The policy: percent-encoded unreserved characters are decoded, every other
 * encoding stays and gets upper-case digits ("%2f" is "%2F", never a slash; where reading
 * it as one would lead to another route, the edge refuses it: edge/route.h).
 * "." and ".." segments are resolved after that; ".." above the root is refused.
 * Empty segments are dropped ("//a" is "/a"): most backends do that, and a slash
 * must not lead around a route. Refused besides: "%00", a '%' without two
 * digits, a raw backslash (browsers read it as a slash, others do not), "." or
 * ".." with parameters ("..;x", which some application servers resolve), and
 * whatever cannot stand in a request target.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

/* Writes the normal form of <path> (the target without its query) to
 * <ret_bytes>, which has room for path.len bytes; it is never longer. False: a
 * 400, with a static text in <ret_why>. The form of a normal form is itself. */
MUST_CHECK bool http_path_normalize(struct str path, char *ret_bytes, size_t *ret_len,
                                    const char **ret_why);

/* Decodes all of a normal form into the name of a file, with a NUL behind that
 * does not count; <ret_bytes> has room for path.len + 1. It starts with '/', and
 * has no "." or ".." segment. False when an encoded slash, backslash or control
 * character would become part of the name: no such file is served. */
MUST_CHECK bool http_path_decode(struct str path, char *ret_bytes, size_t *ret_len);

/* Host of <authority> (as in http1_head.host) in lower case, without port and
 * without the dot at the end; IPv6 keeps its brackets. <ret_bytes> has room for
 * authority.len. False when nothing is left. */
MUST_CHECK bool http_host_normalize(struct str authority, char *ret_bytes, size_t *ret_len);
