/* SPDX-License-Identifier: Apache-2.0
 *
 * Which keys a tree holds, and what the host runtime does about each: read from
 * the schema tables, so that no key is ever ignored in silence.
 */
#pragma once

#include "compose/compose_priv.h"

/* Adds the keys of one file, in long form, to load->uses, when wanted. */
void support_list(struct load *load, const struct yaml_node *root);
/* The same for one service of a file that `extends` names. */
void support_list_service(struct load *load, const char *name, const struct yaml_node *service);

/* What was refused in a file and is not in the resolved project loses that in load->uses. */
void support_settle(struct load *load, const struct yaml_node *root);
/* Says of the resolved project what the host runtime refuses: load_unfit(). */
void support_check(struct load *load, const struct yaml_node *root);
