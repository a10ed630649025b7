/* SPDX-License-Identifier: Apache-2.0
 *
 * The network of one instance: a namespace with eth0, whose other end on the
 * machine is an interface of its own with 169.254.1.1, and one /32 route. No
 * bridge: everything an instance sends is routed by the machine, so nftables
 * sees it.
 */
#pragma once

#include "base/base.h"

struct err;

enum { NETNS_NAME_BYTES = 16 };

/* "iz0ad50407", the machine's end for "10.213.4.7"; <ret> has NETNS_NAME_BYTES.
 * False for what is no IPv4 address. */
MUST_CHECK bool netns_interface_name(const char *address, char *ret);

struct netns_link {
    const char *address;
    const char *interface;     /* inside; NULL: eth0 */
    const char *const *others; /* further names of it */
    size_t other_count;
    const char *mac; /* "02:42:ac:11:65:43"; NULL: any */
};

/* Six bytes; false for what is no address of one station. */
MUST_CHECK bool netns_parse_mac(const char *text, uint8_t *ret);
/* Can an interface have this name? */
bool netns_check_interface(const char *name);

/* Makes the namespace at <path> (a file) and joins it to the machine. One that
 * is there is made again. Takes a few milliseconds. */
MUST_CHECK bool netns_make(const char *path, const struct netns_link *link, struct err *err);
/* Not there is success; <address> may be NULL: the interface goes with its namespace. */
MUST_CHECK bool netns_remove(const char *path, const char *address, struct err *err);

/* Lets the machine call <address> from 127.0.0.1, for ports that are published there. */
MUST_CHECK bool netns_allow_loopback(const char *address, struct err *err);
/* net.ipv4.ip_forward = 1. */
MUST_CHECK bool netns_prepare_machine(struct err *err);
