/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of an upstream in the edge's table (edge/balance.h).
 */
#include "base/base.h"

#include "compose/model_balance.h"
#include "control/edge_policy.h"

static void set_number(json_t *object, const char *key, uint64_t number)
{
    if (number > 0)
        (void)json_object_set_new(object, key, json_integer((json_int_t)number));
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text != NULL)
        (void)json_object_set_new(object, key, json_string(text));
}

void edge_policy_balance(json_t *upstream, const struct compose_balance *balance)
{
    bool is_default = balance->kind == NULL || strcmp(balance->kind, "least-connections") == 0;

    set_text(upstream, "balance", is_default ? "least" : balance->kind);
    set_text(upstream, "hash_key", balance->hash_by);
    set_text(upstream, "sticky_cookie", balance->sticky_cookie);
    set_number(upstream, "slow_start_ms", balance->slow_start_ms);
    set_number(upstream, "max_connections", balance->max_connections);
    set_number(upstream, "max_fails", balance->max_fails);
    set_number(upstream, "fail_timeout_ms", balance->fail_timeout_ms);
    if (balance->has_queue)
        (void)json_object_set_new(upstream, "queue",
                                  json_pack("{s:I, s:I}", "limit", (json_int_t)balance->queue_limit,
                                            "timeout_ms", (json_int_t)balance->queue_timeout_ms));
}
