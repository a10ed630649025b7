/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys that leave an instance's terminal without ending it, ctrl-p ctrl-q
 * unless others are given: "a", "ctrl-]", several with commas.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"

struct err;

enum { DETACH_KEYS_MAX = 8 };

struct detach_keys {
    char keys[DETACH_KEYS_MAX];
    size_t count;
    size_t matched; /* of them were typed last */
};

/* <text> NULL: the usual ones. */
MUST_CHECK bool detach_keys_parse(const char *text, struct detach_keys *ret, struct err *err);
/* Appends to <ret> what goes to the instance: keys that may be the beginning are held back. True
 * when all of them were typed; what comes after is dropped. */
bool detach_keys_feed(struct detach_keys *keys, struct str input, struct buf *ret);
