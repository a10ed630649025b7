/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/dotenv.h"
#include "compose/interpolate.h"

struct reader {
    const struct dotenv_source *source;
    struct arena *arena;
    struct map *vars;
    struct str rest;
    uint32_t line;
    size_t value_bytes; /* so far */
};

static const char *find_var(void *context, struct str name)
{
    const struct reader *reader = (struct reader *)context;
    const char *outer =
        reader->source->find == NULL ? NULL : reader->source->find(reader->source->context, name);

    return outer != NULL ? outer : (const char *)map_find(reader->vars, name);
}

static bool fail_here(const struct reader *reader, struct err *err)
{
    return err_prefix(err, "%s:%u", reader->source->file, reader->line);
}

static bool set_var(struct reader *reader, struct str name, struct str value, struct err *err)
{
    if (reader->vars->live >= DOTENV_NAMES_MAX) {
        (void)err_set(err, ERR_LIMIT, "more than %d variables", DOTENV_NAMES_MAX);
        return fail_here(reader, err);
    }
    reader->value_bytes += value.len;
    if (reader->value_bytes > DOTENV_VALUES_MAX) {
        (void)err_set(err, ERR_LIMIT, "values of more than %d KiB together",
                      DOTENV_VALUES_MAX / 1024);
        return fail_here(reader, err);
    }
    (void)map_set(reader->vars, name, arena_str(reader->arena, value));
    return true;
}

static bool set_expanded(struct reader *reader, struct str name, struct str value, struct err *err)
{
    AUTO(buf_done) struct buf out = {0};
    const struct interpolate with = {find_var, NULL, reader};

    if (!interpolate_text(&with, value, &out, err))
        return fail_here(reader, err);
    return set_var(reader, name, buf_str(&out), err);
}

static void advance(struct reader *reader, size_t len)
{
    for (size_t i = 0; i < len; i++)
        reader->line += reader->rest.ptr[i] == '\n';
    reader->rest = str_sub(reader->rest, len, reader->rest.len);
}

static struct str trim_end(struct str text)
{
    while (text.len > 0 && strchr(" \t\r\v\f", text.ptr[text.len - 1]) != NULL)
        text.len--;
    return text;
}

/* The end of an unquoted value is the first blank followed by '#'. */
static struct str without_comment(struct str text)
{
    for (size_t i = 0; i + 1 < text.len; i++)
        if (text.ptr[i] == ' ' && text.ptr[i + 1] == '#')
            return str_sub(text, 0, i);
    return text;
}

/* Appends what the three digits after "\\0" stand for; gives how many bytes of <text>, which starts
 * behind the backslash, were used. Anything but three digits up to 377 loses the backslash's zero.
 */
static size_t add_octal(struct str text, struct buf *out)
{
    size_t digits = 0;
    unsigned code = 0;

    while (digits < 3 && 1 + digits < text.len && text.ptr[1 + digits] >= '0' &&
           text.ptr[1 + digits] <= '9')
        digits++;
    bool good = digits == 3;
    for (size_t i = 1; i <= digits; i++) {
        good = good && text.ptr[i] < '8';
        code = code * 8 + (unsigned)(text.ptr[i] - '0');
    }
    if (!good || code > 255) {
        buf_add_char(out, '\\');
        buf_add_str(out, str_sub(text, 1, digits));
    } else if (code < 0x80) {
        buf_add_char(out, (char)code);
    } else {
        buf_add_char(out, (char)(0xc0 | (code >> 6)));
        buf_add_char(out, (char)(0x80 | (code & 0x3f)));
    }
    return 1 + digits;
}

/* A double-quoted value with its escapes replaced: \a \b \f \n \r \t \v \$ \" \\ and \0ddd. */
static void add_unescaped(struct str text, struct buf *out)
{
    static const char names[] = "abfnrtv";
    static const char bytes[] = "\a\b\f\n\r\t\v";

    for (size_t i = 0; i < text.len; i++) {
        char next = i + 1 < text.len ? text.ptr[i + 1] : '\0';
        const char *at = next == '\0' ? NULL : strchr(names, next);

        if (text.ptr[i] != '\\' || next == '\0') {
            buf_add_char(out, text.ptr[i]);
        } else if (next == '0') {
            i += add_octal(str_sub(text, i + 1, text.len), out);
        } else if (next == '$') {
            buf_add_text(out, "$$"); /* a dollar that starts no variable */
            i++;
        } else if (next == '"' || next == '\\') {
            buf_add_char(out, next);
            i++;
        } else if (at != NULL) {
            buf_add_char(out, bytes[at - names]);
            i++;
        } else {
            buf_add_char(out, '\\');
        }
    }
}

/* reader->rest starts with the quote. What stands before a quote or a backslash is looked at first:
 * a backslash keeps the quote from closing, two of them stand for themselves. */
static bool read_quoted(struct reader *reader, struct str name, struct err *err)
{
    AUTO(buf_done) struct buf value = {0};
    AUTO(buf_done) struct buf plain = {0};
    const struct str rest = reader->rest;
    char quote = rest.ptr[0];
    size_t i = 1;

    for (; i < rest.len && rest.ptr[i] != quote; i++) {
        bool is_escape = rest.ptr[i] == '\\' && i + 1 < rest.len;
        if (is_escape && rest.ptr[++i] != quote)
            buf_add_char(&value, '\\');
        buf_add_char(&value, rest.ptr[i]);
    }
    if (i >= rest.len) {
        (void)err_set(err, ERR_INVALID, "the quote of '" STR_FMT "' is not closed",
                      STR_ARG(str_sub(name, 0, 60)));
        return fail_here(reader, err);
    }
    if (quote == '"')
        add_unescaped(buf_str(&value), &plain);
    bool done = quote == '"' ? set_expanded(reader, name, buf_str(&plain), err)
                             : set_var(reader, name, buf_str(&value), err);
    advance(reader, i + 1);
    return done;
}

static bool read_value(struct reader *reader, struct str name, struct err *err)
{
    size_t blank = 0;

    while (blank < reader->rest.len && strchr(" \t\r\v\f", reader->rest.ptr[blank]) != NULL)
        blank++;
    advance(reader, blank);
    if (reader->rest.len > 0 && (reader->rest.ptr[0] == '"' || reader->rest.ptr[0] == '\''))
        return read_quoted(reader, name, err);
    size_t end = str_find(reader->rest, '\n');
    struct str value = str_sub(reader->rest, 0, end);
    bool done = set_expanded(reader, name, trim_end(without_comment(value)), err);
    advance(reader, end);
    return done;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_.-[]", c) != NULL) || (unsigned char)c >= 0x80;
}

static bool check_name(const struct reader *reader, struct str name, struct err *err)
{
    bool good = name.len > 0;

    for (size_t i = 0; i < name.len; i++)
        good = good && is_name_char(name.ptr[i]);
    if (good)
        return true;
    (void)err_set(err, ERR_INVALID, "'" STR_FMT "' is no variable name; write NAME=value",
                  STR_ARG(str_sub(name, 0, 60)));
    return fail_here(reader, err);
}

/* A name without value has the caller's. */
static bool set_inherited(struct reader *reader, struct str name, struct err *err)
{
    const char *outer =
        reader->source->find == NULL ? NULL : reader->source->find(reader->source->context, name);

    return outer == NULL || set_var(reader, name, str_of(outer), err);
}

/* At the start of a line that is neither empty nor a comment. */
static bool read_statement(struct reader *reader, struct err *err)
{
    if (str_starts(reader->rest, STR("export ")) || str_starts(reader->rest, STR("export\t")))
        advance(reader, sizeof "export");
    size_t end = 0;
    while (end < reader->rest.len && strchr("=:\n", reader->rest.ptr[end]) == NULL)
        end++;
    struct str name = str_trim(str_sub(reader->rest, 0, end));
    bool has_value = end < reader->rest.len && reader->rest.ptr[end] != '\n';

    if (!check_name(reader, name, err))
        return false;
    advance(reader, has_value ? end + 1 : end);
    return has_value ? read_value(reader, name, err) : set_inherited(reader, name, err);
}

/* The same in a raw file: all behind the first '=' is the value, blanks at its end too. */
static bool read_raw_line(struct reader *reader, struct err *err)
{
    size_t end = str_find(reader->rest, '\n');
    struct str value = str_sub(reader->rest, 0, end);

    if (value.len > 0 && value.ptr[value.len - 1] == '\r')
        value.len--;
    struct str name = str_cut(&value, '=');
    if (name.len == 0 || str_find(name, ' ') < name.len || str_find(name, '\t') < name.len) {
        (void)err_set(err, ERR_INVALID, "'" STR_FMT "' is no variable name; write NAME=value",
                      STR_ARG(str_sub(name, 0, 60)));
        return fail_here(reader, err);
    }
    bool done =
        value.ptr != NULL ? set_var(reader, name, value, err) : set_inherited(reader, name, err);
    advance(reader, end);
    return done;
}

bool dotenv_parse(struct str text, const struct dotenv_source *source, struct arena *arena,
                  struct map *ret, struct err *err)
{
    struct reader reader = {source, arena, ret, text, 1, 0};

    if (text.len > DOTENV_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "%s: larger than %d KiB", source->file,
                       DOTENV_BYTES_MAX / 1024);
    if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL)
        return err_set(err, ERR_INVALID, "%s: holds a zero byte; it is no text file", source->file);
    if (str_starts(text, STR("\xef\xbb\xbf")))
        advance(&reader, 3);
    while (reader.rest.len > 0) {
        char c = reader.rest.ptr[0];

        if (strchr(" \t\r\n\v\f", c) != NULL)
            advance(&reader, 1);
        else if (c == '#')
            advance(&reader, str_find(reader.rest, '\n'));
        else if (!(source->raw ? read_raw_line : read_statement)(&reader, err))
            return false;
    }
    return true;
}
