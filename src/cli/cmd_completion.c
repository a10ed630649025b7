/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/completion.h"
#include "cli/project.h"

int cmd_completion(struct cli *cli)
{
    const char *shell = cli->options.arguments.items[0];
    const char *script = completion_script(shell);
    struct err err;

    if (script == NULL) {
        err_set(&err, ERR_INVALID, "no completion for '%s', there is bash, zsh and fish", shell);
        return cli_fail(cli, &err);
    }
    cli_print(cli, str_of(script));
    return EXIT_OK;
}

/* The services of the file that the words name, or of the folder's; none when it cannot be read. */
static void add_services(struct cli *cli, struct buf *ret)
{
    const char **words = ARENA_ARRAY(&cli->arena, const char *, cli->options.arguments.count + 1);
    struct compose_diags *diags = ARENA_NEW(&cli->arena, struct compose_diags);
    const struct command *ignored_command;
    struct compose *compose;
    struct err ignored;

    memcpy(words, cli->options.arguments.items, cli->options.arguments.count * sizeof *words);
    words[cli->options.arguments.count - 1] = NULL; /* the word that is being typed */
    if (!options_parse(words, &cli->arena, &cli->options, &ignored_command, &ignored) &&
        ignored.code != ERR_INVALID)
        return;
    if (!project_read(cli, false, &compose, NULL, diags, &ignored))
        return;
    for (size_t i = 0; i < compose->service_count; i++)
        buf_addf(ret, "%s\tservice\n", compose->services[i].name);
}

int cmd_complete(struct cli *cli)
{
    AUTO(completion_done) struct completion found = {0};

    completion_find(cli->options.arguments.items, cli->options.arguments.count, &found);
    if (found.wants_services && cli->options.arguments.count > 0)
        add_services(cli, &found.lines);
    if (found.wants_files)
        buf_add_text(&found.lines, ":files\n");
    cli_print(cli, buf_str(&found.lines));
    return EXIT_OK;
}
