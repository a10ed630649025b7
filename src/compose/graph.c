/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/map.h"
#include "compose/graph.h"

enum visit { NEW, OPEN, PLACED };

struct sorter {
    struct load *load;
    const struct yaml_node *services;
    struct map index; /* name -> number + 1 */
    enum visit *visits;
    size_t *via; /* OPEN: the dependency that is being followed */
    struct yaml_item *sorted;
    size_t count;
};

static const struct yaml_node *dependencies_of(const struct sorter *sorter, size_t i)
{
    return yaml_find(sorter->services->items[i].node, "depends_on");
}

static void report_cycle(struct sorter *sorter, const size_t *stack, size_t depth, size_t again)
{
    AUTO(buf_done) struct buf text = {0};
    const struct path top = {NULL, "services", 0};
    const struct path owner = {&top, sorter->services->items[again].key, 0};
    const struct path path = {&owner, "depends_on", 0};
    size_t start = depth;

    while (start > 0 && stack[start - 1] != again)
        start--;
    for (size_t i = start - 1; i < depth; i++)
        buf_addf(&text, "%s -> ", sorter->services->items[stack[i]].key);
    buf_add_text(&text, sorter->services->items[again].key);
    load_error(sorter->load, dependencies_of(sorter, again), &path, NULL,
               "services depend on each other in a circle: %s", buf_text(&text));
}

/* Depth first without recursion: a chain may be as long as there are services. */
static bool place(struct sorter *sorter, size_t *stack, size_t first)
{
    size_t depth = 0;

    stack[depth++] = first;
    sorter->visits[first] = OPEN;
    while (depth > 0) {
        size_t at = stack[depth - 1];
        const struct yaml_node *depends_on = dependencies_of(sorter, at);

        if (depends_on == NULL || sorter->via[at] >= depends_on->count) {
            sorter->sorted[sorter->count++] = sorter->services->items[at];
            sorter->visits[at] = PLACED;
            depth--;
            continue;
        }
        const char *name = depends_on->items[sorter->via[at]++].key;
        uintptr_t found = (uintptr_t)map_find(&sorter->index, str_of(name));
        if (found == 0 || sorter->visits[found - 1] == PLACED)
            continue;
        if (sorter->visits[found - 1] == OPEN) {
            report_cycle(sorter, stack, depth, found - 1);
            return false;
        }
        sorter->visits[found - 1] = OPEN;
        stack[depth++] = found - 1;
    }
    return true;
}

void graph_sort(struct load *load, struct yaml_node *services)
{
    struct sorter sorter = {.load = load, .services = services};
    size_t count = services->count;
    size_t *stack = ARENA_ARRAY(load->arena, size_t, count + 1);
    bool done = true;

    sorter.visits = ARENA_ARRAY(load->arena, enum visit, count);
    sorter.via = ARENA_ARRAY(load->arena, size_t, count);
    sorter.sorted = ARENA_ARRAY(load->arena, struct yaml_item, count);
    for (size_t i = 0; i < count; i++)
        (void)map_set(&sorter.index, str_of(services->items[i].key), (void *)(uintptr_t)(i + 1));
    for (size_t i = 0; i < count && done; i++)
        if (sorter.visits[i] == NEW)
            done = place(&sorter, stack, i);
    if (done && count > 0)
        memcpy(services->items, sorter.sorted, count * sizeof *services->items);
    map_done(&sorter.index);
}
