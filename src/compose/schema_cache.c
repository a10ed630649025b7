/* SPDX-License-Identifier: Apache-2.0
 *
 * x-ishizue.routes[].cache: what the edge keeps of answers. */
#include "base/base.h"

#include "compose/compose_priv.h"
#include "compose/schema_priv.h"

static const struct schema text = {.type = SCHEMA_TEXT};

static const struct schema_key cache_keys[] = {
    {"enabled",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BOOL},
     "false: nothing is kept, as if there were no cache",
     NULL,
     "test_answers_are_kept_as_long_as_they_say_or_the_route_does"},
    {"default",
     SUPPORT_HONOURED,
     {.type = SCHEMA_DURATION},
     "how long answers that do not say are fresh",
     NULL,
     "test_answers_are_kept_as_long_as_they_say_or_the_route_does"},
    {"max_object",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BYTES},
     "largest answer that is kept; 8m, and at most an eighth of the cache",
     NULL,
     "test_answers_that_are_too_large_are_not_kept"},
    {"key",
     SUPPORT_HONOURED,
     {.type = SCHEMA_LIST, .items = &text, .canonical = canonical_text_list},
     "what makes another answer: \"cookie NAME\", \"header NAME\"",
     NULL,
     "test_cookies_headers_and_parameters_count_as_the_route_says"},
    {"bypass",
     SUPPORT_HONOURED,
     {.type = SCHEMA_LIST, .items = &text, .canonical = canonical_text_list},
     "requests with these always go to the service: \"cookie NAME\", \"header NAME\"",
     NULL,
     "test_cookies_headers_and_parameters_count_as_the_route_says"},
    {"ignore",
     SUPPORT_HONOURED,
     {.type = SCHEMA_LIST, .items = &text, .canonical = canonical_text_list},
     "names in the query that make no difference",
     NULL,
     "test_cookies_headers_and_parameters_count_as_the_route_says"},
    {"stale_while_revalidate",
     SUPPORT_HONOURED,
     {.type = SCHEMA_DURATION},
     "how long a stale answer is sent while a new one is fetched",
     NULL,
     "test_what_is_stale_serves_while_a_new_one_comes_or_none_does"},
    {"stale_if_error",
     SUPPORT_HONOURED,
     {.type = SCHEMA_DURATION},
     "how long a stale answer is sent when the service fails",
     NULL,
     "test_what_is_stale_serves_while_a_new_one_comes_or_none_does"},
    {"tags_header",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "header of answers with the names to purge them by; Cache-Tag",
     NULL,
     "test_a_purge_reaches_a_path_a_prefix_a_tag_or_all"},
    {0},
};
const struct schema schema_cache = {.type = SCHEMA_OBJECT, .keys = cache_keys};

/* "60s" is {default: 60s}; true and false are {enabled: ...}. */
struct yaml_node *canonical_cache(struct load *load, const struct path *path,
                                  struct yaml_node *node)
{
    (void)path;
    if (node->kind != YAML_SCALAR || yaml_is_null(node))
        return node;
    struct yaml_node *map = yaml_new(load->arena, YAML_MAP, node);
    bool is_switch = strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0;
    yaml_set(load->arena, map, is_switch ? "enabled" : "default", node);
    return map;
}
