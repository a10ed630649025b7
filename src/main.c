/* SPDX-License-Identifier: Apache-2.0
 *
 * One program, several processes: the command line, the daemon and the edge.
 * Here they are put together; the command line decides which one this is.
 */
#include "base/base.h"

#include "cli/cli.h"
#include "control/daemon.h"
#include "control/upgrade.h"
#include "edge/edge.h"
#include "runtime/recipe.h"
#include "tls/hasher.h"

static int run_edge(const struct cli_edge *edge)
{
    struct edge_options options = {
        .channel_fd = edge->channel_fd,
        .workers = edge->workers,
        .uid = edge->uid,
        .gid = edge->gid,
        .chroot_dir = edge->chroot_dir,
    };

    return edge_main(&options);
}

static void make_digest(struct str text, char *ret)
{
    AUTO(hasher_done) struct hasher hasher;

    hasher_init(&hasher);
    hasher_add(&hasher, text);
    hasher_end(&hasher, ret);
}

static bool find_stand_in(const char *images_dir, const struct compose_service *service,
                          struct arena *arena, const char **ret, struct err *err)
{
    struct recipes recipes;
    const struct recipe *recipe;
    const char *version;

    if (!recipes_load(images_dir, arena, &recipes, err) ||
        !recipes_match(&recipes, service, arena, &recipe, &version, err))
        return false;
    if (recipe != NULL)
        *ret = arena_printf(arena, "the machine's %s%s%s, package %s", recipe->name,
                            *version == '\0' ? "" : " ", version, recipe->package);
    else
        *ret = service->build.present ? "the steps of x-ishizue.host"
                                      : "the command of x-ishizue.host";
    return true;
}

int main(int argc, char **argv)
{
    static const struct cli_programs programs = {
        .daemon = daemon_main,
        .edge = run_edge,
        .try_state = upgrade_try,
        .digest = make_digest,
        .stand_in = find_stand_in,
    };

    (void)argc;
    return cli_main((const char *const *)(uintptr_t)argv, &programs);
}
