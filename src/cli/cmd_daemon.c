/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cmd.h"
#include "cli/daemon_start.h"
#include "json/json.h"

enum { STOP_TIMEOUT_MS = 30000 };

static int run_here(struct cli *cli)
{
    struct err err;

    if (!cli_check_root(cli, &err))
        return cli_fail(cli, &err);
    struct daemon_options options = {
        .state_dir = cli->state_dir,
        .run_dir = cli->run_dir,
        .images_dir = cli->images_dir,
        .handover_fd = cli->options.handover_fd.given ? (int)cli->options.handover_fd.value : -1,
        .ready_fd = cli->options.ready_fd.given ? (int)cli->options.ready_fd.value : -1,
    };
    return cli->programs->daemon(&options);
}

/* The pidfd is taken before the daemon is asked to end, so it cannot mean another process. */
static bool stop(struct cli *cli, struct err *err)
{
    AUTO(json_unref) json_t *version = NULL;
    AUTO(json_unref) json_t *body = json_object();
    AUTO(json_unref) json_t *answer = NULL;
    uint64_t pid;

    if (!cli_api_call(cli, "GET", "/v1/version", NULL, &version, err) ||
        !json_get_u64(version, "pid", INT32_MAX, &pid, err))
        return false;
    AUTO(fd_close) int pid_fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (pid_fd < 0)
        return err_sys(err, "cannot watch the daemon (pid %llu)", (unsigned long long)pid);
    if (!cli_api_call(cli, "POST", "/v1/stop", body, &answer, err))
        return false;
    struct pollfd wait = {.fd = pid_fd, .events = POLLIN};
    if (poll(&wait, 1, STOP_TIMEOUT_MS) <= 0)
        return err_set(err, ERR_TIMEOUT, "the daemon (pid %llu) did not end within %d s",
                       (unsigned long long)pid, STOP_TIMEOUT_MS / 1000);
    return true;
}

static int stop_daemon(struct cli *cli)
{
    struct err err;

    if (!cli_check_root(cli, &err))
        return cli_fail(cli, &err);
    if (!cli_api_is_up(cli)) {
        cli_print(cli, STR("no daemon runs\n"));
        return EXIT_OK;
    }
    if (cli->options.dry_run) {
        cli_print(cli, STR("would stop the daemon; services and edge would go on\n"));
        return EXIT_OK;
    }
    if (!stop(cli, &err))
        return cli_fail(cli, &err);
    cli_print(cli, STR("the daemon has ended; services and edge go on\n"));
    return EXIT_OK;
}

int cmd_daemon(struct cli *cli)
{
    const struct options *options = &cli->options;
    struct err err;

    if (options->arguments.count == 1 && strcmp(options->arguments.items[0], "stop") == 0)
        return stop_daemon(cli);
    if (options->arguments.count > 0) {
        err_set(&err, ERR_INVALID, "unexpected '%s': ishizue daemon [stop]",
                options->arguments.items[0]);
        return cli_fail(cli, &err);
    }
    if (options->try_state != NULL)
        return cli->programs->try_state(options->try_state, cli->images_dir);
    if (options->foreground || options->ready_fd.given)
        return run_here(cli);
    if (!daemon_ensure(cli, &err))
        return cli_fail(cli, &err);
    cli_print(cli, str_of(arena_printf(&cli->arena, "the daemon answers at '%s'\n", cli->socket)));
    return EXIT_OK;
}
