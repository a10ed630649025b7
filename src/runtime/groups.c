/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fcntl.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/groups.h"
#include "runtime/runtime.h"

enum { GROUP_FILE_BYTES_MAX = 1 << 20, GID_MAX = 2000000000 };

/* They can read the machine's passwords and keys, or are root by another way. */
static const char *const refused[] = {"root", "adm",    "disk",    "docker",   "kmem", "lxd",
                                      "sudo", "shadow", "libvirt", "ssl-cert", "wheel"};

/* One line of group(5): name:password:number:members. */
static bool parse_line(struct str line, struct str *ret_name, uint64_t *ret_gid)
{
    *ret_name = str_cut(&line, ':');
    (void)str_cut(&line, ':');
    return ret_name->len > 0 && str_to_u64(str_cut(&line, ':'), GID_MAX, ret_gid);
}

/* By name, or by number when <name> is NULL. */
static bool find_group(struct str text, const char *name, uint64_t gid, struct str *ret_name,
                       uint64_t *ret_gid)
{
    for (struct str rest = text; rest.ptr != NULL;)
        if (parse_line(str_cut(&rest, '\n'), ret_name, ret_gid) &&
            (name == NULL ? *ret_gid == gid : str_is(*ret_name, name)))
            return true;
    return false;
}

static bool is_refused(struct str text, uint64_t gid)
{
    struct str name;
    uint64_t number;

    if (gid == 0 || gid >= RUNTIME_UID_FIRST)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (find_group(text, refused[i], 0, &name, &number) && number == gid)
            return true;
    return false;
}

static bool add_group(const char *wanted, struct str text, struct arena *arena,
                      struct groups *groups, struct err *err)
{
    struct str name = {0};
    uint64_t number, gid;

    if (str_to_u64(str_of(wanted), GID_MAX, &number)) {
        gid = number;
        if (!find_group(text, NULL, number, &name, &gid))
            name = str_of(arena_printf(arena, "group%llu", (unsigned long long)number));
        gid = number;
    } else if (!find_group(text, wanted, 0, &name, &gid)) {
        return err_set(err, ERR_NOT_FOUND,
                       "group_add: the machine has no group '%.80s'; add it, or give a number",
                       wanted);
    }
    if (is_refused(text, gid))
        return err_set(
            err, ERR_DENIED,
            "group_add: the group '%.80s' opens the secrets of the machine or of another "
            "system; give the service a group of its own",
            wanted);
    for (size_t i = 0; i < groups->count; i++)
        if (groups->items[i].gid == gid)
            return true;
    if (groups->count == GROUPS_MAX)
        return err_set(err, ERR_LIMIT, "group_add: more than %d groups", GROUPS_MAX);
    groups->items[groups->count].gid = (gid_t)gid;
    groups->items[groups->count++].name = arena_str(arena, name);
    return true;
}

bool groups_parse(const struct compose_texts *wanted, struct str text, struct arena *arena,
                  struct groups *ret, struct err *err)
{
    ret->count = 0;
    for (size_t i = 0; i < wanted->count; i++)
        if (!add_group(wanted->items[i], text, arena, ret, err))
            return false;
    return true;
}

bool groups_find(const struct compose_texts *wanted, struct arena *arena, struct groups *ret,
                 struct err *err)
{
    AUTO(buf_done) struct buf text = {0};

    ret->count = 0;
    if (wanted->count == 0)
        return true;
    return file_read("/etc/group", GROUP_FILE_BYTES_MAX, &text, err) &&
           groups_parse(wanted, buf_str(&text), arena, ret, err);
}

bool groups_write(const char *upper, const struct groups *groups, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    const char *path = arena_printf(&arena, "%s/etc/group", upper);

    if (groups->count == 0)
        return true;
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, "cannot write '%s'", path);
    for (size_t i = 0; i < groups->count; i++)
        buf_addf(&text, "%s:x:%u:\n", groups->items[i].name, groups->items[i].gid);
    return file_write_fd(fd, buf_str(&text), err);
}
