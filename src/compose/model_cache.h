/* SPDX-License-Identifier: Apache-2.0
 *
 * What the edge keeps of a route's answers.
 */
#pragma once

#include "base/base.h"
#include "compose/model.h"

struct compose_cache {
    bool has_default;
    uint64_t default_ms;       /* freshness of answers that do not say */
    uint64_t max_object_bytes; /* 0: not given */
    uint64_t while_revalidate_ms;
    uint64_t if_error_ms;
    struct compose_texts key;    /* "cookie NAME", "header NAME" */
    struct compose_texts bypass; /* the same */
    struct compose_texts ignore; /* names in the query */
    const char *tags_header;     /* NULL: none */
};
