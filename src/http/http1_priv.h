/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the HTTP/1 head parser: http1_parser.c reads bytes into
 * lines, http1_target.c reads the target and hosts, http1_fields.c gives the
 * headers their meaning. HTTP1_DONE from one of these means "go on".
 *
 * Whatever is refused is refused at the first byte that makes it wrong, looking
 * at nothing behind it: how a head was cut into reads cannot change the verdict.
 */
#pragma once

#include "http/http1.h"

struct http1_reader {
    const char *at; /* next byte to read */
    const char *end;
    struct http1_head *head;
    const char *why;
    struct str host; /* value of the Host header, ptr NULL when there is none */
    bool is_request;
    bool has_transfer_encoding;
    bool has_close; /* tokens of Connection */
    bool has_keep_alive;
    bool has_upgrade;
    bool names_headers; /* Connection has tokens beside those three */
    unsigned connection_tokens;
};

/* Sets why and the status to answer; returns <result>. */
enum http1_result http1_refuse(struct http1_reader *reader, enum http1_result result, int status,
                               const char *why);

static inline enum http1_result http1_bad(struct http1_reader *reader, const char *why)
{
    return http1_refuse(reader, HTTP1_BAD, 400, why);
}

/* A decimal number of at most 19 digits, which 64 bits hold without a check on
 * the way; str_to_u64() divides at every digit. */
static inline bool http1_read_digits(struct str text, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;

    if (text.len == 0 || text.len > 19)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *ret = value;
    return value <= max;
}

/* Splits head->target into path, query and host by the method's rules. */
enum http1_result http1_split_target(struct http1_reader *reader);

/* Name or address with an optional port, as in Host; not empty. */
bool http1_check_authority(struct str authority, bool needs_port);

/* Takes note of a header that was just read and means something here. */
enum http1_result http1_note_header(struct http1_reader *reader, const struct http_header *header);

/* After the blank line: framing, keep-alive, hop-by-hop marks. */
enum http1_result http1_finish_request(struct http1_reader *reader);
enum http1_result http1_finish_response(struct http1_reader *reader, enum http_method method);
