/* SPDX-License-Identifier: Apache-2.0
 *
 * The value of a Priority header or of a PRIORITY_UPDATE frame (RFC 9218): how
 * urgent an answer is, and whether a part of it is of use. What the client says
 * the library reads itself; what the service says about its answer is put
 * together with that here. Pure.
 */
#pragma once

#include <nghttp2/nghttp2.h>

#include "base/base.h"
#include "base/str.h"

/* Changes <priority> by what the dictionary <value> says; what it does not mention, or what is
 * not of the right kind, stays (RFC 9218, 4). */
void h2_priority_merge(nghttp2_extpri *priority, struct str value);
