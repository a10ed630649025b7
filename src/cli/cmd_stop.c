/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/verb_operation.h"
#include "json/json.h"

int cmd_stop(struct cli *cli)
{
    static const struct verb_operation stop = {"stop", PROGRESS_STOP, "is stopped",
                                               "asked for; 'start' starts it again"};
    AUTO(json_unref) json_t *body = verb_timeout(cli);

    return verb_operation_run(cli, &stop, body);
}
