/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>

#include "compose/compose_priv.h"

static void add_path(const struct path *path, struct buf *ret)
{
    if (path->parent != NULL)
        add_path(path->parent, ret);
    if (path->key == NULL)
        buf_addf(ret, "[%zu]", path->index);
    else
        buf_addf(ret, "%s%s", ret->len == 0 ? "" : ".", path->key);
}

const char *path_format(const struct path *path, struct arena *arena)
{
    AUTO(buf_done) struct buf text = {0};

    if (path == NULL)
        return NULL;
    add_path(path, &text);
    return arena_str(arena, buf_str(&text));
}

static void add_diag(struct load *load, struct compose_diag diag)
{
    struct compose_diags *diags = load->diags;

    diags->error_count += diag.severity == COMPOSE_ERROR;
    if (diags->count < COMPOSE_DIAGS_MAX) {
        diags->items[diags->count++] = diag;
        return;
    }
    diags->dropped++;
    /* An error is worth more than a warning: it takes the place of the last one. */
    for (size_t i = diags->count; diag.severity == COMPOSE_ERROR && i-- > 0;)
        if (diags->items[i].severity == COMPOSE_WARNING) {
            diags->items[i] = diag;
            return;
        }
}

PRINTF_LIKE(6, 0)
static void add_message(struct load *load, enum compose_severity severity,
                        const struct yaml_node *node, const struct path *path, const char *hint,
                        const char *fmt, va_list ap)
{
    struct compose_diag diag = {.severity = severity, .hint = hint};
    char text[800];

    (void)vsnprintf(text, sizeof text, fmt, ap);
    if (node != NULL)
        diag.place = (struct compose_place){node->file, node->line, node->column};
    diag.path = path_format(path, load->arena);
    diag.text = arena_text(load->arena, text);
    add_diag(load, diag);
}

bool load_copy(struct load *load, const struct yaml_node *node, const struct path *path,
               size_t values)
{
    bool was_fine = load->copied <= YAML_NODES_MAX;

    load->copied += values;
    if (load->copied <= YAML_NODES_MAX)
        return true;
    if (was_fine)
        load_error(load, node, path, NULL,
                   "services take over more than %d values by extends and files", YAML_NODES_MAX);
    return false;
}

void load_error(struct load *load, const struct yaml_node *node, const struct path *path,
                const char *hint, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add_message(load, COMPOSE_ERROR, node, path, hint, fmt, ap);
    va_end(ap);
}

void load_warn(struct load *load, const struct yaml_node *node, const struct path *path,
               const char *hint, const char *fmt, ...)
{
    va_list ap;

    if (load->warnings_off > 0)
        return;
    va_start(ap, fmt);
    add_message(load, COMPOSE_WARNING, node, path, hint, fmt, ap);
    va_end(ap);
}

void load_unfit(struct load *load, const struct yaml_node *node, const struct path *path,
                const char *hint, const char *fmt, ...)
{
    va_list ap;

    if (!load->refuse && load->warnings_off > 0)
        return;
    va_start(ap, fmt);
    add_message(load, load->refuse ? COMPOSE_ERROR : COMPOSE_WARNING, node, path, hint, fmt, ap);
    va_end(ap);
}

void load_add_err(struct load *load, const struct err *err)
{
    add_diag(load, (struct compose_diag){.severity = COMPOSE_ERROR,
                                         .text = arena_text(load->arena, err->text)});
}

bool load_failed(const struct load *load, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};

    for (size_t i = 0; i < load->diags->count; i++)
        if (load->diags->items[i].severity == COMPOSE_ERROR) {
            compose_diag_format(&load->diags->items[i], &text);
            (void)err_set(err, ERR_INVALID, "%s", buf_text(&text));
            return true;
        }
    return false;
}

void compose_diag_format(const struct compose_diag *diag, struct buf *ret)
{
    if (diag->place.file != NULL)
        buf_addf(ret, "%s:%u:%u: ", diag->place.file, diag->place.line, diag->place.column);
    if (diag->path != NULL)
        buf_addf(ret, "%s: ", diag->path);
    buf_add_text(ret, diag->text);
    if (diag->hint != NULL)
        buf_addf(ret, "; %s", diag->hint);
}

const char *path_absolute(const struct load *load, const char *base, const char *path)
{
    AUTO(buf_done) struct buf full = {0};
    AUTO(buf_done) struct buf out = {0};

    if (path[0] == '~' && (path[1] == '/' || path[1] == '\0') && load->home != NULL)
        buf_addf(&full, "%s%s", load->home, path + 1);
    else if (path[0] == '/')
        buf_add_text(&full, path);
    else
        buf_addf(&full, "%s/%s", base, path);
    struct str rest = buf_str(&full);
    while (rest.ptr != NULL) {
        struct str part = str_cut(&rest, '/');
        if (part.len == 0 || str_is(part, "."))
            continue;
        if (str_is(part, "..")) {
            size_t slash = str_find_last(buf_str(&out), '/');
            out.len = slash < out.len ? slash : 0;
            continue;
        }
        buf_add_char(&out, '/');
        buf_add_str(&out, part);
    }
    return out.len == 0 ? "/" : arena_str(load->arena, buf_str(&out));
}

enum { SUGGEST_WORD_MAX = 40 };

/* Levenshtein distance; a swap of neighbours counts 1. */
static size_t distance(struct str a, struct str b)
{
    size_t rows[3][SUGGEST_WORD_MAX + 1] = {{0}};
    size_t *before = rows[0];
    size_t *last = rows[1];
    size_t *now = rows[2];

    for (size_t k = 0; k <= b.len; k++)
        last[k] = k;
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = i;
        for (size_t k = 1; k <= b.len; k++) {
            size_t cost = a.ptr[i - 1] != b.ptr[k - 1];
            now[k] = MIN(MIN(last[k] + 1, now[k - 1] + 1), last[k - 1] + cost);
            if (i > 1 && k > 1 && a.ptr[i - 1] == b.ptr[k - 2] && a.ptr[i - 2] == b.ptr[k - 1])
                now[k] = MIN(now[k], before[k - 2] + 1);
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b.len];
}

const char *suggest(struct arena *arena, const char *word, const char *const *words)
{
    struct str given = str_of(word);
    const char *best = NULL;
    size_t best_distance = given.len / 3 + 1; /* one wrong letter in three at most */

    if (given.len > SUGGEST_WORD_MAX)
        return NULL;
    for (; *words != NULL; words++) {
        struct str other = str_of(*words);
        if (other.len > SUGGEST_WORD_MAX)
            continue;
        size_t here = distance(given, other);
        if (given.len >= 5 && strstr(*words, word) != NULL)
            here = MIN(here, best_distance); /* "healthy" for "service_healthy" */
        if (here < best_distance || (here == best_distance && best == NULL)) {
            best = *words;
            best_distance = here;
        }
    }
    return best == NULL ? NULL : arena_printf(arena, "did you mean '%s'?", best);
}
