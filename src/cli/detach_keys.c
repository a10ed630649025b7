/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "cli/detach_keys.h"

static bool parse_key(struct str text, char *ret)
{
    static const char others[] = "@[\\]^_"; /* ctrl with these is a character too */

    if (text.len == 1) {
        *ret = text.ptr[0];
        return true;
    }
    if (text.len != 6 || !str_starts(text, STR("ctrl-")))
        return false;
    char c = text.ptr[5];
    if (c >= 'a' && c <= 'z')
        *ret = (char)(c - 'a' + 1);
    else if (strchr(others, c) != NULL)
        *ret = (char)(c & 0x1f);
    else
        return false;
    return true;
}

bool detach_keys_parse(const char *text, struct detach_keys *ret, struct err *err)
{
    const char *given = text == NULL ? "ctrl-p,ctrl-q" : text;

    *ret = (struct detach_keys){0};
    for (struct str rest = str_of(given); rest.ptr != NULL && rest.len > 0;) {
        if (ret->count == DETACH_KEYS_MAX)
            return err_set(err, ERR_LIMIT, "--detach-keys '%s' has more than %d keys", given,
                           DETACH_KEYS_MAX);
        if (!parse_key(str_cut(&rest, ','), &ret->keys[ret->count++]))
            return err_set(err, ERR_INVALID,
                           "--detach-keys '%s' is not understood; write keys such as a or ctrl-p, "
                           "with commas between them",
                           given);
    }
    return true;
}

/* What was held back and <c> after it: all but the longest end that may be a beginning goes. */
static void let_through(struct detach_keys *keys, char c, struct buf *ret)
{
    char held[DETACH_KEYS_MAX + 1];
    size_t len = keys->matched, from = 0;

    memcpy(held, keys->keys, len);
    held[len++] = c;
    while (from < len &&
           (len - from >= keys->count || memcmp(held + from, keys->keys, len - from) != 0))
        buf_add_char(ret, held[from++]);
    keys->matched = len - from;
}

bool detach_keys_feed(struct detach_keys *keys, struct str input, struct buf *ret)
{
    for (size_t i = 0; i < input.len; i++) {
        if (keys->count > 0 && keys->matched + 1 == keys->count &&
            input.ptr[i] == keys->keys[keys->matched])
            return true;
        let_through(keys, input.ptr[i], ret);
    }
    return false;
}
