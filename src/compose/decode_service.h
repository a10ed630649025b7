/* SPDX-License-Identifier: Apache-2.0
 *
 * The larger parts of a service, for decode.c. <path> and <node> are the
 * service's, unless a comment says otherwise. What cannot run here becomes
 * load_unfit() and is left out.
 */
#pragma once

#include "compose/compose_priv.h"

/* decode_service.c */
void decode_ports(struct load *load, const struct path *path, const struct yaml_node *node,
                  struct compose_service *ret);
void decode_expose(struct load *load, const struct path *path, const struct yaml_node *node,
                   struct compose_service *ret);
/* `volumes`, `volumes_from` and `tmpfs`. */
void decode_volumes(struct load *load, const struct path *path, const struct yaml_node *node,
                    struct compose_service *ret);

/* decode_process.c; <node> is `healthcheck` */
struct compose_healthcheck decode_healthcheck(struct load *load, const struct yaml_node *node);
void decode_restart(struct load *load, const struct path *path, const struct yaml_node *node,
                    struct compose_service *ret);
struct compose_restart_policy decode_restart_policy(struct load *load, const struct path *path,
                                                    const struct yaml_node *deploy);
/* <node> is `logging` */
struct compose_logging decode_logging(struct load *load, const struct path *path,
                                      const struct yaml_node *node);
struct compose_hook *decode_hooks(struct load *load, const struct path *path,
                                  const struct yaml_node *node, const char *key, size_t *ret_count);

/* What the kernel or runc would refuse much later, without a line of the file. */
void decode_check_process(struct load *load, const struct path *path, const struct yaml_node *node);
/* <target> of a volume, a secret or a config. */
void decode_check_target(struct load *load, const struct path *path, const struct yaml_node *place,
                         const char *target);

/* decode_limits.c: limits and replicas */
void decode_limits(struct load *load, const struct path *path, const struct yaml_node *node,
                   struct compose_service *ret);
struct compose_tuning decode_tuning(struct load *load, const struct path *path,
                                    const struct yaml_node *node);

/* decode_isolation.c */
struct compose_isolation decode_isolation(struct load *load, const struct path *path,
                                          const struct yaml_node *node);

/* decode_names.c: networks, host names, name servers */
void decode_names(struct load *load, const struct path *path, const struct yaml_node *node,
                  struct compose_service *ret);

/* decode_files.c: relative targets are below <folder>. */
struct compose_file_mount *decode_file_mounts(struct load *load, const struct path *path,
                                              const struct yaml_node *node, const char *key,
                                              const char *folder, size_t *ret_count);
/* <section> is "secrets" or "configs". */
struct compose_file_source *decode_file_sources(struct load *load, const struct yaml_node *root,
                                                const char *section, size_t *ret_count);
