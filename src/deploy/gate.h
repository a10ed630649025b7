/* SPDX-License-Identifier: Apache-2.0
 *
 * Is a new release worse than the old one? Pure: counts in, verdict out.
 *
 * The test: the new release is refused for its errors when its share of them is
 * above the limit of the file and the difference to the old release at the same
 * time is no chance: Fisher's exact test, one-sided, p below 1 %. While the old
 * release has too few requests to compare with, a one-sided exact binomial test
 * against the limit decides instead. "p99 above 500 ms" means that more than 1 %
 * of the requests take longer than 500 ms, so it is judged by the same test. What
 * both releases suffer from, such as a slow database, refuses nobody.
 */
#pragma once

#include "base/base.h"

enum { GATE_PPM = 1000000 };

struct gate_terms {
    bool has_errors;
    uint32_t errors_ppm; /* the most that may fail, in 1/1000000 */
    uint64_t p99_ms;     /* 0: no limit */
    uint32_t min_requests;
};

/* What was counted of one release since the step began. */
struct gate_sample {
    uint64_t requests;
    uint64_t errors; /* answers 500 and above, and none at all */
    uint64_t slow;   /* took longer than p99_ms */
};

enum gate_verdict { GATE_TOO_FEW, GATE_GOOD, GATE_BAD };

enum { GATE_WHY_BYTES = 200 };

/* <ret_why> has GATE_WHY_BYTES. */
enum gate_verdict gate_check(const struct gate_terms *terms, const struct gate_sample *old,
                             const struct gate_sample *new, char *ret_why);

/* How likely at least <bad> of <count> are, when <ppm> is their share. */
double gate_binomial(uint64_t bad, uint64_t count, uint32_t ppm);
/* How likely the new ones have at least <new_bad>, when both have the same share of bad ones. */
double gate_fisher(uint64_t new_bad, uint64_t new_count, uint64_t old_bad, uint64_t old_count);
