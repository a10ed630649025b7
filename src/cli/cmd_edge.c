/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cmd.h"

int cmd_edge(struct cli *cli)
{
    const struct options *options = &cli->options;
    struct cli_edge edge = {
        .channel_fd = (int)options->channel_fd.value,
        .workers = (unsigned)options->workers.value,
        .uid = (unsigned)options->uid.value,
        .gid = (unsigned)options->gid.value,
        .chroot_dir = options->chroot_dir,
    };
    struct err err;

    if (!options->channel_fd.given || !options->workers.given || !options->uid.given ||
        !options->gid.given) {
        err_set(&err, ERR_INVALID, "the daemon starts the edge: see 'ishizue help daemon'");
        return cli_fail(cli, &err);
    }
    return cli->programs->edge(&edge);
}
