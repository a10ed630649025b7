/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "edge/mailbox.h"
#include "edge/table.h"

static struct letter *take_all(struct mailbox *mailbox)
{
    (void)pthread_mutex_lock(&mailbox->lock);
    struct letter *first = mailbox->first;
    mailbox->first = NULL;
    mailbox->end = &mailbox->first;
    (void)pthread_mutex_unlock(&mailbox->lock);
    return first;
}

/* What the receiver did not take goes too. */
static void letter_free(struct letter *letter)
{
    table_unref(letter->table);
    if (letter->kind == LETTER_LISTENER)
        fd_close(letter->fd);
    free(letter->text);
    free(letter);
}

static void on_event(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct mailbox *mailbox = CONTAINER_OF(watch, struct mailbox, watch);
    uint64_t count;

    (void)events;
    (void)now_ns;
    (void)!read(mailbox->event_fd, &count, sizeof count);
    for (struct letter *letter = take_all(mailbox), *next; letter != NULL; letter = next) {
        next = letter->next;
        mailbox->on_letter(mailbox, letter);
        letter_free(letter);
    }
}

bool mailbox_open(struct mailbox *mailbox, struct loop *loop,
                  void (*on_letter)(struct mailbox *, struct letter *), struct err *err)
{
    *mailbox = (struct mailbox){.on_letter = on_letter};
    (void)pthread_mutex_init(&mailbox->lock, NULL);
    mailbox->end = &mailbox->first;
    mailbox->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mailbox->event_fd < 0)
        return err_sys(err, "cannot create an event descriptor");
    return watch_add(loop, &mailbox->watch, mailbox->event_fd, EPOLLIN, on_event, err);
}

void mailbox_close(struct mailbox *mailbox, struct loop *loop)
{
    watch_remove(loop, &mailbox->watch);
    fd_close(mailbox->event_fd);
    for (struct letter *letter = take_all(mailbox), *next; letter != NULL; letter = next) {
        next = letter->next;
        letter_free(letter);
    }
    (void)pthread_mutex_destroy(&mailbox->lock);
}

void mailbox_send(struct mailbox *mailbox, const struct letter *letter)
{
    struct letter *copy = NEW(struct letter);
    uint64_t one = 1;

    *copy = *letter;
    copy->next = NULL;
    (void)pthread_mutex_lock(&mailbox->lock);
    bool is_first = mailbox->first == NULL; /* before others an event has told already */
    *mailbox->end = copy;
    mailbox->end = &copy->next;
    /* With the lock: a receiver that has this letter may be gone at once, and its mailbox too. */
    if (is_first)
        (void)!write(mailbox->event_fd, &one, sizeof one);
    (void)pthread_mutex_unlock(&mailbox->lock);
}
