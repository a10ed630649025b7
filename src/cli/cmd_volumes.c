/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/looking_format.h"
#include "cli/running.h"
#include "json/json.h"

static void add_names(const json_t *answer, struct buf *ret)
{
    size_t i;
    const json_t *row;

    json_array_foreach(json_object_get(answer, "volumes"), i, row)
        buf_addf(ret, "%s\n", json_find_text(row, "name", "?"));
}

int cmd_volumes(struct cli *cli)
{
    AUTO(json_unref) json_t *answer = NULL;
    AUTO(buf_done) struct buf out = {0};
    const struct options *options = &cli->options;
    const char *system;
    int status;

    if (!running_ask(cli, "/volumes", &system, &answer, &status))
        return status;
    if (options->json) {
        cli_print_json(cli, answer);
        return EXIT_OK;
    }
    if (options->quiet)
        add_names(answer, &out);
    else if (options->format != NULL && strcmp(options->format, "json") == 0)
        volumes_format_lines(answer, &out);
    else
        volumes_format_table(answer, &cli->out, &cli->arena, &out);
    cli_print(cli, buf_str(&out));
    return EXIT_OK;
}
