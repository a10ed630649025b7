/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "runtime/ignore.h"

enum { STEPS_MAX = 100000 }; /* tries of one match: `*` after `*` must not take forever */

/* Leading "./" and "/", trailing "/", as filepath.Clean would. */
static struct str clean(struct str text)
{
    while (str_starts(text, STR("./")) || str_starts(text, STR("/")))
        text = str_sub(text, text.ptr[0] == '/' ? 1 : 2, text.len);
    while (text.len > 0 && text.ptr[text.len - 1] == '/')
        text.len--;
    return text;
}

bool ignore_parse(struct str text, struct arena *arena, struct ignore *ret, struct err *err)
{
    struct ignore ignore = {.patterns =
                                ARENA_ARRAY(arena, struct ignore_pattern, IGNORE_PATTERNS_MAX)};

    if (text.len > IGNORE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, ".dockerignore is larger than %d bytes", IGNORE_BYTES_MAX);
    while (text.ptr != NULL) {
        struct str line = str_trim(str_cut(&text, '\n'));
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        bool negated = line.ptr[0] == '!';
        line = clean(str_trim(str_sub(line, negated ? 1 : 0, line.len)));
        if (line.len == 0)
            continue;
        if (ignore.count == IGNORE_PATTERNS_MAX)
            return err_set(err, ERR_LIMIT, ".dockerignore has more than %d patterns",
                           IGNORE_PATTERNS_MAX);
        ignore.patterns[ignore.count++] = (struct ignore_pattern){line, negated};
        ignore.any_negated = ignore.any_negated || negated;
    }
    *ret = ignore;
    return true;
}

/* Length of the class at the start of <pattern>, "[a-z]"; 0 when it is not closed. */
static size_t match_class(struct str pattern, char c, bool *ret)
{
    size_t i = 1;
    bool negated = i < pattern.len && (pattern.ptr[i] == '^' || pattern.ptr[i] == '!');
    bool found = false;

    i += negated ? 1 : 0;
    for (size_t start = i; i < pattern.len && (pattern.ptr[i] != ']' || i == start); i++) {
        char low = pattern.ptr[i], high = low;
        if (i + 2 < pattern.len && pattern.ptr[i + 1] == '-' && pattern.ptr[i + 2] != ']') {
            high = pattern.ptr[i + 2];
            i += 2;
        }
        found = found || (c >= low && c <= high);
    }
    *ret = found != negated;
    return i < pattern.len ? i + 1 : 0;
}

/* How much of <pattern> one character <c> uses up; 0: they do not match. */
static size_t match_one(struct str pattern, char c)
{
    bool in_class;
    size_t len;

    switch (pattern.ptr[0]) {
    case '?':
        return c == '/' ? 0 : 1;
    case '[':
        len = match_class(pattern, c, &in_class);
        return len > 0 && in_class && c != '/' ? len : 0;
    case '\\':
        return pattern.len > 1 && pattern.ptr[1] == c ? 2 : 0;
    default:
        return pattern.ptr[0] == c ? 1 : 0;
    }
}

static bool match(struct str pattern, struct str path, size_t *steps)
{
    while (pattern.len > 0) {
        if (++*steps > STEPS_MAX)
            return false;
        bool deep = str_starts(pattern, STR("**"));
        if (deep || pattern.ptr[0] == '*') {
            struct str rest = str_sub(pattern, deep ? 2 : 1, pattern.len);
            /* "a" is also matched by two stars, a slash and "a" */
            if (deep && str_starts(rest, STR("/")) &&
                match(str_sub(rest, 1, rest.len), path, steps))
                return true;
            for (size_t i = 0; i <= path.len; i++) {
                if (match(rest, str_sub(path, i, path.len), steps))
                    return true;
                if (i < path.len && path.ptr[i] == '/' && !deep)
                    return false;
            }
            return false;
        }
        size_t used = path.len == 0 ? 0 : match_one(pattern, path.ptr[0]);
        if (used == 0)
            return false;
        pattern = str_sub(pattern, used, pattern.len);
        path = str_sub(path, 1, path.len);
    }
    return path.len == 0;
}

bool ignore_match(struct str pattern, struct str path)
{
    size_t steps = 0;
    return match(pattern, path, &steps);
}

/* <pattern> against <path> and every folder above it. */
static bool match_any_level(struct str pattern, struct str path)
{
    for (size_t i = 1; i <= path.len; i++)
        if ((i == path.len || path.ptr[i] == '/') && ignore_match(pattern, str_sub(path, 0, i)))
            return true;
    return false;
}

bool ignore_check(const struct ignore *ignore, struct str path)
{
    bool ignored = false;

    for (size_t i = 0; i < ignore->count; i++)
        if (ignored == ignore->patterns[i].negated &&
            match_any_level(ignore->patterns[i].text, path))
            ignored = !ignored;
    return ignored;
}
