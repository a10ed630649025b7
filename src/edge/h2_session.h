/* SPDX-License-Identifier: Apache-2.0
 *
 * What a session of HTTP/2 does alike on both sides of the edge, to clients
 * (h2_conn.c) and to targets (h2_target.c).
 */
#pragma once

#include <nghttp2/nghttp2.h>

#include "base/base.h"
#include "base/list.h"

/* For a new session: windows are opened by hand, as bytes are passed on. Lives as long as the
 * process. */
const nghttp2_option *h2_session_options(void);
/* As mem_new(): of what is submitted nothing may get lost, and its size has limits. */
nghttp2_mem *h2_session_memory(void);

/* Calls on_readable, or on_writable, of the streams in <head>, each once: what they add anew waits
 * for the next turn. The node is <link_at> bytes into a stream, which begins with its conn. */
void h2_run_list(struct list *head, size_t link_at, bool readable);

/* A field that RFC 9113, 8.2 forbids ends its stream. */
int h2_on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                         size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                         void *user);
