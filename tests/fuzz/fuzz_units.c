/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is written so that it reads the same. */
static void check_duration(struct str text)
{
    AUTO(buf_done) struct buf out = {0};
    struct err err;
    uint64_t ns;
    uint64_t again;

    if (!units_parse_duration(text, &ns, &err))
        return;
    units_format_duration(ns, &out);
    bool reads = units_parse_duration(buf_str(&out), &again, &err);
    assert(reads && again == ns);
}

static void check_port(struct str text)
{
    struct units_port port;
    struct err err;

    if (!units_parse_port(text, &port, &err))
        return;
    assert(port.target_first > 0 && port.target_first <= port.target_last);
    assert(port.published_first <= port.published_last);
    assert((port.published_first == 0) == (port.published_last == 0));
}

/* A size is a number of bytes, and that number is the same size. */
static void check_bytes(struct str text)
{
    AUTO(buf_done) struct buf out = {0};
    struct err err = {0};
    uint64_t bytes;
    uint64_t again;

    if (!units_parse_bytes(text, &bytes, &err)) {
        assert(err.code != ERR_NONE && err.text[0] != '\0');
        return;
    }
    assert(bytes <= 1ULL << 60);
    buf_addf(&out, "%llu", (unsigned long long)bytes);
    bool reads = units_parse_bytes(buf_str(&out), &again, &err);
    assert(reads && again == bytes);
}

static void check_range(struct str text)
{
    AUTO(buf_done) struct buf out = {0};
    uint16_t first, last, first_again, last_again;
    struct err err;

    if (!units_parse_port_range(text, &first, &last, &err))
        return;
    assert(first > 0 && first <= last);
    buf_addf(&out, "%u-%u", first, last);
    bool reads = units_parse_port_range(buf_str(&out), &first_again, &last_again, &err);
    assert(reads && first_again == first && last_again == last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_done) struct arena arena = {0};
    struct str text = str_from(data, size);
    const char **words;
    size_t count;
    struct err err = {0};

    check_duration(text);
    check_port(text);
    check_bytes(text);
    check_range(text);
    if (units_split_words(text, &arena, &words, &count, &err))
        assert(count <= UNITS_WORDS_MAX && count <= size);
    return 0;
}
