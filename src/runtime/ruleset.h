/* SPDX-License-Identifier: Apache-2.0
 *
 * The packet filter of all instances as nftables text: who may talk to whom,
 * and where service addresses lead. Pure; network.c hands it to the kernel as
 * one transaction.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"
#include "runtime/runtime.h"

struct err;

enum {
    RULESET_ENDPOINTS_MAX = 10000,
    RULESET_REACHES_MAX = 200000,
    RULESET_PUBLICATIONS_MAX = 1000
};

/* Appends the table `inet ishizue` as a replacement of the one that is there. Fails, having written
 * nothing usable, for an address that is none or too many of them. */
MUST_CHECK bool ruleset_format(const struct runtime_network *network, struct buf *ret,
                               struct err *err);
