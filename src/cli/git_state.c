/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "cli/git_state.h"
#include "io/child.h"
#include "json/json.h"

enum { GIT_TIMEOUT_MS = 5000, ANSWER_BYTES = 256, ARGUMENTS_MAX = 24 };

/* The owner of the repository that <folder> lies in. */
static bool find_owner(const char *folder, struct arena *arena, struct stat *ret)
{
    struct str at = str_of(folder);

    for (;;) {
        if (lstat(arena_printf(arena, STR_FMT "/.git", STR_ARG(at)), ret) == 0)
            return true;
        if (at.len == 0)
            return false;
        at = str_sub(at, 0, str_find_last(at, '/'));
    }
}

/* Without the caller's environment and configuration: they are of another user. */
static bool run_git(const char *folder, const struct stat *owner, const char *const *words,
                    struct buf *ret, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *argv[ARGUMENTS_MAX];
    size_t count = 0;

    if (owner->st_uid != geteuid()) {
        argv[count++] = "setpriv";
        argv[count++] = arena_printf(&arena, "--reuid=%u", owner->st_uid);
        argv[count++] = arena_printf(&arena, "--regid=%u", owner->st_gid);
        argv[count++] = "--clear-groups";
    }
    static const char *const prefix[] = {"env",
                                         "-i",
                                         "PATH=/usr/local/bin:/usr/bin:/bin",
                                         "LC_ALL=C",
                                         "GIT_CONFIG_NOSYSTEM=1",
                                         "GIT_CONFIG_GLOBAL=/dev/null",
                                         "GIT_OPTIONAL_LOCKS=0",
                                         "git",
                                         "-C"};
    for (size_t i = 0; i < ARRAY_LEN(prefix); i++)
        argv[count++] = prefix[i];
    argv[count++] = folder;
    for (; *words != NULL && count + 1 < ARRAY_LEN(argv); words++)
        argv[count++] = *words;
    argv[count] = NULL;
    return child_run(argv, (struct str){0}, GIT_TIMEOUT_MS, ANSWER_BYTES, ret, err);
}

json_t *git_state(const char *folder)
{
    static const char *const head[] = {"rev-parse", "--verify", "HEAD", NULL};
    static const char *const status[] = {"status", "--porcelain", "--", ".", NULL};
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf commit = {0}, changes = {0};
    struct stat owner;
    struct err err;

    if (!find_owner(folder, &arena, &owner) || !run_git(folder, &owner, head, &commit, &err))
        return NULL;
    struct str hash = str_trim(buf_str(&commit));
    for (size_t i = 0; i < hash.len; i++)
        if (strchr("0123456789abcdef", hash.ptr[i]) == NULL)
            return NULL;
    if (hash.len < 40 || hash.len > 64 || !run_git(folder, &owner, status, &changes, &err))
        return NULL;
    return json_pack("{s:o, s:b}", "commit", json_from_bytes(hash), "dirty",
                     (int)(str_trim(buf_str(&changes)).len > 0));
}
