/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranges of IP addresses: "10.0.0.0/8", "2001:db8::/32", or one address. Both
 * families are 16 bytes here, IPv4 in its mapped form (RFC 4291, 2.5.5.2), so
 * that one comparison does for both.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

struct err;

enum { CIDR_ADDRESS_BYTES = 16 };

struct cidr {
    uint8_t bytes[CIDR_ADDRESS_BYTES];
    uint8_t bits; /* 96 to 128 for IPv4 */
};

/* "10.0.0.1" or "::1". IPv6 that maps IPv4 is IPv4. */
MUST_CHECK bool cidr_parse_address(struct str text, uint8_t ret[CIDR_ADDRESS_BYTES]);
/* Bits behind the prefix must be 0, so that nobody means another range than he writes. */
MUST_CHECK bool cidr_parse(struct str text, struct cidr *ret, struct err *err);
bool cidr_covers(const struct cidr *cidr, const uint8_t address[CIDR_ADDRESS_BYTES]);
/* Is any of <count> ranges that of <address>? */
bool cidr_find(const struct cidr *cidrs, size_t count, const uint8_t address[CIDR_ADDRESS_BYTES]);
bool cidr_is_v4(const uint8_t address[CIDR_ADDRESS_BYTES]);
bool cidr_is_loopback(const uint8_t address[CIDR_ADDRESS_BYTES]);
