/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/conntrack.h"

enum { BATCH_BYTES = 64 * 1024, RANGE = 0x0ad50000, RANGE_MASK = 0xffff0000 };

/* ---- attributes ---- */

/* NLA_ALIGN() and NLA_HDRLEN are signed. */
static size_t aligned(size_t len)
{
    return (len + NLA_ALIGNTO - 1) & ~(size_t)(NLA_ALIGNTO - 1);
}

struct attributes {
    const char *at;
    size_t left;
};

/* The next attribute; NULL at the end, or where the rest makes no sense. */
static const struct nlattr *next(struct attributes *list)
{
    const struct nlattr *attr = (const struct nlattr *)(const void *)list->at;

    if (list->left < sizeof *attr || attr->nla_len < sizeof *attr || attr->nla_len > list->left)
        return NULL;
    size_t step = MIN(aligned(attr->nla_len), list->left);
    list->at += step;
    list->left -= step;
    return attr;
}

static struct attributes inside(const struct nlattr *attr)
{
    return (struct attributes){(const char *)attr + sizeof(struct nlattr),
                               attr->nla_len - sizeof(struct nlattr)};
}

static const struct nlattr *find(struct attributes list, uint16_t type)
{
    const struct nlattr *attr;

    while ((attr = next(&list)) != NULL)
        if ((attr->nla_type & NLA_TYPE_MASK) == type)
            return attr;
    return NULL;
}

/* The value of <type> when it has <len> bytes. */
static bool read_value(const struct nlattr *parent, uint16_t type, void *ret, size_t len)
{
    const struct nlattr *attr = parent == NULL ? NULL : find(inside(parent), type);

    if (attr == NULL || attr->nla_len != sizeof(struct nlattr) + len)
        return false;
    memcpy(ret, (const char *)attr + sizeof(struct nlattr), len);
    return true;
}

/* ---- one entry ---- */

/* A translated UDP conversation, and whom it is with. */
static bool is_translated(struct attributes entry, struct in_addr *ret_with)
{
    const struct nlattr *reply = find(entry, CTA_TUPLE_REPLY);
    const struct nlattr *status = find(entry, CTA_STATUS);
    uint32_t bits;
    uint8_t protocol;

    if (reply == NULL || status == NULL || status->nla_len != sizeof(struct nlattr) + sizeof bits)
        return false;
    memcpy(&bits, (const char *)status + sizeof(struct nlattr), sizeof bits);
    return (ntohl(bits) & IPS_DST_NAT) != 0 &&
           read_value(find(inside(reply), CTA_TUPLE_PROTO), CTA_PROTO_NUM, &protocol,
                      sizeof protocol) &&
           protocol == IPPROTO_UDP &&
           read_value(find(inside(reply), CTA_TUPLE_IP), CTA_IP_V4_SRC, ret_with,
                      sizeof *ret_with) &&
           (ntohl(ret_with->s_addr) & RANGE_MASK) == RANGE;
}

struct request {
    struct nlmsghdr header;
    struct nfgenmsg family;
};

static struct request request_new(uint16_t type, uint16_t flags, size_t more)
{
    return (struct request){.header = {.nlmsg_len = (uint32_t)(sizeof(struct request) + more),
                                       .nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type),
                                       .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)},
                            .family = {.nfgen_family = AF_INET, .version = NFNETLINK_V0}};
}

/* Appends a request that deletes the entry whose first direction is <tuple>. */
static void add_deletion(struct buf *ret, const struct nlattr *tuple)
{
    static const char padding[NLA_ALIGNTO];
    size_t len = aligned(tuple->nla_len);
    struct request request = request_new(IPCTNL_MSG_CT_DELETE, 0, len);

    buf_add(ret, &request, sizeof request);
    buf_add(ret, tuple, tuple->nla_len);
    buf_add(ret, padding, len - tuple->nla_len);
}

/* ---- the table ---- */

struct sweep {
    conntrack_keeps_fn *keeps;
    const void *arg;
    struct buf deletions;
};

static void look_at(struct sweep *sweep, const struct nlmsghdr *header)
{
    size_t fixed = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
    struct in_addr with;

    if (header->nlmsg_len < fixed)
        return;
    struct attributes entry = {(const char *)header + fixed, header->nlmsg_len - fixed};
    const struct nlattr *tuple = find(entry, CTA_TUPLE_ORIG);
    if (tuple != NULL && is_translated(entry, &with) && !sweep->keeps(sweep->arg, with))
        add_deletion(&sweep->deletions, tuple);
}

/* False with <err> when the kernel refuses; sets <ret_more> as long as there is more to read. */
static bool read_batch(int fd, char *bytes, struct sweep *sweep, bool *ret_more, struct err *err)
{
    ssize_t n = recv(fd, bytes, BATCH_BYTES, 0);

    if (n < 0)
        return err_sys(err, "cannot read the table of connections");
    size_t left = (size_t)n;
    const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)bytes;
    while (left >= sizeof *header && header->nlmsg_len >= sizeof *header &&
           header->nlmsg_len <= left) {
        if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) {
            *ret_more = false;
            return true;
        }
        look_at(sweep, header);
        size_t step = MIN((size_t)NLMSG_ALIGN(header->nlmsg_len), left);
        left -= step;
        header = (const struct nlmsghdr *)(const void *)((const char *)header + step);
    }
    *ret_more = n > 0;
    return true;
}

/* One that has gone meanwhile is no failure: nothing is acknowledged. */
static bool send_deletions(int fd, const struct buf *deletions, struct err *err)
{
    for (size_t at = 0; at < deletions->len;) {
        const struct nlmsghdr *header =
            (const struct nlmsghdr *)(const void *)(deletions->ptr + at);
        if (send(fd, header, header->nlmsg_len, 0) < 0)
            return err_sys(err, "cannot delete a connection");
        at += header->nlmsg_len;
    }
    return true;
}

bool conntrack_forget_udp(conntrack_keeps_fn *keeps, const void *arg, struct err *err)
{
    struct request request = request_new(IPCTNL_MSG_CT_GET, NLM_F_DUMP, 0);
    struct sweep sweep = {.keeps = keeps, .arg = arg};
    AUTO(fd_close) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    AUTO(free) char *bytes = mem_new(BATCH_BYTES);
    bool more = true;

    if (fd < 0 || send(fd, &request, sizeof request, 0) < 0)
        return err_sys(err, "cannot ask for the table of connections");
    bool done = true;
    while (more && done)
        done = read_batch(fd, bytes, &sweep, &more, err);
    done = done && send_deletions(fd, &sweep.deletions, err);
    buf_done(&sweep.deletions);
    return done;
}
