/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/interpolate.h"
#include "compose/variables.h"

/* Where <name> stands or belongs; they are in order. */
static size_t find_index(const struct compose_variables *list, struct str name)
{
    size_t low = 0;
    size_t high = list->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (str_cmp(str_of(list->items[middle].name), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void grow(struct load *load, struct compose_variables *list)
{
    if (list->count < list->cap)
        return;
    list->cap = list->cap == 0 ? 16 : list->cap * 2;
    struct compose_variable *more = ARENA_ARRAY(load->arena, struct compose_variable, list->cap);
    if (list->count > 0)
        memcpy(more, list->items, list->count * sizeof *more);
    list->items = more;
}

static struct compose_variable *find_or_add(struct load *load, struct str name)
{
    struct compose_variables *list = load->variables;
    size_t i = find_index(list, name);

    if (i < list->count && str_is(name, list->items[i].name))
        return &list->items[i];
    if (list->count == VARIABLES_MAX)
        return NULL;
    grow(load, list);
    memmove(list->items + i + 1, list->items + i, (list->count - i) * sizeof *list->items);
    list->items[i] = (struct compose_variable){arena_str(load->arena, name), false, "", ""};
    list->count++;
    return &list->items[i];
}

static void on_place(void *context, const struct interpolate_place *place)
{
    struct load *load = (struct load *)context;
    struct compose_variable *variable = find_or_add(load, place->name);

    if (variable == NULL)
        return;
    variable->required |= place->required;
    if (variable->default_value[0] == '\0' && place->default_value.len > 0)
        variable->default_value = arena_str(load->arena, place->default_value);
    if (variable->replacement[0] == '\0' && place->replacement.len > 0)
        variable->replacement = arena_str(load->arena, place->replacement);
}

static void add_of(struct load *load, const struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR)
        interpolate_list(str_of(node->text), on_place, load);
    for (size_t i = 0; i < node->count; i++)
        add_of(load, node->items[i].node);
}

void variables_add(struct load *load, const struct yaml_node *root)
{
    for (size_t i = 0; i < root->count; i++)
        if (strcmp(root->items[i].key, "name") != 0)
            add_of(load, root->items[i].node);
}
