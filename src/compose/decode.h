/* SPDX-License-Identifier: Apache-2.0
 *
 * The resolved tree into the structs of model.h.
 */
#pragma once

#include "compose/compose_priv.h"

/* <root> went through canonical(), merge() and resolve_project() without an error. Errors that show
 * only now go to load->diags; the result is complete only when there are none. */
struct compose *decode(struct load *load, const struct yaml_node *root);

/* Services of one image get the x-ishizue.host of the one that has it (decode_builds.c). */
void decode_share_builds(struct compose *compose);

/* services.<name>.x-ishizue (decode_x.c); <node> may be NULL. */
struct compose_x_service decode_x_service(struct load *load, const struct path *path,
                                          const struct yaml_node *node,
                                          const struct compose_service *service);
/* The top-level x-ishizue; <node> may be NULL. <compose> has its services already. */
struct compose_x decode_x_top(struct load *load, const struct compose *compose,
                              const struct yaml_node *node);
