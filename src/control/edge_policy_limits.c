/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits of routes, listeners and upstreams in the edge's table (edge/limits.h).
 */
#include "base/base.h"

#include "compose/model_limits.h"
#include "control/edge_policy.h"
#include "json/json.h"

enum { CONNECTIONS_PER_IP = 1000 };

static void set_texts(json_t *object, const char *key, struct compose_texts texts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < texts.count; i++)
        (void)json_array_append_new(list, json_string(texts.items[i]));
    if (texts.count > 0)
        (void)json_object_set(object, key, list);
    json_decref(list);
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
    if (number > 0)
        (void)json_object_set_new(object, key, json_integer((json_int_t)number));
}

static json_t *rate_new(const struct compose_rate *rate)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:s, s:s*}", "text", rate->text, "requests",
                     (json_int_t)rate->requests, "seconds", (json_int_t)rate->seconds, "burst",
                     (json_int_t)rate->burst, "per", rate->per, "name", rate->name);
}

void edge_policy_limits(json_t *row, const struct compose_limits *limits)
{
    json_t *object = json_object(), *rates = json_array();

    for (size_t i = 0; i < limits->rate_count; i++)
        (void)json_array_append_new(rates, rate_new(&limits->rates[i]));
    (void)json_object_set_new(object, "rates", rates);
    (void)json_object_set_new(object, "dry_run", json_boolean(limits->dry_run));
    set_texts(object, "allow", limits->allow);
    set_texts(object, "deny", limits->deny);
    set_number(object, "header_bytes", limits->header_bytes);
    set_number(object, "url_bytes", limits->url_bytes);
    if (limits->body_rate != COMPOSE_BODY_RATE_MISSING)
        (void)json_object_set_new(object, "body_rate", json_integer(limits->body_rate));
    if (limits->client_certificate != NULL)
        (void)json_object_set_new(object, "client_certificate",
                                  json_string(limits->client_certificate));
    (void)json_object_set_new(row, "limits", object);
}

void edge_policy_listener(json_t *row, const struct compose *compose)
{
    static const struct compose_edge nothing;
    const struct compose_edge *edge = compose->x.edge == NULL ? &nothing : compose->x.edge;
    const json_t *former = json_object_get(row, "limits");

    if (former != NULL && (edge == &nothing || json_find_bool(former, "given", false)))
        return;
    json_t *object = json_pack("{s:b}", "given", (int)(edge != &nothing));
    set_number(object, "connections", edge->connections);
    set_number(object, "connections_per_ip",
               edge->has_connections_per_ip ? edge->connections_per_ip : CONNECTIONS_PER_IP);
    (void)json_object_set_new(object, "spare_loopback",
                              json_boolean(!edge->has_connections_per_ip));
    set_number(object, "header_bytes", edge->header_bytes);
    set_number(object, "url_bytes", edge->url_bytes);
    set_texts(object, "trusted_proxies", edge->trusted_proxies);
    set_texts(object, "proxy_protocol", edge->proxy_protocol);
    (void)json_object_set_new(row, "limits", object);
}

void edge_policy_upstream(json_t *upstream, const struct compose *compose, const char *name)
{
    const struct compose_service *service = compose_find_service(compose, name);

    if (service != NULL && service->x.send_proxy != 0)
        (void)json_object_set_new(upstream, "send_proxy", json_integer(service->x.send_proxy));
}
