/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/file.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cmd.h"
#include "cli/daemon_start.h"
#include "io/child.h"
#include "json/json.h"

static const char install_path[] = "/usr/local/share/ca-certificates/ishizue.crt";

enum { INSTALL_TIMEOUT_MS = 120000, INSTALL_OUTPUT_BYTES = 64 << 10 };

static bool install(struct cli *cli, const char *certificate, struct err *err)
{
    static const char *const argv[] = {"update-ca-certificates", NULL};

    if (cli->options.dry_run) {
        cli_print(cli, str_of(arena_printf(&cli->arena,
                                           "would write '%s' and run update-ca-certificates\n",
                                           install_path)));
        return true;
    }
    if (!file_write(install_path, str_of(certificate), 0644, err))
        return false;
    if (!child_run(argv, (struct str){0}, INSTALL_TIMEOUT_MS, INSTALL_OUTPUT_BYTES, NULL, err))
        return err_prefix(err, "update-ca-certificates (package ca-certificates)");
    cli_print(cli, STR("This machine trusts certificates of the local authority now; browsers keep "
                       "their own list\n"));
    return true;
}

int cmd_ca(struct cli *cli)
{
    AUTO(json_unref) json_t *root = NULL;
    const char *certificate;
    struct err err;

    if (!daemon_ensure(cli, &err) || !cli_api_call(cli, "GET", "/v1/ca", NULL, &root, &err) ||
        !json_get_text(root, "certificate", &certificate, &err))
        return cli_fail(cli, &err);
    if (cli->options.install)
        return install(cli, certificate, &err) ? EXIT_OK : cli_fail(cli, &err);
    if (cli->options.json)
        cli_print_json(cli, root);
    else
        cli_print(cli, str_of(certificate));
    return EXIT_OK;
}
