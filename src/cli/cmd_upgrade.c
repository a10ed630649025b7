/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon becomes another version of itself. This command puts the program
 * beside the one that is installed and asks; the daemon does the rest.
 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/agree.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cmd.h"
#include "json/json.h"

enum { PROGRAM_BYTES_MAX = 1 << 30, ASK_AGAIN = 100, ASK_AGAIN_MS = 100, DRAIN_MAX_S = 86400 };

struct upgrade {
    struct cli *cli;
    const char *source;    /* the new program, as it was named */
    const char *installed; /* the file the daemon was started from */
    const char *staged;    /* a copy beside it; NULL: it is in its place already */
    uint64_t pid;          /* of the daemon */
    const char *from;
    const char *to;
    uint64_t schema_from;
    uint64_t schema_to;
};

static bool copy_bytes(int from, int to, off_t size, struct err *err)
{
    while (size > 0) {
        ssize_t n = sendfile(to, from, NULL, (size_t)size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_sys(err, "cannot copy the program");
        size -= n;
    }
    return fsync(to) == 0 || err_sys(err, "cannot write the program");
}

/* Under a temporary name first: <to> is whole or not there. */
static bool copy_program(struct cli *cli, const char *from, const char *to, struct err *err)
{
    const char *part = arena_printf(&cli->arena, "%s.part", to);
    AUTO(fd_close) int in = open(from, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (in < 0 || fstat(in, &st) != 0)
        return err_sys(err, "cannot open '%s'", from);
    if (!S_ISREG(st.st_mode) || st.st_size > PROGRAM_BYTES_MAX)
        return err_set(err, ERR_INVALID, "'%s' is not a program", from);
    (void)unlink(part);
    AUTO(fd_close) int out = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    if (out < 0 || fchmod(out, 0755) != 0)
        return err_sys(err, "cannot make '%s'", part);
    if (!copy_bytes(in, out, st.st_size, err) || rename(part, to) != 0) {
        if (err->code == ERR_NONE)
            err_sys(err, "cannot make '%s'", to);
        (void)unlink(part);
        return false;
    }
    return true;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat first, second;

    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

/* What the link of /proc says, which tells when the file was replaced since. */
static const char *program_of(struct cli *cli, const char *link, struct err *err)
{
    struct str deleted = STR(" (deleted)");
    char path[4096];
    ssize_t len = readlink(link, path, sizeof path);

    if (len <= 0) {
        err_sys(err, "cannot look at '%s'", link);
        return NULL;
    }
    struct str name = str_from(path, (size_t)len);
    if (str_ends(name, deleted))
        name.len -= deleted.len;
    return arena_str(&cli->arena, name);
}

static bool look(struct upgrade *upgrade, struct err *err)
{
    struct cli *cli = upgrade->cli;
    const struct compose_texts *words = &cli->options.arguments;
    AUTO(json_unref) json_t *version = NULL;
    char *path;

    if (!cli_api_is_up(cli))
        return err_set(err, ERR_NOT_FOUND,
                       "no daemon runs; the next one that is started is the new version");
    if (!cli_api_call(cli, "GET", "/v1/version", NULL, &version, err) ||
        !json_get_u64(version, "pid", INT32_MAX, &upgrade->pid, err))
        return false;
    upgrade->from = arena_text(&cli->arena, json_find_text(version, "version", "?"));
    upgrade->schema_from = json_find_u64(version, "schema", 0);
    const char *link =
        arena_printf(&cli->arena, "/proc/%llu/exe", (unsigned long long)upgrade->pid);
    upgrade->installed = program_of(cli, link, err);
    if (upgrade->installed == NULL)
        return false;
    path = realpath(words->count == 0 ? "/proc/self/exe" : words->items[0], NULL);
    if (path == NULL)
        return err_sys(err, "cannot look at '%s'", words->count == 0 ? "?" : words->items[0]);
    upgrade->source = arena_text(&cli->arena, path);
    free(path);
    return true;
}

/* The new program lies beside the installed one, which can be gone back to. */
static bool stage(struct upgrade *upgrade, struct err *err)
{
    struct cli *cli = upgrade->cli;
    const char *running =
        arena_printf(&cli->arena, "/proc/%llu/exe", (unsigned long long)upgrade->pid);

    err->code = ERR_NONE;
    if (is_same_file(upgrade->source, upgrade->installed)) /* a package has put it there */
        return is_same_file(running, upgrade->installed) ||
               copy_program(cli, running,
                            arena_printf(&cli->arena, "%s.previous", upgrade->installed), err);
    upgrade->staged = arena_printf(&cli->arena, "%s.new", upgrade->installed);
    return copy_program(cli, upgrade->source, upgrade->staged, err);
}

static bool ask(struct upgrade *upgrade, bool only_try, json_t **ret, struct err *err)
{
    const struct cli *cli = upgrade->cli;
    const char *program = upgrade->staged == NULL ? upgrade->source : upgrade->staged;
    AUTO(json_unref)
    json_t *body = json_pack("{s:s, s:b}", "program", program, "only_try", (int)only_try);

    if (upgrade->staged != NULL)
        (void)json_object_set_new(body, "install", json_string(upgrade->installed));
    if (cli->options.drain_s.given)
        (void)json_object_set_new(body, "drain_ms",
                                  json_integer((json_int_t)cli->options.drain_s.value * 1000));
    return cli_api_call(cli, "POST", "/v1/upgrade", body, ret, err);
}

static bool try_it(struct upgrade *upgrade, struct err *err)
{
    AUTO(json_unref) json_t *answer = NULL;

    if (!ask(upgrade, true, &answer, err))
        return false;
    upgrade->to = arena_text(&upgrade->cli->arena, json_find_text(answer, "to", "?"));
    upgrade->schema_to = json_find_u64(answer, "schema", 0);
    return true;
}

static void print_plan(const struct upgrade *upgrade)
{
    struct cli *cli = upgrade->cli;
    AUTO(buf_done) struct buf out = {0};

    buf_addf(&out, "daemon and edge: %s -> %s\n", upgrade->from, upgrade->to);
    if (upgrade->schema_from != upgrade->schema_to)
        buf_addf(&out, "state: schema %llu -> %llu\n", (unsigned long long)upgrade->schema_from,
                 (unsigned long long)upgrade->schema_to);
    buf_addf(&out, "program: %s, from %s\n", upgrade->installed, upgrade->source);
    buf_add_text(&out, "services and open connections go on\n");
    if (!cli->options.json)
        cli_print(cli, buf_str(&out));
}

/* The answer comes when all is over. Where a service manager has to start the daemon again, nobody
 * listens for a moment. */
static bool await_end(const struct cli *cli, json_t **ret, struct err *err)
{
    for (int i = 0; i < ASK_AGAIN; i++) {
        if (cli_api_call(cli, "GET", "/v1/upgrade", NULL, ret, err))
            return true;
        (void)poll(NULL, 0, ASK_AGAIN_MS);
    }
    return err_prefix(err, "the daemon does not answer after the upgrade");
}

static bool judge(const struct upgrade *upgrade, const json_t *end, struct err *err)
{
    const char *state = json_find_text(end, "state", "?");
    const char *now = json_find_text(end, "version", "?");

    if (strcmp(state, "done") == 0)
        return true;
    return err_set(err, ERR_PROGRAM, "version %s goes on: %s", now,
                   json_find_text(end, "error",
                                  strcmp(now, upgrade->from) == 0
                                      ? "the new program ended before it was ready"
                                      : "the upgrade was not finished"));
}

static bool replace(struct upgrade *upgrade, struct err *err)
{
    struct cli *cli = upgrade->cli;
    AUTO(json_unref) json_t *answer = NULL, *end = NULL;

    if (!ask(upgrade, false, &answer, err) || !await_end(cli, &end, err) ||
        !judge(upgrade, end, err))
        return false;
    if (cli->options.json) {
        cli_print_json(cli, end);
        return true;
    }
    uint64_t took_ms = json_find_u64(end, "took_ms", 0);
    cli_print(cli, str_of(arena_printf(
                       &cli->arena,
                       "version %s serves, after %llu.%llu s; back: ishizue upgrade %s.previous\n",
                       upgrade->to, (unsigned long long)took_ms / 1000,
                       (unsigned long long)took_ms % 1000 / 100, upgrade->installed)));
    return true;
}

static bool run(struct upgrade *upgrade, struct err *err)
{
    struct cli *cli = upgrade->cli;

    if (!cli_check_root(cli, err) || !look(upgrade, err) ||
        (!cli->options.dry_run && !stage(upgrade, err)) || !try_it(upgrade, err))
        return false;
    print_plan(upgrade);
    if (cli->options.dry_run || !agree_ask(cli, "upgrade?"))
        return true;
    return replace(upgrade, err);
}

int cmd_upgrade(struct cli *cli)
{
    struct upgrade upgrade = {.cli = cli};
    struct err err;

    if (cli->options.drain_s.given && cli->options.drain_s.value > DRAIN_MAX_S) {
        err_set(&err, ERR_INVALID, "--drain is at most %d seconds", DRAIN_MAX_S);
        return cli_fail(cli, &err);
    }
    bool done = run(&upgrade, &err);
    if (upgrade.staged != NULL)
        (void)unlink(upgrade.staged); /* in its place, or not wanted */
    return done ? EXIT_OK : cli_fail(cli, &err);
}
