/* SPDX-License-Identifier: Apache-2.0
 *
 * The system call filter of instances: a list of what is refused, not of what
 * is allowed, so a newer libc goes on working. What is here needs privileges
 * that an instance has not got (so nothing breaks), or has been the way into
 * the kernel for unprivileged programs: user namespaces, bpf, userfaultfd,
 * io_uring, keyrings, perf.
 */
#include "base/base.h"

#include <errno.h>
#include <sched.h>

#include "runtime/bundle.h"

static const char *const refused[] = {"acct",
                                      "add_key",
                                      "adjtimex",
                                      "bpf",
                                      "clock_adjtime",
                                      "clock_settime",
                                      "create_module",
                                      "delete_module",
                                      "fanotify_init",
                                      "finit_module",
                                      "fsconfig",
                                      "fsmount",
                                      "fsopen",
                                      "fspick",
                                      "get_kernel_syms",
                                      "init_module",
                                      "io_uring_enter",
                                      "io_uring_register",
                                      "io_uring_setup",
                                      "ioperm",
                                      "iopl",
                                      "kexec_file_load",
                                      "kexec_load",
                                      "keyctl",
                                      "lookup_dcookie",
                                      "mount",
                                      "mount_setattr",
                                      "move_mount",
                                      "move_pages",
                                      "name_to_handle_at",
                                      "nfsservctl",
                                      "open_by_handle_at",
                                      "open_tree",
                                      "perf_event_open",
                                      "pivot_root",
                                      "query_module",
                                      "quotactl",
                                      "quotactl_fd",
                                      "reboot",
                                      "request_key",
                                      "setdomainname",
                                      "sethostname",
                                      "setns",
                                      "settimeofday",
                                      "swapoff",
                                      "swapon",
                                      "syslog",
                                      "umount",
                                      "umount2",
                                      "unshare",
                                      "uselib",
                                      "userfaultfd",
                                      "ustat",
                                      "vhangup"};

/* Between processes of one user; SYS_PTRACE opens it. */
static const char *const tracing_calls[] = {"kcmp", "pidfd_getfd", "process_vm_readv",
                                            "process_vm_writev", "ptrace"};

static json_t *rule(const char *const *names, size_t count, int error)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, json_string(names[i]));
    return json_pack("{s:o, s:s, s:i}", "names", list, "action", "SCMP_ACT_ERRNO", "errnoRet",
                     error);
}

json_t *bundle_seccomp(bool tracing)
{
    static const char *const clone3[] = {"clone3"};
    json_t *rules = json_array();
    json_t *clone = rule((const char *const[]){"clone"}, 1, EPERM);

    /* clone(2) with CLONE_NEWUSER; clone3(2) has its flags in memory, where a filter cannot look:
     * ENOSYS sends libc to clone(2). */
    (void)json_object_set_new(clone, "args",
                              json_pack("[{s:i, s:I, s:I, s:s}]", "index", 0, "value",
                                        (json_int_t)CLONE_NEWUSER, "valueTwo",
                                        (json_int_t)CLONE_NEWUSER, "op", "SCMP_CMP_MASKED_EQ"));
    (void)json_array_append_new(rules, rule(refused, ARRAY_LEN(refused), EPERM));
    if (!tracing)
        (void)json_array_append_new(rules, rule(tracing_calls, ARRAY_LEN(tracing_calls), EPERM));
    (void)json_array_append_new(rules, clone);
    (void)json_array_append_new(rules, rule(clone3, 1, ENOSYS));
    return json_pack("{s:s, s:o}", "defaultAction", "SCMP_ACT_ALLOW", "syscalls", rules);
}
