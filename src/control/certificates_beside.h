/* SPDX-License-Identifier: Apache-2.0
 *
 * The files that a system may name beside its certificate: an OCSP response and
 * the authority of its clients. Neither hurts the certificate when it is bad:
 * without the one nothing is stapled, without the other no client is known.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"
#include "compose/model.h"

struct err;

struct beside {
    struct buf ocsp;      /* base64; empty: none */
    struct buf client_ca; /* PEM; empty: none */
};

void beside_done(struct beside *beside);
AUTO_VALUE(struct beside, beside_done)

/* Reads the files of <compose>, for the pair <certificate> and <key>, and checks each as the edge
 * will. False: <err> says what is wrong with the first one that is; what is bad, the authority of
 * clients excepted, is empty then. */
MUST_CHECK bool beside_read(struct beside *beside, const struct compose *compose,
                            struct str certificate, struct str key, struct err *err);
