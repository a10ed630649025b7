/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/rollout_format.h"
#include "cli/text_width.h"
#include "json/json.h"

enum { SHARE_WHOLE = 10000, STATE_WIDTH = 11, TEXT_MAX = 400, RELEASES_SHOWN = 8 };

static enum style style_of(const char *state)
{
    static const struct {
        const char *state;
        enum style style;
    } styles[] = {
        {"done", STYLE_GREEN},      {"keeping", STYLE_GREEN}, {"guarding", STYLE_GREEN},
        {"draining", STYLE_GREEN},  {"waiting", STYLE_CYAN},  {"aborting", STYLE_RED},
        {"rolled-back", STYLE_RED},
    };

    for (size_t i = 0; i < ARRAY_LEN(styles); i++)
        if (strcmp(styles[i].state, state) == 0)
            return styles[i].style;
    return STYLE_YELLOW;
}

void rollout_format_share(uint64_t share, struct buf *ret)
{
    uint64_t whole = share / 100, part = share % 100;

    buf_addf(ret, "%llu", (unsigned long long)whole);
    if (part != 0)
        buf_addf(ret, part % 10 == 0 ? ".%llu" : ".%02llu",
                 (unsigned long long)(part % 10 == 0 ? part / 10 : part));
    buf_add_text(ret, " %");
}

static void add_text(const char *text, struct buf *ret)
{
    AUTO(buf_done) struct buf clean = {0};

    text_clean(str_sub(str_of(text), 0, TEXT_MAX), false, &clean);
    buf_add_str(ret, buf_str(&clean));
}

static void add_step(const json_t *rollout, struct buf *ret)
{
    uint64_t step = json_find_u64(rollout, "step", 0), steps = json_find_u64(rollout, "steps", 0);
    uint64_t share = json_find_u64(rollout, "share", 0);

    if (steps > 1)
        buf_addf(ret, "  step %llu of %llu", (unsigned long long)step, (unsigned long long)steps);
    if (share > 0 && share <= SHARE_WHOLE) {
        buf_add_text(ret, steps > 1 ? ", " : "  ");
        rollout_format_share(share, ret);
        buf_addf(ret, " at release %llu", (unsigned long long)json_find_u64(rollout, "to", 0));
    }
}

static void add_left(const json_t *rollout, int64_t wall_ms, struct buf *ret)
{
    int64_t until_ms = (int64_t)json_find_u64(rollout, "until_ms", 0);

    if (until_ms <= wall_ms)
        return;
    int64_t seconds = (until_ms - wall_ms + 999) / 1000;
    if (seconds < 120)
        buf_addf(ret, "  %lld s left", (long long)seconds);
    else
        buf_addf(ret, "  %lld min left", (long long)(seconds / 60));
}

void rollout_format_line(const json_t *rollout, int64_t wall_ms, const struct term *term,
                         struct buf *ret)
{
    AUTO(buf_done) struct buf state = {0};
    const char *name = json_find_text(rollout, "state", "?");
    const char *text = json_find_text(rollout, "text", json_find_text(rollout, "why", ""));
    uint64_t from = json_find_u64(rollout, "from", 0);

    buf_add_text(ret, "release ");
    if (from != 0)
        buf_addf(ret, "%llu -> ", (unsigned long long)from);
    buf_addf(ret, "%llu  ", (unsigned long long)json_find_u64(rollout, "to", 0));
    add_text(name, &state);
    term_style(term, style_of(name), buf_str(&state), ret);
    text_width_pad(text_width(buf_str(&state)), STATE_WIDTH, ret);
    add_step(rollout, ret);
    add_left(rollout, wall_ms, ret);
    if (text[0] != '\0') {
        buf_add_text(ret, "  ");
        add_text(text, ret);
    }
}

static void add_errors(uint64_t errors, uint64_t requests, struct buf *ret)
{
    uint64_t share = requests == 0 ? 0 : MIN(errors, requests) * SHARE_WHOLE / requests;

    buf_addf(ret, "  %llu failed (", (unsigned long long)errors);
    rollout_format_share(share, ret);
    buf_add_char(ret, ')');
}

void rollout_format_figures(const json_t *rollout, const char *indent, struct buf *ret)
{
    size_t i;
    const json_t *release;

    json_array_foreach(json_object_get(rollout, "releases"), i, release)
    {
        uint64_t requests = json_find_u64(release, "requests", 0);
        if (requests == 0 || i >= RELEASES_SHOWN)
            continue;
        buf_addf(ret, "%srelease %llu  %llu requests", indent,
                 (unsigned long long)json_find_u64(release, "release", 0),
                 (unsigned long long)requests);
        add_errors(json_find_u64(release, "errors", 0), requests, ret);
        if (json_is_number(json_object_get(release, "p99_ms")))
            buf_addf(ret, "  p99 %.4g ms", json_number_value(json_object_get(release, "p99_ms")));
        buf_add_char(ret, '\n');
    }
}
