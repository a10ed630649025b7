/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of the bodies that the API takes: a name has one type wherever it is
 * used, so a value of another type is never taken for its default.
 */
#include "base/base.h"

#include "base/err.h"
#include "control/api_priv.h"

enum member_type { TEXT, FLAG, COUNT, LIST, OBJECT, LIST_OR_OBJECT };

static const struct member {
    const char *name;
    enum member_type type;
} members[] = {
    {"all", FLAG},
    {"build", FLAG},
    {"config", OBJECT},
    {"deploy", OBJECT},
    {"directory", TEXT},
    {"drain_ms", COUNT},
    {"environment", LIST_OR_OBJECT},
    {"files", LIST},
    {"force_recreate", FLAG},
    {"git", OBJECT},
    {"id", TEXT},
    {"index", COUNT},
    {"install", TEXT},
    {"instance", TEXT},
    {"message", TEXT},
    {"name", TEXT},
    {"no_build", FLAG},
    {"no_cache", FLAG},
    {"no_deps", FLAG},
    {"no_recreate", FLAG},
    {"no_start", FLAG},
    {"only_build", FLAG},
    {"only_try", FLAG},
    {"overrides", OBJECT},
    {"page", TEXT},
    {"path", TEXT},
    {"prefix", TEXT},
    {"program", TEXT},
    {"release", COUNT},
    {"remove", FLAG},
    {"service", TEXT},
    {"services", LIST_OR_OBJECT},
    {"signal", TEXT},
    {"stop", FLAG},
    {"tag", TEXT},
    {"timeout_ms", COUNT},
    {"tty", FLAG},
    {"use_aliases", FLAG},
    {"user", TEXT},
    {"volumes", FLAG},
    {"wait", FLAG},
    {"working_dir", TEXT},
};

static bool fits(enum member_type type, const json_t *value)
{
    switch (type) {
    case TEXT:
        return json_is_string(value);
    case FLAG:
        return json_is_boolean(value);
    case COUNT:
        return json_is_integer(value) && json_integer_value(value) >= 0;
    case LIST:
        return json_is_array(value);
    case OBJECT:
        return json_is_object(value);
    case LIST_OR_OBJECT:
        return json_is_array(value) || json_is_object(value);
    }
    return false;
}

bool api_check_member(const char *name, const json_t *value, struct err *err)
{
    static const char *const names[] = {
        [TEXT] = "a text", [FLAG] = "true or false", [COUNT] = "a whole number from 0",
        [LIST] = "a list", [OBJECT] = "an object",   [LIST_OR_OBJECT] = "a list or an object",
    };

    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (strcmp(members[i].name, name) == 0)
            return json_is_null(value) || fits(members[i].type, value) ||
                   err_set(err, ERR_INVALID, "'%s' must be %s", name, names[members[i].type]);
    return true;
}
