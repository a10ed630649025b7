/* SPDX-License-Identifier: Apache-2.0
 *
 * The PROXY protocol: the result does not change with what follows a header or,
 * once it is decided, with how much of the input is there; a source that was
 * read can be written and read again.
 */
#include "base/base.h"

#include "edge/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_written(const struct proxy_protocol *header, unsigned version)
{
    char bytes[PROXY_PROTOCOL_OUT_BYTES];
    struct proxy_protocol again;
    const char *why;

    size_t len = proxy_protocol_format(version, &header->source, &header->destination, bytes);
    assert(len <= sizeof bytes);
    assert(proxy_protocol_parse(str_from(bytes, len), &again, &why) == PROXY_PROTOCOL_DONE);
    assert(again.has_source && again.header_bytes == len);
    assert(socket_address_port(&again.source) == socket_address_port(&header->source));
    assert(again.source.any.sa_family == header->source.any.sa_family);
    if (again.source.any.sa_family == AF_INET)
        assert(again.source.v4.sin_addr.s_addr == header->source.v4.sin_addr.s_addr);
    else
        assert(memcmp(&again.source.v6.sin6_addr, &header->source.v6.sin6_addr, 16) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = str_from(data, MIN(size, (size_t)PROXY_PROTOCOL_MAX_BYTES + 100));
    struct proxy_protocol header, part;
    const char *why = NULL;
    enum proxy_protocol_result result = proxy_protocol_parse(input, &header, &why);

    assert(result != PROXY_PROTOCOL_BAD || why != NULL);
    assert(result != PROXY_PROTOCOL_MORE || input.len < PROXY_PROTOCOL_MAX_BYTES);
    for (size_t len = 0; len < input.len; len++) {
        enum proxy_protocol_result early = proxy_protocol_parse(str_from(data, len), &part, &why);
        assert(early == PROXY_PROTOCOL_MORE || early == result);
        assert(result == PROXY_PROTOCOL_BAD ||
               (early == PROXY_PROTOCOL_DONE) ==
                   (result == PROXY_PROTOCOL_DONE && len >= header.header_bytes));
    }
    if (result != PROXY_PROTOCOL_DONE)
        return 0;
    assert(header.header_bytes > 0 && header.header_bytes <= input.len);
    for (unsigned version = 1; header.has_source && version <= 2; version++)
        check_written(&header, version);
    return 0;
}
