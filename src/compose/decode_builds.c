/* SPDX-License-Identifier: Apache-2.0
 *
 * Services that run one image: a worker beside the web server, by the same
 * `build`, or by the `image` that another service builds. The steps of
 * x-ishizue.host stand in for that image, so one of them has to say them. */
#include "base/base.h"

#include "compose/decode.h"
#include "compose/model.h"

static bool is_same(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

bool compose_build_is_same(const struct compose_build *a, const struct compose_build *b)
{
    return is_same(a->context, b->context) && is_same(a->dockerfile, b->dockerfile) &&
           is_same(a->target, b->target);
}

static bool is_same_image(const struct compose_service *service,
                          const struct compose_service *other)
{
    return service->build.present ? compose_build_is_same(&service->build, &other->build)
                                  : service->image != NULL && is_same(service->image, other->image);
}

/* The first that says how what <service> runs is built. */
static const struct compose_service *find_builder(const struct compose *compose,
                                                  const struct compose_service *service)
{
    for (size_t i = 0; i < compose->service_count; i++) {
        const struct compose_service *other = &compose->services[i];
        if (other != service && other->build.present && other->x.host.present &&
            is_same_image(service, other))
            return other;
    }
    return NULL;
}

static void share(const struct compose *compose, struct compose_service *service)
{
    const struct compose_service *builder = find_builder(compose, service);

    if (builder == NULL)
        return;
    service->x.host = builder->x.host;
    service->x.host.is_shared = true;
    if (!service->build.present)
        service->build = builder->build;
    if (service->has_entrypoint) /* an image's command is for its own entry point */
        service->x.host.command = NULL;
}

/* Those with a build of their own first: what they name `image` may be another's. */
void decode_share_builds(struct compose *compose)
{
    for (size_t i = 0; i < 2 * compose->service_count; i++) {
        struct compose_service *service = &compose->services[i % compose->service_count];
        bool has_turn = service->build.present == (i < compose->service_count);

        if (has_turn && !service->x.host.present && !service->x.provided_by_edge)
            share(compose, service);
    }
}
