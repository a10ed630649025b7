/* SPDX-License-Identifier: Apache-2.0
 *
 * What a compose file may hold: every key once, with its type, how two files
 * merge it, what the program does about it and one line for the reference page.
 * Constant tables; the walkers are canonical.c and merge.c.
 */
#pragma once

#include "base/base.h"
#include "compose/load.h"
#include "yaml/yaml.h"

struct load;
struct path;

enum schema_type {
    SCHEMA_ANY,      /* not looked into, or done by <canonical> alone */
    SCHEMA_TEXT,     /* a quoted or plain text; a number only with SCHEMA_LOOSE */
    SCHEMA_BOOL,     /* becomes true or false */
    SCHEMA_INT,      /* becomes a plain decimal number, not negative unless SCHEMA_SIGNED */
    SCHEMA_NUMBER,   /* a fraction */
    SCHEMA_DURATION, /* becomes the text "1m30s" */
    SCHEMA_BYTES,    /* becomes the text "536870912" */
    SCHEMA_PAIRS,    /* list of "K=v" or map; becomes a map of texts */
    SCHEMA_LIST,
    SCHEMA_MAP,    /* names of the user's choice */
    SCHEMA_OBJECT, /* keys from a table, and x-* */
};

enum {
    SCHEMA_LOOSE = 1,       /* TEXT: numbers and booleans are taken as text */
    SCHEMA_SIGNED = 2,      /* INT */
    SCHEMA_MINUS_ONE = 4,   /* BYTES, INT: -1 means no limit */
    SCHEMA_EMPTY_VALUE = 8, /* PAIRS: no value is the empty text, not null */
    SCHEMA_OCTAL = 64,      /* TEXT: a number is a file mode, written as "0440" */
    SCHEMA_OR_INT = 32,     /* OBJECT: a number alone is kept as it is */
    SCHEMA_NAMES = 16,      /* MAP: keys are names of services, networks, ... */
    SCHEMA_NO_LIST = 128,   /* PAIRS: a map only */
    SCHEMA_NULLABLE = 256,  /* of an OBJECT: the key may stand there without a value */
    SCHEMA_X_NAMES = 512,   /* MAP: names may start with x- */
};

enum schema_merge {
    SCHEMA_MERGE,
    SCHEMA_REPLACE,
    SCHEMA_REPLACE_OTHER_DRIVER,
    SCHEMA_MERGE_SAME, /* LIST: only the later entries stay, each on the earlier one it equals */
};

/* Short form to long form. Returns the node to use (may be <node>), or NULL after adding an
 * error. Runs before the type is checked. */
typedef struct yaml_node *(*schema_canonical_fn)(struct load *load, const struct path *path,
                                                 struct yaml_node *node);
/* Entries of a list (in long form) with equal identity are one: the later wins. NULL: no identity.
 */
typedef const char *(*schema_identity_fn)(struct load *load, const struct yaml_node *entry);

/* Where support depends on the value: changes <support> and <note> from what the table says. */
typedef void (*schema_judge_fn)(const struct yaml_node *node, enum compose_support *support,
                                const char **note);

struct schema_key;

struct schema {
    enum schema_type type;
    unsigned flags;
    const struct schema_key *keys; /* OBJECT; ends with name NULL; may be NULL */
    const struct schema *base;     /* OBJECT: the keys of this one too; may be NULL */
    const struct schema *items;    /* LIST, MAP */
    schema_canonical_fn canonical;
    schema_identity_fn identity;
    schema_judge_fn judge;
    const char *const *words; /* TEXT: the only ones allowed; ends with NULL */
    enum schema_merge merge;
};

struct schema_key {
    const char *name;
    enum compose_support support;
    struct schema schema;
    const char *doc;
    const char *note; /* with EMULATED, OBSOLETE, REFUSED: never NULL */
    const char *test; /* name of the test that shows it; NULL: none named */
};

extern const struct schema schema_compose;   /* the whole file */
extern const struct schema schema_x_top;     /* x-ishizue */
extern const struct schema schema_x_service; /* services.*.x-ishizue */

/* NULL when <object> has no such key. */
const struct schema_key *schema_find_key(const struct schema *object, const char *name);
/* The schema of member <key> of an OBJECT or MAP; SCHEMA_ANY for x-* and what is unknown. */
const struct schema *schema_member(const struct schema *schema, const char *key);
