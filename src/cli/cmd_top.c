/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/looking_format.h"
#include "cli/running.h"
#include "json/json.h"

int cmd_top(struct cli *cli)
{
    AUTO(json_unref) json_t *answer = NULL;
    AUTO(buf_done) struct buf out = {0};
    const char *system;
    int status;

    if (!running_ask(cli, "/top", &system, &answer, &status))
        return status;
    if (cli->options.json) {
        cli_print_json(cli, answer);
        return EXIT_OK;
    }
    top_format_table(answer, &cli->out, clock_wall_ms(), &cli->arena, &out);
    cli_print(cli, buf_str(&out));
    return EXIT_OK;
}
