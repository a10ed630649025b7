/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>

#include "base/clock.h"
#include "cli/progress.h"
#include "cli/rollout_format.h"
#include "cli/text_width.h"
#include "json/json.h"

enum {
    SERVICES_MAX = 1000, /* lines of more are printed plain */
    STATE_WIDTH = 9,     /* "unhealthy" */
    TIME_WIDTH = 8,
    TEXT_MAX = 400,
};
#define PLAIN_FIGURES_NS (10 * NS_PER_SECOND)

struct progress_service {
    const char *name;
    char state[24];
    struct buf text; /* of the last step, or the last line of its output */
    bool text_is_output;
    uint64_t start_ns; /* when it began to do something; 0: it waits */
    uint64_t end_ns;   /* when it reached a final state; 0: not yet */
};

/* How a state looks. Waiting states have no clock. */
static const struct state_look {
    const char *state;
    enum style style;
    bool waits;
    bool final;
    const char *mark; /* UTF-8 */
    const char *ascii;
} looks[] = {
    {"", STYLE_DIM, true, false, "·", " "},
    {"pending", STYLE_DIM, true, false, "·", " "},
    {"waiting", STYLE_DIM, true, false, "·", " "},
    {"building", STYLE_YELLOW, false, false, "●", "*"},
    {"built", STYLE_YELLOW, false, false, "●", "*"},
    {"cached", STYLE_YELLOW, false, false, "●", "*"},
    {"migrating", STYLE_YELLOW, false, false, "●", "*"},
    {"migrated", STYLE_YELLOW, false, false, "●", "*"},
    {"starting", STYLE_YELLOW, false, false, "●", "*"},
    {"warming", STYLE_YELLOW, false, false, "●", "*"},
    {"draining", STYLE_YELLOW, false, false, "●", "*"},
    {"stopping", STYLE_YELLOW, false, false, "●", "*"},
    {"ready", STYLE_GREEN, false, true, "✔", "+"},
    {"unchanged", STYLE_GREEN, false, true, "✔", "+"},
    {"created", STYLE_NONE, false, true, "■", "-"},
    {"paused", STYLE_YELLOW, false, true, "■", "-"},
    {"exited", STYLE_NONE, false, true, "■", "-"},
    {"removed", STYLE_NONE, false, true, "■", "-"},
    {"unhealthy", STYLE_RED, false, false, "✘", "x"},
    {"backoff", STYLE_RED, false, false, "✘", "x"},
    {"failed", STYLE_RED, false, true, "✘", "x"},
};

static const struct state_look *look_of(const char *state)
{
    static const struct state_look other = {"", STYLE_YELLOW, false, false, "●", "*"};

    for (size_t i = 0; i < ARRAY_LEN(looks); i++)
        if (strcmp(looks[i].state, state) == 0)
            return &looks[i];
    return &other;
}

enum progress_mode progress_mode_choose(const char *wanted, const struct term *term)
{
    if (wanted == NULL || strcmp(wanted, "auto") == 0)
        return term->moves ? PROGRESS_TTY : PROGRESS_PLAIN;
    if (strcmp(wanted, "tty") == 0)
        return PROGRESS_TTY;
    if (strcmp(wanted, "json") == 0)
        return PROGRESS_JSON;
    return strcmp(wanted, "quiet") == 0 ? PROGRESS_QUIET : PROGRESS_PLAIN;
}

void progress_init(struct progress *progress, enum progress_mode mode, enum progress_kind kind,
                   const char *system, struct term *term, uint64_t now_ns)
{
    *progress = (struct progress){
        .mode = mode, .kind = kind, .system = system, .term = term, .start_ns = now_ns};
}

void progress_done(struct progress *progress)
{
    for (size_t i = 0; i < progress->services.len; i++)
        buf_done(&progress->services.ptr[i]->text);
    VEC_DONE(&progress->services);
    map_done(&progress->by_name);
    live_done(&progress->live);
    json_decref(progress->result);
    json_decref(progress->rollout);
    arena_done(&progress->arena);
}

static struct progress_service *service_get(struct progress *progress, const char *name)
{
    struct progress_service *service = map_find(&progress->by_name, str_of(name));

    if (service != NULL)
        return service;
    if (progress->services.len >= SERVICES_MAX) /* one line for all that is too much */
        return progress->services.ptr[SERVICES_MAX - 1];

    AUTO(buf_done) struct buf clean = {0};
    text_clean(str_of(name), false, &clean);
    service = ARENA_NEW(&progress->arena, struct progress_service);
    service->name = arena_str(&progress->arena, buf_str(&clean));
    (void)map_set(&progress->by_name, str_of(name), service);
    VEC_PUSH(&progress->services, service);
    progress->name_width = MAX(progress->name_width, text_width(buf_str(&clean)));
    return service;
}

void progress_expect(struct progress *progress, const char *service)
{
    (void)service_get(progress, service);
}

void progress_format_seconds(uint64_t ms, struct buf *ret)
{
    uint64_t seconds = ms / 1000;

    if (seconds < 60)
        buf_addf(ret, "%u.%u s", (unsigned)seconds, (unsigned)(ms % 1000 / 100));
    else if (seconds < 3600)
        buf_addf(ret, "%u m %02u s", (unsigned)(seconds / 60), (unsigned)(seconds % 60));
    else
        buf_addf(ret, "%llu h %02u m", (unsigned long long)(seconds / 3600),
                 (unsigned)(seconds / 60 % 60));
}

/* " backend   building  " with the name and the state padded. */
static void add_name(const struct progress *progress, const char *name, struct buf *ret)
{
    buf_add_char(ret, ' ');
    buf_add_text(ret, name);
    text_width_pad(text_width(str_of(name)), progress->name_width + 2, ret);
}

static void add_state(const struct progress *progress, const struct progress_service *service,
                      struct buf *ret)
{
    term_style(progress->term, look_of(service->state)->style, str_of(service->state), ret);
    text_width_pad(strlen(service->state), STATE_WIDTH, ret);
}

/* Running clocks show whole seconds: tenths would only flicker. */
static void add_time(const struct progress_service *service, uint64_t now_ns, struct buf *ret)
{
    AUTO(buf_done) struct buf text = {0};
    bool ended = service->end_ns != 0;

    if (service->start_ns != 0) {
        uint64_t ms = ((ended ? service->end_ns : now_ns) - service->start_ns) / NS_PER_MS;
        if (!ended && ms < 60000)
            buf_addf(&text, "%u s", (unsigned)(ms / 1000));
        else
            progress_format_seconds(ms, &text);
    }
    text_width_pad(text.len, TIME_WIDTH, ret);
    buf_add_str(ret, buf_str(&text));
}

static void drop_blanks(struct buf *buf)
{
    while (buf->len > 0 && buf->ptr[buf->len - 1] == ' ')
        buf->ptr[--buf->len] = '\0';
}

static void plain_step(const struct progress *progress, const struct progress_service *service,
                       struct buf *ret)
{
    const struct state_look *look = look_of(service->state);

    add_name(progress, service->name, ret);
    add_state(progress, service, ret);
    if (look->final && service->start_ns != 0 && service->end_ns != 0) {
        buf_add_text(ret, "  ");
        progress_format_seconds((service->end_ns - service->start_ns) / NS_PER_MS, ret);
    }
    if (service->text.len > 0)
        buf_addf(ret, "  %s", buf_text(&service->text));
    drop_blanks(ret);
    buf_add_char(ret, '\n');
}

static void set_text(struct progress_service *service, const char *text, bool is_output)
{
    AUTO(buf_done) struct buf clean = {0};

    text_clean(str_sub(str_of(text), 0, TEXT_MAX), false, &clean);
    buf_clear(&service->text);
    buf_add_str(&service->text, str_trim(buf_str(&clean)));
    service->text_is_output = is_output;
}

static void take_step(struct progress *progress, const json_t *line, uint64_t now_ns,
                      struct buf *ret)
{
    struct progress_service *service =
        service_get(progress, json_find_text(line, "service", progress->system));
    const char *state = json_find_text(line, "state", "");
    const char *text = json_find_text(line, "text", "");
    const struct state_look *look = look_of(state);

    AUTO(buf_done) struct buf clean = {0};
    text_clean(str_sub(str_of(state), 0, sizeof service->state - 1), false, &clean);
    bool same = strcmp(service->state, buf_text(&clean)) == 0 &&
                strcmp(buf_text(&service->text), text) == 0;

    memset(service->state, 0, sizeof service->state);
    memcpy(service->state, buf_text(&clean), MIN(clean.len, sizeof service->state - 1));
    set_text(service, text, false);
    if (!look->waits && service->start_ns == 0)
        service->start_ns = now_ns;
    service->end_ns = look->final ? now_ns : 0;
    if (progress->mode == PROGRESS_PLAIN && !same)
        plain_step(progress, service, ret);
}

static void take_output(struct progress *progress, const json_t *line, struct buf *ret)
{
    struct progress_service *service =
        service_get(progress, json_find_text(line, "service", progress->system));
    const char *text = json_find_text(line, "text", "");

    if (progress->mode == PROGRESS_PLAIN) {
        add_name(progress, service->name, ret);
        buf_add_text(ret, "| ");
        text_clean(str_of(text), false, ret);
        buf_add_char(ret, '\n');
        return;
    }
    AUTO(buf_done) struct buf before = {0};
    buf_add_str(&before, buf_str(&service->text));
    bool was_output = service->text_is_output;
    set_text(service, text, true);
    if (service->text.len == 0) /* an empty line says nothing: keep the one before */
        set_text(service, buf_text(&before), was_output);
}

/* Above the live lines, once. */
static void take_warning(struct progress *progress, const json_t *line, struct buf *ret)
{
    AUTO(buf_done) struct buf text = {0};

    if (progress->mode == PROGRESS_QUIET)
        return;
    if (progress->mode == PROGRESS_TTY) {
        live_draw(&progress->live, progress->term, (struct str){0}, ret);
        live_keep(&progress->live);
    }
    buf_add_text(&text, "warning: ");
    text_clean(str_of(json_find_text(line, "text", "")), false, &text);
    term_style(progress->term, STYLE_YELLOW, buf_str(&text), ret);
    buf_add_char(ret, '\n');
}

/* Figures come every two seconds: a log wants them less often. */
static bool is_worth_a_line(const struct progress *progress, const json_t *line, uint64_t now_ns)
{
    const json_t *last = progress->rollout;

    return last == NULL || now_ns >= progress->rollout_ns + PLAIN_FIGURES_NS ||
           strcmp(json_find_text(last, "state", ""), json_find_text(line, "state", "")) != 0 ||
           json_find_u64(last, "step", 0) != json_find_u64(line, "step", 0) ||
           json_find_u64(last, "share", 0) != json_find_u64(line, "share", 0);
}

static void take_rollout(struct progress *progress, const json_t *line, uint64_t now_ns,
                         struct buf *ret)
{
    bool shown = progress->mode == PROGRESS_PLAIN && is_worth_a_line(progress, line, now_ns);

    json_decref(progress->rollout);
    progress->rollout = json_deep_copy(line);
    if (!shown)
        return;
    progress->rollout_ns = now_ns;
    buf_add_char(ret, ' ');
    rollout_format_line(line, clock_wall_ms(), progress->term, ret);
    drop_blanks(ret);
    buf_add_char(ret, '\n');
    rollout_format_figures(line, "   ", ret);
}

static void add_rollout(const struct progress *progress, struct buf *ret)
{
    if (progress->rollout == NULL)
        return;
    buf_add_char(ret, ' ');
    rollout_format_line(progress->rollout, clock_wall_ms(), progress->term, ret);
    drop_blanks(ret);
    buf_add_char(ret, '\n');
    rollout_format_figures(progress->rollout, "   ", ret);
}

static size_t count_final(const struct progress *progress)
{
    size_t count = 0;

    for (size_t i = 0; i < progress->services.len; i++)
        if (look_of(progress->services.ptr[i]->state)->final)
            count++;
    return count;
}

static void add_head(const struct progress *progress, uint64_t now_ns, struct buf *ret)
{
    static const char *const verbs[] = {
        [PROGRESS_UP] = "Bringing up",        [PROGRESS_DOWN] = "Taking down",
        [PROGRESS_RESTART] = "Restarting",    [PROGRESS_CREATE] = "Creating",
        [PROGRESS_START] = "Starting",        [PROGRESS_STOP] = "Stopping",
        [PROGRESS_RM] = "Removing",           [PROGRESS_PAUSE] = "Pausing",
        [PROGRESS_UNPAUSE] = "Letting go on", [PROGRESS_RUN] = "Preparing",
        [PROGRESS_ROLLBACK] = "Rolling back", [PROGRESS_SCALE] = "Scaling",
        [PROGRESS_DEPLOY] = "Deploying",      [PROGRESS_PROMOTE] = "Promoting",
        [PROGRESS_ABORT] = "Aborting"};
    AUTO(buf_done) struct buf text = {0};

    buf_addf(&text, "%s %s", verbs[progress->kind], progress->system);
    term_style(progress->term, STYLE_BOLD, buf_str(&text), ret);
    buf_addf(ret, "  %zu of %zu  %llu s\n", count_final(progress), progress->services.len,
             (unsigned long long)((now_ns - progress->start_ns) / NS_PER_SECOND));
}

static void add_service_line(const struct progress *progress,
                             const struct progress_service *service, uint64_t now_ns,
                             struct buf *ret)
{
    const struct state_look *look = look_of(service->state);

    buf_add_char(ret, ' ');
    term_style(progress->term, look->style, str_of(progress->term->utf8 ? look->mark : look->ascii),
               ret);
    add_name(progress, service->name, ret);
    add_state(progress, service, ret);
    add_time(service, now_ns, ret);
    if (service->text.len > 0) {
        buf_add_text(ret, "  ");
        term_style(progress->term, service->text_is_output ? STYLE_DIM : STYLE_NONE,
                   buf_str(&service->text), ret);
    }
    drop_blanks(ret);
    buf_add_char(ret, '\n');
}

static void draw(struct progress *progress, uint64_t now_ns, bool with_head, struct buf *ret)
{
    AUTO(buf_done) struct buf lines = {0};

    if (progress->mode != PROGRESS_TTY)
        return;
    if (with_head)
        add_head(progress, now_ns, &lines);
    for (size_t i = 0; i < progress->services.len; i++)
        add_service_line(progress, progress->services.ptr[i], now_ns, &lines);
    add_rollout(progress, &lines);
    live_draw(&progress->live, progress->term, buf_str(&lines), ret);
}

void progress_feed(struct progress *progress, struct str raw, const json_t *line, uint64_t now_ns,
                   struct buf *ret)
{
    const char *event = json_find_text(line, "event", "");

    if (strcmp(event, "result") == 0 && progress->result == NULL)
        progress->result = json_deep_copy(line);
    if (progress->mode == PROGRESS_JSON) {
        buf_add_str(ret, raw);
        buf_add_char(ret, '\n');
        return;
    }
    if (strcmp(event, "step") == 0)
        take_step(progress, line, now_ns, ret);
    else if (strcmp(event, "output") == 0 && progress->mode != PROGRESS_QUIET)
        take_output(progress, line, ret);
    else if (strcmp(event, "rollout") == 0)
        take_rollout(progress, line, now_ns, ret);
    else if (strcmp(event, "warning") == 0)
        take_warning(progress, line, ret);
    draw(progress, now_ns, true, ret);
}

void progress_tick(struct progress *progress, uint64_t now_ns, struct buf *ret)
{
    draw(progress, now_ns, true, ret);
}

void progress_end(struct progress *progress, uint64_t now_ns, struct buf *ret)
{
    draw(progress, now_ns, false, ret);
    live_keep(&progress->live);
}
