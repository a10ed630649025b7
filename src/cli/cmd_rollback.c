/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <unistd.h>

#include "cli/agree.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/release_format.h"
#include "cli/running.h"
#include "cli/text_width.h"
#include "json/json.h"

static bool read_number(const struct cli *cli, uint64_t *ret, struct err *err)
{
    const struct compose_texts *words = &cli->options.arguments;

    *ret = 0;
    if (words->count == 0 || (str_to_u64(str_of(words->items[0]), UINT32_MAX, ret) && *ret > 0))
        return true;
    return err_set(err, ERR_INVALID, "'%.40s' is no number of a release", words->items[0]);
}

/* From the current release to <number>, or to the one that a rollback would choose. */
static bool ask_daemon(struct cli *cli, const char *system, uint64_t number, json_t **ret,
                       struct err *err)
{
    const char *rest =
        arena_printf(&cli->arena, "/releases/diff?to=%llu", (unsigned long long)number);
    return cli_api_call(cli, "GET", cli_operation_path(cli, system, rest), NULL, ret, err);
}

/* "release 5 -> 3: backend, -worker", and what is not in the files. */
static void print_plan(struct cli *cli, const json_t *diff)
{
    AUTO(buf_done) struct buf changed = {0}, out = {0};
    size_t i;
    const json_t *line;

    release_format_changed(json_object_get(diff, "services"), &changed);
    buf_addf(&out, "release %llu -> %llu: %s\n", (unsigned long long)json_find_u64(diff, "from", 0),
             (unsigned long long)json_find_u64(diff, "to", 0),
             changed.len == 0 ? "no service is replaced" : buf_text(&changed));
    json_array_foreach(json_object_get(diff, "differences"), i, line)
    {
        buf_add_text(&out, "  ");
        text_clean(str_of(json_is_string(line) ? json_string_value(line) : "?"), false, &out);
        buf_add_char(&out, '\n');
    }
    cli_print(cli, buf_str(&out));
}

/* "web, worker": whose migrations cannot be taken back; empty: none. */
static void add_irreversible(const json_t *diff, struct buf *ret)
{
    size_t i;
    const json_t *name;

    json_array_foreach(json_object_get(diff, "irreversible"), i, name)
    {
        if (ret->len > 0)
            buf_add_text(ret, ", ");
        text_clean(str_of(json_is_string(name) ? json_string_value(name) : "?"), false, ret);
    }
}

/* On a terminal the question says it; without one a script has to. */
static bool is_agreed(struct cli *cli, const json_t *diff)
{
    AUTO(buf_done) struct buf names = {0};
    struct err err;

    add_irreversible(diff, &names);
    if (names.len == 0)
        return agree_ask(cli, "Go back?");
    if (cli->options.yes || (isatty(STDIN_FILENO) && !cli->options.json))
        return agree_ask(cli, arena_printf(&cli->arena,
                                           "A migration of %.400s cannot be taken back, and the "
                                           "data stays as it is now. Go back?",
                                           buf_text(&names)));
    err_set(&err, ERR_DENIED,
            "a migration of %.400s cannot be taken back, and the data stays as it is now: -y goes "
            "back all the same",
            buf_text(&names));
    (void)cli_fail(cli, &err);
    return false;
}

static int go_back(struct cli *cli, const char *system, uint64_t number)
{
    const struct options_number *timeout = &cli->options.wait_timeout_s;
    AUTO(json_unref) json_t *result = NULL;
    AUTO(json_unref)
    json_t *body = json_pack("{s:I, s:I}", "release", (json_int_t)number, "timeout_ms",
                             timeout->given ? (json_int_t)timeout->value * 1000 : 0);
    struct cli_operation rollback = {
        .kind = PROGRESS_ROLLBACK, .system = system, .verb = "rollback", .body = body};

    int status = cli_operation_run(cli, &rollback, &result);
    if (status == EXIT_OK)
        cli_operation_summary(
            cli, system,
            arena_printf(&cli->arena, "is at release %llu again", (unsigned long long)number),
            result);
    return status;
}

int cmd_rollback(struct cli *cli)
{
    AUTO(json_unref) json_t *diff = NULL;
    int status = EXIT_OK;
    uint64_t number;
    struct err err;

    if (!read_number(cli, &number, &err))
        return cli_fail(cli, &err);
    const char *system = running_system(cli, &status);
    if (system == NULL)
        return status;
    if (!ask_daemon(cli, system, number, &diff, &err))
        return cli_fail(cli, &err);
    const char *obstacle = json_find_text(diff, "obstacle", NULL);
    if (obstacle != NULL) {
        err_set(&err, ERR_NOT_FOUND, "%s", obstacle);
        return cli_fail(cli, &err);
    }
    if (cli->options.dry_run && cli->options.json)
        cli_print_json(cli, diff);
    else if (cli_operation_is_text(cli))
        print_plan(cli, diff);
    if (cli->options.dry_run)
        return EXIT_OK;
    if (!is_agreed(cli, diff))
        return EXIT_FAILED;
    return go_back(cli, system, json_find_u64(diff, "to", 0));
}
