/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <ftw.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/looking_format.h"
#include "cli/running.h"
#include "json/json.h"

enum { OPEN_FOLDERS_MAX = 64 };

static uint64_t walked_bytes; /* nftw() hands no argument on */

static int add_file(const char *path, const struct stat *st, int kind, struct FTW *place)
{
    (void)path;
    (void)place;
    if (kind == FTW_F)
        walked_bytes += (uint64_t)st->st_size;
    return 0;
}

static uint64_t tree_bytes(const char *tree)
{
    walked_bytes = 0;
    return nftw(tree, add_file, OPEN_FOLDERS_MAX, FTW_PHYS | FTW_MOUNT) == 0 ? walked_bytes : 0;
}

int cmd_images(struct cli *cli)
{
    AUTO(json_unref) json_t *answer = NULL;
    AUTO(buf_done) struct buf out = {0};
    const struct options *options = &cli->options;
    const char *system;
    int status;

    if (!running_ask(cli, "/images", &system, &answer, &status))
        return status;
    if (options->json) {
        cli_print_json(cli, answer);
        return EXIT_OK;
    }
    struct images_view view = {system, answer, tree_bytes, clock_wall_ms()};
    if (options->quiet)
        images_format_ids(&view, &cli->arena, &out);
    else if (options->format != NULL && strcmp(options->format, "json") == 0)
        images_format_json(&view, &cli->arena, &out);
    else
        images_format_table(&view, &cli->out, &cli->arena, &out);
    cli_print(cli, buf_str(&out));
    return EXIT_OK;
}
