/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "http/http1.h"

/* 15 hexadecimal digits stay below 2^60: sums with other lengths cannot wrap. */
enum { MAX_DIGITS = 15 };

enum state {
    SIZE, /* of a chunk, its first digit next */
    SIZE_DIGITS,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER, /* at the start of a line */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
    END,
    BROKEN,
};

static uint64_t hex_value(char c)
{
    return (uint64_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* Chunk extensions are refused: nobody sends them but who hides a request in them. */
static const char *read_size(struct http1_chunks *chunks, char c)
{
    if (chunks->state == SIZE_LF) {
        if (c != '\n')
            return "CR without LF";
        chunks->state = chunks->left > 0 ? DATA : TRAILER;
        return NULL;
    }
    if (c == '\r' && chunks->state == SIZE_DIGITS) {
        chunks->state = SIZE_LF;
        return NULL;
    }
    if (!http_is(c, HTTP_CLASS_HEX))
        return "bad chunk size";
    if (chunks->state == SIZE) {
        chunks->left = 0;
        chunks->digits = 0;
        chunks->state = SIZE_DIGITS;
    }
    if (++chunks->digits > MAX_DIGITS)
        return "chunk size has too many digits";
    chunks->left = chunks->left * 16 + hex_value(c);
    return NULL;
}

static const char *read_data_end(struct http1_chunks *chunks, char c)
{
    if (c != (chunks->state == DATA_CR ? '\r' : '\n'))
        return "chunk longer than its size";
    chunks->state = chunks->state == DATA_CR ? DATA_LF : SIZE;
    return NULL;
}

static const char *read_trailer_name(struct http1_chunks *chunks, char c)
{
    if (c == '\r' && chunks->state == TRAILER) {
        chunks->state = END_LF;
        return NULL;
    }
    if (c == ':' && chunks->state == TRAILER_NAME) {
        chunks->state = TRAILER_VALUE;
        return NULL;
    }
    chunks->state = TRAILER_NAME;
    return http_is(c, HTTP_CLASS_TOKEN) ? NULL : "bad character in a trailer name";
}

static const char *read_trailer(struct http1_chunks *chunks, char c)
{
    if (++chunks->trailer_bytes > HTTP1_MAX_TRAILER_BYTES)
        return "trailers are too large";
    if (chunks->state == TRAILER || chunks->state == TRAILER_NAME)
        return read_trailer_name(chunks, c);
    if (chunks->state == TRAILER_VALUE) {
        if (c == '\r')
            chunks->state = TRAILER_LF;
        else if (http_is(c, HTTP_CLASS_CONTROL))
            return "control character in a trailer";
        return NULL;
    }
    if (c != '\n')
        return "CR without LF";
    chunks->state = chunks->state == TRAILER_LF ? TRAILER : END;
    return NULL;
}

/* Reads one byte of what stands around the data; NULL, or what is wrong with it. */
static const char *next(struct http1_chunks *chunks, char c)
{
    switch ((enum state)chunks->state) {
    case SIZE:
    case SIZE_DIGITS:
    case SIZE_LF:
        return read_size(chunks, c);
    case DATA_CR:
    case DATA_LF:
        return read_data_end(chunks, c);
    case TRAILER:
    case TRAILER_NAME:
    case TRAILER_VALUE:
    case TRAILER_LF:
    case END_LF:
        return read_trailer(chunks, c);
    case DATA:
    case END:
    case BROKEN:
        break;
    }
    return "broken before";
}

enum http1_result http1_chunks_read(struct http1_chunks *chunks, struct str bytes, size_t *ret_used,
                                    struct str *ret_data, const char **ret_why)
{
    size_t used = 0;
    const char *why = NULL;

    *ret_data = (struct str){0};
    while (chunks->state != END && used < bytes.len && why == NULL) {
        if (chunks->state == DATA) {
            *ret_data = str_sub(bytes, used, MIN(chunks->left, (uint64_t)(bytes.len - used)));
            used += ret_data->len;
            chunks->left -= ret_data->len;
            if (chunks->left == 0)
                chunks->state = DATA_CR;
            break;
        }
        why = next(chunks, bytes.ptr[used++]);
    }
    *ret_used = used;
    if (why == NULL)
        return chunks->state == END ? HTTP1_DONE : HTTP1_MORE;
    chunks->state = BROKEN;
    *ret_why = why;
    return HTTP1_BAD;
}
