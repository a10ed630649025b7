/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/dotenv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names are never empty, values end where they say, sizes stay in their limits. */
static void check(struct str text, bool raw)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(map_done) struct map vars = {0};
    const struct dotenv_source source = {"fuzz.env", raw, NULL, NULL};
    const struct map_entry *entry;
    struct err err = {0};
    size_t bytes = 0;

    if (!dotenv_parse(text, &source, &arena, &vars, &err)) {
        assert(err.code != ERR_NONE && err.text[0] != '\0');
        return;
    }
    for (size_t i = 0; (entry = map_next(&vars, &i)) != NULL;) {
        assert(entry->key_len > 0 && memchr(entry->key, '=', entry->key_len) == NULL);
        bytes += strlen((const char *)entry->value);
    }
    assert(vars.live <= DOTENV_NAMES_MAX && bytes <= DOTENV_VALUES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(str_from(data, size), false);
    check(str_from(data, size), true);
    return 0;
}
