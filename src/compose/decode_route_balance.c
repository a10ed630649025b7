/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/decode_route.h"
#include "compose/decode_value.h"
#include "compose/model_balance.h"

enum {
    CONNECTIONS_MAX = 1000000,
    FAILS_MAX = 1000,
    QUEUE_MAX = 100000,
    TIME_MAX_MS = 3600 * 1000,
    QUEUE_DEFAULT = 1000,
    QUEUE_DEFAULT_MS = 5000,
    NAME_MAX_BYTES = 64,
};

#define STICKY_COOKIE "ishizue-sticky"

static bool is_name(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return text.len > 0 && text.len <= NAME_MAX_BYTES;
}

/* "ip", "uri", "header:NAME", "cookie:NAME" */
static const char *decode_hash_by(struct load *load, const struct path *path,
                                  const struct yaml_node *node)
{
    const char *text = value_text(node, "hash_by");
    const struct path here = {path, "hash_by", 0};

    if (text == NULL)
        return NULL;
    struct str name = str_of(text);
    struct str kind = str_cut(&name, ':');
    bool is_named = str_is(kind, "header") || str_is(kind, "cookie");
    if (is_named ? name.ptr == NULL || !is_name(name)
                 : strcmp(text, "ip") != 0 && strcmp(text, "uri") != 0)
        load_error(load, yaml_find(node, "hash_by"), &here,
                   "write ip, uri, header:NAME or cookie:NAME", "'%.80s' is nothing to hash by",
                   text);
    else if (value_text(node, "balance") == NULL ||
             strcmp(value_text(node, "balance"), "hash") != 0)
        load_error(load, yaml_find(node, "hash_by"), &here, "add balance: hash",
                   "it needs balance: hash");
    return text;
}

/* "cookie" or "cookie:NAME" */
static const char *decode_sticky(struct load *load, const struct path *path,
                                 const struct yaml_node *node)
{
    const char *text = value_text(node, "sticky");
    const struct path here = {path, "sticky", 0};

    if (text == NULL)
        return NULL;
    struct str name = str_of(text);
    struct str kind = str_cut(&name, ':');
    if (str_is(kind, "cookie") && name.ptr == NULL)
        return STICKY_COOKIE;
    if (!str_is(kind, "cookie") || !is_name(name))
        load_error(load, yaml_find(node, "sticky"), &here, "write cookie, or cookie:NAME",
                   "'%.80s' is no way to be sticky", text);
    return arena_str(load->arena, name);
}

static uint64_t decode_number(struct load *load, const struct path *path,
                              const struct yaml_node *node, const char *key, uint64_t max)
{
    const struct path here = {path, key, 0};
    uint64_t number = value_u64(node, key, 0);

    if (!yaml_is_null(yaml_find(node, key)) && (number == 0 || number > max))
        load_error(load, yaml_find(node, key), &here, NULL, "must be 1 to %llu",
                   (unsigned long long)max);
    return number;
}

static uint64_t decode_time(struct load *load, const struct path *path,
                            const struct yaml_node *node, const char *key, uint64_t otherwise_ms)
{
    const struct path here = {path, key, 0};
    uint64_t ms = value_ms(node, key, otherwise_ms);

    if (!yaml_is_null(yaml_find(node, key)) && (ms == 0 || ms > TIME_MAX_MS))
        load_error(load, yaml_find(node, key), &here, NULL, "must be 1ms to 1h");
    return ms;
}

static void decode_queue(struct load *load, const struct path *path, const struct yaml_node *node,
                         struct compose_balance *ret)
{
    const struct yaml_node *queue = yaml_find(node, "queue");
    const struct path here = {path, "queue", 0};
    const struct path limit = {&here, "limit", 0};

    if (yaml_is_null(queue))
        return;
    ret->has_queue = true;
    ret->queue_limit = value_u64(queue, "limit", QUEUE_DEFAULT);
    if (ret->queue_limit > QUEUE_MAX)
        load_error(load, yaml_find(queue, "limit"), &limit, NULL, "must be 0 to %d", QUEUE_MAX);
    ret->queue_timeout_ms = decode_time(load, &here, queue, "timeout", QUEUE_DEFAULT_MS);
}

static bool says_anything(const struct yaml_node *node)
{
    static const char *const keys[] = {"balance",   "hash_by",      "sticky", "slow_start",
                                       "max_fails", "fail_timeout", "queue",  "max_connections"};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (!yaml_is_null(yaml_find(node, keys[i])))
            return true;
    return false;
}

const struct compose_balance *decode_balance(struct load *load, const struct path *path,
                                             const struct yaml_node *node)
{
    if (!says_anything(node))
        return NULL;
    struct compose_balance *balance = ARENA_NEW(load->arena, struct compose_balance);
    balance->kind = value_text(node, "balance");
    balance->hash_by = decode_hash_by(load, path, node);
    balance->sticky_cookie = decode_sticky(load, path, node);
    balance->slow_start_ms = decode_time(load, path, node, "slow_start", 0);
    balance->max_connections = decode_number(load, path, node, "max_connections", CONNECTIONS_MAX);
    balance->max_fails = decode_number(load, path, node, "max_fails", FAILS_MAX);
    balance->fail_timeout_ms = decode_time(load, path, node, "fail_timeout", 0);
    decode_queue(load, path, node, balance);
    return balance;
}

const struct compose_balance *decode_route_balance(struct load *load, const struct path *path,
                                                   const struct yaml_node *node)
{
    const struct compose_balance *balance = decode_balance(load, path, node);
    const struct path here = {path, "balance", 0};

    if (balance != NULL && value_text(node, "to") == NULL)
        load_error(load, node, &here, "it is for routes with 'to'",
                   "there is no service to balance");
    return balance;
}
