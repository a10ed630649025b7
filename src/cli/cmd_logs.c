/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <signal.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/log_view.h"
#include "cli/running.h"
#include "cli/since.h"

enum { TAIL_MAX = 10000000 };

static bool add_tail(const char *tail, struct buf *target, struct err *err)
{
    uint64_t lines;

    if (tail == NULL || strcmp(tail, "all") == 0)
        return true;
    if (!str_to_u64(str_of(tail), TAIL_MAX, &lines))
        return err_set(err, ERR_INVALID, "--tail '%s' is neither 'all' nor a number up to %d", tail,
                       TAIL_MAX);
    buf_addf(target, "&tail=%llu", (unsigned long long)lines);
    return true;
}

/* <option> is "since" or "until", with the moment as typed; NULL: not given. */
static bool add_moment(const char *option, const char *moment, struct buf *target, struct err *err)
{
    int64_t at_ms;

    if (moment == NULL)
        return true;
    if (!since_parse(str_of(moment), clock_wall_ms(), &at_ms, err))
        return err_prefix(err, "--%s", option);
    buf_addf(target, "&%s_ms=%lld", option, (long long)at_ms);
    return true;
}

static bool make_target(struct cli *cli, struct buf *target, struct err *err)
{
    const struct options *options = &cli->options;

    buf_addf(target, "/logs?follow=%d", options->follow ? 1 : 0);
    if (!add_tail(options->tail, target, err) ||
        !add_moment("since", options->since, target, err) ||
        !add_moment("until", options->until, target, err))
        return false;
    for (size_t i = 0; i < options->arguments.count; i++) {
        buf_add_text(target, "&service=");
        cli_api_encode(options->arguments.items[i], target);
    }
    return true;
}

int cmd_logs(struct cli *cli)
{
    AUTO(buf_done) struct buf target = {0};
    struct err err;
    int status = EXIT_OK, signo = 0;

    if (cli->options.index.given && cli->options.arguments.count != 1) {
        err_set(&err, ERR_INVALID, "--index is about one service: name it");
        return cli_fail(cli, &err);
    }
    if (!make_target(cli, &target, &err))
        return cli_fail(cli, &err);
    const char *system = running_system(cli, &status);
    if (system == NULL)
        return status;
    if (!log_view_run(cli, system, cli_operation_path(cli, system, buf_text(&target)), &signo,
                      &err))
        return cli_fail(cli, &err);
    return signo == 0 ? EXIT_OK : 128 + signo;
}
