/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/agree.h"
#include "cli/cli.h"

enum { ANSWER_BYTES = 16 };

bool agree_ask(struct cli *cli, const char *question)
{
    char answer[ANSWER_BYTES] = "";

    if (cli->options.yes || cli->options.json || !isatty(STDIN_FILENO))
        return true;
    cli_print(cli, str_of(arena_printf(&cli->arena, "%s [yN] ", question)));
    if (fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y'))
        return true;
    cli_print(cli, STR("nothing was changed\n"));
    return false;
}
