/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the tables (schema_*.c) and the functions they name.
 */
#pragma once

#include "compose/schema.h"

extern const struct schema schema_service;
extern const struct schema schema_job;
extern const struct schema schema_build;
extern const struct schema schema_deploy;
extern const struct schema schema_device_request;
extern const struct schema schema_deploy_x; /* x-ishizue.deploy */
extern const struct schema schema_migrate;  /* x-ishizue.migrate */
extern const struct schema schema_cache;    /* x-ishizue.routes[].cache */
/* schema_rules.c */
extern const struct schema schema_redirect;
extern const struct schema schema_rewrite;
extern const struct schema schema_headers;
extern const struct schema schema_security_headers;
extern const struct schema schema_cors;
extern const struct schema schema_auth;
extern const struct schema schema_access_log; /* of x-ishizue.edge */
extern const struct schema schema_edge;       /* x-ishizue.edge */
extern const struct schema schema_route;      /* x-ishizue.routes[] */
extern const struct schema schema_queue;      /* of a route, and of a port */
extern const struct schema schema_x_port;     /* services.*.x-ishizue.ports[] */
/* schema_mounts.c */
extern const struct schema schema_secret_mount;
extern const struct schema schema_env_file;
extern const struct schema schema_port;
extern const struct schema schema_mount;
extern const struct schema schema_service_network;
extern const struct schema schema_device;
/* schema_process.c */
extern const struct schema schema_dependency;
extern const struct schema schema_healthcheck;
extern const struct schema schema_logging;
extern const struct schema schema_ulimit;
extern const struct schema schema_blkio;
extern const struct schema schema_hook;
extern const struct schema schema_develop;
extern const struct schema schema_provider;
extern const struct schema schema_service_model;

/* Short forms into long ones (canonical_forms.c, canonical_mounts.c). */
struct yaml_node *canonical_service(struct load *load, const struct path *path,
                                    struct yaml_node *node);
struct yaml_node *canonical_watch(struct load *load, const struct path *path,
                                  struct yaml_node *node);
struct yaml_node *canonical_build(struct load *load, const struct path *path,
                                  struct yaml_node *node);
struct yaml_node *canonical_ssh(struct load *load, const struct path *path, struct yaml_node *node);
struct yaml_node *canonical_contexts(struct load *load, const struct path *path,
                                     struct yaml_node *node);
struct yaml_node *canonical_command(struct load *load, const struct path *path,
                                    struct yaml_node *node);
struct yaml_node *canonical_test(struct load *load, const struct path *path,
                                 struct yaml_node *node);
struct yaml_node *canonical_text_list(struct load *load, const struct path *path,
                                      struct yaml_node *node);
struct yaml_node *canonical_depends_on(struct load *load, const struct path *path,
                                       struct yaml_node *node);
struct yaml_node *canonical_name_map(struct load *load, const struct path *path,
                                     struct yaml_node *node);
struct yaml_node *canonical_env_file(struct load *load, const struct path *path,
                                     struct yaml_node *node);
struct yaml_node *canonical_ports(struct load *load, const struct path *path,
                                  struct yaml_node *node);
struct yaml_node *canonical_volume(struct load *load, const struct path *path,
                                   struct yaml_node *node);
struct yaml_node *canonical_mount(struct load *load, const struct path *path,
                                  struct yaml_node *node);
struct yaml_node *canonical_extra_hosts(struct load *load, const struct path *path,
                                        struct yaml_node *node);
struct yaml_node *canonical_device(struct load *load, const struct path *path,
                                   struct yaml_node *node);
struct yaml_node *canonical_device_request(struct load *load, const struct path *path,
                                           struct yaml_node *node);
struct yaml_node *canonical_device_count(struct load *load, const struct path *path,
                                         struct yaml_node *node);
struct yaml_node *canonical_reserved_device(struct load *load, const struct path *path,
                                            struct yaml_node *node);
struct yaml_node *canonical_hook(struct load *load, const struct path *path,
                                 struct yaml_node *node);
struct yaml_node *canonical_model(struct load *load, const struct path *path,
                                  struct yaml_node *node);
struct yaml_node *canonical_pull_policy(struct load *load, const struct path *path,
                                        struct yaml_node *node);
struct yaml_node *canonical_gpus(struct load *load, const struct path *path,
                                 struct yaml_node *node);
struct yaml_node *canonical_resource(struct load *load, const struct path *path,
                                     struct yaml_node *node);
struct yaml_node *canonical_extends(struct load *load, const struct path *path,
                                    struct yaml_node *node);
struct yaml_node *canonical_include(struct load *load, const struct path *path,
                                    struct yaml_node *node);
struct yaml_node *canonical_schedule(struct load *load, const struct path *path,
                                     struct yaml_node *node);
struct yaml_node *canonical_migrate(struct load *load, const struct path *path,
                                    struct yaml_node *node);
struct yaml_node *canonical_cache(struct load *load, const struct path *path,
                                  struct yaml_node *node);
struct yaml_node *canonical_redirect(struct load *load, const struct path *path,
                                     struct yaml_node *node);
struct yaml_node *canonical_security_headers(struct load *load, const struct path *path,
                                             struct yaml_node *node);
struct yaml_node *canonical_cors(struct load *load, const struct path *path,
                                 struct yaml_node *node);
struct yaml_node *canonical_compress(struct load *load, const struct path *path,
                                     struct yaml_node *node);
struct yaml_node *canonical_access_log(struct load *load, const struct path *path,
                                       struct yaml_node *node);
struct yaml_node *canonical_tls(struct load *load, const struct path *path, struct yaml_node *node);

/* What makes two entries one (identity.c). */
const char *identity_text(struct load *load, const struct yaml_node *entry);
const char *identity_target(struct load *load, const struct yaml_node *entry);
const char *identity_secret(struct load *load, const struct yaml_node *entry);
const char *identity_config(struct load *load, const struct yaml_node *entry);
const char *identity_port(struct load *load, const struct yaml_node *entry);
const char *identity_path(struct load *load, const struct yaml_node *entry);
const char *identity_subnet(struct load *load, const struct yaml_node *entry);

/* What the host runtime does about a value (schema_judge.c). */
void judge_not_false(const struct yaml_node *node, enum compose_support *support,
                     const char **note);
void judge_deploy_mode(const struct yaml_node *node, enum compose_support *support,
                       const char **note);
void judge_port_mode(const struct yaml_node *node, enum compose_support *support,
                     const char **note);
void judge_recursive(const struct yaml_node *node, enum compose_support *support,
                     const char **note);
void judge_volume_type(const struct yaml_node *node, enum compose_support *support,
                       const char **note);
void judge_driver_opts(const struct yaml_node *node, enum compose_support *support,
                       const char **note);
void judge_service_name_alias(const struct yaml_node *node, enum compose_support *support,
                              const char **note);
void judge_cgroup(const struct yaml_node *node, enum compose_support *support, const char **note);
void judge_namespace(const struct yaml_node *node, enum compose_support *support,
                     const char **note);
void judge_isolation(const struct yaml_node *node, enum compose_support *support,
                     const char **note);
void judge_network_mode(const struct yaml_node *node, enum compose_support *support,
                        const char **note);
void judge_platform(const struct yaml_node *node, enum compose_support *support, const char **note);
void judge_security_opt(const struct yaml_node *node, enum compose_support *support,
                        const char **note);
void judge_user(const struct yaml_node *node, enum compose_support *support, const char **note);
void judge_hook_user(const struct yaml_node *node, enum compose_support *support,
                     const char **note);
void judge_volumes_from(const struct yaml_node *node, enum compose_support *support,
                        const char **note);
void judge_network_driver(const struct yaml_node *node, enum compose_support *support,
                          const char **note);
void judge_volume_driver(const struct yaml_node *node, enum compose_support *support,
                         const char **note);
void judge_ipv4(const struct yaml_node *node, enum compose_support *support, const char **note);
