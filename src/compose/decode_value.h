/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading members of a map that the schema has checked: a wrong kind is a
 * programming mistake here, a missing member gives the default.
 */
#pragma once

#include "compose/compose_priv.h"

struct compose_place value_place(const struct yaml_node *node);
/* NULL when it is missing or null. */
const char *value_text(const struct yaml_node *map, const char *key);
bool value_bool(const struct yaml_node *map, const char *key, bool otherwise);
uint64_t value_u64(const struct yaml_node *map, const char *key, uint64_t otherwise);
/* 0 when it is missing. */
int64_t value_i64(const struct yaml_node *map, const char *key);
double value_double(const struct yaml_node *map, const char *key);
uint64_t value_ms(const struct yaml_node *map, const char *key, uint64_t otherwise);
/* As value_u64() for a member that may be -1 (no limit), given as 0. */
uint64_t value_limit(const struct yaml_node *map, const char *key);
struct compose_texts value_texts(struct arena *arena, const struct yaml_node *map, const char *key);
/* Without the names that have no value. */
struct compose_pairs value_pairs(struct arena *arena, const struct yaml_node *map, const char *key);

/* <words> ends with NULL. */
bool is_one_of(const char *text, const char *const *words);
/* "0440": octal digits only. */
bool value_parse_mode(struct str text, uint32_t *ret);
