/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines that services write, on their way to a terminal: nothing but text and,
 * where asked for, colours gets through; a cut is never too wide.
 */
#include "base/base.h"

#include "cli/text_width.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_clean(struct str cleaned, bool colours)
{
    for (size_t i = 0; i < cleaned.len; i++) {
        uint8_t c = (uint8_t)cleaned.ptr[i];

        if (c == '\033' && colours) {
            assert(i + 2 < cleaned.len && cleaned.ptr[i + 1] == '[');
            for (i += 2; cleaned.ptr[i] != 'm'; i++)
                assert(cleaned.ptr[i] >= 0x20 && cleaned.ptr[i] < 0x40 && i + 1 < cleaned.len);
            continue;
        }
        assert(c >= 0x20 && c != 0x7F);
        assert(!(c == 0xC2 && (uint8_t)cleaned.ptr[i + 1] < 0xA0)); /* U+0080 to U+009F */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t columns = size > 0 ? data[0] : 0;
    struct str text = str_from(data, size);

    for (int colours = 0; colours < 2; colours++) {
        AUTO(buf_done) struct buf cleaned = {0};
        AUTO(buf_done) struct buf again = {0};
        AUTO(buf_done) struct buf cut = {0};

        text_clean(text, colours == 1, &cleaned);
        check_clean(buf_str(&cleaned), colours == 1);
        text_clean(buf_str(&cleaned), false, &again);
        assert(text_width(buf_str(&again)) == text_width(buf_str(&cleaned)));
        text_width_cut(buf_str(&cleaned), columns, &cut);
        assert(text_width(buf_str(&cut)) <= columns);
    }
    AUTO(buf_done) struct buf raw = {0};
    text_width_cut(text, columns, &raw);
    assert(text_width(buf_str(&raw)) <= columns);
    return 0;
}
