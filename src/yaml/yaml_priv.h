/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of this folder only.
 */
#pragma once

#include "yaml/yaml.h"

struct yaml_limits yaml_limits_or_default(const struct yaml_limits *limits);

/* Adds at the end without looking for the key. Valid until the next one is added. */
struct yaml_item *yaml_add_item(struct arena *arena, struct yaml_node *node, struct yaml_item item);

/* What libfyaml says is wrong, in words that tell what to do. */
const char *yaml_message(struct arena *arena, const char *text);
