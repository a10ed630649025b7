/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "runtime/netlink.h"

/* A request being written: header, fixed part, attributes. */
struct request {
    union {
        struct nlmsghdr header;
        char bytes[1024];
    };
};

static void *request_start(struct request *request, uint16_t type, uint16_t flags, size_t fixed)
{
    memset(request, 0, sizeof *request);
    request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(fixed);
    request->header.nlmsg_type = type;
    request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    return request->bytes + NLMSG_HDRLEN;
}

static struct rtattr *request_add(struct request *request, uint16_t type, const void *value,
                                  size_t len)
{
    size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
    assert(at + RTA_SPACE(len) <= sizeof request->bytes);
    struct rtattr *attr = (struct rtattr *)(void *)(request->bytes + at);

    attr->rta_type = type;
    attr->rta_len = (uint16_t)RTA_LENGTH(len);
    if (len > 0)
        memcpy(RTA_DATA(attr), value, len);
    request->header.nlmsg_len = (uint32_t)(at + RTA_ALIGN(RTA_LENGTH(len)));
    return attr;
}

static void request_end_nested(struct request *request, struct rtattr *attr)
{
    attr->rta_len = (uint16_t)(request->bytes + request->header.nlmsg_len - (char *)attr);
}

/* 0, or the kernel's error number; -1 with errno when it could not be asked. */
static int request_send(int fd, const struct request *request)
{
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[2048];
    } answer;

    if (send(fd, request->bytes, request->header.nlmsg_len, 0) < 0)
        return -1;
    ssize_t n = recv(fd, &answer, sizeof answer, 0);
    if (n < 0)
        return -1;
    if ((size_t)n < NLMSG_LENGTH(sizeof answer.error) || answer.header.nlmsg_type != NLMSG_ERROR) {
        errno = EPROTO;
        return -1;
    }
    return -answer.error.error;
}

static bool request_finish(int fd, const struct request *request, int also_fine, const char *what,
                           const char *name, struct err *err)
{
    int result = request_send(fd, request);

    if (result == 0 || (result > 0 && result == also_fine))
        return true;
    if (result > 0)
        errno = result;
    return err_sys(err, "cannot %s '%s'", what, name);
}

int netlink_open(struct err *err)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0)
        err_sys(err, "cannot open a netlink socket");
    return fd;
}

/* The caller is in the namespace that its netlink socket belongs to. */
static bool find_index(const char *name, int *ret, struct err *err)
{
    *ret = (int)if_nametoindex(name);
    return *ret > 0 ? true : err_sys(err, "no network interface '%s'", name);
}

bool netlink_add_veth(int fd, const struct netlink_veth *veth, struct err *err)
{
    struct request request;
    struct ifinfomsg *info =
        request_start(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof *info);
    info->ifi_family = AF_UNSPEC;
    request_add(&request, IFLA_IFNAME, veth->name, strlen(veth->name) + 1);
    if (veth->mac != NULL)
        request_add(&request, IFLA_ADDRESS, veth->mac, NETLINK_MAC_BYTES);
    if (veth->mtu > 0)
        request_add(&request, IFLA_MTU, &veth->mtu, sizeof veth->mtu);
    struct rtattr *link = request_add(&request, IFLA_LINKINFO, NULL, 0);
    request_add(&request, IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = request_add(&request, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *other =
        request_add(&request, VETH_INFO_PEER, &(struct ifinfomsg){0}, sizeof(struct ifinfomsg));
    request_add(&request, IFLA_IFNAME, veth->peer, strlen(veth->peer) + 1);
    request_add(&request, IFLA_NET_NS_FD, &veth->peer_netns, sizeof veth->peer_netns);
    if (veth->mtu > 0)
        request_add(&request, IFLA_MTU, &veth->mtu, sizeof veth->mtu);
    request_end_nested(&request, other);
    request_end_nested(&request, data);
    request_end_nested(&request, link);
    return request_finish(fd, &request, 0, "make the network interface", veth->name, err);
}

bool netlink_add_alias(int fd, const char *name, const char *alias, struct err *err)
{
    struct request request;
    struct ifinfomsg *info =
        request_start(&request, RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL, sizeof *info);

    if (!find_index(name, &info->ifi_index, err))
        return false;
    struct rtattr *list = request_add(&request, IFLA_PROP_LIST | NLA_F_NESTED, NULL, 0);
    request_add(&request, IFLA_ALT_IFNAME, alias, strlen(alias) + 1);
    request_end_nested(&request, list);
    return request_finish(fd, &request, EEXIST, "name the network interface", alias, err);
}

bool netlink_remove_link(int fd, const char *name, struct err *err)
{
    struct request request;

    (void)request_start(&request, RTM_DELLINK, 0, sizeof(struct ifinfomsg));
    request_add(&request, IFLA_IFNAME, name, strlen(name) + 1);
    return request_finish(fd, &request, ENODEV, "remove the network interface", name, err);
}

bool netlink_set_up(int fd, const char *name, struct err *err)
{
    struct request request;
    struct ifinfomsg *info = request_start(&request, RTM_NEWLINK, 0, sizeof *info);

    info->ifi_flags = IFF_UP;
    info->ifi_change = IFF_UP;
    request_add(&request, IFLA_IFNAME, name, strlen(name) + 1);
    return request_finish(fd, &request, 0, "bring up the network interface", name, err);
}

bool netlink_add_address(int fd, const char *name, struct in_addr address, bool link_scope,
                         struct err *err)
{
    struct request request;
    struct ifaddrmsg *message =
        request_start(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof *message);
    int index;

    if (!find_index(name, &index, err))
        return false;
    message->ifa_family = AF_INET;
    message->ifa_prefixlen = 32;
    message->ifa_scope = link_scope ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    message->ifa_index = (uint32_t)index;
    request_add(&request, IFA_LOCAL, &address, sizeof address);
    request_add(&request, IFA_ADDRESS, &address, sizeof address);
    return request_finish(fd, &request, EEXIST, "give an address to", name, err);
}

static struct rtmsg *start_route(struct request *request, uint8_t scope)
{
    struct rtmsg *route =
        request_start(request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof *route);
    route->rtm_family = AF_INET;
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_protocol = RTPROT_STATIC;
    route->rtm_scope = scope;
    route->rtm_type = RTN_UNICAST;
    return route;
}

bool netlink_add_host_route(int fd, const char *name, struct in_addr to, struct in_addr source,
                            struct err *err)
{
    struct request request;
    struct rtmsg *route = start_route(&request, RT_SCOPE_LINK);
    int index;

    if (!find_index(name, &index, err))
        return false;
    route->rtm_dst_len = 32;
    request_add(&request, RTA_DST, &to, sizeof to);
    request_add(&request, RTA_PREFSRC, &source, sizeof source);
    request_add(&request, RTA_OIF, &index, sizeof index);
    return request_finish(fd, &request, 0, "add the route over", name, err);
}

bool netlink_add_default_route(int fd, const char *name, struct in_addr gateway, struct err *err)
{
    struct request request;
    struct rtmsg *route = start_route(&request, RT_SCOPE_UNIVERSE);
    int index;

    if (!find_index(name, &index, err))
        return false;
    route->rtm_flags = RTNH_F_ONLINK;
    request_add(&request, RTA_GATEWAY, &gateway, sizeof gateway);
    request_add(&request, RTA_OIF, &index, sizeof index);
    return request_finish(fd, &request, 0, "add the default route over", name, err);
}
