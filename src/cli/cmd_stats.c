/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cmd.h"
#include "cli/looking_format.h"
#include "cli/running.h"
#include "json/json.h"

enum { ROUND_MS = 1000 };

/* What is kept between two looks. */
struct stats_run {
    struct cli *cli;
    const char *path;
    json_t *before; /* NULL: nothing yet */
    struct live live;
    int signal_fd;
};

static bool is_json(const struct options *options)
{
    return options->format != NULL && strcmp(options->format, "json") == 0;
}

static void print_round(struct stats_run *run, const json_t *now)
{
    struct cli *cli = run->cli;
    struct stats_view view = {run->before, now, cli->options.all, cli->options.no_trunc};
    bool redraw = cli->out.moves && !cli->options.no_stream && !is_json(&cli->options);
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    AUTO(buf_done) struct buf out = {0};

    term_resize(&cli->out);
    if (is_json(&cli->options))
        stats_format_lines(&view, &text);
    else
        stats_format_table(&view, &cli->out, &arena, &text);
    if (redraw)
        live_draw(&run->live, &cli->out, buf_str(&text), &out);
    else
        buf_add_str(&out, buf_str(&text));
    cli_print(cli, buf_str(&out));
}

static bool look(struct stats_run *run, json_t **ret, struct err *err)
{
    return cli_api_call(run->cli, "GET", run->path, NULL, ret, err);
}

/* The number of the signal that came before the next round, or 0. */
static int wait_round(const struct stats_run *run)
{
    struct pollfd signals = {.fd = run->signal_fd, .events = POLLIN};
    struct signalfd_siginfo info;

    if (poll(&signals, 1, ROUND_MS) <= 0 ||
        read(run->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return 0;
    return (int)info.ssi_signo;
}

/* The first look only gives the counters to reckon from. */
static int run_rounds(struct stats_run *run)
{
    const struct options *options = &run->cli->options;
    struct err err;

    if (!look(run, &run->before, &err))
        return cli_fail(run->cli, &err);
    for (;;) {
        AUTO(json_unref) json_t *now = NULL;
        int signo = wait_round(run);
        if (signo != 0)
            return 128 + signo;
        if (!look(run, &now, &err))
            return cli_fail(run->cli, &err);
        if (options->json)
            cli_print_json(run->cli, now);
        else
            print_round(run, now);
        if (options->no_stream || options->json)
            return EXIT_OK;
        json_decref(run->before);
        run->before = TAKE(now);
    }
}

/* Of the machine, whatever runs on it. */
static int show_edge(struct cli *cli)
{
    AUTO(json_unref) json_t *answer = NULL;
    AUTO(buf_done) struct buf out = {0};
    struct err err;

    if (!cli_check_root(cli, &err))
        return cli_fail(cli, &err);
    if (!cli_api_is_up(cli)) {
        err_set(&err, ERR_CLOSED,
                "no daemon runs, so nothing can be said: start it with 'ishizue daemon'");
        return cli_fail(cli, &err);
    }
    if (!cli_api_call(cli, "GET", "/v1/edge", NULL, &answer, &err))
        return cli_fail(cli, &err);
    if (cli->options.json || is_json(&cli->options)) {
        cli_print_json(cli, answer);
        return EXIT_OK;
    }
    struct edge_view view = {answer, cli->options.all};
    term_resize(&cli->out);
    edge_format_table(&view, &cli->out, &cli->arena, &out);
    cli_print(cli, buf_str(&out));
    return EXIT_OK;
}

int cmd_stats(struct cli *cli)
{
    struct stats_run run = {.cli = cli};
    int status = EXIT_OK;
    struct err err;
    sigset_t set;

    if (cli->options.edge)
        return show_edge(cli);
    const char *system = running_system(cli, &status);
    if (system == NULL)
        return status;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    AUTO(fd_close) int fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (fd < 0) {
        err_sys(&err, "cannot wait for signals");
        return cli_fail(cli, &err);
    }
    run.signal_fd = fd;
    run.path = running_path(cli, system, "/stats", &cli->options.arguments);
    status = run_rounds(&run);
    json_decref(run.before);
    live_done(&run.live);
    return status;
}
