/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <sys/random.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "control/sign_key.h"

/* One digit again and again was not drawn. */
static bool is_key(struct str text)
{
    bool is_drawn = false;

    for (size_t i = 0; i < text.len; i++) {
        if (!((text.ptr[i] >= '0' && text.ptr[i] <= '9') ||
              (text.ptr[i] >= 'a' && text.ptr[i] <= 'f')))
            return false;
        is_drawn = is_drawn || text.ptr[i] != text.ptr[0];
    }
    return is_drawn && text.len == SIGN_KEY_TEXT_BYTES - 1;
}

static bool make_key(const char *path, char *ret, struct err *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[SIGN_KEY_BYTES];
    char text[SIGN_KEY_TEXT_BYTES] = "";

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return err_sys(err, "cannot draw a key");
    for (size_t i = 0; i < sizeof bytes; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    if (!file_write(path, str_of(text), 0600, err))
        return false;
    memcpy(ret, text, sizeof text);
    return true;
}

bool sign_key_open(const char *state_dir, char *ret, struct err *err)
{
    AUTO(buf_done) struct buf path = {0}, text = {0};

    buf_addf(&path, "%s/edge.key", state_dir);
    if (!file_read(buf_text(&path), 4096, &text, err))
        return err->code == ERR_NOT_FOUND && make_key(buf_text(&path), ret, err);
    if (!is_key(buf_str(&text)))
        return err_set(err, ERR_INVALID, "'%s' is not a key; remove it, and a new one is made",
                       buf_text(&path));
    memcpy(ret, buf_text(&text), SIGN_KEY_TEXT_BYTES);
    explicit_bzero(text.ptr, text.len);
    return true;
}
