/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/help.h"

int cmd_help(struct cli *cli)
{
    const struct compose_texts *words = &cli->options.arguments;
    const struct command *about = NULL;
    AUTO(buf_done) struct buf out = {0};
    struct err err;

    if (words->count > 0) {
        about = command_find(words->items[0]);
        if (about == NULL) {
            const char *near = command_suggest(words->items[0]);
            err_set(&err, ERR_INVALID, "unknown command '%s', %s'ishizue help%s%s'",
                    words->items[0], near == NULL ? "see " : "did you mean ",
                    near == NULL ? "" : " ", near == NULL ? "" : near);
            return cli_fail(cli, &err);
        }
    }
    if (cli->options.man)
        help_format_man(&out);
    else
        help_format(about, &out);
    cli_print(cli, buf_str(&out));
    return EXIT_OK;
}
