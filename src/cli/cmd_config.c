/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/map.h"
#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/project.h"
#include "json/json.h"

static bool is_asked_for(const struct cli *cli, const char *service)
{
    const struct compose_texts *names = &cli->options.arguments;

    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], service) == 0)
            return true;
    return names->count == 0;
}

/* Adds <text> as a line unless it was there. */
static void add_once(struct map *seen, const char *text, struct buf *ret)
{
    static char mark;

    if (map_set(seen, str_of(text), &mark) == NULL)
        buf_addf(ret, "%s\n", text);
}

static void list_services(const struct cli *cli, const struct compose *compose, struct buf *ret)
{
    for (size_t i = 0; i < compose->service_count; i++)
        if (is_asked_for(cli, compose->services[i].name))
            buf_addf(ret, "%s\n", compose->services[i].name);
}

/* What is built has the name Compose would give it. */
static void list_images(const struct cli *cli, const struct compose *compose, struct buf *ret)
{
    AUTO(map_done) struct map seen = {0};

    for (size_t i = 0; i < compose->service_count; i++) {
        const struct compose_service *service = &compose->services[i];
        AUTO(buf_done) struct buf name = {0};

        if (!is_asked_for(cli, service->name))
            continue;
        if (service->image != NULL)
            buf_add_text(&name, service->image);
        else
            buf_addf(&name, "%s-%s", compose->name, service->name);
        add_once(&seen, buf_text(&name), ret);
    }
}

static void list_volumes(const struct compose *compose, struct buf *ret)
{
    for (size_t i = 0; i < compose->volume_count; i++)
        buf_addf(ret, "%s\n", compose->volumes[i].key);
}

static void list_profiles(const struct compose *compose, struct buf *ret)
{
    AUTO(map_done) struct map seen = {0};

    for (size_t i = 0; i < compose->service_count; i++)
        for (size_t k = 0; k < compose->services[i].profiles.count; k++)
            add_once(&seen, compose->services[i].profiles.items[k], ret);
}

static void list_environment(struct buf *ret)
{
    for (char **entry = environ; *entry != NULL; entry++)
        buf_addf(ret, "%s\n", *entry);
}

static bool list_hashes(struct cli *cli, const json_t *resolved, struct buf *ret, struct err *err)
{
    const char *wanted = cli->options.hash;
    json_t *services = json_object_get(resolved, "services");
    bool all = strcmp(wanted, "*") == 0;
    const char *name;
    json_t *service;

    if (!all && json_object_get(services, wanted) == NULL)
        return err_set(err, ERR_INVALID, "no such service: '%s'", wanted);
    json_object_foreach(services, name, service)
    {
        AUTO(buf_done) struct buf text = {0};
        char digest[CLI_DIGEST_BYTES] = "";

        if (!all && strcmp(name, wanted) != 0)
            continue;
        json_format(service, false, &text);
        cli->programs->digest(buf_str(&text), digest);
        buf_addf(ret, "%s %s\n", name, digest);
    }
    return true;
}

/* With services named, the others are left out. */
static void drop_services(const struct cli *cli, json_t *resolved)
{
    json_t *services = json_object_get(resolved, "services");
    void *next;
    const char *name;
    json_t *service;

    json_object_foreach_safe(services, next, name, service) if (!is_asked_for(cli, name))
        json_object_del(services, name);
}

static bool format_config(struct cli *cli, const struct compose *compose, json_t *resolved,
                          struct buf *ret, struct err *err)
{
    const struct options *options = &cli->options;

    if (options->list_services)
        list_services(cli, compose, ret);
    else if (options->list_images)
        list_images(cli, compose, ret);
    else if (options->list_volumes)
        list_volumes(compose, ret);
    else if (options->list_profiles)
        list_profiles(compose, ret);
    else if (options->list_environment)
        list_environment(ret);
    else if (options->hash != NULL)
        return list_hashes(cli, resolved, ret, err);
    else {
        bool as_json =
            options->json || (options->format != NULL && strcmp(options->format, "json") == 0);
        drop_services(cli, resolved);
        compose_format(resolved, as_json ? COMPOSE_FORMAT_JSON : COMPOSE_FORMAT_YAML, true, ret);
        if (ret->len > 0 && ret->ptr[ret->len - 1] != '\n')
            buf_add_char(ret, '\n');
    }
    return true;
}

int cmd_config(struct cli *cli)
{
    AUTO(json_unref) json_t *resolved = NULL;
    AUTO(buf_done) struct buf out = {0};
    struct compose *compose;
    struct err err;

    int status = project_load(cli, true, true, &compose, &resolved);
    if (status != EXIT_OK)
        return status;
    if (!format_config(cli, compose, resolved, &out, &err))
        return cli_fail(cli, &err);
    if (cli->options.quiet)
        return EXIT_OK;
    if (cli->options.output == NULL) {
        cli_print(cli, buf_str(&out));
        return EXIT_OK;
    }
    return file_write(cli->options.output, buf_str(&out), 0644, &err) ? EXIT_OK
                                                                      : cli_fail(cli, &err);
}
