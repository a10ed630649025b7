/* SPDX-License-Identifier: Apache-2.0
 *
 * Media types: of files by the end of their name, and of messages.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

/* A value for Content-Type, with charset=utf-8 for text; a file whose ending is
 * not known is "application/octet-stream". Case does not matter. */
const char *http_mime_type(struct str path);

/* Is <value>, a Content-Type, of <type>, whatever its parameters? */
bool http_mime_is(struct str value, struct str type);
