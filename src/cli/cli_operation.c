/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/text_width.h"
#include "json/json.h"

struct run {
    struct cli *cli;
    const struct cli_operation *operation;
    struct progress progress;
    size_t lines;
};

const char *cli_operation_path(struct cli *cli, const char *system, const char *rest)
{
    AUTO(buf_done) struct buf path = {0};

    buf_add_text(&path, "/v1/systems/");
    cli_api_encode(system, &path);
    buf_add_text(&path, rest);
    return arena_str(&cli->arena, buf_str(&path));
}

int cli_operation_change(struct cli *cli, const char *system, const char *method, const char *rest,
                         const json_t *body, const char *done)
{
    AUTO(json_unref) json_t *answer = NULL;
    struct err err;

    if (!cli_api_call(cli, method, cli_operation_path(cli, system, rest), body, &answer, &err))
        return cli_fail(cli, &err);
    if (cli->options.json)
        cli_print_json(cli, answer);
    else if (done != NULL)
        cli_print(cli, str_of(arena_printf(&cli->arena, "%s is %s\n", system, done)));
    return EXIT_OK;
}

enum progress_mode cli_operation_mode(const struct cli *cli)
{
    return cli->options.json ? PROGRESS_JSON
                             : progress_mode_choose(cli->options.progress, &cli->out);
}

bool cli_operation_is_text(const struct cli *cli)
{
    enum progress_mode mode = cli_operation_mode(cli);

    return mode != PROGRESS_JSON && mode != PROGRESS_QUIET;
}

static bool on_line(void *arg, struct str raw, const json_t *line)
{
    struct run *run = arg;
    AUTO(buf_done) struct buf out = {0};

    run->lines++;
    if (run->cli->options.quiet_build && strcmp(json_find_text(line, "event", ""), "output") == 0)
        return !run->operation->only_start;
    term_resize(&run->cli->out);
    progress_feed(&run->progress, raw, line, clock_now_ns(), &out);
    cli_print(run->cli, buf_str(&out));
    return !run->operation->only_start;
}

static void on_tick(void *arg)
{
    struct run *run = arg;
    AUTO(buf_done) struct buf out = {0};

    term_resize(&run->cli->out);
    progress_tick(&run->progress, clock_now_ns(), &out);
    cli_print(run->cli, buf_str(&out));
}

static void end_progress(struct run *run)
{
    AUTO(buf_done) struct buf out = {0};

    progress_end(&run->progress, clock_now_ns(), &out);
    cli_print(run->cli, buf_str(&out));
}

/* "postgres, redis": the services with an instance that runs. */
static void add_running(const json_t *system, struct buf *ret)
{
    size_t i;
    const json_t *service;

    json_array_foreach(json_object_get(system, "services"), i, service)
    {
        if (json_find_u64(service, "ready", 0) == 0)
            continue;
        if (ret->len > 0)
            buf_add_text(ret, ", ");
        text_clean(str_of(json_find_text(service, "name", "?")), false, ret);
    }
}

/* After the error line: the instance's last words, and what is left running. */
static void explain(struct cli *cli, const char *name, const json_t *result)
{
    AUTO(json_unref) json_t *system = NULL;
    AUTO(buf_done) struct buf out = {0};
    AUTO(buf_done) struct buf running = {0};
    const char *health = json_find_text(result, "health", NULL);
    struct err ignored;
    size_t i;
    const json_t *line;

    if (health != NULL) {
        buf_add_text(&out, "    health check: ");
        text_clean(str_of(health), false, &out);
        buf_add_char(&out, '\n');
    }
    json_array_foreach(json_object_get(result, "logs"), i, line)
    {
        if (!json_is_string(line))
            continue;
        buf_add_text(&out, "    ");
        text_clean(str_of(json_string_value(line)), false, &out);
        buf_add_char(&out, '\n');
    }
    uint64_t old = json_find_u64(json_object_get(result, "rollout"), "from", 0);
    if (json_find_u64(result, "exit_status", 0) == EXIT_ROLLED_BACK && old != 0)
        buf_addf(&out, "release %llu is back and serves\n", (unsigned long long)old);
    if (cli_api_call(cli, "GET", cli_operation_path(cli, name, ""), NULL, &system, &ignored))
        add_running(system, &running);
    if (running.len > 0)
        buf_addf(&out, "still running: %s ('ishizue ps' shows more)\n", buf_text(&running));
    (void)fputs(buf_text(&out), stderr);
}

static int judge(struct run *run)
{
    const json_t *result = run->progress.result;
    struct err err;

    if (result == NULL) {
        err_set(&err, ERR_CLOSED,
                "the daemon went away before it was done, 'ishizue ps' shows how far it came");
        return cli_fail(run->cli, &err);
    }
    if (json_find_bool(result, "ok", false))
        return EXIT_OK;

    AUTO(buf_done) struct buf text = {0};
    text_clean(str_of(json_find_text(result, "error", "it failed without a reason")), false, &text);
    err_set(&err, ERR_PROGRAM, "%s", buf_text(&text));
    for (enum err_code code = ERR_INVALID; code <= ERR_DENIED; code++)
        if (strcmp(err_code_name(code), json_find_text(result, "code", "")) == 0)
            err.code = code;
    int status = cli_fail(run->cli, &err);
    if (!run->cli->options.json)
        explain(run->cli, run->operation->system, result);
    uint64_t given = json_find_u64(result, "exit_status", 0);
    return given > 0 && given < 256 ? (int)given : status;
}

/* While something is built, nothing has changed yet, and it is given up. */
static bool cancel(const struct run *run)
{
    struct cli *cli = run->cli;
    AUTO(json_unref) json_t *answer = NULL;
    struct err ignored;

    return cli_api_call(cli, "POST", cli_operation_path(cli, run->operation->system, "/cancel"),
                        NULL, &answer, &ignored) &&
           json_find_bool(answer, "cancelled", false);
}

static int interrupted(struct run *run, int signo)
{
    if (cancel(run)) {
        (void)fprintf(stderr, "%sinterrupted; the build was ended, nothing was changed\n",
                      run->cli->errors.is_tty ? "\n" : "");
        return 128 + signo;
    }
    (void)fprintf(stderr,
                  "%sinterrupted; the daemon goes on with %s: 'ishizue ps' shows it, 'ishizue "
                  "down' ends it\n",
                  run->cli->errors.is_tty ? "\n" : "", run->operation->system);
    return 128 + signo;
}

int cli_operation_run(struct cli *cli, const struct cli_operation *operation, json_t **ret_result)
{
    struct run run = {.cli = cli, .operation = operation};
    struct cli_api_reader reader = {.on_line = on_line, .arg = &run};
    const struct cli_api_request request = {
        .method = "POST",
        .target = cli_operation_path(cli, operation->system,
                                     arena_printf(&cli->arena, "/%s", operation->verb)),
        .body = operation->body,
    };
    struct err err;
    int signo = 0, status;

    progress_init(&run.progress, cli_operation_mode(cli), operation->kind, operation->system,
                  &cli->out, clock_now_ns());
    for (size_t i = 0; i < operation->service_count; i++)
        progress_expect(&run.progress, operation->services[i]);
    if (run.progress.mode == PROGRESS_TTY)
        reader.on_tick = on_tick;

    bool ok = cli_api_stream(cli, &request, &reader, &signo, &err);
    end_progress(&run);
    if (signo != 0)
        status = interrupted(&run, signo);
    else if (!ok)
        status = cli_fail(cli, &err);
    else if (operation->only_start && run.progress.result == NULL && run.lines > 0)
        status = EXIT_OK;
    else
        status = judge(&run);
    *ret_result = json_incref(run.progress.result);
    progress_done(&run.progress);
    return status;
}

void cli_operation_summary(struct cli *cli, const char *system, const char *what,
                           const json_t *result)
{
    AUTO(buf_done) struct buf out = {0};
    const json_t *addresses = json_object_get(result, "addresses");
    size_t i;
    const json_t *address;

    if (!cli_operation_is_text(cli))
        return;
    term_style(&cli->out, STYLE_BOLD, str_of(system), &out);
    buf_addf(&out, " %s in ", what);
    progress_format_seconds(json_find_u64(result, "elapsed_ms", 0), &out);
    json_array_foreach(addresses, i, address)
    {
        buf_add_text(&out, i == 0 ? ": " : "  ");
        term_style(&cli->out, STYLE_CYAN, str_of(json_string_value(address)), &out);
    }
    buf_add_char(&out, '\n');
    cli_print(cli, buf_str(&out));
}
