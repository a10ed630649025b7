/* SPDX-License-Identifier: Apache-2.0
 *
 * Loaded before libc (LD_PRELOAD) into the edge: what somebody who has taken over a worker would
 * try. When the test has written 1 to the file ATTACKS, shared with it, the next recv() of a worker
 * goes through all of them and writes what each came to: its errno, or 0 when it worked.
 */
#include "base/base.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <net/ethernet.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ATTACKS_MAX = 128, NAME_BYTES = 48 };

/* tests/edge/attacks.py knows this layout. */
struct report {
    uint64_t wanted;
    uint64_t count;
    struct {
        char name[NAME_BYTES];
        int64_t error;
    } of[ATTACKS_MAX];
};

static struct report *report;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("ATTACKS"), *program = getenv("ATTACKS_IN");
    int fd;

    if (path == NULL || program == NULL || strcmp(program, program_invocation_short_name) != 0 ||
        (fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
        return;
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (report == MAP_FAILED)
        report = NULL;
    close(fd);
}

static void note(const char *name, long result)
{
    int error = result < 0 ? errno : 0;
    uint64_t at = report->count;

    if (at == ATTACKS_MAX)
        return;
    memcpy(report->of[at].name, name, MIN(strlen(name), (size_t)NAME_BYTES - 1));
    report->of[at].error = error;
    report->count = at + 1;
}

#define TRY(call, ...)          note(#call, syscall(SYS_##call, ##__VA_ARGS__))
#define TRY_AS(name, call, ...) note(name, syscall(SYS_##call, ##__VA_ARGS__))

static void read_and_write_files(void)
{
    TRY_AS("open /etc/passwd", open, "/etc/passwd", O_RDONLY, 0);
    TRY_AS("openat /etc/passwd", openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
    TRY_AS("openat ../..", openat, AT_FDCWD, "../../etc/passwd", O_RDONLY, 0);
    TRY_AS("creat a file", creat, "/file", 0600);
    TRY_AS("open the root for writing", openat, AT_FDCWD, "/", O_RDWR | O_TMPFILE, 0600);
    TRY(mkdir, "/folder", 0700);
    TRY(mknod, "/node", 0600, 0);
    TRY(link, "/a", "/b");
    TRY(symlink, "/a", "/b");
    TRY(rename, "/a", "/b");
    TRY(unlink, "/a");
    TRY(rmdir, "/");
    TRY(chmod, "/", 0777);
    TRY(chown, "/", 0, 0);
    TRY(truncate, "/a", 0L);
    TRY(getdents64, 0, NULL, 0);
    TRY(inotify_init1, 0);
    TRY(name_to_handle_at, AT_FDCWD, "/", NULL, NULL, 0);
}

/* From every descriptor there is: whatever helps somebody is noted as worked. */
static void try_folders(const char *name, const char *path, uint64_t flags)
{
    struct open_how how = {.flags = flags, .mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? 0600 : 0};
    long result = -1;
    int error = EPERM;

    for (int fd = 0; fd < 256 && result < 0; fd++) {
        result = syscall(SYS_openat2, fd, path, &how, sizeof how);
        if (result < 0 && errno != EBADF && errno != ENOTDIR)
            error = errno;
    }
    errno = error;
    note(name, result);
}

static void leave_the_folders(void)
{
    try_folders("up out of a folder", "../../../../../../../../../../etc/passwd", O_RDONLY);
    try_folders("up and into proc", "../../../../../../../../../../proc/self/mem", O_RDWR);
    try_folders("a new file in a folder", "taken-over", O_WRONLY | O_CREAT);
    try_folders("a file without a name", ".", O_WRONLY | O_TMPFILE);
    try_folders("writing a page", "index.html", O_WRONLY);
}

static void become_something_else(void)
{
    static char *const nothing[] = {NULL};

    TRY(execve, "/bin/sh", nothing, nothing);
    TRY(execveat, AT_FDCWD, "/bin/sh", nothing, nothing, 0);
    TRY(fork);
    TRY(vfork);
    TRY_AS("clone a process", clone, SIGCHLD, 0, 0, 0, 0);
    TRY_AS("clone3", clone3, NULL, 0);
    TRY(setuid, 0);
    TRY(setgid, 0);
    TRY(setresuid, 0, 0, 0);
    TRY(setgroups, 0, NULL);
    TRY(capset, NULL, NULL);
    TRY_AS("prctl", prctl, 8 /* PR_SET_KEEPCAPS */, 1, 0, 0, 0);
    TRY(personality, 0x0040000 /* ADDR_NO_RANDOMIZE */);
    TRY(unshare, CLONE_NEWUSER);
    TRY(setns, 0, 0);
    TRY(chroot, "/");
    TRY(pivot_root, "/", "/");
    TRY(mount, "none", "/", "tmpfs", 0L, NULL);
    TRY(umount2, "/", MNT_DETACH);
}

static void reach_other_processes(void)
{
    struct iovec here = {&report, 1}, there = {&report, 1};

    TRY(ptrace, PTRACE_ATTACH, getppid(), 0, 0);
    TRY(process_vm_readv, getppid(), &here, 1UL, &there, 1UL, 0UL);
    TRY(process_vm_writev, getppid(), &here, 1UL, &there, 1UL, 0UL);
    TRY(kill, getppid(), SIGTERM);
    TRY_AS("tgkill of another process", tgkill, 1, 1, 0);
    TRY(pidfd_open, 1, 0);
    TRY(kcmp, getpid(), 1, 0, 0L, 0L);
    TRY(setpriority, 0, 0, -10);
    TRY(prlimit64, 0, 7, NULL, NULL);
    TRY(shmget, 0, 4096L, 0600);
    TRY(memfd_create, "x", 0);
}

static void reach_the_kernel(void)
{
    TRY(io_uring_setup, 8, NULL);
    TRY(bpf, 0, NULL, 0);
    TRY(perf_event_open, NULL, 0, -1, -1, 0L);
    TRY(userfaultfd, 0);
    TRY(keyctl, 0, 0, 0, 0, 0);
    TRY(add_key, "user", "x", NULL, 0L, 0);
    TRY(init_module, NULL, 0L, "");
    TRY(kexec_load, 0L, 0L, NULL, 0L);
    TRY(reboot, 0, 0, 0, NULL);
    TRY(swapon, "/", 0);
    TRY(sethostname, "x", 1L);
    TRY(clock_settime, 0, NULL);
    TRY(iopl, 3);
    TRY(syslog, 3, NULL, 0);
    TRY_AS("map code", mmap, NULL, 4096L, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
           0L);
    TRY_AS("make data code", mprotect, (void *)((uintptr_t)report & ~4095UL), 4096L,
           PROT_READ | PROT_EXEC);
}

static void reach_other_networks(void)
{
    TRY_AS("a raw socket", socket, AF_INET, SOCK_RAW, 1);
    TRY_AS("a packet socket", socket, AF_PACKET, SOCK_RAW, 0);
    TRY_AS("a unix socket", socket, AF_UNIX, SOCK_STREAM, 0);
    TRY_AS("a netlink socket", socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    TRY_AS("a vsock socket", socket, AF_VSOCK, SOCK_STREAM, 0);
    TRY_AS("an alg socket", socket, AF_ALG, SOCK_SEQPACKET, 0);
    TRY(bind, 0, NULL, 0);
    TRY(listen, 0, 1);
}

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
    static ssize_t (*real)(int, void *, size_t, int);

    if (real == NULL)
        real = (ssize_t(*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
    if (report != NULL && gettid() != getpid() &&
        __atomic_exchange_n(&report->wanted, 0, __ATOMIC_SEQ_CST) == 1) {
        read_and_write_files();
        leave_the_folders();
        become_something_else();
        reach_other_processes();
        reach_the_kernel();
        reach_other_networks();
    }
    return real(fd, bytes, len, flags);
}
