/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/file.h"
#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/config_lists.h"
#include "cli/project.h"
#include "json/json.h"

/* Address space, not memory: several times what the largest project that is read takes. */
enum { ARENA_BYTES = 256 * 1024 * 1024 };

static unsigned steps_to_skip(const struct options *options)
{
    unsigned skip = 0;

    if (options->no_interpolate || options->list_variables)
        skip |= COMPOSE_SKIP_INTERPOLATION;
    if (options->no_normalize)
        skip |= COMPOSE_SKIP_NORMALIZATION;
    if (options->no_path_resolution)
        skip |= COMPOSE_SKIP_PATHS;
    if (options->no_consistency || options->list_profiles)
        skip |= COMPOSE_SKIP_CONSISTENCY;
    return skip;
}

static bool is_json(const struct options *options)
{
    return options->json || (options->format != NULL && strcmp(options->format, "json") == 0);
}

/* Lists of names are of the whole project, whatever services are named, as in Compose. */
static bool uses_words(const struct options *options)
{
    return !options->list_services && !options->list_volumes && !options->list_networks &&
           !options->list_models && options->hash == NULL;
}

static bool check_flags(const struct options *options, struct err *err)
{
    if (options->resolve_image_digests || options->lock_image_digests)
        return err_set(
            err, ERR_INVALID,
            "'--%s-image-digests' needs a registry, and nothing is pulled here; leave it "
            "out",
            options->lock_image_digests ? "lock" : "resolve");
    return true;
}

static void print_project(const struct options *options, const json_t *resolved, struct buf *ret)
{
    unsigned flags =
        options->no_interpolate ? COMPOSE_AS_WRITTEN : (unsigned)COMPOSE_ESCAPE_DOLLARS;

    compose_format_partly(resolved, is_json(options) ? COMPOSE_FORMAT_JSON : COMPOSE_FORMAT_YAML,
                          flags, ret);
    if (ret->len > 0 && ret->ptr[ret->len - 1] != '\n')
        buf_add_char(ret, '\n');
}

static bool format_config(struct cli *cli, const struct compose_options *with,
                          const json_t *resolved, struct buf *ret, struct err *err)
{
    const struct options *options = &cli->options;

    if (options->list_services)
        config_list_keys(resolved, "services", ret);
    else if (options->list_volumes)
        config_list_keys(resolved, "volumes", ret);
    else if (options->list_networks)
        config_list_keys(resolved, "networks", ret);
    else if (options->list_models)
        config_list_models(resolved, ret);
    else if (options->hash != NULL)
        return config_list_hashes(cli, resolved, options->hash, ret, err);
    else if (options->list_profiles)
        config_list_profiles(resolved, ret);
    else if (options->list_images)
        config_list_images(resolved, ret);
    else if (options->list_variables)
        config_list_variables(cli, with->variables, options->json ? "json" : options->format, ret);
    else if (options->list_environment)
        config_list_environment(with->seen, ret);
    else
        print_project(options, resolved, ret);
    return true;
}

int cmd_config(struct cli *cli)
{
    static const char *const every_profile[] = {"*"};
    const struct options *options = &cli->options;
    struct compose_variables variables = {0};
    struct compose_pairs seen = {0};
    json_t *resolved = NULL; /* in the arena */
    AUTO(buf_done) struct buf out = {0};
    struct compose *compose;
    struct err err;

    if (!check_flags(options, &err))
        return cli_fail(cli, &err);
    arena_reserve(&cli->arena, ARENA_BYTES);
    json_use_arena(&cli->arena);
    struct compose_options with = {.skip = steps_to_skip(options),
                                   .variables = options->list_variables ? &variables : NULL,
                                   .seen = &seen,
                                   .select = true};
    if (options->list_profiles) {
        with.profiles = every_profile;
        with.profile_count = 1;
    }
    int status = project_load_with(cli, &with, uses_words(options), true, &compose, &resolved);
    if (status != EXIT_OK)
        return status;
    if (!format_config(cli, &with, resolved, &out, &err))
        return cli_fail(cli, &err);
    if (options->quiet)
        return EXIT_OK;
    if (options->output == NULL) {
        cli_print(cli, buf_str(&out));
        return EXIT_OK;
    }
    return file_write(options->output, buf_str(&out), 0644, &err) ? EXIT_OK : cli_fail(cli, &err);
}
