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

static bool read_tail(struct cli *cli, const char **ret, struct err *err)
{
    const char *tail = cli->options.tail;
    uint64_t lines;

    if (tail == NULL || strcmp(tail, "all") == 0)
        return true;
    if (!str_to_u64(str_of(tail), TAIL_MAX, &lines))
        return err_set(err, ERR_INVALID, "--tail '%s' is neither 'all' nor a number up to %d", tail,
                       TAIL_MAX);
    *ret = arena_printf(&cli->arena, "%llu", (unsigned long long)lines);
    return true;
}

/* <option> is "since" or "until", with the moment as typed; NULL: not given. */
static bool read_moment(const char *option, const char *moment, int64_t *ret_ms, struct err *err)
{
    return moment == NULL || since_parse(str_of(moment), clock_wall_ms(), ret_ms, err) ||
           err_prefix(err, "--%s", option);
}

static bool make_request(struct cli *cli, struct log_request *ret, struct buf *target,
                         struct err *err)
{
    const struct options *options = &cli->options;
    int64_t until_ms = 0;

    if (!read_tail(cli, &ret->tail, err) ||
        !read_moment("since", options->since, &ret->since_ms, err) ||
        !read_moment("until", options->until, &until_ms, err))
        return false;
    ret->follows = options->follow;
    buf_addf(target, "/logs?follow=%d", options->follow ? 1 : 0);
    if (until_ms != 0)
        buf_addf(target, "&until_ms=%lld", (long long)until_ms);
    for (size_t i = 0; i < options->arguments.count; i++) {
        buf_add_text(target, "&service=");
        cli_api_encode(options->arguments.items[i], target);
    }
    return true;
}

int cmd_logs(struct cli *cli)
{
    AUTO(buf_done) struct buf target = {0};
    struct log_request request = {0};
    struct err err;
    int status = EXIT_OK, signo = 0;

    if (cli->options.index.given && cli->options.arguments.count != 1) {
        err_set(&err, ERR_INVALID, "--index is about one service: name it");
        return cli_fail(cli, &err);
    }
    if (!make_request(cli, &request, &target, &err))
        return cli_fail(cli, &err);
    request.system = running_system(cli, &status);
    if (request.system == NULL)
        return status;
    request.target = cli_operation_path(cli, request.system, buf_text(&target));
    if (!log_view_run(cli, &request, &signo, &err))
        return cli_fail(cli, &err);
    return signo == 0 ? EXIT_OK : 128 + signo;
}
