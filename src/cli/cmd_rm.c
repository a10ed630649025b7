/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/plan_view.h"
#include "cli/running.h"
#include "cli/text_width.h"
#include "cli/verb_operation.h"
#include "json/json.h"

enum { ANSWER_BYTES = 16 };

static bool is_named(const struct cli *cli, const char *service)
{
    const struct compose_texts *names = &cli->options.arguments;

    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], service) == 0)
            return true;
    return names->count == 0;
}

static bool is_stopped(const json_t *instance)
{
    const char *state = json_find_text(instance, "state", "");
    return strcmp(state, "exited") == 0 || strcmp(state, "pending") == 0;
}

static bool is_one_off(const json_t *instance)
{
    return json_find_u64(instance, "number", 0) == 0;
}

/* Does one of its instances run? Then they all stay. */
static bool has_running(const json_t *instances, const char *service)
{
    size_t i;
    const json_t *instance;

    json_array_foreach(instances, i, instance)
    {
        if (strcmp(json_find_text(instance, "service", ""), service) == 0 &&
            !is_one_off(instance) && !is_stopped(instance))
            return true;
    }
    return false;
}

/* "a, b": who would go. */
static void list_going(const struct cli *cli, const json_t *system, struct buf *ret)
{
    const json_t *instances = json_object_get(system, "instances");
    size_t i;
    const json_t *instance;

    json_array_foreach(instances, i, instance)
    {
        const char *service = json_find_text(instance, "service", "");
        if (is_one_off(instance) || !is_named(cli, service) ||
            (!cli->options.stop_first && has_running(instances, service)))
            continue;
        if (ret->len > 0)
            buf_add_text(ret, ", ");
        text_clean(str_of(json_find_text(instance, "name", "?")), false, ret);
    }
}

/* False: no. Without a terminal nobody can be asked. */
static bool ask(struct cli *cli, int *ret_status)
{
    char answer[ANSWER_BYTES] = "";
    struct err err;

    if (cli->options.force)
        return true;
    if (!isatty(STDIN_FILENO)) {
        err_set(&err, ERR_INVALID, "nobody can be asked, standard input is no terminal; give -f");
        *ret_status = cli_fail(cli, &err);
        return false;
    }
    cli_print(cli, STR("Are you sure? [yN] "));
    return fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

static int remove_them(struct cli *cli, const char *system)
{
    AUTO(json_unref) json_t *result = NULL;
    AUTO(json_unref)
    json_t *body = json_pack("{s:o, s:b, s:b}", "services", verb_services(cli), "stop",
                             (int)cli->options.stop_first, "volumes", (int)cli->options.volumes);
    struct cli_operation rm = {.kind = PROGRESS_RM, .system = system, .verb = "rm", .body = body};

    return cli_operation_run(cli, &rm, &result);
}

static bool check_names(const struct cli *cli, const json_t *state, struct err *err)
{
    const struct compose_texts *names = &cli->options.arguments;
    size_t k;
    const json_t *service;

    for (size_t i = 0; i < names->count; i++) {
        bool found = false;
        json_array_foreach(json_object_get(state, "services"), k, service)
        {
            found |= strcmp(json_find_text(service, "name", ""), names->items[i]) == 0;
        }
        if (!found)
            return err_set(err, ERR_NO_SERVICE, "there is no service '%s'", names->items[i]);
    }
    return true;
}

int cmd_rm(struct cli *cli)
{
    AUTO(json_unref) json_t *state = NULL;
    AUTO(buf_done) struct buf going = {0};
    int status = EXIT_OK;
    struct err err;
    const char *system = running_system(cli, &status);

    if (system == NULL)
        return status;
    if (!cli_api_call(cli, "GET", cli_operation_path(cli, system, ""), NULL, &state, &err))
        return cli_fail(cli, &err);
    if (!check_names(cli, state, &err))
        return cli_fail(cli, &err);
    list_going(cli, state, &going);
    if (going.len == 0) {
        if (!cli->options.json)
            cli_print(cli, STR("No stopped containers\n"));
        return EXIT_OK;
    }
    if (!cli->options.json)
        cli_print(cli, str_of(arena_printf(&cli->arena, "Going to remove %s\n", buf_text(&going))));
    if (cli->options.dry_run || !ask(cli, &status))
        return status;
    return remove_them(cli, system);
}
