/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <arpa/inet.h>

#include "base/cidr.h"
#include "base/err.h"

enum { V4_BITS = 96 };

static const uint8_t mapped[V4_BITS / 8] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool cidr_parse_address(struct str text, uint8_t ret[CIDR_ADDRESS_BYTES])
{
    char copy[INET6_ADDRSTRLEN];
    uint8_t v4[4];

    if (text.len == 0 || text.len >= sizeof copy || memchr(text.ptr, '\0', text.len) != NULL)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, v4) == 1) {
        memcpy(ret, mapped, sizeof mapped);
        memcpy(ret + sizeof mapped, v4, sizeof v4);
        return true;
    }
    return inet_pton(AF_INET6, copy, ret) == 1;
}

/* The bits of byte <i> that a prefix of <bits> covers. */
static uint8_t mask_of(uint8_t bits, size_t i)
{
    size_t from = i * 8;

    if (bits >= from + 8)
        return 0xff;
    if (bits <= from)
        return 0;
    return (uint8_t)(0xff << (from + 8 - bits));
}

bool cidr_parse(struct str text, struct cidr *ret, struct err *err)
{
    struct cidr cidr = {0};
    struct str rest = text;
    struct str address = str_cut(&rest, '/');
    uint64_t bits;

    if (!cidr_parse_address(address, cidr.bytes))
        return err_set(err, ERR_INVALID,
                       "'" STR_FMT "' is no range of addresses, write 10.0.0.0/8 or ::1",
                       (int)MIN(text.len, 80), text.ptr);
    bool is_v4 = str_find(address, ':') == address.len;
    uint64_t most = is_v4 ? 32 : 128;
    if (rest.ptr == NULL)
        bits = most;
    else if (!str_to_u64(rest, most, &bits))
        return err_set(err, ERR_INVALID, "'" STR_FMT "': the prefix must be 0 to %u", STR_ARG(text),
                       (unsigned)most);
    cidr.bits = (uint8_t)(is_v4 ? bits + V4_BITS : bits);
    for (size_t i = 0; i < CIDR_ADDRESS_BYTES; i++)
        if ((cidr.bytes[i] & (uint8_t)~mask_of(cidr.bits, i)) != 0)
            return err_set(err, ERR_INVALID,
                           "'" STR_FMT "' has bits behind its prefix, write the first address "
                           "of the range",
                           STR_ARG(text));
    *ret = cidr;
    return true;
}

bool cidr_covers(const struct cidr *cidr, const uint8_t address[CIDR_ADDRESS_BYTES])
{
    size_t whole = cidr->bits / 8;

    if (memcmp(cidr->bytes, address, whole) != 0)
        return false;
    return whole == CIDR_ADDRESS_BYTES ||
           ((cidr->bytes[whole] ^ address[whole]) & mask_of(cidr->bits, whole)) == 0;
}

bool cidr_find(const struct cidr *cidrs, size_t count, const uint8_t address[CIDR_ADDRESS_BYTES])
{
    for (size_t i = 0; i < count; i++)
        if (cidr_covers(&cidrs[i], address))
            return true;
    return false;
}

bool cidr_is_v4(const uint8_t address[CIDR_ADDRESS_BYTES])
{
    return memcmp(address, mapped, sizeof mapped) == 0;
}

bool cidr_is_loopback(const uint8_t address[CIDR_ADDRESS_BYTES])
{
    static const struct cidr ranges[] = {
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 0}, V4_BITS + 8},
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128}};

    return cidr_find(ranges, ARRAY_LEN(ranges), address);
}
