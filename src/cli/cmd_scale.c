/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/running.h"
#include "json/json.h"

enum { SCALE_MAX = 100 };

/* {"web": 3}; NULL with <err>. */
static json_t *read_counts(const struct cli *cli, struct err *err)
{
    const struct compose_texts *words = &cli->options.arguments;
    AUTO(json_unref) json_t *counts = json_object();

    for (size_t i = 0; i < words->count; i++) {
        struct str number = str_of(words->items[i]);
        struct str name = str_cut(&number, '=');
        uint64_t count;
        if (name.len == 0 || number.ptr == NULL || !str_to_u64(number, SCALE_MAX, &count)) {
            err_set(err, ERR_INVALID, "'%.80s' is not SERVICE=NUMBER with at most %d",
                    words->items[i], SCALE_MAX);
            return NULL;
        }
        (void)json_object_setn_new(counts, name.ptr, name.len, json_integer((json_int_t)count));
    }
    return json_incref(counts);
}

int cmd_scale(struct cli *cli)
{
    const struct options_number *timeout = &cli->options.wait_timeout_s;
    AUTO(json_unref) json_t *result = NULL;
    int status = EXIT_OK;
    struct err err;

    json_t *counts = read_counts(cli, &err);
    if (counts == NULL)
        return cli_fail(cli, &err);
    AUTO(json_unref)
    json_t *body = json_pack("{s:o, s:I}", "services", counts, "timeout_ms",
                             timeout->given ? (json_int_t)timeout->value * 1000 : 0);
    const char *system = running_system(cli, &status);
    if (system == NULL)
        return status;
    if (cli->options.dry_run) {
        cli_print_json(cli, json_object_get(body, "services"));
        return EXIT_OK;
    }
    struct cli_operation scale = {
        .kind = PROGRESS_SCALE, .system = system, .verb = "scale", .body = body};
    status = cli_operation_run(cli, &scale, &result);
    if (status == EXIT_OK)
        cli_operation_summary(cli, system, "is scaled", result);
    return status;
}
