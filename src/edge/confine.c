/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "edge/control.h"

/* gcc has macros for it, clang a feature test. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER
#endif
#endif

/* What threads, OpenSSL, epoll and file serving need. Everything else fails with EPERM and, where
 * the kernel is told to, is logged. */
static const int allowed[] = {
    /* sockets */
    SCMP_SYS(accept4),
    SCMP_SYS(connect),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    /* descriptors */
    SCMP_SYS(close),
    SCMP_SYS(dup),
    SCMP_SYS(fcntl),
    SCMP_SYS(fstat),
    SCMP_SYS(fstatfs),
    SCMP_SYS(lseek),
    SCMP_SYS(newfstatat),
    SCMP_SYS(openat2),
    SCMP_SYS(pread64),
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(sendfile),
    SCMP_SYS(pipe2),
    SCMP_SYS(splice),
    SCMP_SYS(statx),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    /* events and time */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(eventfd2),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(nanosleep),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(signalfd4),
    /* memory and threads */
    SCMP_SYS(brk),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(futex),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(getpid),
    SCMP_SYS(getrandom),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(madvise),
    SCMP_SYS(membarrier),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_yield),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(sysinfo),
};

/* Allowed only in part: sockets of the internet, threads but no processes, memory that is not code,
 * signals to itself. 0, or what libseccomp says. */
static int allow_in_part(scmp_filter_ctx filter)
{
    const struct {
        int call;
        struct scmp_arg_cmp condition;
    } rules[] = {
        {SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET, 0)},
        {SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET6, 0)},
        {SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)},
        {SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
        {SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
        {SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0)},
    };
    int failed = 0;

    for (size_t i = 0; failed == 0 && i < ARRAY_LEN(rules); i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, rules[i].call, 1, rules[i].condition);
    /* Its arguments are in memory, where a filter cannot look: the C library takes clone() then. */
    if (failed == 0)
        failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return failed;
}

/* Files may be read and nothing else: not written, made, removed, renamed or executed, through
 * whatever descriptor of a folder. Where it can read at all is decided by the folders that are
 * handed in (edge/folder.h). A kernel without Landlock leaves that to the user's rights and to the
 * read-only mounts. landlock(7). */
static bool only_read_files(struct err *err)
{
    enum { TRUNCATE = 1 << 14, IOCTL_DEVICE = 1 << 15 }; /* newer than Debian 12's headers */
    static const uint64_t all_of[] = {
        [1] = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1, [2] = (LANDLOCK_ACCESS_FS_REFER << 1) - 1,
        [3] = ((uint64_t)TRUNCATE << 1) - 1,          [4] = ((uint64_t)TRUNCATE << 1) - 1,
        [5] = ((uint64_t)IOCTL_DEVICE << 1) - 1,
    };
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (version < 1)
        return true;
    uint64_t all = all_of[MIN((size_t)version, ARRAY_LEN(all_of) - 1)];
    struct landlock_ruleset_attr attributes = {
        .handled_access_fs =
            all & ~(uint64_t)(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)};
    AUTO(fd_close)
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    return (rules >= 0 && syscall(SYS_landlock_restrict_self, rules, 0) == 0) ||
           err_sys(err, "cannot give up writing files");
}

static bool load_filter(struct err *err)
{
#ifdef UNDER_SANITIZER
    return true; /* the sanitizer's own threads and reports need much more */
#endif
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int failed = filter == NULL ? -ENOMEM : seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);

    for (size_t i = 0; failed == 0 && i < ARRAY_LEN(allowed); i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    if (failed == 0)
        failed = allow_in_part(filter);
    if (failed == 0)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    errno = -failed;
    return failed == 0 || err_sys(err, "cannot load the system call filter");
}

static bool drop_identity(const struct edge_options *options, struct err *err)
{
    if (options->uid == 0)
        return true;
    if (setgroups(0, NULL) != 0 || setresgid(options->gid, options->gid, options->gid) != 0 ||
        setresuid(options->uid, options->uid, options->uid) != 0)
        return err_sys(err, "cannot become user %u", (unsigned)options->uid);
    return true;
}

/* Leaving user 0 has emptied the sets already; the bounding set stays, and no_new_privs makes it
 * useless. */
static bool drop_capabilities(const struct edge_options *options, struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

    if (options->uid == 0 || syscall(SYS_capset, &header, none) == 0)
        return true;
    return err_sys(err, "cannot drop capabilities");
}

/* As many descriptors as the machine allows; no files, no processes, no core dumps. */
static void set_limits(const struct edge_options *options)
{
    struct rlimit files = {0}, none = {0, 0};

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)setrlimit(RLIMIT_CORE, &none);
    if (options->uid != 0)
        (void)setrlimit(RLIMIT_MSGQUEUE, &none);
}

bool confine(const struct edge_options *options, struct err *err)
{
    set_limits(options);
    if (options->chroot_dir != NULL && (chroot(options->chroot_dir) != 0 || chdir("/") != 0))
        return err_sys(err, "cannot enter '%s'", options->chroot_dir);
    if (!drop_identity(options, err))
        return false;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_sys(err, "cannot give up privileges");
    return drop_capabilities(options, err) && only_read_files(err) && load_filter(err);
}
