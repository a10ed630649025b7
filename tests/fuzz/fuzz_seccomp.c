/* SPDX-License-Identifier: Apache-2.0
 *
 * Any JSON as a filter of system calls: what comes out is of the form that an OCI
 * runtime reads, and converting it once more changes nothing.
 */
#include "base/base.h"

#include "base/err.h"
#include "runtime/security.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_rules(const json_t *filter)
{
    const json_t *rule;
    size_t i;

    json_array_foreach(json_object_get(filter, "syscalls"), i, rule)
    {
        assert(json_array_size(json_object_get(rule, "names")) > 0);
        assert(json_is_string(json_object_get(rule, "action")));
        assert(json_object_get(rule, "includes") == NULL);
        assert(json_object_get(rule, "excludes") == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const char *names[] = {"CAP_NET_RAW"};
    const struct compose_texts capabilities = {names, 1};
    AUTO(json_unref) json_t *profile = NULL;
    AUTO(json_unref) json_t *filter = NULL;
    AUTO(json_unref) json_t *again = NULL;
    struct err err;

    if (!json_parse(str_from(bytes, len), SECCOMP_PROFILE_BYTES_MAX, &profile, &err) ||
        !seccomp_convert(profile, &capabilities, "6.1.0", &filter, &err))
        return 0;
    check_rules(filter);
    assert(seccomp_convert(filter, &capabilities, "6.1.0", &again, &err));
    assert(json_equal(filter, again));
    return 0;
}
