/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/release_format.h"
#include "cli/running.h"
#include "compose/load.h"
#include "json/json.h"

static int list(struct cli *cli, const json_t *answer)
{
    AUTO(buf_done) struct buf out = {0};

    releases_format_table(answer, &cli->out, clock_wall_ms(), &cli->arena, &out);
    cli_print(cli, buf_str(&out));
    return EXIT_OK;
}

static int show(struct cli *cli, const json_t *answer)
{
    AUTO(buf_done) struct buf out = {0};

    release_format_head(answer, clock_wall_ms(), &out);
    compose_format(json_object_get(answer, "config"), COMPOSE_FORMAT_YAML, true, &out);
    if (out.len > 0 && out.ptr[out.len - 1] != '\n')
        buf_add_char(&out, '\n');
    cli_print(cli, buf_str(&out));
    return EXIT_OK;
}

static int diff(struct cli *cli, const json_t *answer)
{
    AUTO(buf_done) struct buf out = {0};

    release_format_diff(answer, &out);
    cli_print(cli, buf_str(&out));
    return EXIT_OK;
}

/* A number of the words; 0 when there is none at <index>. */
static bool number_at(const struct cli *cli, size_t index, uint64_t *ret, struct err *err)
{
    const struct compose_texts *words = &cli->options.arguments;

    *ret = 0;
    if (index >= words->count)
        return true;
    if (str_to_u64(str_of(words->items[index]), UINT32_MAX, ret) && *ret > 0)
        return true;
    return err_set(err, ERR_INVALID, "'%.40s' is no number of a release", words->items[index]);
}

/* What the words ask for: the path, and who prints the answer. */
static bool choose(struct cli *cli, const char **ret_rest,
                   int (**ret_print)(struct cli *, const json_t *), struct err *err)
{
    const struct compose_texts *words = &cli->options.arguments;
    const char *verb = words->count == 0 ? "" : words->items[0];
    uint64_t limit = cli->options.count.given ? cli->options.count.value : 20;
    uint64_t from, to;

    if (!number_at(cli, 1, &from, err) || !number_at(cli, 2, &to, err))
        return false;
    if (words->count == 0) {
        *ret_rest = arena_printf(&cli->arena, "/releases?limit=%llu", (unsigned long long)limit);
        *ret_print = list;
    } else if (strcmp(verb, "show") == 0 && words->count == 2) {
        *ret_rest =
            arena_printf(&cli->arena, "/releases/show?number=%llu", (unsigned long long)from);
        *ret_print = show;
    } else if (strcmp(verb, "diff") == 0 && words->count == 1) {
        *ret_rest = "/releases/diff?from=former";
        *ret_print = diff;
    } else if (strcmp(verb, "diff") == 0) {
        *ret_rest = arena_printf(&cli->arena, "/releases/diff?from=%llu&to=%llu",
                                 (unsigned long long)from, (unsigned long long)to);
        *ret_print = diff;
    } else {
        return err_set(err, ERR_INVALID,
                       "'releases' takes nothing, 'show NUMBER' or 'diff [NUMBER [NUMBER]]'");
    }
    return true;
}

int cmd_releases(struct cli *cli)
{
    int (*print)(struct cli *, const json_t *);
    AUTO(json_unref) json_t *answer = NULL;
    int status = EXIT_OK;
    const char *rest;
    struct err err;

    if (!choose(cli, &rest, &print, &err))
        return cli_fail(cli, &err);
    const char *system = running_system(cli, &status);
    if (system == NULL)
        return status;
    if (!cli_api_call(cli, "GET", cli_operation_path(cli, system, rest), NULL, &answer, &err))
        return cli_fail(cli, &err);
    if (!cli->options.json)
        return print(cli, answer);
    cli_print_json(cli, answer);
    return EXIT_OK;
}
