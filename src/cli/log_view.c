/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <signal.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/log_seen.h"
#include "cli/log_view.h"
#include "cli/text_width.h"
#include "json/json.h"

enum { PREFIX_MAX = 40, AWAY_MAX_MS = 10000, AWAY_LOOK_MS = 50 };

void log_view_init(struct log_view *view, const struct cli *cli, const char *system)
{
    const struct options *options = &cli->options;

    *view = (struct log_view){
        .term = &cli->out,
        .system = system,
        .timestamps = options->timestamps,
        .prefix = !options->no_log_prefix,
        .colour = !options->no_color,
    };
}

void log_view_done(struct log_view *view)
{
    map_done(&view->styles);
}

/* "eshop-backend-1" is "backend-1" within eshop. */
static const char *short_name(const struct log_view *view, const char *instance)
{
    size_t len = strlen(view->system);

    if (strncmp(instance, view->system, len) == 0 && instance[len] == '-')
        return instance + len + 1;
    return instance;
}

void log_view_expect(struct log_view *view, const char *instance)
{
    size_t width = text_width(str_of(short_name(view, instance)));

    view->prefix_width = MAX(view->prefix_width, MIN(width, (size_t)PREFIX_MAX));
}

/* Colours go round in the order in which services are first seen. */
static enum style style_of(struct log_view *view, const char *service)
{
    static enum style round[] = {STYLE_CYAN, STYLE_YELLOW, STYLE_GREEN, STYLE_MAGENTA, STYLE_BLUE};
    enum style *found = map_find(&view->styles, str_of(service));

    if (found == NULL) {
        found = &round[view->styles.live % ARRAY_LEN(round)];
        (void)map_set(&view->styles, str_of(service), found);
    }
    return *found;
}

static void add_prefix(struct log_view *view, const json_t *line, struct buf *ret)
{
    const char *service = json_find_text(line, "service", "?");
    const char *instance = json_find_text(line, "instance", service);
    AUTO(buf_done) struct buf text = {0};

    log_view_expect(view, instance);
    text_clean(str_of(short_name(view, instance)), false, &text);
    text_width_pad(text_width(buf_str(&text)), view->prefix_width, &text);
    buf_add_text(&text, "  | ");
    term_style(view->term, view->colour ? style_of(view, service) : STYLE_NONE, buf_str(&text),
               ret);
}

void log_view_line(struct log_view *view, const json_t *line, struct buf *ret)
{
    struct str text = str_of(json_find_text(line, "text", ""));

    if (view->prefix)
        add_prefix(view, line, ret);
    if (view->timestamps) {
        char time[CLOCK_TEXT_BYTES];
        clock_format_rfc3339((int64_t)json_find_u64(line, "time_ms", 0), time);
        buf_addf(ret, "%s ", time);
    }
    if (view->term->is_tty)
        text_clean(text, view->term->colour, ret);
    else
        buf_add_str(ret, text);
    buf_add_char(ret, '\n');
}

struct log_run {
    struct cli *cli;
    struct log_view view;
    struct map only; /* names of the instances of --index; empty without it */
    struct log_seen seen;
};

static bool is_shown(const struct log_run *run, const json_t *line)
{
    return !run->cli->options.index.given ||
           map_find(&run->only, str_of(json_find_text(line, "instance", ""))) != NULL;
}

static bool on_line(void *arg, struct str raw, const json_t *line)
{
    struct log_run *run = arg;
    AUTO(buf_done) struct buf out = {0};

    if (!log_seen_take(&run->seen, str_of(json_find_text(line, "instance", "")),
                       (int64_t)json_find_u64(line, "time_ms", 0)) ||
        !is_shown(run, line))
        return true;
    if (run->cli->options.json) {
        buf_add_str(&out, raw);
        buf_add_char(&out, '\n');
    } else {
        log_view_line(&run->view, line, &out);
    }
    cli_print(run->cli, buf_str(&out));
    return true;
}

static void expect_instances(struct log_run *run, const char *system)
{
    AUTO(json_unref) json_t *root = NULL;
    struct err ignored;
    size_t i;
    const json_t *instance;

    if (!cli_api_call(run->cli, "GET", cli_operation_path(run->cli, system, ""), NULL, &root,
                      &ignored))
        return; /* the stream that follows says what is wrong */
    json_array_foreach(json_object_get(root, "instances"), i, instance)
    {
        const char *name = json_find_text(instance, "name", "");
        if (!run->cli->options.index.given)
            log_view_expect(&run->view, name);
        else if (json_find_u64(instance, "number", 0) == run->cli->options.index.value)
            (void)map_set(&run->only, str_of(name), run);
    }
}

/* Whether a daemon listens again in time; a signal that comes meanwhile ends the waiting too. */
static bool wait_for_daemon(const struct cli *cli, int *ret_signal)
{
    const struct timespec pause = {.tv_nsec = AWAY_LOOK_MS * (long)NS_PER_MS};
    uint64_t until_ns = clock_now_ns() + AWAY_MAX_MS * NS_PER_MS;
    sigset_t set, before;
    int signo = 0;
    bool is_up;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &set, &before);
    while (!(is_up = cli_api_is_up(cli)) && signo <= 0 && clock_now_ns() < until_ns)
        signo = sigtimedwait(&set, NULL, &pause);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    *ret_signal = MAX(signo, 0);
    return is_up;
}

/* Until it ends or a signal comes; false also when it broke off. */
static bool read_once(struct log_run *run, const char *target, int *ret_signal, struct err *err)
{
    struct cli_api_reader reader = {.on_line = on_line, .arg = run};
    const struct cli_api_request request = {.method = "GET", .target = target};

    return cli_api_stream(run->cli, &request, &reader, ret_signal, err);
}

static const char *first_target(struct cli *cli, const struct log_request *request)
{
    const char *target = request->target;

    if (request->tail != NULL)
        target = arena_printf(&cli->arena, "%s&tail=%s", target, request->tail);
    return request->since_ms == 0 ? target
                                  : arena_printf(&cli->arena, "%s&since_ms=%lld", target,
                                                 (long long)request->since_ms);
}

static bool read_all(struct log_run *run, const struct log_request *request, int *ret_signal,
                     struct err *err)
{
    const char *target = first_target(run->cli, request);

    while (!read_once(run, target, ret_signal, err)) {
        if (!request->follows || err->code != ERR_CLOSED)
            return false;
        if (!wait_for_daemon(run->cli, ret_signal))
            return *ret_signal != 0;
        target = arena_printf(&run->cli->arena, "%s&since_ms=%lld", request->target,
                              (long long)log_seen_resume(&run->seen));
    }
    return true;
}

bool log_view_run(struct cli *cli, const struct log_request *request, int *ret_signal,
                  struct err *err)
{
    struct log_run run = {.cli = cli};

    log_view_init(&run.view, cli, request->system);
    log_seen_init(&run.seen, clock_wall_ms(), request->since_ms, request->tail != NULL);
    expect_instances(&run, request->system);
    bool ok = read_all(&run, request, ret_signal, err);
    log_view_done(&run.view);
    log_seen_done(&run.seen);
    map_done(&run.only);
    return ok;
}
