/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/netlink.h"
#include "runtime/netns.h"

static const char gateway_text[] = "169.254.1.1";

bool netns_interface_name(const char *address, char *ret)
{
    struct in_addr parsed;

    if (inet_pton(AF_INET, address, &parsed) != 1)
        return false;
    (void)snprintf(ret, NETNS_NAME_BYTES, "iz%08x", ntohl(parsed.s_addr));
    return true;
}

static bool write_sysctl(const char *path, const char *value, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, "cannot open '%s'", path);
    return file_write_fd(fd, str_of(value), err);
}

bool netns_prepare_machine(struct err *err)
{
    AUTO(buf_done) struct buf now = {0};

    if (file_read("/proc/sys/net/ipv4/ip_forward", 64, &now, err) &&
        str_is(str_trim(buf_str(&now)), "1"))
        return true;
    return write_sysctl("/proc/sys/net/ipv4/ip_forward", "1\n", err);
}

/* Of the interface of the default route; 0 when there is none. */
static uint32_t default_mtu(void)
{
    AUTO(buf_done) struct buf routes = {0};
    AUTO(fd_close) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct err ignored;

    if (fd < 0 || !file_read("/proc/net/route", 1 << 20, &routes, &ignored))
        return 0;
    struct str rest = buf_str(&routes);
    while (rest.ptr != NULL) {
        struct str line = str_cut(&rest, '\n');
        struct str name = str_cut(&line, '\t');
        struct ifreq request = {0};
        if (!str_is(str_cut(&line, '\t'), "00000000") || name.len >= IFNAMSIZ)
            continue;
        memcpy(request.ifr_name, name.ptr, name.len);
        return ioctl(fd, SIOCGIFMTU, &request) == 0 ? (uint32_t)request.ifr_mtu : 0;
    }
    return 0;
}

/* In the new namespace. Programs may listen on ports below 1024, as in Docker; eth0 has no IPv6
 * address, not even a link-local one, by which it could talk to the machine. */
static bool set_up_inside(int machine, const char *name, const char *address, uint32_t mtu,
                          struct err *err)
{
    AUTO(fd_close) int fd = netlink_open(err);
    struct in_addr own, gateway;

    (void)inet_pton(AF_INET, address, &own);
    (void)inet_pton(AF_INET, gateway_text, &gateway);
    return fd >= 0 && write_sysctl("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0\n", err) &&
           netlink_set_up(fd, "lo", err) && netlink_add_veth(fd, "eth0", name, machine, mtu, err) &&
           (!file_exists("/proc/sys/net/ipv6/conf/eth0") ||
            write_sysctl("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1\n", err)) &&
           netlink_add_address(fd, "eth0", own, false, err) && netlink_set_up(fd, "eth0", err) &&
           netlink_add_default_route(fd, "eth0", gateway, err);
}

static bool make_inside(const char *path, const char *name, const char *address, uint32_t mtu,
                        struct err *err)
{
    AUTO(fd_close) int machine = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

    if (machine < 0 || unshare(CLONE_NEWNET) != 0)
        return err_sys(err, "cannot make a network namespace");
    if (mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) != 0)
        return err_sys(err, "cannot keep the network namespace at '%s'", path);
    return set_up_inside(machine, name, address, mtu, err);
}

/* A process of its own goes into the new namespace, so that this one never leaves the machine's.
 * What it says on the pipe is the error; nothing means done. */
static bool run_inside(const char *path, const char *name, const char *address, uint32_t mtu,
                       struct err *err)
{
    AUTO(buf_done) struct buf told = {0};
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_sys(err, "cannot create a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        if (!make_inside(path, name, address, mtu, err))
            (void)!write(ends[1], err->text, strlen(err->text));
        _exit(0);
    }
    fd_close(ends[1]);
    bool read_it = pid > 0 && file_read_fd(ends[0], sizeof err->text, &told, err);
    fd_close(ends[0]);
    if (pid < 0)
        return err_sys(err, "cannot start a process");
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (!read_it)
        return false;
    return told.len == 0 ? true : err_set(err, ERR_SYSTEM, "%s", buf_text(&told));
}

static bool set_up_machine(int fd, const char *name, const char *address, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *ipv6 = arena_printf(&arena, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
    struct in_addr other, gateway;

    (void)inet_pton(AF_INET, address, &other);
    (void)inet_pton(AF_INET, gateway_text, &gateway);
    return (!file_exists(ipv6) || write_sysctl(ipv6, "1\n", err)) &&
           netlink_add_address(fd, name, gateway, true, err) && netlink_set_up(fd, name, err) &&
           netlink_add_host_route(fd, name, other, gateway, err);
}

bool netns_make(const char *path, const char *address, struct err *err)
{
    char name[NETNS_NAME_BYTES];

    if (!netns_interface_name(address, name))
        return err_set(err, ERR_INVALID, "'%s' is no IPv4 address", address);
    if (!netns_remove(path, address, err))
        return false;
    AUTO(fd_close) int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return err_sys(err, "cannot create '%s'", path);
    AUTO(fd_close) int fd = netlink_open(err);
    if (fd < 0 || !run_inside(path, name, address, default_mtu(), err) ||
        !set_up_machine(fd, name, address, err)) {
        struct err ignored;
        (void)!netns_remove(path, address, &ignored);
        return false;
    }
    return true;
}

bool netns_remove(const char *path, const char *address, struct err *err)
{
    char name[NETNS_NAME_BYTES];

    if (address != NULL && netns_interface_name(address, name)) {
        AUTO(fd_close) int fd = netlink_open(err);
        if (fd < 0 || !netlink_remove_link(fd, name, err))
            return false;
    }
    if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT)
        return err_sys(err, "cannot unmount '%s'", path);
    if (unlink(path) != 0 && errno != ENOENT)
        return err_sys(err, "cannot remove '%s'", path);
    return true;
}
