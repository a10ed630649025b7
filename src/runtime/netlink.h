/* SPDX-License-Identifier: Apache-2.0
 *
 * The few requests of rtnetlink(7) that a point-to-point network needs, each
 * sent and acknowledged at once. Belongs to the network namespace it was opened
 * in.
 */
#pragma once

#include <netinet/in.h>

#include "base/base.h"

struct err;

enum { NETLINK_MAC_BYTES = 6 };

/* -1 on failure. */
int netlink_open(struct err *err);

struct netlink_veth {
    const char *name; /* here */
    const char *peer; /* in the namespace <peer_netns> */
    int peer_netns;
    uint32_t mtu;       /* 0: the default */
    const uint8_t *mac; /* six bytes, of <name>; NULL: any */
};
MUST_CHECK bool netlink_add_veth(int fd, const struct netlink_veth *veth, struct err *err);
/* Another name for <name>, ip-link(8) `altname`. */
MUST_CHECK bool netlink_add_alias(int fd, const char *name, const char *alias, struct err *err);
/* Not there is success. */
MUST_CHECK bool netlink_remove_link(int fd, const char *name, struct err *err);
MUST_CHECK bool netlink_set_up(int fd, const char *name, struct err *err);
/* <address>/32 with link scope when <link_scope>. There already is success. */
MUST_CHECK bool netlink_add_address(int fd, const char *name, struct in_addr address,
                                    bool link_scope, struct err *err);
/* To <to>/32 over <name>, from <source>; there already is success. */
MUST_CHECK bool netlink_add_host_route(int fd, const char *name, struct in_addr to,
                                       struct in_addr source, struct err *err);
/* Default route by <gateway>, taken to be on the link. */
MUST_CHECK bool netlink_add_default_route(int fd, const char *name, struct in_addr gateway,
                                          struct err *err);
