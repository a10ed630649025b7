/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cmd.h"
#include "cli/looking_format.h"
#include "cli/running.h"
#include "cli/since.h"

static bool on_line(void *arg, struct str raw, const json_t *line)
{
    struct cli *cli = arg;
    AUTO(buf_done) struct buf out = {0};

    (void)raw;
    if (cli->options.json)
        event_format_json(line, &out);
    else
        event_format_text(line, &out);
    cli_print(cli, buf_str(&out));
    return true;
}

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

static bool make_target(const struct cli *cli, const char *system, struct buf *target,
                        struct err *err)
{
    const struct options *options = &cli->options;

    buf_add_text(target, "/v1/events?system=");
    cli_api_encode(system, target);
    for (size_t i = 0; i < options->arguments.count; i++) {
        buf_add_text(target, "&service=");
        cli_api_encode(options->arguments.items[i], target);
    }
    return add_moment("since", options->since, target, err) &&
           add_moment("until", options->until, target, err);
}

int cmd_events(struct cli *cli)
{
    AUTO(buf_done) struct buf target = {0};
    struct cli_api_reader reader = {.on_line = on_line, .arg = cli};
    int status = EXIT_OK, signo = 0;
    struct err err;
    const char *system = running_system(cli, &status);

    if (system == NULL)
        return status;
    if (!make_target(cli, system, &target, &err))
        return cli_fail(cli, &err);
    const struct cli_api_request request = {.method = "GET", .target = buf_text(&target)};
    if (!cli_api_stream(cli, &request, &reader, &signo, &err))
        return cli_fail(cli, &err);
    return signo == 0 ? EXIT_OK : 128 + signo;
}
