/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the value of Authorization: what is read fits, has a colon
 * between name and password, and no byte that ends a text.
 */
#include "base/base.h"

#include "edge/auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t room = size > 0 ? data[0] : 0;
    AUTO(free) char *bytes = mem_new(room + 1);
    struct str user, password;

    if (size == 0 ||
        !auth_read_credentials(str_from(data + 1, size - 1), bytes, room, &user, &password))
        return 0;
    assert(user.len + password.len + 1 <= room);
    assert(password.ptr == user.ptr + user.len + 1 && user.ptr[user.len] == ':');
    assert(str_find(user, ':') == user.len);
    for (size_t i = 0; i < password.len; i++)
        assert((unsigned char)password.ptr[i] >= ' ');
    return 0;
}
