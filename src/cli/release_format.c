/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/clock.h"
#include "cli/line_diff.h"
#include "cli/looking_format.h"
#include "cli/release_format.h"
#include "cli/text_table.h"
#include "cli/text_width.h"
#include "compose/load.h"
#include "json/json.h"

enum { COMMIT_DIGITS = 12 };

void release_format_age(int64_t ms, struct buf *ret)
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    int64_t seconds = MAX(ms, 0) / 1000;

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        int64_t count = seconds / units[i].seconds;
        if (count == 0 && i + 1 < ARRAY_LEN(units))
            continue;
        buf_addf(ret, "%lld %s%s ago", (long long)count, units[i].name, count == 1 ? "" : "s");
        return;
    }
}

void release_format_changed(const json_t *changed, struct buf *ret)
{
    static const struct {
        const char *key;
        const char *mark;
    } kinds[] = {{"replaced", ""}, {"added", "+"}, {"removed", "-"}};
    size_t k;
    const json_t *name;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        json_array_foreach(json_object_get(changed, kinds[i].key), k, name)
        {
            buf_addf(ret, "%s%s", ret->len == 0 ? "" : ", ", kinds[i].mark);
            text_clean(str_of(json_is_string(name) ? json_string_value(name) : "?"), false, ret);
        }
    }
}

/* "3f9a01c2d4e5", with + when the folder was not as in that commit. */
static void format_commit(const json_t *release, struct buf *ret)
{
    const char *commit = json_find_text(release, "commit", "");

    buf_addf(ret, "%.*s%s", COMMIT_DIGITS, commit,
             commit[0] != '\0' && json_find_bool(release, "dirty", false) ? "+" : "");
}

/* "up", "rollback to 3" */
static void format_command(const json_t *release, struct buf *ret)
{
    uint64_t back_to = json_find_u64(release, "back_to", 0);

    buf_add_text(ret, json_find_text(release, "command", "?"));
    if (back_to > 0)
        buf_addf(ret, " to %llu", (unsigned long long)back_to);
}

static const struct text_table_column release_columns[] = {
    {.header = "RELEASE", .right = true},
    {.header = "AGE", .drops = 1},
    {.header = "STATE"},
    {.header = "SIZE", .right = true, .drops = 4, .optional = true},
    {.header = "BY", .drops = 3, .optional = true},
    {.header = "COMMIT", .drops = 2, .optional = true},
    {.header = "COMMAND"},
    {.header = "CHANGED", .shrinks = true},
};

static enum style style_of(const char *state)
{
    if (strcmp(state, "current") == 0)
        return STYLE_GREEN;
    if (strcmp(state, "failed") == 0)
        return STYLE_RED;
    return strcmp(state, "wanted") == 0 ? STYLE_YELLOW : STYLE_NONE;
}

static void add_cell(struct text_table *table, struct arena *arena, struct buf *text)
{
    looking_add_cell(table, arena, buf_text(text));
    buf_clear(text);
}

void releases_format_table(const json_t *answer, const struct term *term, int64_t now_ms,
                           struct arena *arena, struct buf *ret)
{
    AUTO(text_table_done) struct text_table table = {0};
    AUTO(buf_done) struct buf text = {0};
    size_t i;
    const json_t *release;

    text_table_init(&table, release_columns, ARRAY_LEN(release_columns));
    json_array_foreach(json_object_get(answer, "releases"), i, release)
    {
        const char *state = json_find_text(release, "state", "?");
        buf_addf(&text, "%llu", (unsigned long long)json_find_u64(release, "number", 0));
        add_cell(&table, arena, &text);
        release_format_age(now_ms - (int64_t)json_find_u64(release, "created_ms", 0), &text);
        add_cell(&table, arena, &text);
        text_table_add(&table, style_of(state), arena_text(arena, state));
        if (json_find_u64(release, "bytes", 0) > 0)
            size_format_binary(json_find_u64(release, "bytes", 0), &text);
        add_cell(&table, arena, &text);
        looking_add_cell(&table, arena, json_find_text(release, "user", ""));
        format_commit(release, &text);
        add_cell(&table, arena, &text);
        format_command(release, &text);
        add_cell(&table, arena, &text);
        release_format_changed(json_object_get(release, "changed"), &text);
        add_cell(&table, arena, &text);
    }
    text_table_format(&table, term, ret);
}

void release_format_head(const json_t *release, int64_t now_ms, struct buf *ret)
{
    AUTO(buf_done) struct buf changed = {0};
    const char *user = json_find_text(release, "user", NULL);
    const char *obstacle = json_find_text(release, "obstacle", NULL);

    buf_addf(ret, "# release %llu, %s, made ",
             (unsigned long long)json_find_u64(release, "number", 0),
             json_find_text(release, "state", "?"));
    release_format_age(now_ms - (int64_t)json_find_u64(release, "created_ms", 0), ret);
    buf_add_text(ret, " by ");
    text_clean(str_of(user == NULL ? "nobody knows whom" : user), false, ret);
    buf_add_text(ret, " with ");
    format_command(release, ret);
    buf_add_char(ret, '\n');
    if (json_find_text(release, "commit", NULL) != NULL)
        buf_addf(ret, "# commit %s%s\n", json_find_text(release, "commit", ""),
                 json_find_bool(release, "dirty", false) ? ", with changes" : "");
    release_format_changed(json_object_get(release, "changed"), &changed);
    if (changed.len > 0)
        buf_addf(ret, "# changed: %s\n", buf_text(&changed));
    if (obstacle != NULL) {
        buf_add_text(ret, "# ");
        text_clean(str_of(obstacle), false, ret);
        buf_add_char(ret, '\n');
    }
}

void release_format_diff(const json_t *answer, struct buf *ret)
{
    AUTO(buf_done) struct buf a = {0}, b = {0};
    char from[32], to[32];
    size_t i;
    const json_t *line;

    str_format(from, sizeof from, "release %llu",
               (unsigned long long)json_find_u64(answer, "from", 0));
    str_format(to, sizeof to, "release %llu", (unsigned long long)json_find_u64(answer, "to", 0));
    compose_format(json_object_get(answer, "from_config"), COMPOSE_FORMAT_YAML, true, &a);
    compose_format(json_object_get(answer, "to_config"), COMPOSE_FORMAT_YAML, true, &b);
    line_diff(from, buf_str(&a), to, buf_str(&b), ret);
    json_array_foreach(json_object_get(answer, "differences"), i, line)
    {
        buf_add_text(ret, "# ");
        text_clean(str_of(json_is_string(line) ? json_string_value(line) : "?"), false, ret);
        buf_add_char(ret, '\n');
    }
}

/* ---- history ---- */

static const struct text_table_column history_columns[] = {
    {.header = "TIME"},
    {.header = "SYSTEM", .optional = true, .drops = 3},
    {.header = "BY"},
    {.header = "ACTION"},
    {.header = "SERVICES", .optional = true, .shrinks = true},
    {.header = "RELEASE", .right = true, .drops = 2},
    {.header = "SECONDS", .right = true, .drops = 1},
    {.header = "RESULT", .shrinks = true},
};

void history_format_table(const json_t *answer, const struct term *term, struct arena *arena,
                          struct buf *ret)
{
    AUTO(text_table_done) struct text_table table = {0};
    AUTO(buf_done) struct buf text = {0};
    char time[CLOCK_TEXT_BYTES];
    size_t i;
    const json_t *action;

    text_table_init(&table, history_columns, ARRAY_LEN(history_columns));
    json_array_foreach(json_object_get(answer, "actions"), i, action)
    {
        bool ok = json_find_bool(action, "ok", false);
        uint64_t took_ms = json_find_u64(action, "took_ms", 0);
        clock_format_rfc3339((int64_t)json_find_u64(action, "time_ms", 0), time);
        looking_add_cell(&table, arena, time);
        looking_add_cell(&table, arena, json_find_text(action, "system", ""));
        looking_add_cell(&table, arena, json_find_text(action, "user", "?"));
        looking_add_cell(&table, arena, json_find_text(action, "action", "?"));
        looking_add_cell(&table, arena, json_find_text(action, "services", ""));
        buf_addf(&text, "%llu", (unsigned long long)json_find_u64(action, "release", 0));
        add_cell(&table, arena, &text);
        buf_addf(&text, "%llu.%llu", (unsigned long long)(took_ms / 1000),
                 (unsigned long long)(took_ms % 1000 / 100));
        add_cell(&table, arena, &text);
        looking_add_cell(&table, arena, ok ? "ok" : json_find_text(action, "error", "failed"));
    }
    text_table_format(&table, term, ret);
}
