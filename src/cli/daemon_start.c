/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/daemon_start.h"
#include "cli/text_width.h"

enum {
    READY_TIMEOUT_MS = 60000,
    LOG_TAIL_BYTES = 16 << 10,
    LOG_TAIL_LINES = 6,
    READY_FD = 3,
};

/* What a daemon that serves every system of the machine takes over from the shell of whoever
 * happened to start it: no secret of one system. A name that ends with '*' stands for all that
 * start so. */
static const char *const kept_variables[] = {
    "PATH", "HOME", "LANG", "LC_*", "TZ", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
};

static bool is_kept(const char *entry)
{
    struct str name = str_sub(str_of(entry), 0, str_find(str_of(entry), '='));

    for (size_t i = 0; i < ARRAY_LEN(kept_variables); i++) {
        struct str kept = str_of(kept_variables[i]);
        if (kept.ptr[kept.len - 1] == '*' ? str_starts(name, str_sub(kept, 0, kept.len - 1))
                                          : str_eq(name, kept))
            return true;
    }
    return false;
}

static char **make_environment(struct cli *cli)
{
    size_t count = 0;

    for (char **entry = environ; *entry != NULL; entry++)
        count++;
    char **list = ARENA_ARRAY(&cli->arena, char *, count + 4);
    count = 0;
    for (char **entry = environ; *entry != NULL; entry++)
        if (is_kept(*entry))
            list[count++] = *entry;
    list[count++] = arena_printf(&cli->arena, "ISHIZUE_STATE_DIR=%s", cli->state_dir);
    list[count++] = arena_printf(&cli->arena, "ISHIZUE_RUN_DIR=%s", cli->run_dir);
    list[count] = arena_printf(&cli->arena, "ISHIZUE_IMAGES_DIR=%s", cli->images_dir);
    return list;
}

/* In the child: nothing of the terminal is kept, and the pipe's end is READY_FD. */
static void become_daemon(char **environment, int log_fd, int ready_fd)
{
    char name[] = "ishizue", verb[] = "daemon", here[] = "--foreground", ready[] = "--ready-fd",
         number[] = "3";
    char *const argv[] = {name, verb, here, ready, number, NULL};
    sigset_t none;
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid();
    if (null_fd < 0 || chdir("/") < 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
        dup2(log_fd, STDOUT_FILENO) < 0 || dup2(log_fd, STDERR_FILENO) < 0)
        _exit(EXIT_CANNOT_RUN);
    if (ready_fd == READY_FD ? fcntl(ready_fd, F_SETFD, 0) < 0 : dup2(ready_fd, READY_FD) < 0)
        _exit(EXIT_CANNOT_RUN);
    if (close_range(READY_FD + 1, ~0U, 0) < 0)
        _exit(EXIT_CANNOT_RUN);
    (void)execve("/proc/self/exe", argv, environment);
    _exit(EXIT_NO_COMMAND);
}

/* The first child ends at once, so that the daemon is nobody's zombie. */
static bool spawn(char **environment, int log_fd, int ready_fd, struct err *err)
{
    pid_t pid = fork();

    if (pid < 0)
        return err_sys(err, "cannot start the daemon");
    if (pid == 0) {
        pid_t second = fork();
        if (second == 0)
            become_daemon(environment, log_fd, ready_fd);
        _exit(second < 0 ? EXIT_FAILED : EXIT_OK);
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return true;
}

/* *ret_ready: the daemon wrote its byte; false is end of file, it is gone. */
static bool wait_ready(int fd, bool *ret_ready, struct err *err)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    char byte;
    int count;

    do {
        count = poll(&poll_fd, 1, READY_TIMEOUT_MS);
    } while (count < 0 && errno == EINTR);
    if (count < 0)
        return err_sys(err, "cannot wait for the daemon");
    if (count == 0)
        return err_set(err, ERR_TIMEOUT, "the daemon did not answer within %d s",
                       READY_TIMEOUT_MS / 1000);
    *ret_ready = read(fd, &byte, 1) == 1;
    return true;
}

/* What the daemon logged from <from> on: the last line goes to <err>, some before it to standard
 * error. */
static bool tell_log(struct cli *cli, const char *path, off_t from, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    struct err ignored;
    struct str lines[LOG_TAIL_LINES] = {0};
    size_t count = 0;

    if (fd < 0 || fstat(fd, &info) < 0 ||
        lseek(fd, MAX(from, info.st_size - LOG_TAIL_BYTES), SEEK_SET) < 0 ||
        !file_read_fd(fd, LOG_TAIL_BYTES, &text, &ignored) || str_trim(buf_str(&text)).len == 0)
        return err_set(err, ERR_PROGRAM, "the daemon ended at once and wrote nothing to '%s'",
                       path);

    struct str rest = str_trim(buf_str(&text));
    while (rest.ptr != NULL)
        lines[count++ % LOG_TAIL_LINES] = str_cut(&rest, '\n');
    for (size_t i = count > LOG_TAIL_LINES ? count - LOG_TAIL_LINES : 0; i + 1 < count; i++)
        if (!cli->options.json)
            (void)fprintf(stderr, "    " STR_FMT "\n", STR_ARG(lines[i % LOG_TAIL_LINES]));
    return err_set(err, ERR_PROGRAM, "the daemon did not start: " STR_FMT,
                   STR_ARG(lines[(count - 1) % LOG_TAIL_LINES]));
}

static int open_log(struct cli *cli, const char *path, off_t *ret_size, struct err *err)
{
    struct stat info;

    if (!file_make_dirs(cli->state_dir, 0700, err))
        return -1;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &info) < 0) {
        err_sys(err, "cannot open '%s'", path);
        fd_close(fd);
        return -1;
    }
    *ret_size = info.st_size;
    return fd;
}

bool daemon_ensure(struct cli *cli, struct err *err)
{
    const char *log_path = arena_printf(&cli->arena, "%s/daemon.log", cli->state_dir);
    off_t log_size = 0;
    int ends[2];
    bool ready = false;

    if (!cli_check_root(cli, err))
        return false;
    if (cli_api_is_up(cli))
        return true;
    AUTO(fd_close) int log_fd = open_log(cli, log_path, &log_size, err);
    if (log_fd < 0)
        return false;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(err, "cannot make a pipe");
    AUTO(fd_close) int read_end = ends[0];
    AUTO(fd_close) int write_end = ends[1];

    bool started = spawn(make_environment(cli), log_fd, write_end, err);
    fd_close(TAKE_FD(write_end)); /* else end of file is never seen */
    if (!started || !wait_ready(read_end, &ready, err))
        return false;
    /* Two commands may have started one each: the one that came second ends, and that is well. */
    return ready || cli_api_is_up(cli) || tell_log(cli, log_path, log_size, err);
}
