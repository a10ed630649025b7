/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/vec.h"
#include "cli/line_diff.h"

enum { CONTEXT = 3 };

struct lines {
    struct str *ptr;
    size_t len, cap;
};

/* One line of the result: of both, of the first only, or of the second only. */
struct edit {
    char mark; /* ' ', '-' or '+' */
    struct str text;
};

struct edits {
    struct edit *ptr;
    size_t len, cap;
};

static void split(struct str text, struct lines *ret)
{
    if (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;
    while (text.ptr != NULL && text.len > 0)
        VEC_PUSH(ret, str_cut(&text, '\n'));
}

static void add(struct edits *edits, char mark, const struct str *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        VEC_PUSH(edits, ((struct edit){mark, lines[i]}));
}

/* Longest common subsequence: row i, column k of <best> is its length from a[i], b[k] on. */
static void compare(const struct str *a, size_t a_count, const struct str *b, size_t b_count,
                    struct edits *edits)
{
    size_t width = b_count + 1;

    if (a_count > 0 && b_count > LINE_DIFF_PAIRS_MAX / a_count) {
        add(edits, '-', a, a_count);
        add(edits, '+', b, b_count);
        return;
    }
    AUTO(free) uint32_t *best = mem_new((a_count + 1) * width * sizeof *best);
    for (size_t i = a_count; i-- > 0;)
        for (size_t k = b_count; k-- > 0;)
            best[i * width + k] = str_eq(a[i], b[k])
                                      ? best[(i + 1) * width + k + 1] + 1
                                      : MAX(best[(i + 1) * width + k], best[i * width + k + 1]);
    size_t i = 0, k = 0;
    while (i < a_count && k < b_count) {
        if (str_eq(a[i], b[k])) {
            add(edits, ' ', &a[i++], 1);
            k++;
        } else if (best[(i + 1) * width + k] >= best[i * width + k + 1]) {
            add(edits, '-', &a[i++], 1);
        } else {
            add(edits, '+', &b[k++], 1);
        }
    }
    add(edits, '-', a + i, a_count - i);
    add(edits, '+', b + k, b_count - k);
}

static void compare_all(const struct lines *a, const struct lines *b, struct edits *edits)
{
    size_t head = 0, tail = 0, least = MIN(a->len, b->len);

    if (least == 0) {
        add(edits, '-', a->ptr, a->len);
        add(edits, '+', b->ptr, b->len);
        return;
    }
    while (head < least && str_eq(a->ptr[head], b->ptr[head]))
        head++;
    while (tail < least - head && str_eq(a->ptr[a->len - 1 - tail], b->ptr[b->len - 1 - tail]))
        tail++;
    add(edits, ' ', a->ptr, head);
    compare(a->ptr + head, a->len - head - tail, b->ptr + head, b->len - head - tail, edits);
    add(edits, ' ', a->ptr + a->len - tail, tail);
}

/* ---- hunks ---- */

/* One past the end of the hunk whose first change is <at>: further changes join it when the lines
 * between them would be shown anyhow. */
static size_t hunk_end(const struct edits *edits, size_t at)
{
    size_t last = at;

    for (size_t i = at; i < edits->len && i <= last + 2 * CONTEXT + 1; i++)
        if (edits->ptr[i].mark != ' ')
            last = i;
    return MIN(last + 1 + CONTEXT, edits->len);
}

static void add_range(char sign, size_t first, size_t count, struct buf *ret)
{
    buf_addf(ret, " %c%zu", sign, count == 0 ? first : first + 1);
    if (count != 1)
        buf_addf(ret, ",%zu", count);
}

static void add_hunk(const struct edits *edits, size_t from, size_t to, struct buf *ret)
{
    size_t before[2] = {0}, within[2] = {0};

    for (size_t i = 0; i < to; i++) {
        size_t *counts = i < from ? before : within;
        counts[0] += edits->ptr[i].mark != '+';
        counts[1] += edits->ptr[i].mark != '-';
    }
    buf_add_text(ret, "@@");
    add_range('-', before[0], within[0], ret);
    add_range('+', before[1], within[1], ret);
    buf_add_text(ret, " @@\n");
    for (size_t i = from; i < to; i++)
        buf_addf(ret, "%c" STR_FMT "\n", edits->ptr[i].mark, STR_ARG(edits->ptr[i].text));
}

void line_diff(const char *a_name, struct str a, const char *b_name, struct str b, struct buf *ret)
{
    struct lines a_lines = {0}, b_lines = {0};
    struct edits edits = {0};
    bool began = false;

    split(a, &a_lines);
    split(b, &b_lines);
    compare_all(&a_lines, &b_lines, &edits);
    for (size_t i = 0, shown = 0; i < edits.len; i++) {
        if (edits.ptr[i].mark == ' ')
            continue;
        if (!began)
            buf_addf(ret, "--- %s\n+++ %s\n", a_name, b_name);
        began = true;
        size_t from = i > CONTEXT ? MAX(i - CONTEXT, shown) : shown;
        shown = hunk_end(&edits, i);
        add_hunk(&edits, from, shown, ret);
        i = shown - 1;
    }
    VEC_DONE(&a_lines);
    VEC_DONE(&b_lines);
    VEC_DONE(&edits);
}
