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

static void add_escaped(struct buf *out, char c)
{
    static const char names[] = "abfnrtv";
    static const char bytes[] = "\a\b\f\n\r\t\v";
    const char *at = strchr(names, c);

    if (c == '$')
        buf_add_text(out, "$$"); /* a dollar that starts no variable */
    else if (c == '"' || c == '\\' || c == '\'')
        buf_add_char(out, c);
    else if (at != NULL && c != '\0')
        buf_add_char(out, bytes[at - names]);
    else
        buf_addf(out, "\\%c", c);
}

/* reader->rest starts with the quote. */
static bool read_quoted(struct reader *reader, struct str name, struct err *err)
{
    AUTO(buf_done) struct buf value = {0};
    char quote = reader->rest.ptr[0];
    size_t i = 1;

    for (; i < reader->rest.len && reader->rest.ptr[i] != quote; i++) {
        char c = reader->rest.ptr[i];
        char next = i + 1 < reader->rest.len ? reader->rest.ptr[i + 1] : '\0';

        if (c == '\\' && quote == '"' && next != '\0') {
            add_escaped(&value, next);
            i++;
        } else if (c == '\\' && next == '\'') {
            buf_add_char(&value, next);
            i++;
        } else {
            buf_add_char(&value, c);
        }
    }
    if (i >= reader->rest.len) {
        (void)err_set(err, ERR_INVALID, "the quote of '" STR_FMT "' is not closed",
                      STR_ARG(str_sub(name, 0, 60)));
        return fail_here(reader, err);
    }
    bool done = quote == '"' ? set_expanded(reader, name, buf_str(&value), err)
                             : set_var(reader, name, buf_str(&value), err);
    advance(reader, i + 1);
    return done;
}

static bool read_value(struct reader *reader, struct str name, struct err *err)
{
    size_t blank = 0;

    while (blank < reader->rest.len && strchr(" \t\v\f", reader->rest.ptr[blank]) != NULL)
        blank++;
    if (!reader->source->raw)
        advance(reader, blank);
    bool is_quoted = reader->rest.len > 0 && !reader->source->raw &&
                     (reader->rest.ptr[0] == '"' || reader->rest.ptr[0] == '\'');
    if (is_quoted)
        return read_quoted(reader, name, err);
    size_t end = str_find(reader->rest, '\n');
    struct str value = str_sub(reader->rest, 0, end);
    bool done = reader->source->raw
                    ? set_var(reader, name, trim_end(value), err)
                    : set_expanded(reader, name, trim_end(without_comment(value)), err);
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
    if (has_value)
        return read_value(reader, name, err);
    const char *outer =
        reader->source->find == NULL ? NULL : reader->source->find(reader->source->context, name);
    return outer == NULL || set_var(reader, name, str_of(outer), err);
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
        else if (!read_statement(&reader, err))
            return false;
    }
    return true;
}
