/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cmd.h"
#include "cli/release_format.h"
#include "cli/running.h"
#include "json/json.h"

enum { SHOWN_ACTIONS = 50 };

int cmd_history(struct cli *cli)
{
    const struct options *options = &cli->options;
    uint64_t limit = options->count.given ? options->count.value : SHOWN_ACTIONS;
    AUTO(json_unref) json_t *answer = NULL;
    AUTO(buf_done) struct buf path = {0}, out = {0};
    int status = EXIT_OK;
    struct err err;

    const char *system = running_system(cli, &status);
    if (system == NULL)
        return status;
    buf_addf(&path, "/v1/history?limit=%llu", (unsigned long long)limit);
    if (!options->all) {
        buf_add_text(&path, "&system=");
        cli_api_encode(system, &path);
    }
    if (!cli_api_call(cli, "GET", buf_text(&path), NULL, &answer, &err))
        return cli_fail(cli, &err);
    if (options->json) {
        cli_print_json(cli, answer);
        return EXIT_OK;
    }
    history_format_table(answer, &cli->out, &cli->arena, &out);
    cli_print(cli, buf_str(&out));
    return EXIT_OK;
}
