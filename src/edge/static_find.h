/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds the file for a request in the folder of a route. The kernel keeps every
 * name and every link beneath that folder (openat2(2), RESOLVE_BENEATH); names
 * with a part that starts with a dot are not served, but for those below .well-known.
 */
#pragma once

#include <sys/stat.h>

#include "base/base.h"
#include "base/str.h"
#include "http/http_negotiate.h"

enum { STATIC_NAME_BYTES = 2048, STATIC_TAG_BYTES = 64 };

struct static_file {
    int fd;
    struct stat status;
    enum http_coding coding;
    bool is_fallback;      /* in the place of what was asked for (try_files) */
    bool varies;           /* a compressed sibling may be served instead */
    const char *mime_type; /* of the file itself, not of the sibling */
    char tag[STATIC_TAG_BYTES];
};

/* Finds <path> (normal form, without the route's own part) in <folder>: a file,
 * the index.html of a folder, or a compressed sibling that <accepted>, the value
 * of Accept-Encoding, likes better. 200, and <ret>->fd is the caller's; 301 for
 * a folder without its slash; 404; 414. */
int static_find(int folder, struct str path, struct str accepted, struct static_file *ret);
/* The same with other names than index.html for what a folder shows; the first that is there. */
int static_find_index(int folder, struct str path, struct str accepted, const struct str *index,
                      size_t index_count, struct static_file *ret);
