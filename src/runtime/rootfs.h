/* SPDX-License-Identifier: Apache-2.0
 *
 * The root file system of an instance: an overlay of its own writable folder,
 * an optional built tree, a mask that hides what is not the program's business,
 * and the machine's `/` without what is mounted on it. Nothing is copied.
 *
 * Two overlays lie on each other, for overlayfs(5) takes no layer that is inside
 * another one, as everything on the disk is inside `/`: the lower joins `/` and
 * the mask, which is a file system of its own, the upper adds the rest. The
 * lower is made for each instance, not once, because an overlay may go on
 * showing a file that an upgrade of the machine has replaced.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"
#include "base/buf.h"

struct compose_service;
struct err;
struct runtime_host;

/* Makes the mask, a tmpfs on <folder>: of the machine's top level only bin, etc, lib*,
 * sbin and usr stay visible, and not all of etc. What is there already stays. */
MUST_CHECK bool rootfs_make_mask(const char *folder, struct err *err);

/* /usr and the like must be part of the root file system to be seen in an overlay of it. */
MUST_CHECK bool rootfs_check_machine(struct err *err);

struct rootfs {
    const char *target; /* where it appears */
    const char *upper;
    const char *work;
    const char *mask;
    const char *const *layers; /* between upper and mask, topmost first */
    size_t layer_count;
};

/* Makes the folders and mounts. A mount that is there already is replaced. */
MUST_CHECK bool rootfs_mount(const struct rootfs *rootfs, struct err *err);
/* Not mounted, or not there, is success. */
MUST_CHECK bool rootfs_unmount(const char *target, struct err *err);

/* A symbolic link at <path>, which is absolute inside, to <to>; parents are made. One that is there
 * stays. */
MUST_CHECK bool rootfs_make_link(const char *root, const char *path, const char *to,
                                 struct err *err);
/* <path> is absolute inside; makes it (and its parents, owned by root) in the folder <root>. */
MUST_CHECK bool rootfs_make_dir(const char *root, const char *path, mode_t mode, uid_t owner,
                                struct err *err);

/* What /etc/passwd and friends say inside. */
struct rootfs_names {
    const char *user; /* of <uid> */
    uid_t uid;
    const char *home;
    const char *hostname;
    const char *address; /* NULL: the machine's network */
    const struct runtime_host *hosts;
    size_t host_count;
    const struct compose_service *service; /* its domainname and resolver settings */
};

/* Writes etc/{passwd,group,hosts,hostname,resolv.conf} below <upper>. */
MUST_CHECK bool rootfs_write_names(const char *upper, const struct rootfs_names *names,
                                   struct err *err);
/* resolv.conf: the <machine>'s, but what <service> says itself (dns, dns_search, dns_opt). */
void rootfs_format_resolv(struct str machine, const struct compose_service *service,
                          struct buf *ret);
/* Replaces etc/hosts in the mounted root <root> of an instance that runs. */
MUST_CHECK bool rootfs_replace_hosts(const char *root, const struct rootfs_names *names,
                                     struct err *err);
