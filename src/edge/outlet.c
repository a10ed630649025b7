/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/mem.h"
#include "edge/coder.h"
#include "edge/exchange.h"
#include "edge/outlet.h"
#include "edge/rules.h"
#include "edge/worker.h"

static struct outlet *outlet_of(const struct exchange *exchange)
{
    return &exchange->rules->outlet;
}

void outlet_done(struct outlet *outlet)
{
    struct coder *coder = TAKE(outlet->coder), **kept;

    if (coder == NULL)
        return;
    outlet->worker->coder_count--;
    kept = &outlet->worker->kept_coders[coder_coding(coder)];
    if (*kept == NULL && coder_reset(coder))
        *kept = coder;
    else
        coder_free(coder);
}

struct coder *outlet_coder(struct worker *worker, enum http_coding coding)
{
    if (worker->coder_count >= OUTLET_MAX_CODERS || mem_is_short()) {
        count_add(worker, COUNT_COMPRESS_SKIPPED, 1);
        return NULL;
    }
    struct coder *coder = TAKE(worker->kept_coders[coding]);
    if (coder == NULL)
        coder = coder_new(coding);
    if (coder != NULL) {
        worker->coder_count++;
        count_add(worker, COUNT_COMPRESSED, 1);
    }
    return coder;
}

void outlet_free_kept(struct worker *worker)
{
    for (size_t i = 0; i < ARRAY_LEN(worker->kept_coders); i++)
        coder_free(TAKE(worker->kept_coders[i]));
}

/* <data> in the frame of the client's protocol, behind <head>. */
static bool emit(struct exchange *exchange, struct str head, struct str data, bool end)
{
    const struct outlet *outlet = outlet_of(exchange);
    const struct body body = {.chunk_out = outlet->chunks && !outlet->no_body, .done = end};
    struct iovec iov[1 + BODY_PIECES];
    char line[BODY_LINE_BYTES];
    int count = 0;

    exchange->sent_bytes += data.len;
    if (head.len > 0) {
        memcpy(&iov[0].iov_base, &head.ptr, sizeof iov[0].iov_base);
        iov[count++].iov_len = head.len;
    }
    count += body_frame(&body, data, line, iov + count);
    if (head.len > 0)
        return exchange_send_head(exchange, head.len, iov, count, end && data.len == 0);
    return count == 0 || exchange_send(exchange, iov, count);
}

/* All of <in> through the coder. */
static bool code(struct exchange *exchange, struct str head, struct str in, enum coder_mode mode)
{
    struct worker *worker = exchange->worker;
    struct outlet *outlet = outlet_of(exchange);
    bool more = true;

    exchange->sent_bytes -= in.len;
    while (more) {
        ssize_t n = coder_run(outlet->coder, &in, mode, worker->coded, sizeof worker->coded, &more);
        if (n < 0) { /* of what was promised, the rest cannot be made */
            exchange_drop(exchange);
            return false;
        }
        bool end = mode == CODER_END && !more;
        if ((n > 0 || head.len > 0 || end) &&
            !emit(exchange, head, str_from(worker->coded, (size_t)n), end))
            return false;
        head = (struct str){0};
    }
    if (mode == CODER_END)
        outlet->ended = true;
    return true;
}

/* Is this the last of the body, or is a target still at it, whose bytes must not wait? */
static enum coder_mode mode_now(const struct exchange *exchange)
{
    if (exchange->server == NULL)
        return CODER_GO;
    return exchange->response.done ? CODER_END : CODER_FLUSH;
}

static bool pass(struct exchange *exchange, struct str head, struct str data, bool end)
{
    struct outlet *outlet = outlet_of(exchange);

    exchange->sent_bytes -= data.len;
    outlet->ended = end;
    return emit(exchange, head, data, end);
}

bool outlet_write(struct exchange *exchange, struct str head, const struct iovec *iov, int count,
                  bool whole)
{
    const struct outlet *outlet = outlet_of(exchange);
    enum coder_mode mode = mode_now(exchange);

    if (outlet->no_body || whole) {
        outlet_of(exchange)->ended = true;
        return emit(exchange, head, (struct str){0}, true);
    }
    for (int i = 0; i < count || head.len > 0; i++) {
        struct str data = i < count ? str_from(iov[i].iov_base, iov[i].iov_len) : (struct str){0};
        bool last = i + 1 >= count;
        bool done = outlet->coder != NULL ? code(exchange, head, data, last ? mode : CODER_GO)
                                          : pass(exchange, head, data, last && mode == CODER_END);
        if (!done)
            return false;
        head = (struct str){0};
    }
    return true;
}

bool outlet_finish(struct exchange *exchange)
{
    struct outlet *outlet = outlet_of(exchange);

    if (outlet->ended)
        return true;
    if (outlet->coder != NULL)
        return code(exchange, (struct str){0}, (struct str){0}, CODER_END);
    return pass(exchange, (struct str){0}, (struct str){0}, true);
}
