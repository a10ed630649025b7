/* SPDX-License-Identifier: Apache-2.0
 *
 * What the edge leaves behind when it crashes: which route its worker was busy
 * with, in a page of memory that the daemon reads afterwards. A worker notes the
 * route with one store; it is the signal handler that writes to the page. Never
 * anything of a request: its content is not the daemon's business.
 */
#pragma once

#include "base/base.h"

enum {
    CRASH_PAGE_BYTES = 4096,
    CRASH_TEXT_BYTES = 512,
    CRASH_MAGIC = 0x69734352,
};

/* Everything in it is foreign input to the daemon. */
struct crash_page {
    uint32_t magic; /* CRASH_MAGIC: there was a crash */
    int32_t signo;
    uint32_t worker;
    char system[64];
    char route[CRASH_TEXT_BYTES]; /* "shop.example/api"; "": none, or a TCP listener */
};

struct err;
struct route;

/* The route that this thread is busy with; NULL: none, or its table is gone. */
extern _Thread_local const struct route *crash_route;

/* Maps the page <fd>, which stays the caller's. */
MUST_CHECK bool crash_page_map(int fd, struct err *err);
/* Handlers for signals that end the process; once, before the workers start. */
void crash_watch(void);
/* Of this thread: its number, and a stack for the handler, which is needed when its own is full. */
void crash_watch_thread(unsigned worker);
void crash_forget_thread(void);
