/* SPDX-License-Identifier: Apache-2.0
 *
 * Logs of instances that are gone: the last few of each service are kept, for
 * whoever asks what the former release said; the others go.
 */
#include "base/base.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/log.h"
#include "base/vec.h"
#include "control/daemon_priv.h"
#include "watch/log_rotate.h"

enum { KEPT_LOGS = 5, SUFFIX_CHARACTERS = 6 };

struct old_log {
    char *path;
    int64_t changed_ns;
};

struct old_logs {
    struct old_log *ptr;
    size_t len, cap;
};

/* "eshop-backend-1-3f9a01.log" -> its id; the id without number and suffix is the service's. */
static bool is_log_of(struct str file, struct str prefix, bool is_one_off)
{
    if (!str_ends(file, STR(".log")) || !str_starts(file, prefix))
        return false;
    struct str rest = str_sub(file, prefix.len, file.len - prefix.len - 4);
    if (is_one_off)
        return rest.len == SUFFIX_CHARACTERS;
    struct str number = str_cut(&rest, '-');
    uint64_t parsed;
    return str_to_u64(number, 9999, &parsed) && rest.len == SUFFIX_CHARACTERS;
}

static bool is_in_use(const struct system *system, struct str file)
{
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (str_is(str_sub(file, 0, file.len - 4), instance->id) &&
            instance->state != INSTANCE_GONE)
            return true;
    }
    return false;
}

static void collect(const struct instance *gone, struct str folder, struct old_logs *ret)
{
    struct str id = str_of(gone->id);
    struct str named = str_sub(id, 0, str_find_last(id, '-'));            /* "eshop-backend-1" */
    struct str prefix = str_sub(named, 0, str_find_last(named, '-') + 1); /* "eshop-backend-" */
    bool is_one_off = gone->one_off != NULL;
    struct str one_offs = str_sub(id, 0, named.len + 1); /* "eshop-backend-run-" */
    AUTO(buf_done) struct buf path = {0};

    buf_add_str(&path, folder);
    DIR *dir = opendir(buf_text(&path));
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        struct str file = str_of(entry->d_name);
        struct stat st;
        if (!is_log_of(file, is_one_off ? one_offs : prefix, is_one_off) ||
            is_in_use(gone->system, file) ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        buf_clear(&path);
        buf_addf(&path, STR_FMT "/%s", STR_ARG(folder), entry->d_name);
        VEC_PUSH(ret,
                 (struct old_log){mem_copy_text(buf_text(&path)),
                                  (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec});
    }
    if (dir != NULL)
        (void)closedir(dir);
}

static int newest_first(const void *a, const void *b)
{
    const struct old_log *x = a, *y = b;
    return x->changed_ns < y->changed_ns ? 1 : x->changed_ns > y->changed_ns ? -1 : 0;
}

void prune_logs(const struct instance *gone)
{
    struct str log = str_of(gone->log_path);
    struct old_logs logs = {0};
    struct err err;

    collect(gone, str_sub(log, 0, str_find_last(log, '/')), &logs);
    if (logs.len > 0)
        qsort(logs.ptr, logs.len, sizeof *logs.ptr, newest_first);
    for (size_t i = 0; i < logs.len; i++) {
        if (i >= KEPT_LOGS && !log_remove(logs.ptr[i].path, &err))
            log_warn("daemon", "%s: %s", gone->id, err.text);
        free(logs.ptr[i].path);
    }
    VEC_DONE(&logs);
}
