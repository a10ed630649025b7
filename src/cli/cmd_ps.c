/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/map.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/ps_format.h"
#include "cli/running.h"
#include "json/json.h"

static bool is_asked_for(const struct cli *cli, const json_t *instance)
{
    const struct compose_texts *names = &cli->options.arguments;
    const char *service = json_find_text(instance, "service", "");
    bool named = names->count == 0;

    for (size_t i = 0; i < names->count; i++)
        named |= strcmp(names->items[i], service) == 0;
    return named &&
           (cli->options.all || strcmp(json_find_text(instance, "state", ""), "exited") != 0);
}

/* Drops what was not asked for. */
static void choose_instances(const struct cli *cli, json_t *system)
{
    json_t *instances = json_object_get(system, "instances");

    for (size_t i = json_array_size(instances); i-- > 0;)
        if (!is_asked_for(cli, json_array_get(instances, i)))
            json_array_remove(instances, i);
}

/* One text of each instance a line, each text once. */
static void print_texts(struct cli *cli, const json_t *system, const char *key)
{
    AUTO(buf_done) struct buf out = {0};
    AUTO(map_done) struct map seen = {0};
    static char mark;
    size_t i;
    const json_t *instance;

    json_array_foreach(json_object_get(system, "instances"), i, instance)
    {
        const char *text = json_find_text(instance, key, "");
        if (map_set(&seen, str_of(text), &mark) == NULL)
            buf_addf(&out, "%s\n", text);
    }
    cli_print(cli, buf_str(&out));
}

static void print_system(struct cli *cli, const json_t *system)
{
    const char *format = cli->options.format;
    AUTO(buf_done) struct buf out = {0};

    if (cli->options.quiet) {
        print_texts(cli, system, "id");
    } else if (cli->options.list_services) {
        print_texts(cli, system, "service");
    } else if (format != NULL && strcmp(format, "json") == 0) {
        ps_format_lines(system, clock_wall_ms(), &out);
        cli_print(cli, buf_str(&out));
    } else {
        ps_format_table(system, &cli->out, clock_wall_ms(), cli->options.arguments.count == 0,
                        &cli->arena, &out);
        cli_print(cli, buf_str(&out));
    }
}

int cmd_ps(struct cli *cli)
{
    AUTO(json_unref) json_t *system = NULL;
    int status = EXIT_OK;
    struct err err;
    const char *name = running_system(cli, &status);

    if (name == NULL)
        return status;
    if (!cli_api_call(cli, "GET", cli_operation_path(cli, name, ""), NULL, &system, &err))
        return cli_fail(cli, &err);
    choose_instances(cli, system);
    if (cli->options.json)
        cli_print_json(cli, system);
    else
        print_system(cli, system);
    return EXIT_OK;
}
