/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <math.h>
#include <stdio.h>

#include "base/str.h"
#include "deploy/gate.h"

static const double SIGNIFICANT = 0.01;
static const double NEGLIGIBLE = 1e-12;

enum { SLOW_PPM = 10000 }; /* one in a hundred */

/* Logarithm of <count> over <chosen>. */
static double log_choose(uint64_t count, uint64_t chosen)
{
    int sign;

    return lgamma_r((double)count + 1, &sign) - lgamma_r((double)chosen + 1, &sign) -
           lgamma_r((double)(count - chosen) + 1, &sign);
}

double gate_binomial(uint64_t bad, uint64_t count, uint32_t ppm)
{
    double share = (double)ppm / GATE_PPM, sum = 0;

    if (bad == 0 || ppm >= GATE_PPM)
        return 1;
    if (ppm == 0)
        return 0;
    for (uint64_t k = bad; k <= count; k++) {
        double term = exp(log_choose(count, k) + (double)k * log(share) +
                          (double)(count - k) * log1p(-share));
        sum += term;
        if (term < sum * NEGLIGIBLE && (double)k > share * (double)count)
            break;
    }
    return MIN(sum, 1.0);
}

double gate_fisher(uint64_t new_bad, uint64_t new_count, uint64_t old_bad, uint64_t old_count)
{
    uint64_t bad = new_bad + old_bad, count = new_count + old_count;
    double sum = 0;

    if (new_bad == 0 || count == 0)
        return 1;
    double expected = (double)bad * (double)new_count / (double)count;
    for (uint64_t k = new_bad; k <= MIN(bad, new_count); k++) {
        if (bad - k > old_count)
            continue;
        double term =
            exp(log_choose(new_count, k) + log_choose(old_count, bad - k) - log_choose(count, bad));
        sum += term;
        if (term < sum * NEGLIGIBLE && (double)k > expected)
            break;
    }
    return MIN(sum, 1.0);
}

static bool is_worse(const struct gate_terms *terms, uint32_t limit_ppm, uint64_t new_bad,
                     uint64_t new_count, uint64_t old_bad, uint64_t old_count)
{
    if ((double)new_bad * GATE_PPM <= (double)new_count * limit_ppm)
        return false;
    if (old_count < terms->min_requests)
        return gate_binomial(new_bad, new_count, limit_ppm) < SIGNIFICANT;
    return gate_fisher(new_bad, new_count, old_bad, old_count) < SIGNIFICANT;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part * 100 / (double)whole;
}

enum gate_verdict gate_check(const struct gate_terms *terms, const struct gate_sample *old,
                             const struct gate_sample *new, char *ret_why)
{
    if (new->requests < terms->min_requests) {
        str_format(ret_why, GATE_WHY_BYTES, "%llu of %u requests that it takes to judge",
                   (unsigned long long)new->requests, terms->min_requests);
        return GATE_TOO_FEW;
    }
    if (terms->has_errors && is_worse(terms, terms->errors_ppm, new->errors, new->requests,
                                      old->errors, old->requests)) {
        str_format(ret_why, GATE_WHY_BYTES,
                   "%.2f %% of %llu requests failed, above %.2f %%; of the old release %.2f %% of "
                   "%llu",
                   percent(new->errors, new->requests), (unsigned long long)new->requests,
                   (double)terms->errors_ppm / 10000, percent(old->errors, old->requests),
                   (unsigned long long)old->requests);
        return GATE_BAD;
    }
    if (terms->p99_ms > 0 &&
        is_worse(terms, SLOW_PPM, new->slow, new->requests, old->slow, old->requests)) {
        str_format(ret_why, GATE_WHY_BYTES,
                   "p99 is above %llu ms: %.2f %% of %llu requests took longer; of the old release "
                   "%.2f %% of %llu",
                   (unsigned long long)terms->p99_ms, percent(new->slow, new->requests),
                   (unsigned long long)new->requests, percent(old->slow, old->requests),
                   (unsigned long long)old->requests);
        return GATE_BAD;
    }
    str_format(ret_why, GATE_WHY_BYTES, "%.2f %% of %llu requests failed",
               percent(new->errors, new->requests), (unsigned long long)new->requests);
    return GATE_GOOD;
}
