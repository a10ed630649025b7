/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/verb_operation.h"

int cmd_pause(struct cli *cli)
{
    static const struct verb_operation pause = {"pause", PROGRESS_PAUSE, "is paused", "asked for"};
    return verb_operation_run(cli, &pause, NULL);
}

int cmd_unpause(struct cli *cli)
{
    static const struct verb_operation unpause = {"unpause", PROGRESS_UNPAUSE, "goes on",
                                                  "asked for"};
    return verb_operation_run(cli, &unpause, NULL);
}
