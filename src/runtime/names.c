/* SPDX-License-Identifier: Apache-2.0
 *
 * The files below etc/ that differ from instance to instance (rootfs.h).
 */
#include "base/base.h"

#include <fcntl.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/rootfs.h"
#include "runtime/runtime.h"

enum { RESOLV_BYTES_MAX = 64 * 1024 };

static bool write_etc(const char *upper, const char *name, const struct buf *text, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *path = arena_printf(&arena, "%s/etc/%s", upper, name);
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

    /* Not file_write(): these are made again at every start, so no fsync. */
    if (fd < 0)
        return err_sys(err, "cannot write '%s'", path);
    return file_write_fd(fd, buf_str(text), err);
}

static bool write_users(const char *upper, const struct rootfs_names *names, struct err *err)
{
    AUTO(buf_done) struct buf passwd = {0};
    AUTO(buf_done) struct buf group = {0};

    buf_add_text(&passwd, "root:x:0:0:root:/root:/usr/sbin/nologin\n");
    buf_add_text(&group, "root:x:0:\n");
    buf_addf(&passwd, "%s:x:%u:%u::%s:/bin/sh\n", names->user, names->uid, names->uid, names->home);
    buf_addf(&group, "%s:x:%u:\n", names->user, names->uid);
    buf_add_text(&passwd, "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
    buf_add_text(&group, "tty:x:5:\nnogroup:x:65534:\n");
    return write_etc(upper, "passwd", &passwd, err) && write_etc(upper, "group", &group, err);
}

static bool write_hosts(const char *upper, const struct rootfs_names *names, struct err *err)
{
    AUTO(buf_done) struct buf hosts = {0};
    AUTO(buf_done) struct buf hostname = {0};

    buf_add_text(&hosts, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for (size_t i = 0; i < names->host_count; i++)
        buf_addf(&hosts, "%s\t%s\n", names->hosts[i].address, names->hosts[i].name);
    buf_addf(&hosts, "%s\t%s\n", names->address == NULL ? "127.0.1.1" : names->address,
             names->hostname);
    buf_addf(&hostname, "%s\n", names->hostname);
    return write_etc(upper, "hosts", &hosts, err) && write_etc(upper, "hostname", &hostname, err);
}

/* systemd-resolved puts 127.0.0.53 in resolv.conf, which is not there from inside; the servers it
 * asks are in a file beside its own. */
static bool write_resolv(const char *upper, bool own_network, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    const char *path = "/etc/resolv.conf";
    struct err ignored;

    if (!file_read(path, RESOLV_BYTES_MAX, &text, &ignored))
        buf_clear(&text);
    if (own_network && strstr(buf_text(&text), "nameserver 127.") != NULL) {
        buf_clear(&text);
        if (!file_read("/run/systemd/resolve/resolv.conf", RESOLV_BYTES_MAX, &text, &ignored))
            buf_clear(&text);
    }
    return write_etc(upper, "resolv.conf", &text, err);
}

bool rootfs_write_names(const char *upper, const struct rootfs_names *names, struct err *err)
{
    return rootfs_make_dir(upper, "etc", 0755, 0, err) && write_users(upper, names, err) &&
           write_hosts(upper, names, err) && write_resolv(upper, names->address != NULL, err);
}
