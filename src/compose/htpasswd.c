/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/arena.h"
#include "base/err.h"
#include "compose/htpasswd.h"

enum { HASH_BYTES = 384 };

const char *htpasswd_refusal(struct str hash)
{
    static const char *const known[] = {"$2a$", "$2b$", "$2y$", "$5$",   "$6$",
                                        "$y$",  "$7$",  "$gy$", "$apr1$"};

    if (hash.len > HASH_BYTES)
        return "is too long for a hash";
    for (size_t i = 0; i < hash.len; i++)
        if (hash.ptr[i] <= ' ' || hash.ptr[i] > '~')
            return "holds a character that no hash has";
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_starts(hash, str_of(known[i])) && hash.len > strlen(known[i]) + 10)
            return NULL;
    if (str_starts(hash, STR("$argon2")))
        return "is Argon2, which is not supported; use bcrypt: htpasswd -nbB NAME PASSWORD";
    return "is not a hash of a known kind; make one with: htpasswd -nbB NAME PASSWORD";
}

bool htpasswd_is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] < ' ' || name.ptr[i] == ':' || name.ptr[i] == 0x7f)
            return false;
    return name.len > 0 && name.len <= HTPASSWD_NAME_BYTES;
}

static bool parse_line(struct str line, struct arena *arena, struct htpasswd_user *ret,
                       struct err *err)
{
    struct str rest = line, name = str_cut(&rest, ':');

    if (rest.ptr == NULL || !htpasswd_is_name(name))
        return err_set(err, ERR_INVALID, "not a line of NAME:HASH");
    struct str hash = str_cut(&rest, ':'); /* some tools add more fields */
    const char *why = htpasswd_refusal(hash);
    if (why != NULL)
        return err_set(err, ERR_INVALID, "the hash of '" STR_FMT "' %s", STR_ARG(name), why);
    *ret = (struct htpasswd_user){arena_str(arena, name), arena_str(arena, hash)};
    return true;
}

bool htpasswd_parse(struct str text, struct arena *arena, struct htpasswd_user **ret,
                    size_t *ret_count, struct err *err)
{
    struct htpasswd_user *users = ARENA_ARRAY(arena, struct htpasswd_user, HTPASSWD_USERS);
    size_t count = 0, number = 0;

    if (text.len > HTPASSWD_BYTES)
        return err_set(err, ERR_LIMIT, "larger than %d bytes", HTPASSWD_BYTES);
    for (struct str rest = text; rest.ptr != NULL;) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        number++;
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        if (count == HTPASSWD_USERS)
            return err_set(err, ERR_LIMIT, "more than %d names", HTPASSWD_USERS);
        if (!parse_line(line, arena, &users[count], err))
            return err_prefix(err, "line %zu", number);
        count++;
    }
    if (count == 0)
        return err_set(err, ERR_INVALID, "there is no name in it");
    *ret = users;
    *ret_count = count;
    return true;
}
