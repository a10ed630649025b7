/* SPDX-License-Identifier: Apache-2.0
 *
 * What a published TCP port of a service may have beside where it leads. A number
 * that is 0 was not given, unless it says otherwise.
 */
#pragma once

#include "compose/model.h"

struct compose_x_port {
    uint16_t target;                       /* of the container, as in `ports:` */
    const struct compose_balance *balance; /* NULL: nothing was said */
    const struct compose_limits *limits;   /* NULL: nothing was said */
    uint64_t connections;
    bool has_connections_per_ip;
    uint64_t connections_per_ip; /* 0: no limit */
    uint64_t idle_timeout_ms;
    uint64_t connect_timeout_ms;
    bool has_proxy_protocol;
    struct compose_texts proxy_protocol; /* ranges of addresses */
};
