/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cli_operation.h"
#include "cli/plan_view.h"
#include "cli/running.h"
#include "cli/verb_operation.h"
#include "json/json.h"

json_t *verb_services(const struct cli *cli)
{
    const struct compose_texts *words = &cli->options.arguments;
    json_t *list = json_array();

    for (size_t i = 0; i < words->count; i++)
        (void)json_array_append_new(list, json_from_bytes(str_of(words->items[i])));
    return list;
}

json_t *verb_timeout(const struct cli *cli)
{
    const struct options_number *timeout = &cli->options.timeout_s;
    json_t *body = json_object();

    if (timeout->given)
        (void)json_object_set_new(body, "timeout_ms",
                                  json_integer((json_int_t)timeout->value * 1000));
    return body;
}

int verb_operation_run(struct cli *cli, const struct verb_operation *operation, json_t *body)
{
    AUTO(json_unref) json_t *whole = body == NULL ? json_object() : json_deep_copy(body);
    AUTO(json_unref) json_t *result = NULL;
    int status = EXIT_OK;
    const char *system = running_system(cli, &status);

    if (system == NULL)
        return status;
    if (cli->options.dry_run)
        return plan_view_instances(cli, system, operation->verb, operation->why);
    (void)json_object_set_new(whole, "services", verb_services(cli));
    struct cli_operation run = {
        .kind = operation->kind, .system = system, .verb = operation->verb, .body = whole};
    status = cli_operation_run(cli, &run, &result);
    if (status == EXIT_OK)
        cli_operation_summary(cli, system, operation->done, result);
    return status;
}
