/* SPDX-License-Identifier: Apache-2.0
 *
 * Any fields as a header block of HTTP/2, a request's and an answer's: what
 * becomes text of HTTP/1.1 and passes the strict parser has the same method, path
 * and host, no line that was no field, and read back it is the same list. Fields
 * are apart by byte 0xfe, name and value by 0xfd.
 */
#include "base/base.h"

#include "edge/h2_head.h"
#include "http/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELD_END = 0xfe, NAME_END = 0xfd, MAX_BYTES = 16 * 1024, FIELDS = 90 };

struct field {
    struct str name;
    struct str value;
};

static size_t read_fields(struct str text, struct field ret[FIELDS])
{
    size_t count = 0;

    while (text.ptr != NULL && count < FIELDS) {
        struct str value = str_cut(&text, (char)FIELD_END);
        ret[count].name = str_cut(&value, (char)NAME_END);
        ret[count++].value = value.ptr == NULL ? STR("") : value;
    }
    return count;
}

static struct str value_of(const struct field *fields, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(fields[i].name, name))
            return fields[i].value;
    return (struct str){0};
}

/* A header of <head> came as a field, or is one of those that the edge adds. */
static bool came(const struct field *fields, size_t count, const struct http_header *header)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(fields[i].name, header->name) &&
            str_eq(str_trim(fields[i].value), header->value))
            return true;
    return str_is(header->name, "Host") || str_is(header->name, "cookie") ||
           str_is(header->name, "Connection") || str_is(header->name, "Upgrade") ||
           str_is(header->name, "Sec-WebSocket-Key") || str_is(header->name, "Transfer-Encoding");
}

static void check_request(const struct h2_head *block, struct spill_pool *pool,
                          const struct field *fields, size_t count)
{
    static struct http1_head head;
    struct spill *text = NULL;
    const char *why = NULL;

    int status =
        h2_head_write_request(block, pool, count % 2 == 0, "AAAAAAAAAAAAAAAAAAAAAA==", &text);
    assert(status == 0 || (status >= 400 && status <= 501 && text == NULL));
    struct str bytes = spill_str(text);
    if (status == 0 && http1_parse_request(bytes, &head, &why) == HTTP1_DONE &&
        head.head_bytes == bytes.len) {
        struct str host = value_of(fields, count, STR(":authority"));
        if (host.ptr == NULL)
            host = value_of(fields, count, STR("host"));
        struct str path = value_of(fields, count, STR(":path"));
        assert(path.ptr == NULL ? head.method == HTTP_CONNECT : str_eq(head.target, path));
        assert(host.ptr == NULL || str_eq(head.host, str_trim(host)));
        assert(h2_head_is_websocket(block) == head.upgrade ||
               value_of(fields, count, STR("connection")).ptr != NULL ||
               value_of(fields, count, STR("upgrade")).ptr != NULL); /* nghttp2 refuses both */
        assert(head.header_count <= count + 4);
        for (size_t i = 0; i < head.header_count; i++)
            assert(came(fields, count, &head.headers[i]));
    }
    spill_free(pool, text);
}

/* Fields that come back are those that went in, in their order; cookies are kept as they are. */
static void check_back(struct spill *text, const struct http1_head *head)
{
    nghttp2_nv back[H2_FIELDS_MAX];
    size_t at = 0;

    size_t count = h2_head_read_response(text->bytes + text->from, spill_str(text).len, back);
    assert(count >= 1 && count <= head->header_count + 1);
    assert(str_is(str_from(back[0].name, back[0].namelen), ":status"));
    for (size_t i = 1; i < count; i++) {
        struct str name = str_from(back[i].name, back[i].namelen);
        struct str value = str_from(back[i].value, back[i].valuelen);
        for (size_t k = 0; k < name.len; k++)
            assert(name.ptr[k] < 'A' || name.ptr[k] > 'Z');
        while (at < head->header_count && !str_eq_nocase(head->headers[at].name, name))
            at++;
        assert(at < head->header_count && str_eq(head->headers[at].value, value));
        at++;
    }
}

static void check_response(const struct h2_head *block, struct spill_pool *pool)
{
    static struct http1_head head;
    struct spill *text = NULL;
    const char *why = NULL;

    if (!h2_head_write_response(block, pool, H2_HEADER_LIST_BYTES, &text))
        return;
    struct str bytes = spill_str(text);
    if (http1_parse_response(bytes, HTTP_GET, &head, &why) == HTTP1_DONE &&
        head.head_bytes == bytes.len)
        check_back(text, &head);
    spill_free(pool, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct spill_pool pool;
    static struct field fields[FIELDS];
    struct h2_head block = {0};

    if (size > MAX_BYTES)
        return 0;
    size_t count = read_fields(str_from(data, size), fields);
    for (size_t i = 0; i < count; i++)
        h2_head_add(&block, &pool, fields[i].name, fields[i].value);
    assert(block.list_bytes >= 32 * count);
    check_request(&block, &pool, fields, count);
    check_response(&block, &pool);
    h2_head_clear(&block, &pool);
    assert(block.lines == NULL && block.pseudo == NULL && block.cookies == NULL);
    return 0;
}
