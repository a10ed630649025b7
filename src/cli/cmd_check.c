/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/project.h"
#include "json/json.h"

static void print_json(struct cli *cli, bool valid, const struct compose *compose,
                       const struct compose_diags *diags, const struct err *err)
{
    AUTO(json_unref)
    json_t *root =
        json_pack("{s:b, s:o}", "valid", (int)valid, "diagnostics", project_diags_json(diags));

    if (valid)
        json_object_set_new(root, "name", json_from_bytes(str_of(compose->name)));
    else
        json_object_set_new(root, "error", json_from_bytes(str_of(err->text)));
    cli_print_json(cli, root);
}

static void print_verdict(struct cli *cli, const struct compose *compose, size_t warnings)
{
    AUTO(buf_done) struct buf out = {0};

    term_style(&cli->out, STYLE_BOLD, str_of(compose->name), &out);
    buf_addf(&out, " is valid: %zu service%s", compose->service_count,
             compose->service_count == 1 ? "" : "s");
    if (warnings > 0)
        buf_addf(&out, ", %zu warning%s", warnings, warnings == 1 ? "" : "s");
    buf_add_char(&out, '\n');
    cli_print(cli, buf_str(&out));
}

int cmd_check(struct cli *cli)
{
    struct compose_diags *diags = ARENA_NEW(&cli->arena, struct compose_diags);
    AUTO(json_unref) json_t *resolved = NULL;
    struct compose *compose = NULL;
    struct err err = {0};
    bool valid = project_read(cli, false, &compose, &resolved, diags, &err);

    if (cli->options.json) {
        print_json(cli, valid, compose, diags, &err);
        return valid ? EXIT_OK : EXIT_USAGE;
    }
    project_print_diags(cli, diags, !cli->options.quiet);
    if (!valid) {
        if (diags->error_count == 0)
            (void)cli_fail(cli, &err);
        return EXIT_USAGE;
    }
    if (!cli->options.quiet)
        print_verdict(cli, compose, diags->count + diags->dropped);
    return EXIT_OK;
}
