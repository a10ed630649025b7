/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "yaml/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_nodes(const struct yaml_node *node, size_t depth)
{
    size_t count = 1;

    assert(depth <= YAML_DEPTH_MAX);
    assert(node->line > 0 && node->column > 0);
    for (size_t i = 0; i < node->count; i++) {
        assert((node->items[i].key != NULL) == (node->kind == YAML_MAP));
        count += count_nodes(node->items[i].node, depth + 1);
    }
    if (node->kind == YAML_SCALAR)
        (void)yaml_value(node);
    return count;
}

/* What is accepted keeps the limits, and a copy equals it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_done) struct arena arena = {0};
    struct yaml_node *root = NULL;
    struct err err = {0};

    if (!yaml_parse(str_from(data, size), "fuzz.yaml", NULL, &arena, &root, &err)) {
        assert(err.code != ERR_NONE && err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
        return 0;
    }
    assert(count_nodes(root, 1) <= YAML_NODES_MAX);
    assert(yaml_equal(root, yaml_copy(&arena, root)));
    return 0;
}
