/* SPDX-License-Identifier: Apache-2.0
 *
 * The files below etc/ that differ from instance to instance (rootfs.h).
 */
#include "base/base.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/host_priv.h"
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

/* ---- hosts ---- */

/* "10.213.4.7  web.shop.example web", as Docker writes it. */
static void format_hosts(const struct rootfs_names *names, struct buf *ret)
{
    const char *domain = names->service->domainname;

    buf_add_text(ret, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for (size_t i = 0; i < names->host_count; i++)
        buf_addf(ret, "%s\t%s\n", names->hosts[i].address, names->hosts[i].name);
    buf_addf(ret, "%s\t", names->address == NULL ? "127.0.1.1" : names->address);
    if (domain != NULL && *domain != '\0')
        buf_addf(ret, "%s.%s ", names->hostname, domain);
    buf_addf(ret, "%s\n", names->hostname);
}

static bool write_hosts(const char *upper, const struct rootfs_names *names, struct err *err)
{
    AUTO(buf_done) struct buf hosts = {0};
    AUTO(buf_done) struct buf hostname = {0};

    format_hosts(names, &hosts);
    buf_addf(&hostname, "%s\n", names->hostname);
    return write_etc(upper, "hosts", &hosts, err) && write_etc(upper, "hostname", &hostname, err);
}

/* A mount on the file would be undone by the new one. */
static bool has_mount(const struct compose_service *service, const char *target)
{
    for (size_t i = 0; i < service->volume_count; i++)
        if (strcmp(service->volumes[i].target, target) == 0)
            return true;
    return false;
}

bool rootfs_replace_hosts(const char *root, const struct rootfs_names *names, struct err *err)
{
    static const char temporary[] = "hosts.new";
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS};
    AUTO(buf_done) struct buf hosts = {0};
    AUTO(fd_close) int top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (has_mount(names->service, "/etc/hosts") || has_mount(names->service, "/etc"))
        return true;
    AUTO(fd_close)
    int etc = top < 0 ? -1 : (int)syscall(SYS_openat2, top, "etc", &how, sizeof how);
    if (etc < 0)
        return err_sys(err, "cannot open 'etc' in '%s'", root);
    (void)unlinkat(etc, temporary, 0);
    AUTO(fd_close)
    int fd = openat(etc, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    format_hosts(names, &hosts);
    if (fd < 0)
        return err_sys(err, "cannot write 'etc/%s' in '%s'", temporary, root);
    if (!file_write_fd(fd, buf_str(&hosts), err))
        return false;
    return renameat(etc, temporary, etc, "hosts") == 0
               ? true
               : err_sys(err, "cannot replace 'etc/hosts' in '%s'", root);
}

/* ---- resolv.conf ---- */

/* The machine's. systemd-resolved puts 127.0.0.53 there, which is not there from inside; the
 * servers it asks are in a file beside its own. */
static void read_resolv(bool own_network, struct buf *ret)
{
    struct err ignored;

    if (!file_read("/etc/resolv.conf", RESOLV_BYTES_MAX, ret, &ignored))
        buf_clear(ret);
    if (own_network && strstr(buf_text(ret), "nameserver 127.") != NULL) {
        buf_clear(ret);
        if (!file_read("/run/systemd/resolve/resolv.conf", RESOLV_BYTES_MAX, ret, &ignored))
            buf_clear(ret);
    }
}

/* Does the service say itself what <line> says? */
static bool is_replaced(struct str line, const struct compose_service *service)
{
    return (service->dns.count > 0 && str_starts(line, STR("nameserver"))) ||
           (service->dns_search.count > 0 &&
            (str_starts(line, STR("search")) || str_starts(line, STR("domain")))) ||
           (service->dns_options.count > 0 && str_starts(line, STR("options")));
}

/* A word that could begin another line is left out. */
static bool is_word(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return *text != '\0';
}

static void add_words(struct buf *ret, const char *keyword, const struct compose_texts *words)
{
    size_t start = ret->len;

    for (size_t i = 0; i < words->count; i++)
        if (is_word(words->items[i]))
            buf_addf(ret, "%s%s", ret->len == start ? keyword : " ", words->items[i]);
    if (ret->len > start)
        buf_add_char(ret, '\n');
}

/* `dns_search: .` means no search list at all. */
static bool is_no_search(const struct compose_texts *search)
{
    return search->count == 1 && strcmp(search->items[0], ".") == 0;
}

void rootfs_format_resolv(struct str machine, const struct compose_service *service,
                          struct buf *ret)
{
    while (machine.ptr != NULL) {
        struct str line = str_trim(str_cut(&machine, '\n'));
        if (line.len > 0 && !is_replaced(line, service)) {
            buf_add_str(ret, line);
            buf_add_char(ret, '\n');
        }
    }
    for (size_t i = 0; i < service->dns.count; i++)
        if (is_word(service->dns.items[i]))
            buf_addf(ret, "nameserver %s\n", service->dns.items[i]);
    if (!is_no_search(&service->dns_search))
        add_words(ret, "search ", &service->dns_search);
    add_words(ret, "options ", &service->dns_options);
}

static bool write_resolv(const char *upper, const struct compose_service *service, struct err *err)
{
    AUTO(buf_done) struct buf machine = {0}, text = {0};
    const char *mode = service->network_mode;

    read_resolv(mode == NULL || strcmp(mode, "host") != 0, &machine);
    rootfs_format_resolv(buf_str(&machine), service, &text);
    return write_etc(upper, "resolv.conf", &text, err);
}

bool rootfs_write_names(const char *upper, const struct rootfs_names *names, struct err *err)
{
    return rootfs_make_dir(upper, "etc", 0755, 0, err) && write_users(upper, names, err) &&
           write_hosts(upper, names, err) && write_resolv(upper, names->service, err);
}

/* ---- while it runs ---- */

bool names_apply(struct runtime *runtime, const struct instance_spec *spec, struct err *err)
{
    struct host *host = host_of(runtime);
    AUTO(arena_done) struct arena arena = {0};
    struct rootfs_names names = {.hostname = spec->hostname,
                                 .address = spec->address,
                                 .hosts = spec->hosts,
                                 .host_count = spec->host_count,
                                 .service = spec->service};

    return rootfs_replace_hosts(host_run_path(host, &arena, spec->id, "rootfs"), &names, err);
}
