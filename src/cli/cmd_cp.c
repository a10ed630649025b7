/* SPDX-License-Identifier: Apache-2.0
 *
 * cp: between this machine and running instances. The instance's files are
 * reached through the root of its first process, volumes and all.
 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/vec.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/copy_tree.h"
#include "cli/looking_format.h"
#include "cli/running.h"
#include "json/json.h"

enum { STATUS_BYTES = 16384 };

/* "SERVICE:PATH" or a path of this machine. */
struct side {
    const char *service; /* NULL: this machine */
    const char *path;
};

struct target {
    const char *name;
    const char *id;
    int pid;
};

struct cp_run {
    struct cli *cli;
    const char *system;
    struct side from, to;
    VEC(struct target) targets;
};

/* As Docker does: what starts with / or . is a path, however many colons it has. */
static struct side split_side(struct cli *cli, const char *text)
{
    const char *colon = strchr(text, ':');

    if (text[0] == '/' || text[0] == '.' || colon == NULL || colon == text)
        return (struct side){NULL, text};
    return (struct side){arena_str(&cli->arena, str_from(text, (size_t)(colon - text))), colon + 1};
}

static bool is_stream(const struct side *side)
{
    return side->service == NULL && strcmp(side->path, "-") == 0;
}

static bool check_sides(const struct cp_run *run, struct err *err)
{
    if (run->from.service == NULL && run->to.service == NULL)
        return err_set(err, ERR_INVALID,
                       "neither '%s' nor '%s' is in an instance: write one of them as SERVICE:PATH",
                       run->from.path, run->to.path);
    if (run->from.service != NULL && run->to.service != NULL)
        return err_set(err, ERR_INVALID,
                       "cannot copy between services: copy to this machine first, then from it");
    if (is_stream(&run->to) && isatty(STDOUT_FILENO))
        return err_set(err, ERR_INVALID,
                       "an archive is not for a terminal: write standard output to a file");
    return true;
}

/* ---- which instances ---- */

static bool fits(const struct cp_run *run, const json_t *instance, const char *service)
{
    const struct options *options = &run->cli->options;
    bool one_off = json_find_bool(instance, "one_off", false);

    if (strcmp(json_find_text(instance, "service", ""), service) != 0 ||
        json_find_bool(instance, "job", false) || (one_off && !options->all))
        return false;
    return !options->index.given || options->index.value == 0 ||
           json_find_u64(instance, "number", 0) == options->index.value;
}

static bool has_service(const json_t *root, const char *name)
{
    size_t i;
    const json_t *service;

    json_array_foreach(json_object_get(root, "services"), i, service)
    {
        if (strcmp(json_find_text(service, "name", ""), name) == 0)
            return true;
    }
    return false;
}

static bool choose_targets(struct cp_run *run, const json_t *root, struct err *err)
{
    const char *service = run->from.service != NULL ? run->from.service : run->to.service;
    struct arena *arena = &run->cli->arena;
    const char *stopped = NULL;
    size_t i;
    const json_t *instance;

    json_array_foreach(json_object_get(root, "instances"), i, instance)
    {
        const char *name = json_find_text(instance, "name", "?");
        uint64_t pid = json_find_u64(instance, "pid", 0);
        if (!fits(run, instance, service))
            continue;
        if (pid == 0)
            stopped = name;
        else
            VEC_PUSH(&run->targets,
                     (struct target){arena_text(arena, name),
                                     arena_text(arena, json_find_text(instance, "id", "")),
                                     (int)pid});
    }
    if (run->targets.len > 0)
        return true;
    if (stopped != NULL)
        return err_set(err, ERR_NOT_FOUND,
                       "'%s' does not run, and its files are only together while it does: start it "
                       "first with 'ishizue start %s'",
                       stopped, service);
    if (!has_service(root, service))
        return err_set(err, ERR_NO_SERVICE, "there is no service '%s' in '%s'", service,
                       run->system);
    return err_set(err, ERR_NOT_FOUND, "service '%s' of '%s' has no such instance", service,
                   run->system);
}

/* The number of a process that ended may belong to another by now: the daemon is asked again when
 * its root is open. */
static bool is_still_there(struct cp_run *run, const struct target *target)
{
    AUTO(json_unref) json_t *root = NULL;
    struct err ignored;
    size_t i;
    const json_t *instance;

    if (!cli_api_call(run->cli, "GET", cli_operation_path(run->cli, run->system, ""), NULL, &root,
                      &ignored))
        return false;
    json_array_foreach(json_object_get(root, "instances"), i, instance)
    {
        if (strcmp(json_find_text(instance, "id", ""), target->id) == 0)
            return json_find_u64(instance, "pid", 0) == (uint64_t)target->pid;
    }
    return false;
}

static int open_root(struct cp_run *run, const struct target *target, struct err *err)
{
    char path[40];

    (void)snprintf(path, sizeof path, "/proc/%d/root", target->pid);
    AUTO(fd_close) int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        err_sys(err, "cannot reach the files of '%s'", target->name);
        return -1;
    }
    if (!is_still_there(run, target)) {
        err_set(err, ERR_NOT_FOUND, "'%s' ended just now: try again", target->name);
        return -1;
    }
    return TAKE_FD(fd);
}

/* Its user, to whom copied files shall belong. */
static bool read_user(const struct target *target, struct copy_options *ret, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    char path[40];
    uint64_t uid = 0, gid = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/status", target->pid);
    if (!file_read(path, STATUS_BYTES, &text, err))
        return false;
    for (struct str rest = buf_str(&text); rest.ptr != NULL;) {
        struct str line = str_cut(&rest, '\n');
        struct str key = str_cut(&line, '\t');
        if ((str_is(key, "Uid:") && !str_to_u64(str_cut(&line, '\t'), UINT32_MAX, &uid)) ||
            (str_is(key, "Gid:") && !str_to_u64(str_cut(&line, '\t'), UINT32_MAX, &gid)))
            return err_set(err, ERR_PROGRAM, "cannot tell the user of '%s'", target->name);
    }
    ret->uid = (uid_t)uid;
    ret->gid = (gid_t)gid;
    return true;
}

/* ---- archives ---- */

/* This process becomes tar, in the instance's folder: names in an archive that it writes lead
 * nowhere else, and it follows no link. */
static bool become_archiver(struct cp_run *run, int root_fd, struct err *err)
{
    const struct copy_end end = {root_fd, run->from.path};
    const char *name;
    AUTO(fd_close) int folder = copy_open_folder(&end, false, &name, err);

    if (folder < 0)
        return false;
    if (faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        return err_set(err, ERR_NOT_FOUND, "there is no '%s'", run->from.path);
    if (fchdir(folder) != 0)
        return err_sys(err, "cannot enter the folder of '%s'", run->from.path);
    const char *argv[] = {"tar", "--create", "--file=-", "--numeric-owner", "--", name, NULL};
    (void)execv("/usr/bin/tar", (char *const *)(uintptr_t)argv);
    (void)execv("/bin/tar", (char *const *)(uintptr_t)argv);
    return err_sys(err, "cannot run tar, which the package tar has");
}

/* An archive is unpacked by tar inside, as the instance's user: the links in its folders lead
 * where they lead inside. This process becomes it. */
static bool become_extractor(struct cp_run *run, const struct target *target, int root_fd,
                             struct err *err)
{
    const struct copy_end end = {root_fd, run->to.path};
    AUTO(json_unref) json_t *answer = NULL;
    AUTO(json_unref)
    json_t *body =
        json_pack("{s:s, s:s, s:b}", "service", run->to.service, "id", target->id, "tty", 0);
    struct cli *cli = run->cli;
    const char *name;
    size_t i, count = 0;
    const json_t *word;
    AUTO(fd_close) int folder = copy_open_folder(&end, true, &name, err);

    if (folder < 0 || !cli_api_call(cli, "POST", cli_operation_path(cli, run->system, "/exec"),
                                    body, &answer, err))
        return false;
    const json_t *words = json_object_get(answer, "argv");
    const char *tar[] = {
        "tar",        "--extract",
        "--file=-",   "--directory",
        run->to.path, cli->options.archive ? "--same-permissions" : "--no-same-permissions"};
    const char **argv =
        ARENA_ARRAY(&cli->arena, const char *, json_array_size(words) + ARRAY_LEN(tar) + 1);
    json_array_foreach(words, i, word) argv[count++] = json_string_value(word);
    for (i = 0; i < ARRAY_LEN(tar); i++)
        argv[count++] = tar[i];
    if (argv[0] != NULL)
        (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
    return err_sys(err, "cannot run tar inside '%s'", target->name);
}

/* ---- files ---- */

static void say_copied(struct cp_run *run, const struct target *target,
                       const struct copy_result *result)
{
    struct cli *cli = run->cli;
    AUTO(buf_done) struct buf out = {0};

    if (cli->options.json) {
        AUTO(json_unref)
        json_t *row =
            json_pack("{s:s, s:I, s:I, s:I, s:I}", "instance", target->name, "files",
                      (json_int_t)result->files, "folders", (json_int_t)result->folders, "bytes",
                      (json_int_t)result->bytes, "left_out", (json_int_t)result->left_out);
        json_format(row, false, &out);
    } else {
        buf_addf(&out, "copied %llu file%s (", (unsigned long long)result->files,
                 result->files == 1 ? "" : "s");
        size_format_decimal(result->bytes, &out);
        buf_addf(&out, ") %s %s", run->from.service != NULL ? "from" : "to", target->name);
    }
    buf_add_char(&out, '\n');
    cli_print(cli, buf_str(&out));
    if (result->left_out > 0)
        cli_warn(cli, arena_printf(&cli->arena, "%llu sockets, devices and the like were left out",
                                   (unsigned long long)result->left_out));
}

static bool copy_one(struct cp_run *run, const struct target *target, struct err *err)
{
    const struct options *options = &run->cli->options;
    AUTO(fd_close) int root_fd = open_root(run, target, err);
    bool inward = run->to.service != NULL;
    struct copy_options how = {.keep_owner = options->archive,
                               .follow_first = options->follow_link,
                               .uid = geteuid(),
                               .gid = getegid()};
    struct copy_result result;

    if (root_fd < 0 || (inward && !read_user(target, &how, err)))
        return false;
    if (is_stream(&run->to))
        return become_archiver(run, root_fd, err) || err_prefix(err, "%s", target->name);
    if (is_stream(&run->from))
        return become_extractor(run, target, root_fd, err) || err_prefix(err, "%s", target->name);
    const struct copy_end from = {inward ? -1 : root_fd, run->from.path};
    const struct copy_end to = {inward ? root_fd : -1, run->to.path};
    if (!copy_tree(&from, &to, &how, &result, err))
        return err_prefix(err, "%s",
                          result.is_source_at_fault == inward ? "this machine" : target->name);
    say_copied(run, target, &result);
    return true;
}

/* From a service its first instance is copied, to a service into all. */
static bool copy_all(struct cp_run *run, struct err *err)
{
    size_t count = run->from.service != NULL ? 1 : run->targets.len;

    if (is_stream(&run->from) && count > 1)
        return err_set(err, ERR_INVALID,
                       "standard input can be read once, and '%s' has %zu instances: say which "
                       "with --index",
                       run->to.service, count);
    for (size_t i = 0; i < count; i++) {
        if (!run->cli->options.dry_run) {
            if (!copy_one(run, &run->targets.ptr[i], err))
                return false;
            continue;
        }
        bool inward = run->to.service != NULL;
        cli_print(run->cli, str_of(arena_printf(&run->cli->arena, "would copy %s %s %s:%s\n",
                                                inward ? run->from.path : run->to.path,
                                                inward ? "to" : "from", run->targets.ptr[i].name,
                                                inward ? run->to.path : run->from.path)));
    }
    return true;
}

int cmd_cp(struct cli *cli)
{
    const char *const *words = cli->options.arguments.items;
    struct cp_run run = {
        .cli = cli, .from = split_side(cli, words[0]), .to = split_side(cli, words[1])};
    AUTO(json_unref) json_t *root = NULL;
    int status = EXIT_OK;
    struct err err;

    if (!check_sides(&run, &err))
        return cli_fail(cli, &err);
    run.system = running_system(cli, &status);
    if (run.system == NULL)
        return status;
    bool ok =
        cli_api_call(cli, "GET", cli_operation_path(cli, run.system, ""), NULL, &root, &err) &&
        choose_targets(&run, root, &err) && copy_all(&run, &err);
    VEC_DONE(&run.targets);
    return ok ? EXIT_OK : cli_fail(cli, &err);
}
