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

/* Of Docker's words: "created" is what has never run. */
static const char *const known_statuses[] = {"paused", "restarting", "removing", "running",
                                             "dead",   "created",    "exited"};

static bool check_statuses(const struct options *options, struct err *err)
{
    for (size_t i = 0; i < options->statuses.count; i++) {
        bool known = false;
        for (size_t k = 0; k < ARRAY_LEN(known_statuses); k++)
            known |= strcmp(options->statuses.items[i], known_statuses[k]) == 0;
        if (!known)
            return err_set(err, ERR_INVALID,
                           "--status '%s' is none of paused, restarting, removing, running, dead, "
                           "created, exited",
                           options->statuses.items[i]);
    }
    return true;
}

/* --filter status=STATUS is one --status more. */
static bool take_filter(struct cli *cli, struct err *err)
{
    struct options *options = &cli->options;
    struct compose_texts *list = &options->statuses;
    static const char prefix[] = "status=";

    if (options->filter == NULL)
        return true;
    if (strncmp(options->filter, prefix, strlen(prefix)) != 0)
        return err_set(err, ERR_INVALID,
                       "--filter '%s' is not status=STATUS, the only one there is",
                       options->filter);
    const char **items = ARENA_ARRAY(&cli->arena, const char *, list->count + 1);
    for (size_t i = 0; i < list->count; i++)
        items[i] = list->items[i];
    items[list->count++] = options->filter + strlen(prefix);
    list->items = items;
    return true;
}

/* What has ended, or was made by `run`, is shown when it is asked for. */
static bool has_status(const struct options *options, const json_t *instance)
{
    const char *status = ps_format_state(instance);

    for (size_t i = 0; i < options->statuses.count; i++)
        if (strcmp(options->statuses.items[i], status) == 0)
            return true;
    if (options->statuses.count > 0 ||
        (!options->all && json_find_bool(instance, "one_off", false)))
        return false;
    return options->all || strcmp(json_find_text(instance, "state", ""), "exited") != 0;
}

static bool is_asked_for(const struct cli *cli, const json_t *instance)
{
    const struct compose_texts *names = &cli->options.arguments;
    const char *service = json_find_text(instance, "service", "");
    bool named = names->count == 0;

    for (size_t i = 0; i < names->count; i++)
        named |= strcmp(names->items[i], service) == 0;
    return named && has_status(&cli->options, instance);
}

/* One of the file or of an instance: what left the file may still run. */
static bool is_service(const json_t *system, const char *name)
{
    size_t i;
    const json_t *member;

    json_array_foreach(json_object_get(system, "services"), i, member)
    {
        if (strcmp(json_find_text(member, "name", ""), name) == 0)
            return true;
    }
    json_array_foreach(json_object_get(system, "instances"), i, member)
    {
        if (strcmp(json_find_text(member, "service", ""), name) == 0)
            return true;
    }
    return false;
}

static bool check_names(const struct cli *cli, const json_t *system, struct err *err)
{
    const struct compose_texts *names = &cli->options.arguments;

    for (size_t i = 0; i < names->count; i++)
        if (!is_service(system, names->items[i]))
            return err_set(err, ERR_NO_SERVICE, "there is no service '%s' in '%s'", names->items[i],
                           json_find_text(system, "name", "?"));
    return true;
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

static void print_lines(struct cli *cli, const json_t *system)
{
    AUTO(json_unref) json_t *config = NULL;
    AUTO(buf_done) struct buf out = {0};
    const char *path = cli_operation_path(cli, json_find_text(system, "name", ""), "/config");
    struct err ignored; /* a system that is just going has none */
    bool known = cli_api_call(cli, "GET", path, NULL, &config, &ignored);

    ps_format_lines(system, known ? config : NULL, clock_wall_ms(), &out);
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
        print_lines(cli, system);
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

    if (!take_filter(cli, &err) || !check_statuses(&cli->options, &err))
        return cli_fail(cli, &err);
    const char *name = running_system(cli, &status);
    if (name == NULL)
        return status;
    if (cli->options.no_trunc)
        cli->out.width = 0;
    if (!cli_api_call(cli, "GET", cli_operation_path(cli, name, ""), NULL, &system, &err) ||
        !check_names(cli, system, &err))
        return cli_fail(cli, &err);
    choose_instances(cli, system);
    if (cli->options.json)
        cli_print_json(cli, system);
    else
        print_system(cli, system);
    return EXIT_OK;
}
