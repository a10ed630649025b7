/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML 1.2 as a tree of our own that may be changed: every node knows its
 * file, line and column. Anchors, aliases and merge keys (`<<`) are resolved
 * while parsing; an alias becomes a copy, so changing one place never changes
 * another. A plain scalar keeps its text: `no`, `22:22` and `0440` are judged by
 * whoever knows what the place is for. Nodes and texts belong to an arena.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/base.h"

struct err;

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node;

/* One entry of a list (key NULL) or a map. The place is the key's, of a list entry its node's. */
struct yaml_item {
    const char *key;
    uint32_t line;
    uint32_t column;
    struct yaml_node *node;
};

struct yaml_node {
    enum yaml_kind kind;
    bool quoted;      /* SCALAR: text, whatever it looks like */
    const char *tag;  /* "!reset", "tag:yaml.org,2002:str"; NULL: none written */
    const char *text; /* SCALAR */
    struct yaml_item *items;
    size_t count;
    size_t cap;
    const char *file;
    uint32_t line;
    uint32_t column;
};

/* Zero means the default. */
struct yaml_limits {
    size_t bytes; /* 1 MiB */
    size_t depth; /* 64 levels */
    size_t nodes; /* 200,000, counted after aliases are resolved */
    size_t keys;  /* 5,000 in one map */
};

enum {
    YAML_BYTES_MAX = 1 << 20,
    YAML_DEPTH_MAX = 64,
    YAML_NODES_MAX = 200000,
    YAML_KEYS_MAX = 5000,
};

/* One document; an empty one gives a null scalar. <file> is kept as the name in places and errors:
 * "compose.yaml:3:7: key 'web' is there twice, first at line 2". <limits> may be NULL. */
MUST_CHECK bool yaml_parse(struct str text, const char *file, const struct yaml_limits *limits,
                           struct arena *arena, struct yaml_node **ret, struct err *err);

/* The same for a file of several documents; each is a new tree. An empty file gives one null. At
 * most YAML_DOCUMENTS_MAX. */
enum { YAML_DOCUMENTS_MAX = 64 };
MUST_CHECK bool yaml_parse_all(struct str text, const char *file, const struct yaml_limits *limits,
                               struct arena *arena, struct yaml_node ***ret, size_t *ret_count,
                               struct err *err);

/* JSON texts become quoted scalars, other values plain ones; places are unknown (file NULL). */
MUST_CHECK bool yaml_from_json(const json_t *value, const struct yaml_limits *limits,
                               struct arena *arena, struct yaml_node **ret, struct err *err);

/* New nodes at the place of <like> (may be NULL), without its tag. */
struct yaml_node *yaml_new(struct arena *arena, enum yaml_kind kind, const struct yaml_node *like);
/* A quoted scalar. */
struct yaml_node *yaml_new_text(struct arena *arena, const char *text,
                                const struct yaml_node *like);
/* A plain one: "true", "80". */
struct yaml_node *yaml_new_plain(struct arena *arena, const char *text,
                                 const struct yaml_node *like);

/* Values of <node>, itself included. */
size_t yaml_count(const struct yaml_node *node);
/* A deep copy; texts are shared. */
struct yaml_node *yaml_copy(struct arena *arena, const struct yaml_node *node);

/* The value of <key>, or NULL when <map> (may be NULL) has none or is no map. */
struct yaml_node *yaml_find(const struct yaml_node *map, const char *key);
struct yaml_item *yaml_find_item(const struct yaml_node *map, const char *key);

/* Adds or replaces; <key> is not copied. */
void yaml_set(struct arena *arena, struct yaml_node *map, const char *key, struct yaml_node *node);
void yaml_push(struct arena *arena, struct yaml_node *list, struct yaml_node *node);
/* Takes out entry <i>; order is kept. */
void yaml_remove(struct yaml_node *node, size_t i);

/* Equal kinds, texts, order of lists and keys of maps in any order; places do not matter. */
bool yaml_equal(const struct yaml_node *a, const struct yaml_node *b);

enum yaml_type { YAML_NULL, YAML_BOOL, YAML_INT, YAML_FLOAT, YAML_TEXT };

struct yaml_value {
    enum yaml_type type;
    bool is_true;
    int64_t integer;
    double number;
};

/* What a scalar means by the core schema (YAML 1.2, 10.3), with `0440` an octal number, `0b11` and
 * `1_000` as the YAML library of Compose reads them. `yes`, `no`, `on` are text. */
struct yaml_value yaml_value(const struct yaml_node *scalar);
bool yaml_is_null(const struct yaml_node *node); /* also NULL */

/* The text a scalar stands for where text is wanted: numbers in decimal (`0440` is "288", `1.10`
 * is "1.1"), "true" and "false"; NULL for null. */
const char *yaml_value_text(struct arena *arena, const struct yaml_node *scalar);

/* The shortest decimal text that reads back as <number>; an exponent from 1e21 on. <ret> has
 * YAML_NUMBER_BYTES. */
enum { YAML_NUMBER_BYTES = 48 };
void yaml_format_number(double number, char *ret);
