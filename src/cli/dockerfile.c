/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/buf.h"
#include "base/err.h"
#include "cli/dockerfile.h"
#include "json/json.h"

enum { WORKDIR_BYTES_MAX = 1024 };

struct parse {
    struct arena *arena;
    struct dockerfile *file;
    const char *entrypoint; /* of the last stage; NULL: none */
    const char *cmd;
};

static struct str cut_word(struct str *rest)
{
    size_t end = 0;

    *rest = str_trim(*rest);
    while (end < rest->len && rest->ptr[end] != ' ' && rest->ptr[end] != '\t')
        end++;
    struct str word = str_sub(*rest, 0, end);
    *rest = str_trim(str_sub(*rest, end, rest->len));
    return word;
}

/* "--mount=type=cache,target=/x" and its like come before what is meant. */
static struct str without_flags(struct str text)
{
    while (str_starts(text, STR("--")))
        (void)cut_word(&text);
    return text;
}

static bool is_plain(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-+=./:,@%";

    return word[0] != '\0' && word[strspn(word, plain)] == '\0';
}

static void add_word(const char *word, struct buf *ret)
{
    if (ret->len > 0)
        buf_add_char(ret, ' ');
    if (is_plain(word)) {
        buf_add_text(ret, word);
        return;
    }
    buf_add_char(ret, '\'');
    for (; *word != '\0'; word++)
        if (*word == '\'')
            buf_add_text(ret, "'\\''");
        else
            buf_add_char(ret, *word);
    buf_add_char(ret, '\'');
}

/* `["node", "server.js"]` as a line of shell; a line of shell as it is. */
static const char *shell_line(struct parse *parse, struct str text)
{
    AUTO(json_unref) json_t *list = NULL;
    AUTO(buf_done) struct buf line = {0};
    struct err ignored;
    const json_t *word;
    size_t i;

    if (!str_starts(text, STR("[")) || !json_parse(text, DOCKERFILE_BYTES_MAX, &list, &ignored) ||
        !json_is_array(list))
        return text.len == 0 ? NULL : arena_str(parse->arena, text);
    json_array_foreach(list, i, word)
    {
        if (json_is_string(word))
            add_word(json_string_value(word), &line);
    }
    return line.len == 0 ? NULL : arena_str(parse->arena, buf_str(&line));
}

static void take_from(struct parse *parse, struct str rest)
{
    rest = without_flags(rest);
    parse->file->from = arena_str(parse->arena, cut_word(&rest));
    parse->file->workdir = NULL;
    parse->entrypoint = NULL;
    parse->cmd = NULL;
}

static void take_workdir(struct parse *parse, struct str rest)
{
    const char *before = parse->file->workdir == NULL ? "" : parse->file->workdir;

    if (rest.len == 0 || strlen(before) + rest.len > WORKDIR_BYTES_MAX)
        return;
    parse->file->workdir = rest.ptr[0] == '/'
                               ? arena_str(parse->arena, rest)
                               : arena_printf(parse->arena, "%s/" STR_FMT, before, STR_ARG(rest));
}

/* A step whose text stands in the lines below (<<EOF) is not one line. */
static void take_run(struct parse *parse, struct str rest)
{
    struct compose_texts *steps = &parse->file->steps;
    const char *line = shell_line(parse, without_flags(rest));

    if (line == NULL || strncmp(line, "<<", 2) == 0 || steps->count == DOCKERFILE_STEPS_MAX)
        return;
    steps->items[steps->count++] = line;
}

static void take_line(struct parse *parse, struct str line)
{
    struct str word = cut_word(&line);

    if (str_eq_nocase(word, STR("FROM")))
        take_from(parse, line);
    else if (str_eq_nocase(word, STR("WORKDIR")))
        take_workdir(parse, line);
    else if (str_eq_nocase(word, STR("RUN")))
        take_run(parse, line);
    else if (str_eq_nocase(word, STR("ENTRYPOINT")))
        parse->entrypoint = shell_line(parse, line);
    else if (str_eq_nocase(word, STR("CMD")))
        parse->cmd = shell_line(parse, line);
}

/* One instruction may go over several lines, with comments between them. */
static void take_lines(struct parse *parse, struct str text)
{
    AUTO(buf_done) struct buf whole = {0};

    for (struct str rest = text; rest.ptr != NULL;) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        bool goes_on = str_ends(line, STR("\\"));

        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        if (whole.len > 0)
            buf_add_char(&whole, ' ');
        buf_add_str(&whole, str_trim(str_sub(line, 0, line.len - goes_on)));
        if (goes_on)
            continue;
        take_line(parse, buf_str(&whole));
        buf_clear(&whole);
    }
    take_line(parse, buf_str(&whole));
}

void dockerfile_parse(struct str text, struct arena *arena, struct dockerfile *ret)
{
    struct parse parse = {.arena = arena, .file = ret};

    *ret =
        (struct dockerfile){.steps.items = ARENA_ARRAY(arena, const char *, DOCKERFILE_STEPS_MAX)};
    take_lines(&parse, str_sub(text, 0, str_find(text, '\0')));
    if (parse.entrypoint != NULL && parse.cmd != NULL)
        ret->command = arena_printf(arena, "%s %s", parse.entrypoint, parse.cmd);
    else
        ret->command = parse.entrypoint != NULL ? parse.entrypoint : parse.cmd;
}
