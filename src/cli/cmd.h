/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands: one file each, cmd_<name>.c. Each gets the parsed command line
 * and returns the exit status (see cli.h); each says itself what went wrong.
 */
#pragma once

struct cli;

int cmd_ca(struct cli *cli);
int cmd_check(struct cli *cli);
int cmd_complete(struct cli *cli);
int cmd_completion(struct cli *cli);
int cmd_config(struct cli *cli);
int cmd_daemon(struct cli *cli);
int cmd_down(struct cli *cli);
int cmd_edge(struct cli *cli);
int cmd_exec(struct cli *cli);
int cmd_help(struct cli *cli);
int cmd_logs(struct cli *cli);
int cmd_ls(struct cli *cli);
int cmd_ps(struct cli *cli);
int cmd_restart(struct cli *cli);
int cmd_up(struct cli *cli);
int cmd_version(struct cli *cli);
