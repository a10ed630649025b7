/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/verb_operation.h"
#include "json/json.h"

int cmd_start(struct cli *cli)
{
    static const struct verb_operation start = {"start", PROGRESS_START, "is started", "asked for"};
    const struct options_number *timeout = &cli->options.wait_timeout_s;
    AUTO(json_unref) json_t *body = json_object();

    if (timeout->given)
        (void)json_object_set_new(body, "timeout_ms",
                                  json_integer((json_int_t)timeout->value * 1000));
    return verb_operation_run(cli, &start, body);
}
