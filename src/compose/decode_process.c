/* SPDX-License-Identifier: Apache-2.0
 *
 * How a process is watched, started again and logged. */
#include "base/base.h"

#include "base/signal_name.h"
#include "compose/decode_service.h"
#include "compose/decode_value.h"
#include "compose/units.h"

enum { LOG_SIZE_BYTES = 10 << 20, LOG_FILES = 3 };

static void decode_test(struct load *load, const struct yaml_node *node,
                        struct compose_healthcheck *ret)
{
    struct compose_texts test = value_texts(load->arena, node, "test");

    if (test.count == 0)
        return;
    if (strcmp(test.items[0], "NONE") == 0) {
        ret->disabled = true;
    } else if (strcmp(test.items[0], "CMD") == 0) {
        ret->test = (struct compose_texts){test.items + 1, test.count - 1};
    } else if (test.count > 1) {
        ret->test.items = ARENA_ARRAY(load->arena, const char *, 3);
        ret->test.count = 3;
        ret->test.items[0] = "/bin/sh";
        ret->test.items[1] = "-c";
        ret->test.items[2] = test.items[1];
    }
}

struct compose_healthcheck decode_healthcheck(struct load *load, const struct yaml_node *node)
{
    struct compose_healthcheck check = {
        .disabled = value_bool(node, "disable", false),
        .interval_ms = value_ms(node, "interval", 30000),
        .timeout_ms = value_ms(node, "timeout", 30000),
        .start_period_ms = value_ms(node, "start_period", 0),
        .start_interval_ms = value_ms(node, "start_interval", 5000),
        .retries = (uint32_t)MIN(value_u64(node, "retries", 3), UINT32_MAX),
    };

    decode_test(load, node, &check);
    return check;
}

void decode_restart(struct load *load, const struct path *path, const struct yaml_node *node,
                    struct compose_service *ret)
{
    static const char *const words[] = {"no", "always", "on-failure", "unless-stopped", NULL};
    const struct path here = {path, "restart", 0};
    const char *text = value_text(node, "restart");
    struct str rest = str_of(text);
    struct str policy = str_cut(&rest, ':');
    uint64_t retries = 0;

    if (text == NULL || *text == '\0')
        return;
    for (size_t i = 0; words[i] != NULL; i++)
        if (str_is(policy, words[i]))
            ret->restart = (enum compose_restart)i;
    bool is_known = ret->restart != RESTART_NO || str_is(policy, "no");
    bool has_good_count = rest.ptr == NULL || (ret->restart == RESTART_ON_FAILURE &&
                                               str_to_u64(rest, UINT32_MAX, &retries));
    ret->restart_max_retries = (uint32_t)retries;
    if (!is_known || !has_good_count)
        load_unfit(load, yaml_find(node, "restart"), &here, suggest(load->arena, text, words),
                   "'%.80s' is none of: no, always, on-failure[:N], unless-stopped", text);
}

struct compose_logging decode_logging(struct load *load, const struct path *path,
                                      const struct yaml_node *node)
{
    const struct path logging_path = {path, "logging", 0};
    const struct path here = {&logging_path, "options", 0};
    const struct yaml_node *options = yaml_find(node, "options");
    const char *size = value_text(options, "max-size");
    const char *files = value_text(options, "max-file");
    struct compose_logging logging = {
        .driver = value_text(node, "driver"),
        .max_size_bytes = LOG_SIZE_BYTES,
        .max_file = LOG_FILES,
        .options = value_pairs(load->arena, node, "options"),
    };
    uint64_t count = LOG_FILES;
    struct err err;

    /* -1 is how Docker spells "no limit"; a log without one fills the disk. */
    if (size != NULL && strcmp(size, "-1") != 0 &&
        !units_parse_bytes(str_of(size), &logging.max_size_bytes, &err))
        load_unfit(load, yaml_find(options, "max-size"), &here, NULL, "max-size: %s", err.text);
    if (files != NULL && (!str_to_u64(str_of(files), 1000, &count) || count == 0))
        load_unfit(load, yaml_find(options, "max-file"), &here, NULL,
                   "max-file '%.40s' must be 1 to 1000", files);
    logging.max_file = (uint32_t)count;
    return logging;
}

static enum compose_restart restart_condition(struct load *load, const struct path *path,
                                              const struct yaml_node *node)
{
    static const char *const words[] = {"none", "any", "on-failure", NULL};
    const char *text = value_text(node, "condition");
    const struct path here = {path, "condition", 0};

    if (text == NULL || strcmp(text, "any") == 0)
        return RESTART_ALWAYS;
    if (strcmp(text, "none") == 0)
        return RESTART_NO;
    if (strcmp(text, "on-failure") != 0)
        load_unfit(load, yaml_find(node, "condition"), &here, suggest(load->arena, text, words),
                   "'%.80s' is none of: none, on-failure, any", text);
    return RESTART_ON_FAILURE;
}

struct compose_restart_policy decode_restart_policy(struct load *load, const struct path *path,
                                                    const struct yaml_node *deploy)
{
    const struct yaml_node *node = yaml_find(deploy, "restart_policy");
    const struct path deploy_path = {path, "deploy", 0};
    const struct path here = {&deploy_path, "restart_policy", 0};
    const char *mode = value_text(deploy, "mode");

    if (yaml_is_null(node)) /* a job runs to its end */
        return (struct compose_restart_policy){.present = mode != NULL &&
                                                          str_ends(str_of(mode), STR("-job"))};
    return (struct compose_restart_policy){
        .present = true,
        .when = restart_condition(load, &here, node),
        .delay_ms = value_ms(node, "delay", 5000),
        .max_attempts = (uint32_t)MIN(value_u64(node, "max_attempts", 0), UINT32_MAX),
        .window_ms = value_ms(node, "window", 0),
    };
}

static struct compose_hook decode_hook(struct load *load, const struct yaml_node *node)
{
    return (struct compose_hook){
        .command = value_texts(load->arena, node, "command"),
        .user = value_text(node, "user"),
        .privileged = value_bool(node, "privileged", false),
        .working_dir = value_text(node, "working_dir"),
        .environment = value_pairs(load->arena, node, "environment"),
    };
}

struct compose_hook *decode_hooks(struct load *load, const struct path *path,
                                  const struct yaml_node *node, const char *key, size_t *ret_count)
{
    const struct yaml_node *list = yaml_find(node, key);
    const struct path hooks = {path, key, 0};
    size_t count = yaml_is_null(list) ? 0 : list->count;
    struct compose_hook *items = ARENA_ARRAY(load->arena, struct compose_hook, count);

    for (size_t i = 0; i < count; i++) {
        const struct path here = {&hooks, NULL, i};
        items[i] = decode_hook(load, list->items[i].node);
        if (items[i].command.count == 0)
            load_unfit(load, list->items[i].node, &here, NULL, "needs a 'command'");
    }
    *ret_count = count;
    return count == 0 ? NULL : items;
}

void decode_check_process(struct load *load, const struct path *path, const struct yaml_node *node)
{
    const char *folder = value_text(node, "working_dir");
    const char *stop = value_text(node, "stop_signal");
    const struct yaml_node *environment = yaml_find(node, "environment");
    struct err err;
    int signo;

    if (folder != NULL && *folder != '\0' && *folder != '/')
        load_unfit(load, yaml_find(node, "working_dir"), &(struct path){path, "working_dir", 0},
                   NULL, "'%.80s' must start with '/'", folder);
    if (stop != NULL && *stop != '\0' && !signal_name_parse(stop, &signo, &err))
        load_unfit(load, yaml_find(node, "stop_signal"), &(struct path){path, "stop_signal", 0},
                   NULL, "%s", err.text);
    for (size_t i = 0; !yaml_is_null(environment) && i < environment->count; i++)
        if (environment->items[i].key[0] == '\0')
            load_unfit(load, environment->items[i].node, &(struct path){path, "environment", 0},
                       "write NAME=value", "a variable has no name");
}

void decode_check_target(struct load *load, const struct path *path, const struct yaml_node *place,
                         const char *target)
{
    static const char *const taken[] = {"/", "/proc", NULL};

    if (target != NULL && is_one_of(target, taken))
        load_unfit(load, place, path, "name another place",
                   "nothing can be mounted at '%s' of an instance", target);
}
