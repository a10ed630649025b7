/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/environment.h"
#include "cli/text_width.h"
#include "json/json.h"

/* SIGPIPE ends the process before write() returns, unless a parent ignored it. */
void cli_print(struct cli *cli, struct str text)
{
    struct err err;

    if (text.len > 0 && !file_write_fd(cli->out.fd, text, &err)) {
        if (err.sys_errno != EPIPE)
            (void)cli_fail(cli, &err);
        _exit(EXIT_FAILED);
    }
}

void cli_print_json(struct cli *cli, const json_t *value)
{
    AUTO(buf_done) struct buf text = {0};

    json_format(value, true, &text);
    if (text.len > 0 && text.ptr[text.len - 1] != '\n')
        buf_add_char(&text, '\n');
    cli_print(cli, buf_str(&text));
}

static void print_error(const struct cli *cli, struct str text)
{
    struct err ignored;

    if (!file_write_fd(cli->errors.fd, text, &ignored))
        return; /* nobody left to tell */
}

int cli_exit_status(enum err_code code)
{
    switch (code) {
    case ERR_INVALID:
    case ERR_NO_SERVICE:
        return EXIT_USAGE;
    case ERR_LOCKED:
        return EXIT_LOCKED;
    case ERR_TIMEOUT:
        return EXIT_TIMEOUT;
    case ERR_NONE:
    case ERR_NOT_FOUND:
    case ERR_EXISTS:
    case ERR_SYSTEM:
    case ERR_PROGRAM:
    case ERR_LIMIT:
    case ERR_CLOSED:
    case ERR_UNHEALTHY:
    case ERR_DENIED:
        break;
    }
    return EXIT_FAILED;
}

int cli_fail(struct cli *cli, const struct err *err)
{
    AUTO(buf_done) struct buf text = {0};

    if (cli->options.json) {
        AUTO(json_unref)
        json_t *root = json_pack("{s:{s:s, s:o}}", "error", "code", err_code_name(err->code),
                                 "text", json_from_bytes(str_of(err->text)));
        json_format(root, false, &text);
    } else {
        term_style(&cli->errors, STYLE_RED, STR("error: "), &text);
        text_clean(str_of(err->text), false, &text); /* it may quote what others wrote */
    }
    buf_add_char(&text, '\n');
    print_error(cli, buf_str(&text));
    return cli_exit_status(err->code);
}

void cli_warn(struct cli *cli, const char *text)
{
    AUTO(buf_done) struct buf line = {0};

    term_style(&cli->errors, STYLE_YELLOW, STR("warning: "), &line);
    buf_addf(&line, "%s\n", text);
    print_error(cli, buf_str(&line));
}

bool cli_check_root(const struct cli *cli, struct err *err)
{
    if (geteuid() == 0)
        return true;
    return err_set(err, ERR_DENIED, "must be run as root: sudo ishizue %s", cli->command->name);
}

static const char *env_or(const char *name, const char *otherwise)
{
    const char *value = environment_find(name);

    return value == NULL ? otherwise : value;
}

/* Beside the folder of the binary in a build tree, in share/ where it was installed. */
static const char *find_images(struct arena *arena)
{
    static const char *const places[] = {"../images", "../share/ishizue/images"};
    char binary[4096];
    ssize_t len = readlink("/proc/self/exe", binary, sizeof binary - 1);

    for (size_t i = 0; len > 0 && i < ARRAY_LEN(places); i++) {
        struct str path = str_from(binary, (size_t)len);
        struct str folder = str_sub(path, 0, str_find_last(path, '/'));
        const char *images = arena_printf(arena, STR_FMT "/%s", STR_ARG(folder), places[i]);
        if (file_is_dir(images))
            return images;
    }
    return "/usr/share/ishizue/images";
}

/* The daemon starts in `/`: a relative path is one of the caller's folder. */
static const char *absolute(struct arena *arena, const char *path)
{
    char folder[4096];

    if (path[0] == '/' || getcwd(folder, sizeof folder) == NULL)
        return path;
    return arena_printf(arena, "%s/%s", folder, path);
}

static void find_paths(struct cli *cli)
{
    struct arena *arena = &cli->arena;
    const char *images = env_or("ISHIZUE_IMAGES_DIR", NULL);

    cli->state_dir = absolute(arena, env_or("ISHIZUE_STATE_DIR", "/var/lib/ishizue"));
    cli->run_dir = absolute(arena, env_or("ISHIZUE_RUN_DIR", "/run/ishizue"));
    cli->images_dir = images == NULL ? find_images(arena) : absolute(arena, images);
    cli->socket = arena_printf(&cli->arena, "%s/api.sock", cli->run_dir);
}

/* Verbs that are options: `ishizue --version`, `ishizue up --help`, `ishizue` alone. */
static void choose_command(struct cli *cli)
{
    if (cli->command == NULL && cli->options.show_version && !cli->options.help) {
        cli->command = command_find("version");
    } else if (cli->command == NULL || cli->options.help) {
        const char *about = cli->command == NULL ? NULL : cli->command->name;
        cli->options.arguments = (struct compose_texts){0};
        if (about != NULL) {
            cli->options.arguments.items = ARENA_ARRAY(&cli->arena, const char *, 1);
            cli->options.arguments.items[0] = about;
            cli->options.arguments.count = 1;
        }
        cli->command = command_find("help");
    }
}

static bool choose_modes(struct cli *cli, struct err *err)
{
    struct options *options = &cli->options;

    if (options->progress == NULL)
        options->progress = environment_find("COMPOSE_PROGRESS");
    if (options->ansi == NULL)
        options->ansi = environment_find("COMPOSE_ANSI");
    if (options->quiet && options->json)
        return err_set(err, ERR_INVALID, "--quiet and --json exclude each other, give one of them");
    return true;
}

int cli_main(const char *const *argv, const struct cli_programs *programs)
{
    struct cli cli = {.programs = programs};
    struct err err;

    (void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    term_init(&cli.errors, STDERR_FILENO, NULL);
    bool ok = options_parse(argv[0] == NULL ? argv : argv + 1, &cli.arena, &cli.options,
                            &cli.command, &err) &&
              choose_modes(&cli, &err);
    term_init(&cli.out, STDOUT_FILENO, cli.options.ansi);
    term_init(&cli.errors, STDERR_FILENO, cli.options.ansi);

    int status;
    if (ok) {
        choose_command(&cli);
        find_paths(&cli);
        status = cli.command->run(&cli);
    } else {
        status = cli_fail(&cli, &err);
        status = err.code == ERR_LIMIT ? EXIT_USAGE : status;
    }
    arena_done(&cli.arena);
    return status;
}
