/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/environment.h"
#include "cli/running.h"
#include "json/json.h"

enum { ARGV_MAX = 4096 };

/* {"K": "V"} of -e K=V; -e K takes ours. */
static json_t *make_environment(struct cli *cli)
{
    const struct compose_texts *pairs = &cli->options.environment;
    json_t *object = json_object();

    for (size_t i = 0; i < pairs->count; i++) {
        struct str value = str_of(pairs->items[i]);
        const char *name = arena_str(&cli->arena, str_cut(&value, '='));

        if (value.ptr == NULL)
            value = str_of(environment_find(name));
        if (value.ptr != NULL)
            json_object_set_new(object, name, json_from_bytes(value));
    }
    return object;
}

static json_t *make_body(struct cli *cli)
{
    const struct options *options = &cli->options;
    bool tty =
        !options->no_tty && !options->detach && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    json_t *index =
        options->index.given ? json_integer((json_int_t)options->index.value) : json_null();

    return json_pack("{s:s, s:o, s:b, s:s?, s:s?, s:o}", "service", options->arguments.items[0],
                     "index", index, "tty", (int)tty, "user", options->user, "working_dir",
                     options->working_dir, "environment", make_environment(cli));
}

/* The daemon's words, then the person's; NULL at the end, and when the daemon's are none. */
static char **join_argv(struct cli *cli, const json_t *answer, struct err *err)
{
    const struct compose_texts *given = &cli->options.arguments;
    const json_t *list = json_object_get(answer, "argv");
    size_t size = json_array_size(list), count = 0, i;
    const json_t *word;

    if (size == 0 || size > ARGV_MAX) {
        err_set(err, ERR_PROGRAM, "the daemon's answer: argv has %zu words", size);
        return NULL;
    }
    char **argv = ARENA_ARRAY(&cli->arena, char *, size + given->count);
    json_array_foreach(list, i, word)
    {
        if (!json_is_string(word)) {
            err_set(err, ERR_PROGRAM, "the daemon's answer: argv[%zu] is no text", i);
            return NULL;
        }
        argv[count++] = arena_text(&cli->arena, json_string_value(word));
    }
    for (i = 1; i < given->count; i++)
        argv[count++] = arena_text(&cli->arena, given->items[i]);
    argv[count] = NULL;
    return argv;
}

/* The command goes on without this terminal, in a session of its own. Returns only in the process
 * that becomes it; the caller's ends here. */
static bool leave_terminal(struct err *err)
{
    AUTO(fd_close) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    pid_t pid = null_fd < 0 ? -1 : fork();

    if (pid < 0)
        return err_sys(err, "cannot start a process");
    if (pid > 0)
        _exit(EXIT_OK);
    (void)setsid();
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (dup2(null_fd, fd) < 0)
            return err_sys(err, "cannot let go of the terminal");
    return true;
}

/* This process becomes the command: signals, terminal and exit status need no passing on. */
int cmd_exec(struct cli *cli)
{
    AUTO(json_unref) json_t *body = NULL;
    AUTO(json_unref) json_t *answer = NULL;
    int status = EXIT_OK;
    struct err err;
    const char *system = running_system(cli, &status);

    if (system == NULL)
        return status;
    body = make_body(cli);
    if (!cli_api_call(cli, "POST", cli_operation_path(cli, system, "/exec"), body, &answer, &err))
        return cli_fail(cli, &err);
    char **argv = join_argv(cli, answer, &err);
    if (argv == NULL)
        return cli_fail(cli, &err);
    if (cli->options.detach && !leave_terminal(&err))
        return cli_fail(cli, &err);
    (void)execvp(argv[0], argv);
    bool absent = errno == ENOENT;
    err_sys(&err, "cannot run '%s'", argv[0]);
    (void)cli_fail(cli, &err);
    return absent ? EXIT_NO_COMMAND : EXIT_CANNOT_RUN;
}
