/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/interpolate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *find(void *context, struct str name)
{
    (void)context;
    return name.len % 3 == 0 ? NULL : name.len % 3 == 1 ? "" : "va$lue";
}

/* A text without a dollar stays as it is; doubling every dollar of any text gives it back. */
static void check_escaping(struct str text)
{
    AUTO(buf_done) struct buf doubled = {0};
    AUTO(buf_done) struct buf out = {0};
    const struct interpolate with = {find, NULL, NULL};
    struct err err;

    for (size_t i = 0; i < text.len; i++) {
        buf_add_char(&doubled, text.ptr[i]);
        if (text.ptr[i] == '$')
            buf_add_char(&doubled, '$');
    }
    if (doubled.len > INTERPOLATE_BYTES_MAX)
        return;
    bool done = interpolate_text(&with, buf_str(&doubled), &out, &err);
    assert(done && str_eq(buf_str(&out), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf_done) struct buf out = {0};
    const struct interpolate with = {find, NULL, NULL};
    struct err err = {0};

    if (interpolate_text(&with, str_from(data, size), &out, &err))
        assert(out.len <= INTERPOLATE_BYTES_MAX);
    else
        assert(err.code != ERR_NONE && err.text[0] != '\0');
    check_escaping(str_from(data, size));
    return 0;
}
