/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <pthread.h>

#include "base/mem.h"
#include "edge/conn.h"
#include "edge/h2_session.h"

enum { MAX_SETTINGS_PER_FRAME = 32 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static nghttp2_option *options;

static void make_options(void)
{
    while (nghttp2_option_new(&options) != 0)
        mem_make_room();
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_no_closed_streams(options, 1);
    nghttp2_option_set_max_settings(options, MAX_SETTINGS_PER_FRAME);
    nghttp2_option_set_builtin_recv_extension_type(options, NGHTTP2_PRIORITY_UPDATE);
}

const nghttp2_option *h2_session_options(void)
{
    int failed = pthread_once(&once, make_options);

    assert(failed == 0);
    return options;
}

/* ---- its memory ---- */

static void *library_new(size_t size, void *user)
{
    (void)user;
    return mem_grow(NULL, size);
}

static void library_free(void *ptr, void *user)
{
    (void)user;
    free(ptr);
}

static void *library_calloc(size_t count, size_t size, void *user)
{
    size_t bytes;

    (void)user;
    return __builtin_mul_overflow(count, size, &bytes) ? NULL : mem_new(bytes);
}

static void *library_grow(void *ptr, size_t size, void *user)
{
    (void)user;
    return mem_grow(ptr, size);
}

nghttp2_mem *h2_session_memory(void)
{
    static nghttp2_mem memory = {NULL, library_new, library_free, library_calloc, library_grow};

    return &memory;
}

void h2_run_list(struct list *head, size_t link_at, bool readable)
{
    struct list now;

    if (list_is_empty(head))
        return;
    list_init(&now);
    list_add_before(&now, head); /* <now> takes over the nodes */
    list_remove(head);
    while (!list_is_empty(&now)) {
        struct list *node = now.next;
        struct conn *conn = (struct conn *)(void *)((char *)node - link_at);
        list_remove(node);
        if (readable)
            conn->state->on_readable(conn);
        else
            conn->state->on_writable(conn);
    }
}

int h2_on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                         size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                         void *user)
{
    (void)name, (void)name_len, (void)value, (void)value_len, (void)flags, (void)user;
    (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                    NGHTTP2_PROTOCOL_ERROR);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}
