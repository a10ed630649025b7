/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/decode_deploy.h"
#include "compose/decode_value.h"

enum { STEPS_MAX = 20, ASSETS_MAX = 20, NUMBER_MAX = 100, PPM = 1000000 };

/* "0.5%": digits, at most four of them after the point; in 1/1000000. */
static bool parse_percent(struct str text, uint32_t *ret_ppm)
{
    uint64_t whole, part = 0;
    struct str rest = text;

    if (!str_ends(text, STR("%")))
        return false;
    rest = str_sub(text, 0, text.len - 1);
    struct str digits = str_cut(&rest, '.');
    if (!str_to_u64(digits, 100, &whole))
        return false;
    if (rest.ptr != NULL && (rest.len > 4 || !str_to_u64(rest, 9999, &part)))
        return false;
    for (size_t i = rest.ptr == NULL ? 4 : rest.len; i < 4; i++)
        part *= 10;
    *ret_ppm = (uint32_t)(whole * 10000 + part);
    return *ret_ppm <= PPM;
}

static uint32_t decode_percent(struct load *load, const struct path *path,
                               const struct yaml_node *map, const char *key)
{
    const struct path here = {path, key, 0};
    const char *text = value_text(map, key);
    uint32_t ppm = 0;

    if (text != NULL && !parse_percent(str_of(text), &ppm))
        load_error(load, yaml_find(map, key), &here, "write 1% or 0.5%",
                   "'%.40s' is no percentage from 0%% to 100%%", text);
    return ppm;
}

static struct compose_count decode_count(struct load *load, const struct path *path,
                                         const struct yaml_node *map, const char *key)
{
    const struct path here = {path, key, 0};
    const char *text = value_text(map, key);
    struct compose_count count = {.given = text != NULL};
    uint64_t number;
    uint32_t ppm = 0;

    if (text == NULL)
        return count;
    if (str_to_u64(str_of(text), NUMBER_MAX, &number))
        count.number = (uint32_t)number;
    else if (parse_percent(str_of(text), &ppm) && ppm % 10000 == 0)
        count.percent = ppm / 10000;
    else
        load_error(load, yaml_find(map, key), &here, "write 1 or 25%",
                   "'%.40s' is no number up to %d and no whole percentage", text, NUMBER_MAX);
    return count;
}

static struct compose_ms decode_ms(const struct yaml_node *map, const char *key)
{
    return (struct compose_ms){.given = value_text(map, key) != NULL, .ms = value_ms(map, key, 0)};
}

static void decode_steps(struct load *load, const struct path *path, const struct yaml_node *map,
                         struct compose_x_deploy *ret)
{
    const struct yaml_node *list = yaml_find(map, "steps");
    const struct path steps = {path, "steps", 0};
    uint32_t before = 0;

    if (yaml_is_null(list) || list->count == 0)
        return;
    if (list->count > STEPS_MAX) {
        load_error(load, list, &steps, NULL, "more than %d steps", STEPS_MAX);
        return;
    }
    ret->steps = ARENA_ARRAY(load->arena, uint32_t, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct yaml_node *node = list->items[i].node;
        const struct path here = {&steps, NULL, i};
        uint32_t ppm = 0;
        if (!parse_percent(str_of(node->text), &ppm) || ppm / 100 <= before)
            load_error(load, node, &here, "write [5%, 25%, 100%]",
                       "'%.40s' is no percentage above the one before and up to 100%%", node->text);
        before = MAX(before, ppm / 100);
        ret->steps[ret->step_count++] = ppm / 100;
    }
}

static void decode_gate(struct load *load, const struct path *path, const struct yaml_node *node,
                        struct compose_x_deploy *ret)
{
    const struct path gate = {path, "gate", 0};

    ret->gate.given = !yaml_is_null(node);
    ret->gate.has_errors = value_text(node, "errors") != NULL;
    ret->gate.errors_ppm = decode_percent(load, &gate, node, "errors");
    ret->gate.p99_ms = value_ms(node, "p99", 0);
    ret->gate.min_requests = (uint32_t)MIN(value_u64(node, "min_requests", 100), UINT32_MAX);
    if (ret->gate.given && !ret->gate.has_errors && ret->gate.p99_ms == 0)
        load_error(load, node, &gate, "write {errors: 1%} or {p99: 500ms}",
                   "a gate needs 'errors' or 'p99'");
}

static void decode_split(struct load *load, const struct path *path, const struct yaml_node *node,
                         struct compose_x_deploy *ret)
{
    const struct path split = {path, "split", 0};

    ret->split.given = !yaml_is_null(node);
    ret->split.cookie = value_text(node, "cookie");
    ret->split.header = value_text(node, "header");
    ret->split.values = value_pairs(load->arena, node, "values");
    ret->split.share = decode_percent(load, &split, node, "share") / 100;
    for (size_t i = 0; i < ret->split.values.count; i++) {
        const struct compose_pair *pair = &ret->split.values.items[i];
        const struct path values = {&split, "values", 0};
        const struct path here = {&values, pair->key, 0};
        if (strcmp(pair->value, "new") != 0 && strcmp(pair->value, "old") != 0)
            load_error(load, yaml_find(yaml_find(node, "values"), pair->key), &here, NULL,
                       "'%.40s' is neither new nor old", pair->value);
    }
    if (ret->split.values.count > 0 && ret->split.cookie == NULL && ret->split.header == NULL)
        load_error(load, node, &split, NULL, "'values' needs 'cookie' or 'header'");
    if (ret->split.cookie != NULL && ret->split.header != NULL)
        load_error(load, node, &split, NULL, "has both 'cookie' and 'header'; choose one");
}

static void decode_assets(struct load *load, const struct path *path, const struct yaml_node *map,
                          struct compose_x_deploy *ret)
{
    const struct yaml_node *list = yaml_find(map, "assets");
    const struct path assets = {path, "assets", 0};

    ret->assets = value_texts(load->arena, map, "assets");
    if (ret->assets.count > ASSETS_MAX)
        load_error(load, list, &assets, NULL, "more than %d paths", ASSETS_MAX);
    for (size_t i = 0; i < ret->assets.count; i++) {
        const struct path here = {&assets, NULL, i};
        if (ret->assets.items[i][0] != '/')
            load_error(load, list->items[i].node, &here, NULL, "path '%.80s' must start with '/'",
                       ret->assets.items[i]);
    }
}

struct compose_x_deploy decode_x_deploy(struct load *load, const struct path *path,
                                        const struct yaml_node *node)
{
    struct compose_x_deploy deploy = {
        .strategy = value_text(node, "strategy"),
        .max_surge = decode_count(load, path, node, "max_surge"),
        .max_unavailable = decode_count(load, path, node, "max_unavailable"),
        .bake = decode_ms(node, "bake"),
        .keep_warm = decode_ms(node, "keep_warm"),
        .watch = decode_ms(node, "watch"),
        .stream_drain = decode_ms(node, "stream_drain"),
        .promote = value_text(node, "promote"),
        .test_host = value_text(node, "test_host"),
    };

    decode_steps(load, path, node, &deploy);
    decode_gate(load, path, yaml_find(node, "gate"), &deploy);
    decode_split(load, path, yaml_find(node, "split"), &deploy);
    decode_assets(load, path, node, &deploy);
    return deploy;
}

static void inherit_count(struct compose_count *own, const struct compose_count *all)
{
    if (!own->given)
        *own = *all;
}

static void inherit_ms(struct compose_ms *own, const struct compose_ms *all)
{
    if (!own->given)
        *own = *all;
}

static void inherit_text(const char **own, const char *all)
{
    if (*own == NULL)
        *own = all;
}

void decode_inherit_deploy(struct compose_x_deploy *own, const struct compose_x_deploy *all)
{
    inherit_text(&own->strategy, all->strategy);
    inherit_text(&own->promote, all->promote);
    inherit_text(&own->test_host, all->test_host);
    inherit_count(&own->max_surge, &all->max_surge);
    inherit_count(&own->max_unavailable, &all->max_unavailable);
    inherit_ms(&own->bake, &all->bake);
    inherit_ms(&own->keep_warm, &all->keep_warm);
    inherit_ms(&own->watch, &all->watch);
    inherit_ms(&own->stream_drain, &all->stream_drain);
    if (own->step_count == 0) {
        own->steps = all->steps;
        own->step_count = all->step_count;
    }
    if (!own->gate.given)
        own->gate = all->gate;
    if (!own->split.given)
        own->split = all->split;
    if (own->assets.count == 0)
        own->assets = all->assets;
}

/* ---- deploy.update_config ---- */

static enum compose_failure_action decode_action(struct load *load, const struct path *path,
                                                 const struct yaml_node *node)
{
    const char *text = value_text(node, "failure_action");

    if (text == NULL || strcmp(text, "rollback") == 0)
        return FAILURE_ROLLBACK;
    if (strcmp(text, "pause") == 0)
        return FAILURE_PAUSE;
    if (strcmp(text, "continue") != 0)
        load_unfit(load, yaml_find(node, "failure_action"), path, NULL,
                   "failure_action '%.40s' is not rollback, pause or continue", text);
    return FAILURE_CONTINUE;
}

struct compose_update decode_update(struct load *load, const struct path *path,
                                    const struct yaml_node *deploy, const char *key)
{
    const struct yaml_node *node = yaml_find(deploy, key);
    const struct path deploy_path = {path, "deploy", 0};
    const struct path here = {&deploy_path, key, 0};
    const char *order = value_text(node, "order");
    double ratio = value_double(node, "max_failure_ratio");

    if (yaml_is_null(node))
        return (struct compose_update){0};
    if (!(ratio >= 0 && ratio <= 1)) {
        load_unfit(load, yaml_find(node, "max_failure_ratio"), &here, NULL,
                   "max_failure_ratio is not between 0 and 1");
        ratio = 0;
    }
    return (struct compose_update){
        .given = true,
        .parallelism = (uint32_t)MIN(value_u64(node, "parallelism", 1), UINT32_MAX),
        .delay_ms = value_ms(node, "delay", 0),
        .starts_first = order == NULL || strcmp(order, "stop-first") != 0,
        .on_failure = decode_action(load, &here, node),
        .monitor_ms = value_ms(node, "monitor", 0),
        .max_failure_ppm = (uint32_t)(ratio * PPM),
    };
}
