/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cmd.h"
#include "json/json.h"

int cmd_version(struct cli *cli)
{
    const struct options *options = &cli->options;
    bool as_json =
        options->json || (options->format != NULL && strcmp(options->format, "json") == 0);
    AUTO(json_unref) json_t *root = json_pack("{s:s}", "version", ISHIZUE_VERSION);
    AUTO(json_unref) json_t *daemon = NULL;
    AUTO(buf_done) struct buf out = {0};
    struct err ignored;

    if (options->short_form) {
        cli_print(cli, STR(ISHIZUE_VERSION "\n"));
        return EXIT_OK;
    }
    if (cli_api_is_up(cli) && cli_api_call(cli, "GET", "/v1/version", NULL, &daemon, &ignored))
        json_object_set(root, "daemon", daemon);
    if (as_json) {
        cli_print_json(cli, root);
        return EXIT_OK;
    }
    buf_add_text(&out, "ishizue " ISHIZUE_VERSION "\n");
    if (daemon != NULL)
        buf_addf(&out, "daemon %s, pid %llu, runtime %s\n", json_find_text(daemon, "version", "?"),
                 (unsigned long long)json_find_u64(daemon, "pid", 0),
                 json_find_text(daemon, "runtime", "?"));
    cli_print(cli, buf_str(&out));
    return EXIT_OK;
}
