/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/vec.h"
#include "watch/log_follow.h"

enum { LINES_A_ROUND = 512 }; /* then other work of the loop has its turn */

static const uint32_t folder_events =
    IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR | IN_EXCL_UNLINK;

struct source {
    char *path;
    const char *name; /* the last part of <path> */
    void *source;
    struct log_reader *reader;
    int folder;           /* inotify's number; -1: not watched */
    bool ready;           /* there may be more to read */
    bool leaving;         /* forgotten at its end */
    bool has_head;        /* <head> was read and not yet given */
    struct log_line head; /* points into <reader> */
};

struct log_follow {
    struct log_follow_spec spec;
    struct watch watch; /* of inotify; fd -1 unless keep_on */
    struct timer timer; /* the next round, when there is work left */
    VEC(struct source *) sources;
    bool begun;   /* the first round was run: sources now come late */
    bool paused;  /* by <line> */
    bool ended;   /* <end> was called */
    bool running; /* inside run(): a stop is put off */
    bool stopped;
};

/* Does an event for file <name> concern the log <source>? Also "web.log.1": the writer may not
 * have changed over yet. */
static bool is_of(const struct source *source, const char *name)
{
    size_t len = strlen(source->name);

    return strncmp(name, source->name, len) == 0 && (name[len] == '\0' || name[len] == '.');
}

static void wake(struct log_follow *follow, const struct inotify_event *event)
{
    for (size_t i = 0; i < follow->sources.len; i++) {
        struct source *source = follow->sources.ptr[i];
        if ((event->mask & IN_Q_OVERFLOW) != 0 ||
            (event->wd == source->folder && event->len > 0 && is_of(source, event->name)))
            source->ready = true;
    }
}

static void source_free(struct source *source)
{
    log_reader_close(source->reader);
    free(source->path);
    free(source);
}

static void follow_free(struct log_follow *follow)
{
    timer_clear(&follow->timer);
    watch_remove(follow->spec.loop, &follow->watch);
    fd_close(follow->watch.fd);
    for (size_t i = 0; i < follow->sources.len; i++)
        source_free(follow->sources.ptr[i]);
    VEC_DONE(&follow->sources);
    free(follow);
}

static void read_head(struct log_follow *follow, struct source *source)
{
    bool last = source->leaving || !follow->spec.keep_on;

    if (source->has_head || !source->ready)
        return;
    source->has_head = log_reader_next(source->reader, &source->head) ||
                       (last && log_reader_rest(source->reader, &source->head));
    source->ready = source->has_head;
}

static void forget_source(struct log_follow *follow, size_t index)
{
    struct source *source = follow->sources.ptr[index];
    bool shared = false;

    VEC_REMOVE(&follow->sources, index);
    for (size_t i = 0; i < follow->sources.len; i++)
        shared = shared || follow->sources.ptr[i]->folder == source->folder;
    if (source->folder >= 0 && !shared)
        (void)inotify_rm_watch(follow->watch.fd, source->folder);
    source_free(source);
}

/* The source with the earliest line, or NULL when all are at their ends. */
static struct source *earliest(struct log_follow *follow)
{
    struct source *first = NULL;

    for (size_t i = 0; i < follow->sources.len;) {
        struct source *source = follow->sources.ptr[i];
        read_head(follow, source);
        if (source->leaving && !source->has_head) {
            forget_source(follow, i);
            continue;
        }
        if (source->has_head && (first == NULL || source->head.wall_ns < first->head.wall_ns))
            first = source;
        i++;
    }
    return first;
}

/* False when there is nothing left to do for now. */
static bool give_lines(struct log_follow *follow)
{
    for (int i = 0; i < LINES_A_ROUND && !follow->paused && !follow->stopped; i++) {
        struct source *source = earliest(follow);
        if (source == NULL) {
            bool first = !follow->ended;
            follow->ended = true;
            if (first && follow->spec.end != NULL)
                follow->spec.end(follow->spec.arg);
            return false;
        }
        source->has_head = false;
        follow->paused = !follow->spec.line(follow->spec.arg, source->source, &source->head);
    }
    return !follow->paused;
}

/* One round; the next one comes when the loop has served others. */
static void run(struct timer *timer, uint64_t now_ns)
{
    struct log_follow *follow = CONTAINER_OF(timer, struct log_follow, timer);

    follow->running = true;
    follow->begun = true;
    bool more = give_lines(follow);
    follow->running = false;
    if (follow->stopped)
        follow_free(follow);
    else if (more)
        timer_set(follow->spec.loop, &follow->timer, now_ns, run);
}

static void run_soon(struct log_follow *follow)
{
    if (!timer_is_set(&follow->timer) && !follow->paused)
        timer_set(follow->spec.loop, &follow->timer, loop_now_ns(follow->spec.loop), run);
}

static void on_inotify(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct log_follow *follow = CONTAINER_OF(watch, struct log_follow, watch);
    char bytes[4096] __attribute__((aligned(8)));

    (void)events;
    for (;;) {
        ssize_t n = read(watch->fd, bytes, sizeof bytes);
        if (n <= 0)
            break;
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const void *)(bytes + at);
            wake(follow, event);
            at += (ssize_t)(sizeof *event + event->len);
        }
    }
    run(&follow->timer, now_ns);
}

struct log_follow *log_follow_start(const struct log_follow_spec *spec, struct err *err)
{
    AUTO(log_follow_stop) struct log_follow *follow = NEW(struct log_follow);

    follow->spec = *spec;
    follow->watch.fd = -1;
    if (spec->keep_on) {
        AUTO(fd_close) int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (fd < 0) {
            err_sys(err, "cannot watch log folders");
            return NULL;
        }
        if (!watch_add(spec->loop, &follow->watch, fd, EPOLLIN, on_inotify, err))
            return NULL;
        follow->watch.fd = TAKE_FD(fd);
    }
    run_soon(follow);
    return TAKE(follow);
}

void log_follow_stop(struct log_follow *follow)
{
    if (follow == NULL)
        return;
    follow->stopped = true;
    if (!follow->running)
        follow_free(follow);
}

static struct source *source_find(struct log_follow *follow, const char *path)
{
    for (size_t i = 0; i < follow->sources.len; i++) {
        struct source *source = follow->sources.ptr[i];
        if (!source->leaving && strcmp(source->path, path) == 0)
            return source;
    }
    return NULL;
}

/* The folder is watched before the file is read, so nothing is missed in between. */
static bool watch_folder(struct log_follow *follow, struct source *source, struct err *err)
{
    AUTO(buf_done) struct buf folder = {0};
    size_t slash = str_find_last(str_of(source->path), '/');

    source->folder = -1;
    source->name = slash == strlen(source->path) ? source->path : source->path + slash + 1;
    if (follow->watch.fd < 0)
        return true;
    if (source->name == source->path)
        buf_add_text(&folder, ".");
    else
        buf_add(&folder, source->path, MAX(slash, 1));
    source->folder = inotify_add_watch(follow->watch.fd, buf_text(&folder), folder_events);
    if (source->folder < 0)
        return err_sys(err, "cannot watch log folder '%s'", buf_text(&folder));
    return true;
}

bool log_follow_add(struct log_follow *follow, const char *path, void *source, struct err *err)
{
    struct log_range range = follow->spec.range;

    if (source_find(follow, path) != NULL)
        return err_set(err, ERR_EXISTS, "log '%s' is followed already", path);
    if (follow->sources.len >= LOG_FOLLOW_SOURCES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d logs to follow", LOG_FOLLOW_SOURCES_MAX);
    struct source *added = NEW(struct source);
    added->path = mem_copy_text(path);
    added->source = source;
    added->ready = true;
    if (follow->begun)
        range.tail = LOG_TAIL_ALL;
    bool watched = watch_folder(follow, added, err);
    if (watched)
        added->reader = log_reader_open(path, &range, err);
    if (added->reader == NULL) {
        source_free(added);
        return false;
    }
    VEC_PUSH(&follow->sources, added);
    run_soon(follow);
    return true;
}

void log_follow_remove(struct log_follow *follow, const char *path)
{
    struct source *source = source_find(follow, path);

    if (source == NULL)
        return;
    log_reader_pin(source->reader);
    source->leaving = true;
    source->ready = true;
    run_soon(follow);
}

void log_follow_resume(struct log_follow *follow)
{
    follow->paused = false;
    run_soon(follow);
}
