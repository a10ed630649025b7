/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <unistd.h>

#include "base/str.h"
#include "cli/environment.h"

const char *environment_find(const char *name)
{
    for (char **entry = environ; *entry != NULL; entry++) {
        struct str value = str_of(*entry);
        struct str key = str_cut(&value, '=');

        if (value.ptr != NULL && str_is(key, name))
            return value.len == 0 ? NULL : value.ptr;
    }
    return NULL;
}
