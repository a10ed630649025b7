/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/body.h"

void body_init(struct body *body, const struct http1_head *head, bool chunk_out)
{
    *body = (struct body){
        .framing = head->framing,
        .chunk_out = chunk_out,
        .left = head->framing == HTTP_LENGTH ? head->content_length : 0,
    };
    body->done = head->framing == HTTP_NO_BODY || (head->framing == HTTP_LENGTH && body->left == 0);
}

static bool take_chunks(struct body *body, char *bytes, size_t len, size_t *ret_used,
                        struct str *ret_data)
{
    char *data = bytes;
    size_t at = 0, got = 0;

    body->trailers = (struct str){0};

    while (at < len && !body->done) {
        struct str piece;
        size_t used, before = body->chunks.trailer_bytes;
        const char *why;
        enum http1_result result =
            http1_chunks_read(&body->chunks, str_from(bytes + at, len - at), &used, &piece, &why);
        if (result != HTTP1_MORE && result != HTTP1_DONE)
            return false;
        if (piece.len > 0) {
            if (got == 0)
                data = bytes + (piece.ptr - bytes);
            else
                memmove(data + got, piece.ptr, piece.len);
            got += piece.len;
        }
        at += used;
        before = body->chunks.trailer_bytes - before;
        if (before > 0) /* whatever is read of the trailers is read in one go, as the last thing */
            body->trailers = str_from(bytes + at - before, before);
        body->done = result == HTTP1_DONE;
        if (used == 0 && !body->done)
            break;
    }
    *ret_used = at;
    *ret_data = str_from(data, got);
    return true;
}

bool body_take(struct body *body, char *bytes, size_t len, size_t *ret_used, struct str *ret_data)
{
    size_t used = len;

    switch (body->framing) {
    case HTTP_NO_BODY:
        used = 0;
        break;
    case HTTP_LENGTH:
        used = (size_t)MIN((uint64_t)len, body->left);
        body->left -= used;
        body->done = body->left == 0;
        break;
    case HTTP_UNTIL_CLOSE:
        break;
    case HTTP_CHUNKED:
        if (!take_chunks(body, bytes, len, ret_used, ret_data))
            return false;
        body->bytes += ret_data->len;
        return true;
    }
    *ret_used = used;
    *ret_data = str_from(bytes, used);
    body->bytes += used;
    return true;
}

static struct iovec piece_of(struct str text)
{
    struct iovec iov = {.iov_len = text.len};

    memcpy(&iov.iov_base, &text.ptr, sizeof iov.iov_base);
    return iov;
}

static struct str size_line(size_t size, char line[BODY_LINE_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    char *at = line + BODY_LINE_BYTES;

    *--at = '\n';
    *--at = '\r';
    do
        *--at = digits[size & 15];
    while ((size >>= 4) > 0);
    return str_from(at, (size_t)(line + BODY_LINE_BYTES - at));
}

/* The last chunk, behind what <count> pieces there are. */
static int frame_end(const struct body *body, struct iovec ret[BODY_PIECES], int count)
{
    bool alone = count == 0;

    if (body->trailers_out.len == 0) {
        ret[count++] = piece_of(alone ? STR("0\r\n\r\n") : STR("\r\n0\r\n\r\n"));
        return count;
    }
    ret[count++] = piece_of(alone ? STR("0\r\n") : STR("\r\n0\r\n"));
    ret[count++] = piece_of(body->trailers_out);
    ret[count++] = piece_of(STR("\r\n"));
    return count;
}

int body_frame(const struct body *body, struct str data, char line[BODY_LINE_BYTES],
               struct iovec ret[BODY_PIECES])
{
    int count = 0;

    if (!body->chunk_out) {
        ret[0] = piece_of(data);
        return data.len > 0 ? 1 : 0;
    }
    if (data.len > 0) {
        ret[count++] = piece_of(size_line(data.len, line));
        ret[count++] = piece_of(data);
        if (!body->done)
            ret[count++] = piece_of(STR("\r\n"));
    }
    return body->done ? frame_end(body, ret, count) : count;
}
