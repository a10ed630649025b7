/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/log_view.h"
#include "cli/running.h"
#include "cli/up_follow.h"
#include "json/json.h"

bool up_follow_aborts(const struct options *options)
{
    return options->abort_on_exit || options->abort_on_failure || options->exit_code_from != NULL;
}

static bool is_in(const struct compose_texts *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], text) == 0)
            return true;
    return false;
}

static bool check_names(const struct compose *compose, const struct compose_texts *names,
                        const char *option, struct err *err)
{
    for (size_t i = 0; i < names->count; i++)
        if (compose_find_service(compose, names->items[i]) == NULL)
            return err_set(err, ERR_INVALID, "--%s: no such service: '%s'", option,
                           names->items[i]);
    return true;
}

bool up_follow_check(struct cli *cli, const struct compose *compose, struct err *err)
{
    const struct options *options = &cli->options;
    const struct compose_texts from = {(const char *[]){options->exit_code_from}, 1};

    return check_names(compose, &options->attach, "attach", err) &&
           check_names(compose, &options->no_attach, "no-attach", err) &&
           (options->exit_code_from == NULL || check_names(compose, &from, "exit-code-from", err));
}

/* As Compose does: those named with --attach, else those named, else all, and never the ones of
 * --no-attach. Empty: all. */
static struct compose_texts choose_logs(struct cli *cli, const struct compose *compose)
{
    const struct options *options = &cli->options;
    bool named = options->arguments.count > 0 && !options->attach_dependencies;
    struct compose_texts ret = {
        .items = ARENA_ARRAY(&cli->arena, const char *, compose->service_count + 1)};

    if (options->attach.count == 0 && options->no_attach.count == 0 && !named)
        return ret;
    for (size_t i = 0; i < compose->service_count; i++) {
        const char *name = compose->services[i].name;
        bool wanted = options->attach.count > 0 ? is_in(&options->attach, name)
                                                : !named || is_in(&options->arguments, name);
        if (wanted && !is_in(&options->no_attach, name))
            ret.items[ret.count++] = name;
    }
    return ret;
}

/* ---- down again ---- */

static void take_down(struct cli *cli, const char *system)
{
    AUTO(json_unref) json_t *body = json_pack("{s:b}", "volumes", 0);
    AUTO(json_unref) json_t *result = NULL;
    const struct options_number *timeout = &cli->options.timeout_s;

    if (timeout->given)
        json_object_set_new(body, "timeout_ms", json_integer((json_int_t)timeout->value * 1000));
    if (cli_operation_is_text(cli))
        cli_print(cli, STR("\nStopping; Ctrl-C again leaves that to the daemon\n"));
    struct cli_operation down = {
        .kind = PROGRESS_DOWN, .system = system, .verb = "down", .body = body};
    if (cli_operation_run(cli, &down, &result) == EXIT_OK)
        cli_operation_summary(cli, system, "is down", result);
}

/* ---- the end of an instance ---- */

struct ending {
    const struct options *options;
    bool found;
    bool only_from; /* only an end of --exit-code-from's service counts */
    int status;
};

static bool is_final_end(const json_t *event)
{
    return strcmp(json_find_text(event, "event", ""), "container") == 0 &&
           strcmp(json_find_text(event, "action", ""), "die") == 0 &&
           !json_find_bool(event, "restarting", false);
}

static bool on_event(void *arg, struct str raw, const json_t *event)
{
    struct ending *ending = arg;
    const char *from = ending->options->exit_code_from;
    bool is_from = from != NULL && strcmp(json_find_text(event, "service", ""), from) == 0;
    int status = (int)json_find_u64(event, "exit_status", 0);

    (void)raw;
    if (!is_final_end(event) || (ending->only_from && !is_from))
        return true;
    if (ending->options->abort_on_failure && !ending->options->abort_on_exit && from == NULL &&
        status == 0)
        return true;
    ending->found = true;
    if (from == NULL || is_from)
        ending->status = status;
    return false;
}

/* Waits for the end of an instance, or looks back only when <until_now>. */
static bool read_events(struct cli *cli, const char *system, int64_t since_ms, bool until_now,
                        struct ending *ending, int *ret_signal, struct err *err)
{
    struct cli_api_reader reader = {.on_line = on_event, .arg = ending};
    AUTO(buf_done) struct buf target = {0};

    buf_add_text(&target, "/v1/events?system=");
    cli_api_encode(system, &target);
    buf_addf(&target, "&since_ms=%lld", (long long)since_ms);
    if (until_now)
        buf_addf(&target, "&until_ms=%lld", (long long)clock_wall_ms() + 1);
    const struct cli_api_request request = {.method = "GET", .target = buf_text(&target)};
    return cli_api_stream(cli, &request, &reader, ret_signal, err);
}

/* The exit status of --exit-code-from's service after everything has ended; <otherwise> when it
 * never ran. */
static int find_status(struct cli *cli, const char *system, int64_t since_ms, int otherwise)
{
    struct ending ending = {.options = &cli->options, .only_from = true, .status = otherwise};
    struct err ignored;
    int signo = 0;

    (void)!read_events(cli, system, since_ms, true, &ending, &signo, &ignored);
    return ending.status;
}

static void end_child(pid_t pid)
{
    (void)kill(pid, SIGTERM);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* A process of its own shows the logs while this one waits for the end of an instance. */
static int follow_until_end(struct cli *cli, const struct log_request *logs)
{
    const char *system = logs->system;
    const char *from = cli->options.exit_code_from;
    struct ending ending = {.options = &cli->options};
    struct err err;
    int signo = 0;
    pid_t child = fork();

    if (child < 0) {
        err_sys(&err, "cannot start a process");
        return cli_fail(cli, &err);
    }
    if (child == 0) {
        (void)!log_view_run(cli, logs, &signo, &err);
        _exit(0);
    }
    bool ok = read_events(cli, system, logs->since_ms, false, &ending, &signo, &err);
    end_child(child);
    if (!ok)
        return cli_fail(cli, &err);
    take_down(cli, system);
    if (signo != 0)
        return EXIT_INTERRUPTED;
    return from == NULL ? ending.status : find_status(cli, system, logs->since_ms, ending.status);
}

int up_follow(struct cli *cli, const struct compose *compose, int64_t since_ms)
{
    struct compose_texts services = choose_logs(cli, compose);
    const struct log_request logs = {
        .system = compose->name,
        .target = running_path(cli, compose->name, "/logs?follow=1", &services),
        .since_ms = since_ms,
        .follows = true,
    };
    struct err err;
    int signo = 0;

    if (up_follow_aborts(&cli->options))
        return follow_until_end(cli, &logs);
    if (!log_view_run(cli, &logs, &signo, &err))
        return cli_fail(cli, &err);
    if (signo == 0)
        return EXIT_OK;
    take_down(cli, compose->name);
    return EXIT_INTERRUPTED;
}

/* A first `up` that failed leaves nothing to take down. */
static bool is_known(struct cli *cli, const char *system)
{
    AUTO(json_unref) json_t *root = NULL;
    struct err ignored;

    return cli_api_call(cli, "GET", cli_operation_path(cli, system, ""), NULL, &root, &ignored);
}

int up_follow_failed(struct cli *cli, const char *system, int64_t since_ms, int status)
{
    if (cli->options.exit_code_from == NULL || status > 128)
        return status;
    int found = find_status(cli, system, since_ms, status);
    if (is_known(cli, system))
        take_down(cli, system);
    return found;
}
