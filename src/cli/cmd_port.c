/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/running.h"
#include "json/json.h"

static const json_t *find_service(const json_t *system, const char *name, struct err *err)
{
    size_t i;
    const json_t *service;

    json_array_foreach(json_object_get(system, "services"), i, service)
    {
        if (strcmp(json_find_text(service, "name", ""), name) == 0)
            return service;
    }
    err_set(err, ERR_NO_SERVICE, "there is no service '%s' in '%s'", name,
            json_find_text(system, "name", "?"));
    return NULL;
}

/* The edge listens for all instances of a service: a number only has to be one that is there. */
static bool check_index(const json_t *system, const char *service,
                        const struct options_number *index, struct err *err)
{
    size_t i;
    const json_t *instance;

    if (!index->given || index->value == 0)
        return true;
    json_array_foreach(json_object_get(system, "instances"), i, instance)
    {
        if (strcmp(json_find_text(instance, "service", ""), service) == 0 &&
            json_find_u64(instance, "number", 0) == index->value)
            return true;
    }
    return err_set(err, ERR_NOT_FOUND, "service '%s' has no instance %llu", service,
                   (unsigned long long)index->value);
}

static bool print_port(struct cli *cli, const json_t *service, uint64_t wanted, struct err *err)
{
    const char *protocol = cli->options.protocol == NULL ? "tcp" : cli->options.protocol;
    AUTO(buf_done) struct buf known = {0};
    size_t i;
    const json_t *port;

    json_array_foreach(json_object_get(service, "ports"), i, port)
    {
        uint64_t target = json_find_u64(port, "target", 0);
        uint64_t published = json_find_u64(port, "published", 0);
        const char *kind = json_find_text(port, "protocol", "tcp");
        if (target != wanted || strcmp(kind, protocol) != 0 || published == 0) {
            buf_addf(&known, "%s%llu/%s", known.len == 0 ? "" : ", ", (unsigned long long)target,
                     kind);
            continue;
        }
        cli_print(cli, str_of(arena_printf(&cli->arena, "%s:%llu\n",
                                           json_find_text(port, "host_ip", "0.0.0.0"),
                                           (unsigned long long)published)));
        return true;
    }
    return err_set(err, ERR_NOT_FOUND, "no port %llu/%s is published for service '%s': %s",
                   (unsigned long long)wanted, protocol, json_find_text(service, "name", "?"),
                   known.len == 0 ? "it publishes none" : buf_text(&known));
}

int cmd_port(struct cli *cli)
{
    AUTO(json_unref) json_t *root = NULL;
    const char *const *words = cli->options.arguments.items;
    const json_t *service;
    uint64_t wanted;
    int status = EXIT_OK;
    struct err err;

    if (!str_to_u64(str_of(words[1]), UINT16_MAX, &wanted) || wanted == 0) {
        err_set(&err, ERR_INVALID, "'%s' is no port: a number from 1 to %d", words[1], UINT16_MAX);
        return cli_fail(cli, &err);
    }
    const char *system = running_system(cli, &status);
    if (system == NULL)
        return status;
    if (!cli_api_call(cli, "GET", cli_operation_path(cli, system, ""), NULL, &root, &err) ||
        (service = find_service(root, words[0], &err)) == NULL ||
        !check_index(root, words[0], &cli->options.index, &err) ||
        !print_port(cli, service, wanted, &err))
        return cli_fail(cli, &err);
    return EXIT_OK;
}
