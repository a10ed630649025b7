/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/h2_head.h"
#include "http/http_names.h"

enum { FIELD_OVERHEAD_BYTES = 32 };

static const struct str pseudo_names[H2_PSEUDOS] = {
    [H2_AUTHORITY] = {":authority", 10},
    [H2_METHOD] = {":method", 7},
    [H2_PATH] = {":path", 5},
    [H2_PROTOCOL] = {":protocol", 9},
    [H2_SCHEME] = {":scheme", 7},
    [H2_STATUS] = {":status", 7},
    [H2_HOST] = {"host", 4},
};

void h2_head_clear(struct h2_head *head, struct spill_pool *pool)
{
    spill_free(pool, head->pseudo);
    spill_free(pool, head->lines);
    spill_free(pool, head->cookies);
    *head = (struct h2_head){0};
}

static bool is_made_of(struct str text, uint8_t classes)
{
    for (size_t i = 0; i < text.len; i++)
        if (!http_is(text.ptr[i], classes))
            return false;
    return text.len > 0;
}

static bool has_control(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (http_is(text.ptr[i], HTTP_CLASS_CONTROL))
            return true;
    return false;
}

static void add_text(struct spill_pool *pool, struct spill **spill, struct str text)
{
    if (text.len > 0)
        spill_add(pool, spill, text.ptr, text.len);
}

static void add_line(struct spill_pool *pool, struct spill **spill, struct str name,
                     struct str value)
{
    add_text(pool, spill, name);
    add_text(pool, spill, STR(": "));
    add_text(pool, spill, value);
    add_text(pool, spill, STR("\r\n"));
}

static struct str pseudo_of(const struct h2_head *head, enum h2_pseudo which)
{
    return head->has[which] ? str_from(head->pseudo->bytes + head->from[which], head->len[which])
                            : (struct str){0};
}

static void add_pseudo(struct h2_head *head, struct spill_pool *pool, enum h2_pseudo which,
                       struct str value)
{
    if (head->has[which] || value.len == 0) {
        head->malformed = true;
        return;
    }
    head->from[which] = head->pseudo == NULL ? 0 : head->pseudo->end;
    head->len[which] = (uint32_t)value.len;
    head->has[which] = true;
    add_text(pool, &head->pseudo, value);
}

void h2_head_add(struct h2_head *head, struct spill_pool *pool, struct str name, struct str value)
{
    head->list_bytes += (uint32_t)(name.len + value.len + FIELD_OVERHEAD_BYTES);
    if (head->list_bytes > H2_HEADER_LIST_BYTES)
        head->too_large = true;
    if (head->too_large)
        return;
    if (has_control(value)) {
        head->malformed = true;
        return;
    }
    for (enum h2_pseudo i = 0; i < H2_PSEUDOS; i++)
        if (str_eq(name, pseudo_names[i])) {
            add_pseudo(head, pool, i, value);
            return;
        }
    if (!is_made_of(name, HTTP_CLASS_TOKEN)) {
        head->malformed = true;
    } else if (str_is(name, "sec-websocket-key") && head->has[H2_PROTOCOL]) {
        return; /* the edge makes its own */
    } else if (str_is(name, "cookie")) {
        if (head->cookies != NULL)
            add_text(pool, &head->cookies, STR("; "));
        add_text(pool, &head->cookies, value);
    } else {
        head->has_length = head->has_length || str_is(name, "content-length");
        add_line(pool, &head->lines, name, value);
    }
}

bool h2_head_is_websocket(const struct h2_head *head)
{
    return str_is(pseudo_of(head, H2_METHOD), "CONNECT") &&
           str_is(pseudo_of(head, H2_PROTOCOL), "websocket");
}

/* A CONNECT that is not extended has an authority and nothing else (RFC 9113, 8.5). */
static int check_connect(const struct h2_head *head)
{
    if (!head->has[H2_AUTHORITY] || head->has[H2_PATH] || head->has[H2_SCHEME])
        return 400;
    return 0;
}

static int check(const struct h2_head *head)
{
    struct str method = pseudo_of(head, H2_METHOD), path = pseudo_of(head, H2_PATH);
    struct str scheme = pseudo_of(head, H2_SCHEME), host = pseudo_of(head, H2_HOST);

    if (head->too_large)
        return 431;
    if (head->malformed || head->has[H2_STATUS] || !is_made_of(method, HTTP_CLASS_TOKEN))
        return 400;
    if (head->has[H2_AUTHORITY] && head->has[H2_HOST] &&
        !str_eq_nocase(host, pseudo_of(head, H2_AUTHORITY)))
        return 400;
    if (head->has[H2_PROTOCOL] && !str_is(method, "CONNECT"))
        return 400;
    if (str_is(method, "CONNECT") && !head->has[H2_PROTOCOL])
        return check_connect(head);
    if (head->has[H2_PROTOCOL] && !h2_head_is_websocket(head))
        return 501;
    if (!str_is(scheme, "http") && !str_is(scheme, "https"))
        return 400;
    if (path.len > H2_TARGET_BYTES)
        return 414;
    if (!is_made_of(path, HTTP_CLASS_TARGET))
        return 400;
    return path.ptr[0] == '/' || (str_is(path, "*") && str_is(method, "OPTIONS")) ? 0 : 400;
}

static void add_upgrade(struct spill_pool *pool, struct spill **text, const char *key)
{
    add_text(pool, text, STR("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
    add_line(pool, text, STR("Sec-WebSocket-Key"), str_from(key, H2_KEY_BYTES));
}

int h2_head_write_request(const struct h2_head *head, struct spill_pool *pool, bool ended,
                          const char key[H2_KEY_BYTES], struct spill **ret)
{
    int refused = check(head);
    bool websocket = h2_head_is_websocket(head);
    struct str authority = pseudo_of(head, head->has[H2_AUTHORITY] ? H2_AUTHORITY : H2_HOST);
    struct spill *text = NULL;

    if (refused != 0)
        return refused;
    add_text(pool, &text, websocket ? STR("GET") : pseudo_of(head, H2_METHOD));
    add_text(pool, &text, STR(" "));
    add_text(pool, &text, head->has[H2_PATH] ? pseudo_of(head, H2_PATH) : authority);
    add_text(pool, &text, STR(" HTTP/1.1\r\n"));
    if (authority.len > 0)
        add_line(pool, &text, STR("Host"), authority);
    add_text(pool, &text, spill_str(head->lines));
    if (head->cookies != NULL)
        add_line(pool, &text, STR("cookie"), spill_str(head->cookies));
    if (websocket)
        add_upgrade(pool, &text, key);
    else if (!ended && !head->has_length)
        add_line(pool, &text, STR("Transfer-Encoding"), STR("chunked"));
    add_text(pool, &text, STR("\r\n"));
    *ret = text;
    return 0;
}

/* Those that the edge writes itself for HTTP/1.1, and the answer to a key that the client of an
 * extended CONNECT has not sent. The target's own hop-by-hop headers are gone already. */
static bool is_for_http1(struct str name)
{
    return str_is(name, "connection") || str_is(name, "transfer-encoding") ||
           str_is(name, "upgrade") || str_is(name, "sec-websocket-accept");
}

static nghttp2_nv field(struct str name, struct str value)
{
    nghttp2_nv nv = {.namelen = name.len, .valuelen = value.len};

    memcpy(&nv.name, &name.ptr, sizeof nv.name);
    memcpy(&nv.value, &value.ptr, sizeof nv.value);
    /* secrets, and seldom the same again */
    if (str_is(name, "set-cookie") || str_is(name, "cookie") || str_is(name, "authorization"))
        nv.flags = NGHTTP2_NV_FLAG_NO_INDEX;
    return nv;
}

static struct str lower_name(char *at, const char *end)
{
    const char *from = at;

    for (; at < end && *at != ':'; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at | 0x20);
    return str_from(from, (size_t)(at - from));
}

/* The line at *<at>, which is moved behind it. False: the end, or a blank line. */
static bool next_line(char **at, const char *end, struct str *ret_name, struct str *ret_value)
{
    char *line = *at;
    char *line_end = line < end && *line != '\r' ? memchr(line, '\n', (size_t)(end - line)) : NULL;

    if (line_end == NULL)
        return false;
    *ret_name = lower_name(line, line_end);
    const char *value = ret_name->ptr + ret_name->len + 1;
    *ret_value = str_trim(str_from(value, (size_t)(line_end - 1 - value)));
    *at = line_end + 1;
    return true;
}

size_t h2_head_read_response(char *text, size_t len, nghttp2_nv ret[H2_FIELDS_MAX])
{
    static const size_t status_at = sizeof "HTTP/1.1 " - 1;
    char *at = memchr(text, '\n', len), *end = text + len;
    bool switches = memcmp(text + status_at, "101", 3) == 0;
    struct str name, value;
    size_t count = 1;

    assert(at != NULL);
    ret[0] = field(STR(":status"), switches ? STR("200") : str_from(text + status_at, 3));
    for (at++; next_line(&at, end, &name, &value);)
        if (!is_for_http1(name)) {
            assert(count < H2_FIELDS_MAX);
            ret[count++] = field(name, value);
        }
    return count;
}

size_t h2_head_read_trailers(char *text, size_t len, nghttp2_nv ret[H2_FIELDS_MAX])
{
    char *at = text;
    struct str name, value;
    size_t count = 0;

    while (count < H2_FIELDS_MAX && next_line(&at, text + len, &name, &value))
        if (http_name_find(name) == HTTP_OTHER)
            ret[count++] = field(name, value);
    return count;
}

/* ---- for targets ---- */

/* Of one connection, or said in another way by HTTP/2. */
static bool is_of_connection(struct str name)
{
    return is_for_http1(name) || str_is(name, "keep-alive") || str_is(name, "te") ||
           str_is(name, "proxy-connection") || str_is(name, "http2-settings") ||
           str_is(name, "host");
}

size_t h2_head_read_request(char *text, size_t len, bool wants_trailers,
                            nghttp2_nv ret[H2_FIELDS_MAX])
{
    char *at = memchr(text, '\n', len), *end = text + len;
    struct str line = str_from(text, at == NULL ? 0 : (size_t)(at - text));
    struct str method = str_cut(&line, ' '), path = str_cut(&line, ' ');
    struct str name, value;
    size_t count = 3;
    bool has_host = false;

    assert(at != NULL);
    ret[0] = field(STR(":method"), method);
    ret[1] = field(STR(":scheme"), STR("http"));
    ret[2] = field(STR(":path"), path);
    for (at++; next_line(&at, end, &name, &value);) {
        if (count + 1 >= H2_FIELDS_MAX)
            return 0;
        if (str_is(name, "host") && !has_host && count == 3 && value.len > 0) {
            ret[count++] = field(STR(":authority"), value);
            has_host = true;
        } else if (!is_of_connection(name)) {
            ret[count++] = field(name, value);
        }
    }
    if (wants_trailers)
        ret[count++] = field(STR("te"), STR("trailers"));
    return count;
}

static bool has_pseudo(const struct h2_head *head, enum h2_pseudo but)
{
    for (enum h2_pseudo i = 0; i < H2_HOST; i++)
        if (head->has[i] && i != but)
            return true;
    return false;
}

bool h2_head_write_response(const struct h2_head *head, struct spill_pool *pool, uint32_t limit,
                            struct spill **ret)
{
    struct str status = pseudo_of(head, H2_STATUS);
    struct spill *text = NULL;
    uint64_t number;

    if (head->malformed || head->too_large || head->list_bytes > limit || status.len != 3 ||
        !str_to_u64(status, 599, &number) || has_pseudo(head, H2_STATUS))
        return false;
    add_text(pool, &text, STR("HTTP/1.1 "));
    add_text(pool, &text, status);
    add_text(pool, &text, STR(" "));
    add_text(pool, &text, str_of(http_status_text((int)number)));
    add_text(pool, &text, STR("\r\n"));
    add_text(pool, &text, spill_str(head->lines));
    add_text(pool, &text, STR("\r\n"));
    *ret = text;
    return true;
}

bool h2_head_is_interim(const struct h2_head *head)
{
    return str_starts(pseudo_of(head, H2_STATUS), STR("1"));
}

bool h2_head_take_trailers(struct h2_head *head, uint32_t limit, struct spill **ret)
{
    if (head->malformed || head->too_large || head->list_bytes > limit ||
        has_pseudo(head, H2_PSEUDOS))
        return false;
    *ret = TAKE(head->lines);
    return true;
}
