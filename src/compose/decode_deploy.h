/* SPDX-License-Identifier: Apache-2.0
 *
 * x-ishizue.deploy, and deploy.update_config of Compose.
 */
#pragma once

#include "compose/decode.h"
#include "compose/model.h"

struct path;
struct yaml_node;

/* <node> is `deploy`, as the schema checked it; may be NULL. */
struct compose_x_deploy decode_x_deploy(struct load *load, const struct path *path,
                                        const struct yaml_node *node);
/* What <own> does not say is as <all> has it. */
void decode_inherit_deploy(struct compose_x_deploy *own, const struct compose_x_deploy *all);
/* `update_config` or `rollback_config` of <deploy>. */
struct compose_update decode_update(struct load *load, const struct path *path,
                                    const struct yaml_node *deploy, const char *key);
