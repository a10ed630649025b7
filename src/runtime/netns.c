/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <arpa/inet.h>
#include <ctype.h>
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
#include "runtime/runtime.h"

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

bool netns_allow_loopback(const char *address, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    char name[NETNS_NAME_BYTES];

    if (!netns_interface_name(address, name))
        return err_set(err, ERR_INVALID, "'%s' is no IPv4 address", address);
    const char *path = arena_printf(&arena, "/proc/sys/net/ipv4/conf/%s/route_localnet", name);
    return !file_exists(path) || write_sysctl(path, "1\n", err); /* not there: it has just gone */
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

bool netns_parse_mac(const char *text, uint8_t *ret)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[NETLINK_MAC_BYTES] = {0};

    if (strlen(text) != 3 * sizeof bytes - 1)
        return false;
    for (size_t i = 0; i < 3 * sizeof bytes - 1; i++) {
        const char *digit = strchr(digits, tolower((unsigned char)text[i]));
        if (i % 3 == 2 ? text[i] != ':' && text[i] != '-' : digit == NULL)
            return false;
        if (i % 3 != 2)
            bytes[i / 3] = (uint8_t)(bytes[i / 3] << 4 | (uint8_t)(digit - digits));
    }
    if ((bytes[0] & 1) != 0)
        return false; /* of a group */
    memcpy(ret, bytes, sizeof bytes);
    return true;
}

bool netns_check_interface(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && strchr("._-", name[i]) == NULL)
            return false;
    return len > 0 && len < IFNAMSIZ && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           strcmp(name, "lo") != 0 && strcmp(name, "all") != 0 && strcmp(name, "default") != 0;
}

/* What a namespace is being made with. */
struct making {
    const struct netns_link *link;
    const char *path;
    char peer[NETNS_NAME_BYTES]; /* the machine's end */
    const char *interface;
    const uint8_t *mac;
    uint8_t mac_bytes[NETLINK_MAC_BYTES];
    uint32_t mtu;
};

static bool add_interface(int fd, const struct making *making, int machine, struct err *err)
{
    struct netlink_veth veth = {.name = making->interface,
                                .peer = making->peer,
                                .peer_netns = machine,
                                .mtu = making->mtu,
                                .mac = making->mac};

    if (!netlink_add_veth(fd, &veth, err))
        return false;
    for (size_t i = 0; i < making->link->other_count; i++)
        if (!netlink_add_alias(fd, making->interface, making->link->others[i], err))
            return false;
    return true;
}

/* In the new namespace. Programs may listen on ports below 1024, as in Docker; the interface has no
 * IPv6 address, not even a link-local one, by which it could talk to the machine. */
static bool set_up_inside(const struct making *making, int machine, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(fd_close) int fd = netlink_open(err);
    const char *name = making->interface;
    const char *conf = arena_printf(&arena, "/proc/sys/net/ipv6/conf/%s", name);
    struct in_addr own, gateway;

    (void)inet_pton(AF_INET, making->link->address, &own);
    (void)inet_pton(AF_INET, RUNTIME_GATEWAY, &gateway);
    return fd >= 0 && write_sysctl("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0\n", err) &&
           netlink_set_up(fd, "lo", err) && add_interface(fd, making, machine, err) &&
           (!file_exists(conf) ||
            write_sysctl(arena_printf(&arena, "%s/disable_ipv6", conf), "1\n", err)) &&
           netlink_add_address(fd, name, own, false, err) && netlink_set_up(fd, name, err) &&
           netlink_add_default_route(fd, name, gateway, err);
}

static bool make_inside(const struct making *making, struct err *err)
{
    AUTO(fd_close) int machine = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

    if (machine < 0 || unshare(CLONE_NEWNET) != 0)
        return err_sys(err, "cannot make a network namespace");
    if (mount("/proc/self/ns/net", making->path, NULL, MS_BIND, NULL) != 0)
        return err_sys(err, "cannot keep the network namespace at '%s'", making->path);
    return set_up_inside(making, machine, err);
}

/* A process of its own goes into the new namespace, so that this one never leaves the machine's.
 * What it says on the pipe is the error; nothing means done. */
static bool run_inside(const struct making *making, struct err *err)
{
    AUTO(buf_done) struct buf told = {0};
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_sys(err, "cannot create a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        if (!make_inside(making, err))
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
    (void)inet_pton(AF_INET, RUNTIME_GATEWAY, &gateway);
    return (!file_exists(ipv6) || write_sysctl(ipv6, "1\n", err)) &&
           netlink_add_address(fd, name, gateway, true, err) && netlink_set_up(fd, name, err) &&
           netlink_add_host_route(fd, name, other, gateway, err);
}

static bool plan(struct making *making, struct err *err)
{
    const struct netns_link *link = making->link;

    making->interface = link->interface == NULL ? "eth0" : link->interface;
    making->mtu = default_mtu();
    if (!netns_interface_name(link->address, making->peer))
        return err_set(err, ERR_INVALID, "'%s' is no IPv4 address", link->address);
    if (!netns_check_interface(making->interface))
        return err_set(err, ERR_INVALID, "'%s' is no name of an interface", making->interface);
    if (link->mac == NULL)
        return true;
    if (!netns_parse_mac(link->mac, making->mac_bytes))
        return err_set(err, ERR_INVALID, "'%s' is no address of an interface", link->mac);
    making->mac = making->mac_bytes;
    return true;
}

bool netns_make(const char *path, const struct netns_link *link, struct err *err)
{
    struct making making = {.link = link, .path = path};

    if (!plan(&making, err) || !netns_remove(path, link->address, err))
        return false;
    AUTO(fd_close) int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return err_sys(err, "cannot create '%s'", path);
    AUTO(fd_close) int fd = netlink_open(err);
    if (fd < 0 || !run_inside(&making, err) ||
        !set_up_machine(fd, making.peer, link->address, err)) {
        struct err ignored;
        (void)!netns_remove(path, link->address, &ignored);
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
