/* SPDX-License-Identifier: Apache-2.0
 *
 * Who has a port: the socket's inode from /proc/net/tcp, udp and their IPv6
 * siblings (proc(5)), then the process that has it open. And the other way round:
 * on which ports a process, or who shares its network, listens.
 */
#include "base/base.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "io/socket.h"

/* A UDP socket without a peer is in the state of a closed TCP one. */
enum {
    TCP_LISTEN_STATE = 0x0a,
    UDP_OPEN_STATE = 0x07,
    TABLE_LIMIT = 16 << 20,
    LISTENERS_LIMIT = 1 << 20
};

static bool hex_to_u64(struct str text, uint64_t *ret)
{
    uint64_t value = 0;

    if (text.len == 0 || text.len > 16)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                : 16;
        if (digit > 15)
            return false;
        value = value << 4 | digit;
    }
    *ret = value;
    return true;
}

/* The <n>th blank-separated word of <line>. */
static struct str word(struct str line, size_t n)
{
    for (;;) {
        line = str_trim(line);
        size_t end = str_find(line, ' ');
        if (n-- == 0 || line.len == 0)
            return str_sub(line, 0, end);
        line = str_sub(line, end, line.len);
    }
}

/* "  0: 0100007F:1F90 00000000:0000 0A ... inode": words 1, 3 and 9 count. */
static bool line_is_listener(struct str line, uint16_t port, uint64_t wanted_state,
                             uint64_t *ret_inode)
{
    struct str local = word(line, 1);
    uint64_t number, state;
    size_t colon = str_find_last(local, ':');

    return hex_to_u64(str_sub(local, colon + 1, local.len), &number) && number == port &&
           hex_to_u64(word(line, 3), &state) && state == wanted_state &&
           str_to_u64(word(line, 9), UINT64_MAX, ret_inode) && *ret_inode != 0;
}

static bool find_inode(const char *table, uint16_t port, uint64_t state, uint64_t *ret)
{
    AUTO(buf_done) struct buf text = {0};
    struct err err;

    if (!file_read(table, TABLE_LIMIT, &text, &err))
        return false;
    for (struct str rest = buf_str(&text); rest.ptr != NULL;)
        if (line_is_listener(str_cut(&rest, '\n'), port, state, ret))
            return true;
    return false;
}

static bool process_has(const char *pid, const char *link_wanted)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
    DIR *dir = opendir(path);
    bool found = false;

    if (dir == NULL)
        return false;
    for (struct dirent *entry; !found && (entry = readdir(dir)) != NULL;) {
        char link[64];
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);
        if (n > 0) {
            link[n] = '\0';
            found = strcmp(link, link_wanted) == 0;
        }
    }
    (void)closedir(dir);
    return found;
}

/* "nginx (pid 812)" for the process that has the socket <inode> open. */
static bool name_owner(uint64_t inode, char *ret, size_t ret_bytes)
{
    char wanted[64];
    DIR *proc = opendir("/proc");

    if (proc == NULL)
        return false;
    (void)snprintf(wanted, sizeof wanted, "socket:[%llu]", (unsigned long long)inode);
    bool found = false;
    for (struct dirent *entry; !found && (entry = readdir(proc)) != NULL;) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || !process_has(entry->d_name, wanted))
            continue;
        char path[64];
        AUTO(buf_done) struct buf name = {0};
        struct err err;
        (void)snprintf(path, sizeof path, "/proc/%.20s/comm", entry->d_name);
        found = file_read(path, 256, &name, &err);
        if (found)
            (void)snprintf(ret, ret_bytes, STR_FMT " (pid %.20s)",
                           STR_ARG(str_trim(buf_str(&name))), entry->d_name);
    }
    (void)closedir(proc);
    return found;
}

/* ---- who listens where ---- */

/* 127.0.0.0/8 or ::1, as the kernel writes them: words in the machine's order, which is little
 * endian wherever this runs. */
static bool is_local(struct str address)
{
    static const char mapped[] = "0000000000000000FFFF0000";

    if (address.len == 8 || (address.len == 32 && str_starts(address, str_of(mapped))))
        return str_ends(address, STR("7F"));
    return str_is(address, "00000000000000000000000001000000");
}

static void add_listener(struct socket_listeners *list, uint16_t port, bool local)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].port == port) {
            list->items[i].only_local &= local;
            return;
        }
    if (list->count < ARRAY_LEN(list->items))
        list->items[list->count++] = (struct socket_listener){port, local};
}

static void add_table(struct socket_listeners *list, const char *table)
{
    AUTO(buf_done) struct buf text = {0};
    struct err err;

    if (!file_read(table, LISTENERS_LIMIT, &text, &err))
        return;
    for (struct str rest = buf_str(&text); rest.ptr != NULL;) {
        struct str line = str_cut(&rest, '\n');
        struct str local = word(line, 1);
        size_t colon = str_find_last(local, ':');
        uint64_t port, state;
        if (colon < local.len && hex_to_u64(str_sub(local, colon + 1, local.len), &port) &&
            port > 0 && port <= UINT16_MAX && hex_to_u64(word(line, 3), &state) &&
            state == TCP_LISTEN_STATE)
            add_listener(list, (uint16_t)port, is_local(str_sub(local, 0, colon)));
    }
}

void socket_find_listeners(pid_t pid, struct socket_listeners *ret)
{
    char path[64];

    *ret = (struct socket_listeners){0};
    (void)snprintf(path, sizeof path, "/proc/%ld/net/tcp", (long)pid);
    add_table(ret, path);
    (void)snprintf(path, sizeof path, "/proc/%ld/net/tcp6", (long)pid);
    add_table(ret, path);
}

/* ---- */

bool socket_port_owner(uint16_t port, char *ret, size_t ret_bytes)
{
    uint64_t inode;

    return (find_inode("/proc/net/tcp", port, TCP_LISTEN_STATE, &inode) ||
            find_inode("/proc/net/tcp6", port, TCP_LISTEN_STATE, &inode)) &&
           name_owner(inode, ret, ret_bytes);
}

bool socket_udp_port_owner(uint16_t port, char *ret, size_t ret_bytes)
{
    uint64_t inode;

    return (find_inode("/proc/net/udp", port, UDP_OPEN_STATE, &inode) ||
            find_inode("/proc/net/udp6", port, UDP_OPEN_STATE, &inode)) &&
           name_owner(inode, ret, ret_bytes);
}
