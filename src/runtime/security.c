/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "runtime/security.h"

/* "name=value", or with ':' as Docker once wrote it. */
static struct str cut_name(struct str *option)
{
    size_t at = MIN(str_find(*option, '='), str_find(*option, ':'));
    struct str name = str_sub(*option, 0, at);

    *option = at == option->len ? (struct str){0} : str_sub(*option, at + 1, option->len);
    return name;
}

static bool parse_seccomp(struct str value, struct arena *arena, struct security *ret,
                          struct err *err)
{
    if (str_is(value, "unconfined")) {
        ret->unconfined = true;
        return true;
    }
    if (str_is(value, "builtin"))
        return true;
    if (!str_starts(value, STR("/")))
        return err_set(err, ERR_INVALID,
                       "security_opt: 'seccomp=%.*s' is no absolute path; give the path of a "
                       "profile from '/' on, or 'unconfined'",
                       (int)MIN(value.len, (size_t)200), value.ptr);
    ret->profile = arena_str(arena, value);
    return true;
}

static bool parse_privileges(struct str value, struct err *err)
{
    if (value.len == 0 || str_is(value, "true"))
        return true;
    return err_set(err, ERR_DENIED,
                   "security_opt: 'no-new-privileges:false' is not possible: nothing in an "
                   "instance can gain privileges; leave it out");
}

bool security_parse(const struct compose_texts *options, struct arena *arena, struct security *ret,
                    struct err *err)
{
    *ret = (struct security){0};
    for (size_t i = 0; i < options->count; i++) {
        struct str value = str_of(options->items[i]);
        struct str name = cut_name(&value);
        if (str_is(name, "seccomp")) {
            if (!parse_seccomp(value, arena, ret, err))
                return false;
        } else if (str_is(name, "no-new-privileges")) {
            if (!parse_privileges(value, err))
                return false;
        } else if (!str_is(name, "apparmor") && !str_is(name, "label")) {
            return err_set(err, ERR_INVALID,
                           "security_opt: '%.200s' is not known; there are no-new-privileges, "
                           "seccomp=unconfined, seccomp=/FILE, apparmor=.. and label=..",
                           options->items[i]);
        }
    }
    return true;
}
