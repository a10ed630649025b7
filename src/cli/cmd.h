/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands: one file each, cmd_<name>.c. Each gets the parsed command line
 * and returns the exit status (see cli.h); each says itself what went wrong.
 */
#pragma once

struct cli;

int cmd_abort(struct cli *cli);
int cmd_attach(struct cli *cli);
int cmd_build(struct cli *cli);
int cmd_ca(struct cli *cli);
int cmd_check(struct cli *cli);
int cmd_complete(struct cli *cli);
int cmd_completion(struct cli *cli);
int cmd_config(struct cli *cli);
int cmd_cp(struct cli *cli);
int cmd_daemon(struct cli *cli);
int cmd_deploy(struct cli *cli);
int cmd_down(struct cli *cli);
int cmd_edge(struct cli *cli);
int cmd_events(struct cli *cli);
int cmd_exec(struct cli *cli);
int cmd_help(struct cli *cli);
int cmd_images(struct cli *cli);
int cmd_logs(struct cli *cli);
int cmd_ls(struct cli *cli);
int cmd_port(struct cli *cli);
int cmd_ps(struct cli *cli);
int cmd_pull(struct cli *cli);
int cmd_create(struct cli *cli);
int cmd_kill(struct cli *cli);
int cmd_pause(struct cli *cli);
int cmd_restart(struct cli *cli);
int cmd_history(struct cli *cli);
int cmd_lock(struct cli *cli);
int cmd_maintenance(struct cli *cli);
int cmd_cache(struct cli *cli);
int cmd_promote(struct cli *cli);
int cmd_rollout(struct cli *cli);
int cmd_releases(struct cli *cli);
int cmd_rollback(struct cli *cli);
int cmd_scale(struct cli *cli);
int cmd_rm(struct cli *cli);
int cmd_run(struct cli *cli);
int cmd_start(struct cli *cli);
int cmd_stop(struct cli *cli);
int cmd_unpause(struct cli *cli);
int cmd_wait(struct cli *cli);
int cmd_stats(struct cli *cli);
int cmd_top(struct cli *cli);
int cmd_up(struct cli *cli);
int cmd_upgrade(struct cli *cli);
int cmd_version(struct cli *cli);
int cmd_volumes(struct cli *cli);
