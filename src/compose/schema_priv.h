/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the tables (schema_*.c) and the functions they name.
 */
#pragma once

#include "compose/schema.h"

extern const struct schema schema_service;

struct yaml_node *canonical_build(struct load *load, const struct path *path,
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
struct yaml_node *canonical_external(struct load *load, const struct path *path,
                                     struct yaml_node *node);
struct yaml_node *canonical_published(struct load *load, const struct path *path,
                                      struct yaml_node *node);
struct yaml_node *canonical_tls(struct load *load, const struct path *path, struct yaml_node *node);

const char *identity_text(struct load *load, const struct yaml_node *entry);
const char *identity_target(struct load *load, const struct yaml_node *entry);
const char *identity_mount(struct load *load, const struct yaml_node *entry);
const char *identity_port(struct load *load, const struct yaml_node *entry);
const char *identity_path(struct load *load, const struct yaml_node *entry);
