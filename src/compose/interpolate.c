/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/interpolate.h"

struct expansion {
    const struct interpolate *with;
    struct buf *out;
    size_t start; /* of what this expansion added to <out> */
    int depth;
};

static size_t name_len(struct str text)
{
    size_t len = 0;

    while (len < text.len) {
        char c = text.ptr[len];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_letter && (len == 0 || c < '0' || c > '9'))
            break;
        len++;
    }
    return len;
}

/* Index of the '}' that closes the "${" before <text>, or text.len when there is none in its line.
 * As Compose counts: any '{' opens, what stands right behind it does not close it, and when nothing
 * balances, the last '}' closes. */
static size_t find_close(struct str text)
{
    struct str line = str_sub(text, 0, str_find(text, '\n'));
    size_t depth = 1;

    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] == '}' && --depth == 0)
            return i;
        if (line.ptr[i] == '{') {
            depth++;
            i++;
        }
    }
    size_t last = str_find_last(line, '}');
    return last == line.len ? text.len : last;
}

static bool add(struct expansion *to, struct str text, struct err *err)
{
    if (to->out->len - to->start + text.len > INTERPOLATE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "a value grows above %d KiB when its variables are replaced",
                       INTERPOLATE_BYTES_MAX / 1024);
    buf_add_str(to->out, text);
    return true;
}

static bool expand(struct expansion *to, struct str text, struct err *err);

static bool expand_inner(struct expansion *to, struct str text, struct err *err)
{
    if (to->depth == INTERPOLATE_DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "variables are nested deeper than %d levels",
                       INTERPOLATE_DEPTH_MAX);
    to->depth++;
    bool done = expand(to, text, err);
    to->depth--;
    return done;
}

static bool required_error(struct expansion *to, struct str name, struct str message,
                           struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    struct expansion inner = {to->with, &text, 0, to->depth};

    if (message.len > 0 && !expand_inner(&inner, message, err))
        return false;
    if (text.len == 0)
        return err_set(err, ERR_INVALID, "required variable '" STR_FMT "' has no value",
                       STR_ARG(name));
    return err_set(err, ERR_INVALID, "required variable '" STR_FMT "' has no value: %s",
                   STR_ARG(name), buf_text(&text));
}

static bool bad_form(struct str text, struct err *err)
{
    return err_set(err, ERR_INVALID,
                   "'" STR_FMT "' is no variable; write ${NAME}, or $$ for a dollar sign",
                   STR_ARG(str_sub(text, 0, 60)));
}

/* <inside> is what stands between "${" and "}". */
static bool expand_braced(struct expansion *to, struct str whole, struct str inside,
                          struct err *err)
{
    size_t len = name_len(inside);
    struct str name = str_sub(inside, 0, len);
    struct str rest = str_sub(inside, len, inside.len);
    bool empty_counts = rest.len > 0 && rest.ptr[0] == ':';

    if (empty_counts)
        rest = str_sub(rest, 1, rest.len);
    char operation = rest.len > 0 ? rest.ptr[0] : '\0';
    if (len == 0 || (operation == '\0' && empty_counts) ||
        (operation != '\0' && strchr("-?+", operation) == NULL))
        return bad_form(whole, err);
    struct str operand = str_sub(rest, 1, rest.len);
    const char *value = to->with->find(to->with->context, name);
    bool is_there = value != NULL && !(empty_counts && value[0] == '\0');

    if (operation == '+')
        return !is_there || expand_inner(to, operand, err);
    if (is_there)
        return add(to, str_of(value), err);
    if (operation == '-')
        return expand_inner(to, operand, err);
    if (operation == '?')
        return required_error(to, name, operand, err);
    if (value == NULL && to->with->on_unset != NULL)
        to->with->on_unset(to->with->context, name);
    return true;
}

static bool expand_plain(struct expansion *to, struct str name, struct err *err)
{
    const char *value = to->with->find(to->with->context, name);

    if (value == NULL && to->with->on_unset != NULL)
        to->with->on_unset(to->with->context, name);
    return value == NULL || add(to, str_of(value), err);
}

/* <text> starts with '$'. Gives how much of it was used. */
static bool expand_dollar(struct expansion *to, struct str text, size_t *ret_used, struct err *err)
{
    struct str rest = str_sub(text, 1, text.len);
    size_t len = name_len(rest);

    if (rest.len > 0 && rest.ptr[0] == '$') {
        *ret_used = 2;
        return add(to, STR("$"), err);
    }
    if (rest.len > 0 && rest.ptr[0] == '{') {
        struct str after = str_sub(rest, 1, rest.len);
        size_t close = find_close(after);
        if (close == after.len)
            return bad_form(text, err);
        *ret_used = close + 3;
        return expand_braced(to, str_sub(text, 0, close + 3), str_sub(after, 0, close), err);
    }
    *ret_used = len + 1;
    return len == 0 ? add(to, STR("$"), err) : expand_plain(to, str_sub(rest, 0, len), err);
}

static bool expand(struct expansion *to, struct str text, struct err *err)
{
    while (text.len > 0) {
        size_t used = str_find(text, '$');

        if (used > 0) {
            if (!add(to, str_sub(text, 0, used), err))
                return false;
        } else if (!expand_dollar(to, text, &used, err)) {
            return false;
        }
        text = str_sub(text, used, text.len);
    }
    return true;
}

bool interpolate_text(const struct interpolate *with, struct str text, struct buf *ret,
                      struct err *err)
{
    struct expansion to = {with, ret, ret->len, 0};

    return expand(&to, text, err);
}

struct lister {
    void (*on_place)(void *, const struct interpolate_place *);
    void *context;
    int depth;
};

static void list_in(struct lister *lister, struct str text);

/* What stands between "${" and "}". */
static void list_braced(struct lister *lister, struct str inside)
{
    size_t len = name_len(inside);
    struct interpolate_place place = {.name = str_sub(inside, 0, len)};
    struct str rest = str_sub(inside, len, inside.len);

    if (rest.len > 0 && rest.ptr[0] == ':')
        rest = str_sub(rest, 1, rest.len);
    struct str operand = str_sub(rest, 1, rest.len);
    if (rest.len > 0 && rest.ptr[0] == '?')
        place.required = true;
    else if (rest.len > 0 && rest.ptr[0] == '-')
        place.default_value = operand;
    else if (rest.len > 0 && rest.ptr[0] == '+')
        place.replacement = operand;
    if (len == 0 || lister->depth == INTERPOLATE_DEPTH_MAX)
        return;
    lister->on_place(lister->context, &place);
    lister->depth++;
    list_in(lister, place.default_value);
    list_in(lister, place.replacement);
    lister->depth--;
}

static void list_in(struct lister *lister, struct str text)
{
    while (text.len > 0) {
        size_t used = str_find(text, '$') + 1;
        struct str rest = str_sub(text, used, text.len);
        size_t len = name_len(rest);
        struct str after = str_sub(rest, 1, rest.len);

        if (rest.len > 0 && rest.ptr[0] == '$') {
            used++;
        } else if (rest.len > 0 && rest.ptr[0] == '{') {
            size_t close = find_close(after);
            if (close == after.len)
                return;
            list_braced(lister, str_sub(after, 0, close));
            used += close + 2;
        } else if (len > 0) {
            const struct interpolate_place place = {.name = str_sub(rest, 0, len)};
            lister->on_place(lister->context, &place);
            used += len;
        }
        text = str_sub(text, used, text.len);
    }
}

void interpolate_list(struct str text, void (*on_place)(void *, const struct interpolate_place *),
                      void *context)
{
    struct lister lister = {on_place, context, 0};

    list_in(&lister, text);
}
