/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "http/http1_priv.h"

/* The next element of a comma-separated list (RFC 9110, 5.6.1), without blanks;
 * empty elements are passed over. ptr NULL at the end. */
static struct str next_element(struct str *rest)
{
    while (rest->ptr != NULL) {
        struct str element = str_trim(str_cut(rest, ','));
        if (element.len > 0)
            return element;
    }
    return (struct str){0};
}

static bool is_token(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!http_is(text.ptr[i], HTTP_CLASS_TOKEN))
            return false;
    return text.len > 0;
}

static enum http1_result note_host(struct http1_reader *reader, const struct http_header *header)
{
    if (!reader->is_request)
        return HTTP1_DONE;
    if (reader->host.ptr != NULL)
        return http1_bad(reader, "more than one Host");
    reader->host = header->value;
    if (header->value.len == 0 && reader->head->minor_version == 0)
        return HTTP1_DONE;
    return http1_check_authority(header->value, false) ? HTTP1_DONE : http1_bad(reader, "bad Host");
}

static enum http1_result note_content_length(struct http1_reader *reader,
                                             const struct http_header *header)
{
    struct http1_head *head = reader->head;

    if (head->has_content_length)
        return http1_bad(reader, "more than one Content-Length");
    if (!http1_read_digits(header->value, INT64_MAX, &head->content_length))
        return http1_bad(reader, "bad Content-Length");
    head->has_content_length = true;
    return HTTP1_DONE;
}

/* Only "chunked" can be taken off. Another coding in front of it is a known
 * thing that is not done here; without it at the end nobody knows where the body
 * ends (RFC 9112, 6.3). */
static enum http1_result note_transfer_encoding(struct http1_reader *reader,
                                                const struct http_header *header)
{
    struct str rest = header->value, last = {0}, coding;
    size_t count = 0;

    if (reader->head->minor_version == 0)
        return http1_bad(reader, "Transfer-Encoding in HTTP/1.0");
    if (reader->has_transfer_encoding)
        return http1_bad(reader, "more than one Transfer-Encoding");
    reader->has_transfer_encoding = true;
    if (str_eq_nocase(header->value, STR("chunked")))
        return HTTP1_DONE;
    while ((coding = next_element(&rest)).ptr != NULL) {
        if (!is_token(coding) || str_eq_nocase(last, STR("chunked")))
            return http1_bad(reader, "bad Transfer-Encoding");
        last = coding;
        count++;
    }
    if (count < 2 || !str_eq_nocase(last, STR("chunked")))
        return http1_bad(reader, "bad Transfer-Encoding");
    return http1_refuse(reader, HTTP1_UNSUPPORTED, 501, "transfer coding other than chunked");
}

static enum http1_result note_connection(struct http1_reader *reader,
                                         const struct http_header *header)
{
    struct str rest = header->value, token;

    while ((token = next_element(&rest)).ptr != NULL) {
        if (!is_token(token))
            return http1_bad(reader, "bad Connection");
        if (++reader->connection_tokens > HTTP1_MAX_CONNECTION_TOKENS)
            return http1_bad(reader, "too many tokens in Connection");
        if (str_eq_nocase(token, STR("keep-alive")))
            reader->has_keep_alive = true;
        else if (str_eq_nocase(token, STR("close")))
            reader->has_close = true;
        else if (str_eq_nocase(token, STR("upgrade")))
            reader->has_upgrade = true;
        else
            reader->names_headers = true;
    }
    return HTTP1_DONE;
}

static enum http1_result note_upgrade(struct http1_reader *reader, const struct http_header *header)
{
    if (reader->head->upgrade_protocol.ptr == NULL)
        reader->head->upgrade_protocol = header->value;
    return HTTP1_DONE;
}

static enum http1_result note_expect(struct http1_reader *reader, const struct http_header *header)
{
    if (!reader->is_request || reader->head->minor_version == 0)
        return HTTP1_DONE; /* RFC 9110, 10.1.1: ignored from a 1.0 client */
    if (str_eq_nocase(header->value, STR("100-continue")))
        reader->head->expect_continue = true;
    else
        reader->head->expect_unknown = true;
    return HTTP1_DONE;
}

typedef enum http1_result (*note_fn)(struct http1_reader *reader, const struct http_header *header);

static const note_fn notes[HTTP_NAME_COUNT] = {
    [HTTP_CONNECTION] = note_connection,
    [HTTP_CONTENT_LENGTH] = note_content_length,
    [HTTP_EXPECT] = note_expect,
    [HTTP_HOST] = note_host,
    [HTTP_TRANSFER_ENCODING] = note_transfer_encoding,
    [HTTP_UPGRADE] = note_upgrade,
};

enum http1_result http1_note_header(struct http1_reader *reader, const struct http_header *header)
{
    return notes[header->id] == NULL ? HTTP1_DONE : notes[header->id](reader, header);
}

/* Marks the headers that <token> of Connection names. Those the program knows
 * stay: a client must not be able to strip Host, Authorization or
 * X-Forwarded-For from what the service gets. */
static void mark_named(struct http1_head *head, struct str token)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (head->headers[i].id == HTTP_OTHER && str_eq_nocase(head->headers[i].name, token))
            head->headers[i].hop_by_hop = true;
}

static void mark_hop_by_hop(struct http1_head *head)
{
    for (size_t i = 0; i < head->header_count; i++) {
        if (head->headers[i].id != HTTP_CONNECTION)
            continue;
        struct str rest = head->headers[i].value, token;
        while ((token = next_element(&rest)).ptr != NULL)
            mark_named(head, token);
    }
}

/* What requests and responses have in common (RFC 9112, 9.3). */
static enum http1_result finish(struct http1_reader *reader)
{
    struct http1_head *head = reader->head;

    if (reader->has_transfer_encoding && head->has_content_length)
        return http1_bad(reader, "Transfer-Encoding beside Content-Length");
    head->keep_alive = !reader->has_close && (head->minor_version == 1 || reader->has_keep_alive);
    head->upgrade =
        reader->has_upgrade && head->minor_version == 1 && head->upgrade_protocol.len > 0;
    if (reader->names_headers)
        mark_hop_by_hop(head);
    return HTTP1_DONE;
}

enum http1_result http1_finish_request(struct http1_reader *reader)
{
    struct http1_head *head = reader->head;
    enum http1_result result = finish(reader);

    if (result != HTTP1_DONE)
        return result;
    if (reader->host.ptr == NULL && head->minor_version == 1)
        return http1_bad(reader, "no Host");
    if (head->host.ptr == NULL)
        head->host = reader->host;
    if (reader->has_transfer_encoding)
        head->framing = HTTP_CHUNKED;
    else if (head->content_length > 0)
        head->framing = HTTP_LENGTH;
    head->expect_continue = head->expect_continue && head->framing != HTTP_NO_BODY;
    return HTTP1_DONE;
}

/* RFC 9110, 6.4.1 and RFC 9112, 6.3. */
static bool never_has_body(const struct http1_head *head, enum http_method method)
{
    return method == HTTP_HEAD || head->status < 200 || head->status == 204 ||
           head->status == 304 || (method == HTTP_CONNECT && head->status < 300);
}

enum http1_result http1_finish_response(struct http1_reader *reader, enum http_method method)
{
    struct http1_head *head = reader->head;
    enum http1_result result = finish(reader);

    if (result != HTTP1_DONE)
        return result;
    if ((head->status < 200 || head->status == 204) &&
        (reader->has_transfer_encoding || head->content_length > 0))
        return http1_bad(reader, "body announced with a status that has none");
    if (never_has_body(head, method)) {
        head->framing = HTTP_NO_BODY;
    } else if (reader->has_transfer_encoding) {
        head->framing = HTTP_CHUNKED;
    } else if (head->has_content_length) {
        head->framing = head->content_length > 0 ? HTTP_LENGTH : HTTP_NO_BODY;
    } else {
        head->framing = HTTP_UNTIL_CLOSE;
        head->keep_alive = false;
    }
    return HTTP1_DONE;
}
