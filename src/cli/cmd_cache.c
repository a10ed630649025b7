/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/looking_format.h"
#include "cli/running.h"
#include "json/json.h"

static const char *size_of(struct cli *cli, const json_t *object, const char *key)
{
    AUTO(buf_done) struct buf text = {0};

    size_format_binary(json_find_u64(object, key, 0), &text);
    return arena_str(&cli->arena, buf_str(&text));
}

/* Of a hundred requests that the cache was asked for. */
static unsigned long hit_percent(const json_t *edge)
{
    uint64_t hits = json_find_u64(edge, "hits", 0);
    uint64_t asked = hits + json_find_u64(edge, "misses", 0);

    return asked == 0 ? 0 : (unsigned long)(hits * 100 / asked);
}

static int show(struct cli *cli, const char *system)
{
    AUTO(json_unref) json_t *answer = NULL;
    struct err err;

    if (!cli_api_call(cli, "GET", cli_operation_path(cli, system, "/cache"), NULL, &answer, &err))
        return cli_fail(cli, &err);
    if (cli->options.json) {
        cli_print_json(cli, answer);
        return EXIT_OK;
    }
    const json_t *edge = json_object_get(answer, "edge");
    cli_print(cli, str_of(arena_printf(
                       &cli->arena,
                       "%s keeps %lu answers, %s; the cache of this machine holds %s of %s, and "
                       "%lu %% of %lu requests were answered from it\n",
                       system, (unsigned long)json_find_u64(answer, "entries", 0),
                       size_of(cli, answer, "bytes"), size_of(cli, answer, "used_bytes"),
                       size_of(cli, answer, "limit_bytes"), hit_percent(edge),
                       (unsigned long)(json_find_u64(edge, "hits", 0) +
                                       json_find_u64(edge, "misses", 0)))));
    return EXIT_OK;
}

static int purge(struct cli *cli, const char *system)
{
    const struct options *options = &cli->options;
    AUTO(json_unref) json_t *answer = NULL;
    AUTO(json_unref)
    json_t *body = json_pack("{s:s*, s:s*, s:s*}", "path", options->path, "prefix", options->prefix,
                             "tag", options->tag);
    struct err err;

    if (options->all)
        (void)json_object_set_new(body, "all", json_true());
    if (json_object_size(body) != 1) {
        (void)err_set(&err, ERR_INVALID, "purge needs one of --path, --prefix, --tag and --all");
        return cli_fail(cli, &err);
    }
    if (options->dry_run) {
        cli_print(cli, STR("answers would be purged\n"));
        return EXIT_OK;
    }
    if (!cli_api_call(cli, "POST", cli_operation_path(cli, system, "/cache/purge"), body, &answer,
                      &err))
        return cli_fail(cli, &err);
    if (options->json)
        cli_print_json(cli, answer);
    else
        cli_print(cli, str_of(arena_printf(&cli->arena, "%lu answers purged\n",
                                           (unsigned long)json_find_u64(answer, "purged", 0))));
    return EXIT_OK;
}

int cmd_cache(struct cli *cli)
{
    const struct compose_texts *words = &cli->options.arguments;
    int status = EXIT_OK;
    struct err err;

    const char *system = running_system(cli, &status);
    if (system == NULL)
        return status;
    if (words->count == 0)
        return show(cli, system);
    if (strcmp(words->items[0], "purge") == 0)
        return purge(cli, system);
    (void)err_set(&err, ERR_INVALID, "'cache' takes purge or nothing, not '%.40s'",
                  words->items[0]);
    return cli_fail(cli, &err);
}
