/* SPDX-License-Identifier: Apache-2.0
 *
 * What the file says of a TCP port, as members of its listener and its upstream
 * in the edge's table (edge/table.h).
 */
#include "base/base.h"

#include "compose/model_balance.h"
#include "compose/model_ports.h"
#include "control/edge_policy.h"

static void set_number(json_t *object, const char *key, uint64_t number)
{
    if (number > 0)
        (void)json_object_set_new(object, key, json_integer((json_int_t)number));
}

/* Over those of the system's edge, which are in <row>. */
static void set_connections(json_t *row, const struct compose_x_port *port)
{
    json_t *limits = json_object_get(row, "limits");
    json_t *ranges = json_array();

    if (limits == NULL) {
        limits = json_object();
        (void)json_object_set_new(row, "limits", limits);
    }
    set_number(limits, "connections", port->connections);
    if (port->has_connections_per_ip) {
        (void)json_object_set_new(limits, "connections_per_ip",
                                  json_integer((json_int_t)port->connections_per_ip));
        (void)json_object_set_new(limits, "counts_alone", json_true());
        (void)json_object_set_new(limits, "spare_loopback", json_false());
    }
    for (size_t i = 0; i < port->proxy_protocol.count; i++)
        (void)json_array_append_new(ranges, json_string(port->proxy_protocol.items[i]));
    if (port->has_proxy_protocol)
        (void)json_object_set(limits, "proxy_protocol", ranges);
    json_decref(ranges);
}

void edge_policy_port(json_t *row, const struct compose_x_port *port, const struct compose *compose,
                      uint32_t meter)
{
    json_t *tcp = json_pack("{s:I}", "meter", (json_int_t)meter);

    edge_policy_log(tcp, compose);
    (void)json_object_set_new(row, "tcp", tcp);
    if (port == NULL)
        return;
    set_connections(row, port);
    set_number(tcp, "idle_timeout_ms", port->idle_timeout_ms);
    set_number(tcp, "connect_timeout_ms", port->connect_timeout_ms);
    if (port->limits != NULL)
        edge_policy_limits(tcp, port->limits);
}

void edge_policy_port_upstream(json_t *upstream, const struct compose_x_port *port)
{
    if (port != NULL && port->balance != NULL)
        edge_policy_balance(upstream, port->balance);
}
