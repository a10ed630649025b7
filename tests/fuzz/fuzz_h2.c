/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an HTTP/2 connection, through the edge's own code and a real
 * socket: what it answers must be whole frames whose header blocks a client can
 * read, and when the client leaves nothing of the connection may remain. The guard must judge a
 * connection by its bytes, however they are cut. A first byte that is even puts the preface and
 * empty SETTINGS in front.
 */
#include "base/base.h"

#include "../unit/h2_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 64 * 1024, ROUNDS = 6, QUIET_ROUNDS = 2 };

static struct worker *worker;

static void check_guard(const uint8_t *data, size_t size)
{
    struct h2_guard whole = {0}, parts = {0};
    enum h2_cost verdict = h2_guard_read(&whole, data, size, 1), part = H2_COST_NONE;

    for (size_t i = 0; i < size && part == H2_COST_NONE; i++)
        part = h2_guard_read(&parts, data + i, 1, 1);
    assert(part == verdict);
    assert(verdict != H2_COST_NONE || h2_guard_is_waiting(&whole) == h2_guard_is_waiting(&parts));
}

/* A header block, whole in one frame: it can be decompressed, a head begins with its status, and no
 * name is of HTTP/1.1 alone or has a capital letter (RFC 9113, 8.2). */
static void check_block(nghttp2_hd_inflater *inflater, const uint8_t *at, size_t len)
{
    int flags = 0;
    size_t count = 0;

    while ((flags & NGHTTP2_HD_INFLATE_FINAL) == 0) {
        nghttp2_nv field;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &field, &flags, at, len, 1);
        assert(used >= 0 && (size_t)used <= len);
        at += used;
        len -= (size_t)used;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0)
            continue;
        struct str name = str_from(field.name, field.namelen);
        assert((count++ == 0) == str_is(name, ":status"));
        assert(!str_is(name, "connection") && !str_is(name, "transfer-encoding"));
        for (size_t i = 0; i < name.len; i++)
            assert(name.ptr[i] < 'A' || name.ptr[i] > 'Z');
    }
    assert(len == 0);
    (void)nghttp2_hd_inflate_end_headers(inflater);
}

/* Frames of RFC 9113, 4.1, unless it is an answer in HTTP/1.1. */
static void check_frames(nghttp2_hd_inflater *inflater, const uint8_t *at, size_t len)
{
    bool whole = true;

    if (len >= 5 && memcmp(at, "HTTP/", 5) == 0)
        return;
    while (len > 0 && whole) {
        whole = len >= H2_FRAME_HEAD_BYTES;
        if (!whole)
            break;
        size_t payload = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
        assert(payload <= H2_MAX_FRAME_BYTES);
        assert(at[3] <= 9 && at[3] != 5); /* no push, and nothing that is not registered */
        assert(at[8] % 2 == 1 || (at[5] | at[6] | at[7] | at[8]) == 0);
        whole = len >= H2_FRAME_HEAD_BYTES + payload;
        if (whole && at[3] == NGHTTP2_HEADERS) {
            assert(at[4] & NGHTTP2_FLAG_END_HEADERS);
            assert((at[4] & (NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_PRIORITY)) == 0);
            check_block(inflater, at + H2_FRAME_HEAD_BYTES, payload);
        }
        if (whole) {
            at += H2_FRAME_HEAD_BYTES + payload;
            len -= H2_FRAME_HEAD_BYTES + payload;
        }
    }
    assert(whole);
}

static void check_answer(const uint8_t *at, size_t len)
{
    nghttp2_hd_inflater *inflater;
    int failed = nghttp2_hd_inflate_new(&inflater);

    assert(failed == 0);
    check_frames(inflater, at, len);
    nghttp2_hd_inflate_del(inflater);
}

static void run(const uint8_t *data, size_t size)
{
    static uint8_t answer[4 * 1024 * 1024];
    size_t sent = 0, got = 0;
    int fd = h2_rig_connect(worker);

    for (int quiet = 0; quiet < QUIET_ROUNDS;) {
        ssize_t n = sent < size ? send(fd, data + sent, size - sent, MSG_NOSIGNAL) : 0;
        sent = n < 0 ? size : sent + (size_t)n;
        loop_round(worker->loop, 0);
        ssize_t m = read(fd, answer + got, sizeof answer - got);
        got += m > 0 ? (size_t)m : 0;
        quiet = n > 0 || m > 0 ? 0 : quiet + 1;
    }
    check_answer(answer, got);
    (void)close(fd);
    for (int i = 0; i < ROUNDS && !list_is_empty(&worker->clients); i++)
        loop_round(worker->loop, 0);
    assert(list_is_empty(&worker->clients) && list_is_empty(&worker->h2_dirty));
    assert(worker->counters[COUNT_CONNECTIONS_OPEN] == 0);
    loop_round(worker->loop, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[MAX_BYTES + H2_PREFACE_BYTES + H2_FRAME_HEAD_BYTES];
    size_t len = 0;

    if (worker == NULL)
        worker = h2_rig_worker();
    if (size == 0 || size > MAX_BYTES)
        return 0;
    if (data[0] % 2 == 0) {
        memcpy(bytes, NGHTTP2_CLIENT_MAGIC, H2_PREFACE_BYTES);
        len = H2_PREFACE_BYTES;
        memcpy(bytes + len, "\0\0\0\4\0\0\0\0\0", H2_FRAME_HEAD_BYTES);
        len += H2_FRAME_HEAD_BYTES;
    }
    memcpy(bytes + len, data + 1, size - 1);
    check_guard(bytes, len + size - 1);
    run(bytes, len + size - 1);
    return 0;
}
