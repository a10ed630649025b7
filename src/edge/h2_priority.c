/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/h2_priority.h"

/* Takes a member of a list from <rest>; a comma in quotes does not end one. */
static struct str cut_member(struct str *rest)
{
    bool quoted = false;
    size_t i = 0;

    for (; i < rest->len && (quoted || rest->ptr[i] != ','); i++) {
        if (quoted && rest->ptr[i] == '\\')
            i++;
        else if (rest->ptr[i] == '"')
            quoted = !quoted;
    }
    struct str member = str_trim(str_sub(*rest, 0, i));
    *rest = i < rest->len ? str_sub(*rest, i + 1, SIZE_MAX) : (struct str){0};
    return member;
}

static void read_urgency(nghttp2_extpri *priority, struct str value)
{
    if (value.len == 1 && value.ptr[0] >= '0' && value.ptr[0] <= '7')
        priority->urgency = (uint32_t)(value.ptr[0] - '0');
}

/* "i" alone means true (RFC 8941, 3.2). */
static void read_incremental(nghttp2_extpri *priority, struct str value)
{
    if (value.ptr == NULL || str_is(value, "?1"))
        priority->inc = 1;
    else if (str_is(value, "?0"))
        priority->inc = 0;
}

void h2_priority_merge(nghttp2_extpri *priority, struct str value)
{
    struct str rest = value;

    while (rest.ptr != NULL) {
        struct str member = cut_member(&rest);
        member = str_sub(member, 0, str_find(member, ';')); /* parameters have no meaning */
        struct str key = str_cut(&member, '=');
        if (str_is(key, "u"))
            read_urgency(priority, member);
        else if (str_is(key, "i"))
            read_incremental(priority, member);
    }
}
