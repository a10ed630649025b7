/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include "base/mem.h"
#include "edge/coder.h"

enum {
    GZIP_LEVEL = 4,
    GZIP_WINDOW_BITS = 15 + 16, /* with the head of gzip */
    GZIP_MEMORY_LEVEL = 8,
    BROTLI_QUALITY = 3,
    BROTLI_WINDOW_BITS = 18,
    ZSTD_LEVEL = 3,
    ZSTD_WINDOW_BITS = 17,
};

struct coder {
    enum http_coding coding;
    z_stream gzip;
    BrotliEncoderState *brotli;
    ZSTD_CCtx *zstd;
};

/* An encoder of Brotli writes to what it did not get. */
static void *brotli_new(void *user, size_t size)
{
    (void)user;
    return mem_grow(NULL, size);
}

static void *gzip_new(void *user, unsigned count, unsigned size)
{
    (void)user;
    return mem_try(NULL, (size_t)count * size);
}

static void library_free(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

static bool start(struct coder *coder)
{
    switch (coder->coding) {
    case HTTP_CODING_GZIP:
        coder->gzip.zalloc = gzip_new;
        coder->gzip.zfree = library_free;
        return deflateInit2(&coder->gzip, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS,
                            GZIP_MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK;
    case HTTP_CODING_BR:
        coder->brotli = BrotliEncoderCreateInstance(brotli_new, library_free, NULL);
        return coder->brotli != NULL &&
               BrotliEncoderSetParameter(coder->brotli, BROTLI_PARAM_QUALITY, BROTLI_QUALITY) &&
               BrotliEncoderSetParameter(coder->brotli, BROTLI_PARAM_LGWIN, BROTLI_WINDOW_BITS);
    case HTTP_CODING_ZSTD:
        coder->zstd = ZSTD_createCCtx();
        return coder->zstd != NULL &&
               !ZSTD_isError(
                   ZSTD_CCtx_setParameter(coder->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL)) &&
               !ZSTD_isError(
                   ZSTD_CCtx_setParameter(coder->zstd, ZSTD_c_windowLog, ZSTD_WINDOW_BITS));
    case HTTP_CODING_IDENTITY:
        break;
    }
    return false;
}

struct coder *coder_new(enum http_coding coding)
{
    struct coder *coder = NEW(struct coder);

    coder->coding = coding;
    if (!start(coder)) {
        coder_free(coder);
        return NULL;
    }
    return coder;
}

void coder_free(struct coder *coder)
{
    if (coder == NULL)
        return;
    if (coder->coding == HTTP_CODING_GZIP)
        (void)deflateEnd(&coder->gzip);
    BrotliEncoderDestroyInstance(coder->brotli);
    (void)ZSTD_freeCCtx(coder->zstd);
    free(coder);
}

enum http_coding coder_coding(const struct coder *coder)
{
    return coder->coding;
}

bool coder_reset(struct coder *coder)
{
    if (coder->coding == HTTP_CODING_GZIP)
        return deflateReset(&coder->gzip) == Z_OK;
    return coder->coding == HTTP_CODING_ZSTD &&
           !ZSTD_isError(ZSTD_CCtx_reset(coder->zstd, ZSTD_reset_session_only));
}

static ssize_t run_gzip(struct coder *coder, struct str *in, enum coder_mode mode, char *out,
                        size_t room, bool *ret_more)
{
    static const int modes[] = {Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH};
    z_stream *stream = &coder->gzip;

    memcpy(&stream->next_in, &in->ptr, sizeof stream->next_in);
    stream->avail_in = (unsigned)in->len;
    stream->next_out = (unsigned char *)out;
    stream->avail_out = (unsigned)room;
    int result = deflate(stream, modes[mode]);
    if (result == Z_STREAM_ERROR)
        return -1;
    *in = str_sub(*in, in->len - stream->avail_in, SIZE_MAX);
    *ret_more = mode == CODER_END ? result != Z_STREAM_END : stream->avail_out == 0;
    return (ssize_t)(room - stream->avail_out);
}

static ssize_t run_brotli(struct coder *coder, struct str *in, enum coder_mode mode, char *out,
                          size_t room, bool *ret_more)
{
    static const BrotliEncoderOperation modes[] = {BROTLI_OPERATION_PROCESS, BROTLI_OPERATION_FLUSH,
                                                   BROTLI_OPERATION_FINISH};
    const uint8_t *next_in = (const uint8_t *)in->ptr;
    uint8_t *next_out = (uint8_t *)out;
    size_t in_left = in->len, out_left = room;

    if (!BrotliEncoderCompressStream(coder->brotli, modes[mode], &in_left, &next_in, &out_left,
                                     &next_out, NULL))
        return -1;
    *in = str_sub(*in, in->len - in_left, SIZE_MAX);
    *ret_more = in_left > 0 || BrotliEncoderHasMoreOutput(coder->brotli) ||
                (mode == CODER_END && !BrotliEncoderIsFinished(coder->brotli));
    return (ssize_t)(room - out_left);
}

static ssize_t run_zstd(struct coder *coder, struct str *in, enum coder_mode mode, char *out,
                        size_t room, bool *ret_more)
{
    static const ZSTD_EndDirective modes[] = {ZSTD_e_continue, ZSTD_e_flush, ZSTD_e_end};
    ZSTD_inBuffer from = {in->ptr, in->len, 0};
    ZSTD_outBuffer to = {.size = room};

    to.dst = out;
    size_t left = ZSTD_compressStream2(coder->zstd, &to, &from, modes[mode]);

    if (ZSTD_isError(left))
        return -1;
    *in = str_sub(*in, from.pos, SIZE_MAX);
    *ret_more = mode == CODER_GO ? from.pos < from.size : left > 0;
    return (ssize_t)to.pos;
}

ssize_t coder_run(struct coder *coder, struct str *in, enum coder_mode mode, char *out, size_t room,
                  bool *ret_more)
{
    switch (coder->coding) {
    case HTTP_CODING_GZIP:
        return run_gzip(coder, in, mode, out, room, ret_more);
    case HTTP_CODING_BR:
        return run_brotli(coder, in, mode, out, room, ret_more);
    case HTTP_CODING_ZSTD:
        return run_zstd(coder, in, mode, out, room, ret_more);
    case HTTP_CODING_IDENTITY:
        break;
    }
    return -1;
}
