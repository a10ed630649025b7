/* SPDX-License-Identifier: Apache-2.0
 *
 * Letters between the main thread and a worker: rare (a new table, a listener,
 * a target that went idle), so a mutex and a list; the request path never comes
 * here. The receiver's loop watches the eventfd.
 */
#pragma once

#include <pthread.h>

#include "base/base.h"
#include "io/loop.h"

struct auth_job;
struct err;
struct table;

enum letter_kind {
    LETTER_TABLE,      /* to a worker: use <table> (a reference) */
    LETTER_LISTENER,   /* to a worker: accept on <fd>, known as <number> */
    LETTER_ACCESS_LOG, /* to a worker: lines are wanted */
    LETTER_ROOM,       /* to a worker, from another: a target that was full has room */
    LETTER_STOP,       /* to a worker: no new work */
    LETTER_RETIRE,     /* to a worker: another edge accepts; what is open may last <number> ms */
    LETTER_VERIFIED,   /* to a worker: the password of <job> was checked */
    LETTER_CACHE,      /* to a worker: a fetch that some wait for is over; <number>: its key */
    LETTER_HEALTH,     /* to a worker: by its check target <text> is sick, or (<number> 0) well */
    LETTER_IDLE,       /* from a worker: no request left for target <text> since table <number> */
    LETTER_STOPPED,    /* from a worker: the last connection is gone */
};

struct letter {
    struct letter *next;
    enum letter_kind kind;
    uint64_t number;
    struct table *table;
    int fd;
    char *text;           /* owned */
    struct auth_job *job; /* its worker's */
    unsigned from;        /* number of the worker */
};

struct mailbox {
    pthread_mutex_t lock;
    struct letter *first;
    struct letter **end;
    int event_fd;
    struct watch watch;
    void (*on_letter)(struct mailbox *mailbox, struct letter *letter);
};

/* <on_letter> runs in <loop>; the letter is freed after it, and its table or descriptor too, unless
 * <on_letter> took that with TAKE() or TAKE_FD(). */
MUST_CHECK bool mailbox_open(struct mailbox *mailbox, struct loop *loop,
                             void (*on_letter)(struct mailbox *, struct letter *), struct err *err);
/* When nobody sends any more. */
void mailbox_close(struct mailbox *mailbox, struct loop *loop);
/* From any thread. What the letter has is the mailbox's then. */
void mailbox_send(struct mailbox *mailbox, const struct letter *letter);
