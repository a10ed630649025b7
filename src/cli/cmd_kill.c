/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/plan_view.h"
#include "cli/running.h"
#include "cli/text_width.h"
#include "cli/verb_operation.h"
#include "json/json.h"

static void print_names(struct cli *cli, const json_t *names)
{
    AUTO(buf_done) struct buf out = {0};
    size_t i;
    const json_t *name;

    json_array_foreach(names, i, name)
    {
        text_clean(str_of(json_string_value(name)), false, &out);
        buf_add_text(&out, " killed\n");
    }
    if (json_array_size(names) == 0)
        buf_add_text(&out, "nothing runs that could be killed\n");
    cli_print(cli, buf_str(&out));
}

int cmd_kill(struct cli *cli)
{
    AUTO(json_unref) json_t *body = NULL;
    AUTO(json_unref) json_t *answer = NULL;
    const char *signal = cli->options.signal == NULL ? "SIGKILL" : cli->options.signal;
    int status = EXIT_OK;
    struct err err;
    const char *system = running_system(cli, &status);

    if (system == NULL)
        return status;
    if (cli->options.dry_run)
        return plan_view_instances(cli, system, "kill", "asked for");
    body = json_pack("{s:o, s:s}", "services", verb_services(cli), "signal", signal);
    if (!cli_api_call(cli, "POST", cli_operation_path(cli, system, "/kill"), body, &answer, &err))
        return cli_fail(cli, &err);
    if (cli->options.json)
        cli_print_json(cli, answer);
    else
        print_names(cli, json_object_get(answer, "killed"));
    return EXIT_OK;
}
