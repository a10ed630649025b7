/* SPDX-License-Identifier: Apache-2.0
 *
 * Services of one release that are built alike, as a worker beside the web
 * server: they run from one tree.
 */
#include "base/base.h"

#include "control/daemon_priv.h"
#include "control/release.h"

bool builds_has(const struct release_service *made)
{
    return made->service->build.present && !made->service->x.provided_by_edge;
}

static bool is_same_text(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

static bool are_same_texts(const struct compose_texts *a, const struct compose_texts *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return a->count == b->count;
}

static bool are_same_pairs(const struct compose_pairs *a, const struct compose_pairs *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++)
        if (strcmp(a->items[i].key, b->items[i].key) != 0 ||
            (a->items[i].value == NULL) != (b->items[i].value == NULL) ||
            !is_same_text(a->items[i].value, b->items[i].value))
            return false;
    return a->count == b->count;
}

/* Is all the same that the steps get to see? */
static bool is_alike(const struct release_service *made, const struct release_service *other)
{
    const struct compose_service *a = made->service, *b = other->service;

    return builds_has(other) && compose_build_is_same(&a->build, &b->build) &&
           are_same_pairs(&a->build.args, &b->build.args) &&
           is_same_text(a->x.host.workdir, b->x.host.workdir) &&
           are_same_texts(&a->x.host.build, &b->x.host.build) &&
           are_same_texts(&a->x.host.dependencies, &b->x.host.dependencies) &&
           are_same_texts(&a->x.host.cache_key, &b->x.host.cache_key);
}

static size_t count_alike(const struct release *release, const struct release_service *made)
{
    size_t count = 0;

    for (size_t i = 0; i < release->compose->service_count; i++)
        count += is_alike(made, &release->services[i]);
    return count;
}

static bool has_tree(struct runtime *runtime, const struct build_spec *like,
                     const struct compose_service *service, bool *ret, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    struct build_spec spec = *like;
    const char *tree;

    spec.service = service;
    spec.fresh = false;
    return runtime->ops->build_key(runtime, &spec, &arena, &tree, ret, err);
}

static bool is_before(const struct compose_service *a, const struct compose_service *b)
{
    return b == NULL || strcmp(a->name, b->name) < 0;
}

bool builds_find_maker(struct runtime *runtime, const struct release *release,
                       const struct release_service *made, struct build_spec *spec, struct err *err)
{
    const struct compose_service *first = NULL, *first_there = NULL;

    spec->service = made->service;
    if (count_alike(release, made) < 2)
        return true;
    for (size_t i = 0; i < release->compose->service_count; i++) {
        const struct compose_service *other = release->services[i].service;
        bool there;
        if (!is_alike(made, &release->services[i]))
            continue;
        if (!has_tree(runtime, spec, other, &there, err))
            return false;
        if (is_before(other, first))
            first = other;
        if (there && is_before(other, first_there))
            first_there = other;
    }
    spec->service = first_there == NULL ? first : first_there;
    return true;
}
