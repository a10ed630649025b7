/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "control/handover.h"
#include "io/channel.h"
#include "json/json.h"

static const char *const descriptors[] = {"lock", "network_lock", "api", "former", "guard"};

/* Of every descriptor that <handover> names: FD_CLOEXEC, or 0: the next program has it. */
static void set_flags(const json_t *handover, int flags)
{
    const json_t *item;
    size_t index;

    json_array_foreach(json_object_get(handover, "held"), index, item)
    {
        size_t n;
        const json_t *fd;
        json_array_foreach(json_object_get(item, "fds"), n, fd)
        {
            (void)fcntl((int)json_integer_value(fd), F_SETFD, flags);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(descriptors); i++) {
        const json_t *fd = json_object_get(handover, descriptors[i]);
        if (json_integer_value(fd) > STDERR_FILENO)
            (void)fcntl((int)json_integer_value(fd), F_SETFD, flags);
    }
}

bool handover_read(int fd, json_t **ret, struct err *err)
{
    AUTO(fd_close) int owned = fd;
    AUTO(buf_done) struct buf text = {0};
    AUTO(json_unref) json_t *handover = NULL;

    if (!channel_read_memfd(owned, HANDOVER_BYTES, &text, err) ||
        !json_parse(buf_str(&text), HANDOVER_BYTES, &handover, err))
        return err_prefix(err, "what the former program left");
    if (json_find_u64(handover, "format", 0) != HANDOVER_FORMAT)
        return err_set(err, ERR_INVALID, "the former program speaks of its state in another way");
    set_flags(handover, FD_CLOEXEC); /* what it starts before it takes them must not have them */
    *ret = TAKE(handover);
    return true;
}

int handover_take_fd(json_t *handover, const char *key)
{
    const json_t *value = json_object_get(handover, key);
    int fd = json_is_integer(value) ? (int)json_integer_value(value) : -1;

    if (fd > STDERR_FILENO && fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        fd = -1;
    (void)json_object_del(handover, key);
    return fd > STDERR_FILENO ? fd : -1;
}

json_t *handover_keep(int fd)
{
    return json_integer(fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

/* <fd> >= 0 is run instead of <program>. Returns when it cannot be. */
static void become(const char *program, int fd, const json_t *handover, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    char name[] = "ishizue", verb[] = "daemon", here[] = "--foreground", given[] = "--handover-fd";
    char number[16];
    char *const argv[] = {name, verb, here, given, number, NULL};

    json_format(handover, false, &text);
    AUTO(fd_close) int file = channel_memfd("ishizue-handover", buf_str(&text), err);
    if (file < 0)
        return;
    str_format(number, sizeof number, "%d", file);
    (void)fcntl(file, F_SETFD, 0);
    set_flags(handover, 0);
    if (fd >= 0)
        (void)syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
    else
        (void)execve(program, argv, environ);
    err_sys(err, "cannot run '%s'", program);
    set_flags(handover, FD_CLOEXEC);
}

static void end(int pid_fd)
{
    struct pollfd ended = {.fd = pid_fd, .events = POLLIN};

    (void)syscall(SYS_pidfd_send_signal, pid_fd, SIGKILL, NULL, 0);
    (void)poll(&ended, 1, GUARD_MS);
}

/* A service manager starts the installed program again by itself, and must not meet another; unless
 * that is the one that does not work. */
static bool is_managed(const json_t *handover)
{
    return getenv("INVOCATION_ID") != NULL && json_find_text(handover, "install", NULL) != NULL;
}

/* In the guard. */
static void guard(json_t *handover, int from_new, int pid_fd)
{
    struct pollfd word = {.fd = from_new, .events = POLLIN};
    int former = (int)json_integer_value(json_object_get(handover, "former"));
    const char *why = "the new program ended before it was ready";
    char byte;
    struct err err;

    if (poll(&word, 1, GUARD_MS) == 0) {
        why = "the new program was not ready in time and was ended";
        end(pid_fd);
    } else if (read(from_new, &byte, 1) == 1) {
        _exit(0);
    }
    if (is_managed(handover))
        _exit(1);
    (void)json_object_set_new(handover, "failed", json_string(why));
    (void)json_object_set_new(handover, "guard", json_integer(-1));
    become("the former program", former, handover, &err);
    _exit(1);
}

static bool start_guard(json_t *handover, struct err *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_sys(err, "cannot make a pipe");
    AUTO(fd_close) int from_new = ends[0];
    AUTO(fd_close) int guard_fd = ends[1];
    AUTO(fd_close) int pid_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (pid_fd < 0)
        return err_sys(err, "cannot watch this process");
    pid_t pid = fork();
    if (pid < 0)
        return err_sys(err, "cannot start a process");
    if (pid == 0) {
        fd_close(TAKE_FD(guard_fd));
        guard(handover, from_new, pid_fd);
    }
    (void)json_object_set_new(handover, "guard", json_integer(TAKE_FD(guard_fd)));
    return true;
}

void handover_leave(json_t *handover, struct err *err)
{
    if (start_guard(handover, err))
        become(json_find_text(handover, "program", ""), -1, handover, err);
}

void handover_return(json_t *handover, const char *why, struct err *err)
{
    int former = (int)json_integer_value(json_object_get(handover, "former"));

    handover_release_guard((int)json_integer_value(json_object_get(handover, "guard")));
    (void)json_object_set_new(handover, "guard", json_integer(-1));
    (void)json_object_set_new(handover, "failed", json_from_bytes(str_of(why)));
    become("the former program", former, handover, err);
}

void handover_release_guard(int guard_fd)
{
    struct err ignored;

    if (guard_fd > STDERR_FILENO)
        (void)!file_write_fd(guard_fd, STR("r"), &ignored);
    fd_close(guard_fd > STDERR_FILENO ? guard_fd : -1);
}
