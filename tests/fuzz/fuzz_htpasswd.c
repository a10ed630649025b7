/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a file of names and password hashes: what is accepted has names
 * that fit into a header and hashes of a known kind, and not too many.
 */
#include "base/base.h"

#include "base/arena.h"
#include "base/err.h"
#include "compose/htpasswd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_done) struct arena arena = {0};
    struct htpasswd_user *users;
    struct err err = {0};
    size_t count;

    if (!htpasswd_parse(str_from(data, size), &arena, &users, &count, &err)) {
        assert(err.text[0] != '\0');
        return 0;
    }
    assert(count > 0 && count <= HTPASSWD_USERS && size <= HTPASSWD_BYTES);
    for (size_t i = 0; i < count; i++)
        assert(htpasswd_is_name(str_of(users[i].name)) && users[i].hash[0] == '$' &&
               htpasswd_refusal(str_of(users[i].hash)) == NULL);
    return 0;
}
