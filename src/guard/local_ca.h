/* SPDX-License-Identifier: Apache-2.0
 *
 * The machine's own certificate authority, for names that no public one signs:
 * localhost, *.localhost, *.test and *.internal. Lives in the daemon, kept under
 * one folder:
 *     ca.pem, ca-key.pem          EC P-256, 10 years
 *     leaf/<id>.pem               key and certificate of one <id>, 90 days
 * Trusting ca.pem in a browser is harmless: its name constraints (RFC 5280,
 * 4.2.1.10) make a certificate for any other name or for an address invalid
 * even if the key is stolen.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"
#include "guard/secret.h"

struct err;
struct local_ca;

enum {
    LOCAL_CA_NAMES_MAX = 100, /* in one certificate */
    LOCAL_CA_ID_MAX = 64,
};

/* Opens the authority in <dir>, making folder, key and certificate when ca.pem is absent and a new
 * pair when the old one has less than 90 days left. ERR_INVALID when the files are damaged or do
 * not belong together, ERR_DENIED when others may read the key. NULL on failure. */
MUST_CHECK struct local_ca *local_ca_open(const char *dir, int64_t wall_now_ms, struct err *err);
void local_ca_close(struct local_ca *ca);
AUTO_TYPE(struct local_ca *, local_ca_close)

/* The authority's certificate, to be trusted by browsers: what `ishizue ca` prints. Belongs to
 * <ca>. */
const char *local_ca_pem(const struct local_ca *ca);

/* May <name> stand in a certificate of this authority? A host name in lower case below the four
 * domains, or a wildcard with two labels or more behind the star ("*.shop.test"; clients refuse
 * "*.test"). */
bool local_ca_covers(struct str name);

struct local_ca_request {
    const char *id; /* whose certificate: the system's name. [a-z0-9._-], not starting with a dot */
    const char *const *names;
    size_t name_count;
};

struct local_ca_leaf {
    struct secret
        certificate_pem; /* the chain that a server sends: the leaf alone, because the
                            authority is in the client's store or the chain is worthless */
    struct secret key_pem;
    int64_t wall_renew_ms; /* ask again then: two thirds of its life are over */
    bool made;             /* just now; false: it was on disk */
};

void local_ca_leaf_done(struct local_ca_leaf *leaf);
AUTO_VALUE(struct local_ca_leaf, local_ca_leaf_done)

/* The certificate for <request>: the one on disk while it is good, otherwise a new one (no such
 * file, other names in any order, damaged, renewal due, signed by a former authority). <ret> must
 * be zero or done. ERR_INVALID names the first name that local_ca_covers() refuses. */
MUST_CHECK bool local_ca_issue(struct local_ca *ca, const struct local_ca_request *request,
                               int64_t wall_now_ms, struct local_ca_leaf *ret, struct err *err);
