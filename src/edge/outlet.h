/* SPDX-License-Identifier: Apache-2.0
 *
 * The last thing that happens to an answer's body before the client's
 * connection: compression, and then the framing, since only here the length
 * that is sent is known. Bytes come in as they are, wherever they come from, and
 * never wait for more while a target is still sending.
 */
#pragma once

#include <sys/uio.h>

#include "base/base.h"
#include "base/str.h"
#include "http/http_negotiate.h"

struct coder;
struct exchange;
struct worker;

enum { OUTLET_MAX_CODERS = 128 }; /* of one worker; each may hold 1 MiB */

struct outlet {
    struct coder *coder; /* NULL: bytes pass as they are */
    struct worker *worker;
    bool active;
    bool chunks;  /* to be framed for HTTP/1.1 */
    bool no_body; /* HEAD */
    bool ended;
};

/* Sends <head>, which may be empty, and <iov>. False: the exchange is gone. */
MUST_CHECK bool outlet_write(struct exchange *exchange, struct str head, const struct iovec *iov,
                             int count, bool whole);
/* What is still kept, and the end. False: the exchange is gone. */
MUST_CHECK bool outlet_finish(struct exchange *exchange);
void outlet_done(struct outlet *outlet);

/* A coder for <coding>, perhaps used before. NULL: there are too many. */
struct coder *outlet_coder(struct worker *worker, enum http_coding coding);
void outlet_free_kept(struct worker *worker);
