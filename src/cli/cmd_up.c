/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/daemon_start.h"
#include "cli/log_view.h"
#include "cli/plan_view.h"
#include "cli/project.h"
#include "json/json.h"

/* Variables of the caller that a build step needs to reach the network as the caller does. A name
 * that ends with '*' stands for all that start so. */
static const char *const build_environment[] = {
    "HTTP_PROXY",     "HTTPS_PROXY",    "NO_PROXY",
    "ALL_PROXY",      "FTP_PROXY",      "http_proxy",
    "https_proxy",    "no_proxy",       "all_proxy",
    "ftp_proxy",      "PIP_*",          "UV_*",
    "NPM_CONFIG_*",   "npm_config_*",   "YARN_*",
    "BUNDLE_*",       "CARGO_*",        "GOPROXY",
    "GONOSUMDB",      "GOFLAGS",        "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",  "SSL_CERT_DIR",   "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE", "GIT_SSL_CAINFO",
};

static bool goes_to_builds(const char *entry)
{
    struct str name = str_sub(str_of(entry), 0, str_find(str_of(entry), '='));

    for (size_t i = 0; i < ARRAY_LEN(build_environment); i++) {
        struct str pattern = str_of(build_environment[i]);

        if (pattern.ptr[pattern.len - 1] == '*'
                ? str_starts(name, str_sub(pattern, 0, pattern.len - 1))
                : str_eq(name, pattern))
            return true;
    }
    return false;
}

static json_t *list_build_environment(void)
{
    json_t *list = json_array();

    for (char **entry = environ; *entry != NULL; entry++)
        if (goes_to_builds(*entry))
            json_array_append_new(list, json_from_bytes(str_of(*entry)));
    return list;
}

static json_t *list_texts(const struct compose_texts *texts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < texts->count; i++)
        json_array_append_new(list, json_from_bytes(str_of(texts->items[i])));
    return list;
}

/* The files the model was read from, as far as its places tell; for `ls`. */
static json_t *list_files(const struct compose *compose)
{
    json_t *list = json_array();

    for (size_t i = 0; i < compose->service_count; i++) {
        const char *file = compose->services[i].place.file;
        bool known = false;
        size_t k;
        const json_t *item;

        if (file == NULL)
            continue;
        json_array_foreach(list, k, item) known |= strcmp(json_string_value(item), file) == 0;
        if (!known)
            json_array_append_new(list, json_from_bytes(str_of(file)));
    }
    return list;
}

static json_t *make_body(const struct options *options, const struct compose *compose,
                         json_t *resolved)
{
    uint64_t timeout_ms = options->wait_timeout_s.given ? options->wait_timeout_s.value * 1000 : 0;

    return json_pack("{s:O, s:s, s:o, s:o, s:b, s:b, s:o, s:I}", "config", resolved, "directory",
                     compose->working_dir, "files", list_files(compose), "environment",
                     list_build_environment(), "build", (int)options->build, "force_recreate",
                     (int)options->force_recreate, "services", list_texts(&options->arguments),
                     "timeout_ms", (json_int_t)timeout_ms);
}

static const char *const *service_names(struct cli *cli, const struct compose *compose)
{
    const char **names = ARENA_ARRAY(&cli->arena, const char *, compose->service_count + 1);

    for (size_t i = 0; i < compose->service_count; i++)
        names[i] = compose->services[i].name;
    return names;
}

/* After Ctrl-C while the logs were followed. */
static int take_down(struct cli *cli, const char *system)
{
    AUTO(json_unref) json_t *body = json_pack("{s:b}", "volumes", 0);
    AUTO(json_unref) json_t *result = NULL;
    const struct options_number *timeout = &cli->options.timeout_s;

    if (timeout->given)
        json_object_set_new(body, "timeout_ms", json_integer((json_int_t)timeout->value * 1000));
    if (cli_operation_is_text(cli))
        cli_print(cli, STR("\nStopping; Ctrl-C again leaves that to the daemon\n"));
    struct cli_operation down = {
        .kind = PROGRESS_DOWN, .system = system, .verb = "down", .body = body};
    if (cli_operation_run(cli, &down, &result) == EXIT_OK)
        cli_operation_summary(cli, system, "is down", result);
    return EXIT_INTERRUPTED;
}

static int follow_logs(struct cli *cli, const char *system, int64_t since_ms)
{
    const char *target = cli_operation_path(
        cli, system,
        arena_printf(&cli->arena, "/logs?follow=1&since_ms=%lld", (long long)since_ms));
    struct err err;
    int signo = 0;

    if (!log_view_run(cli, system, target, &signo, &err))
        return cli_fail(cli, &err);
    return signo == 0 ? EXIT_OK : take_down(cli, system);
}

static void say_started(struct cli *cli, const char *system)
{
    if (cli_operation_is_text(cli))
        cli_print(cli,
                  str_of(arena_printf(
                      &cli->arena, "%s is coming up, 'ishizue ps' shows how far it is\n", system)));
}

static int bring_up(struct cli *cli, const struct compose *compose, json_t *resolved)
{
    AUTO(json_unref) json_t *body = make_body(&cli->options, compose, resolved);
    AUTO(json_unref) json_t *result = NULL;
    const struct options *options = &cli->options;
    bool all = options->arguments.count == 0;
    int64_t start_ms = clock_wall_ms();
    struct cli_operation up = {
        .kind = PROGRESS_UP,
        .system = compose->name,
        .verb = "up",
        .body = body,
        .services = service_names(cli, compose),
        .service_count = all ? compose->service_count : 0,
        .only_start = options->no_wait,
    };

    int status = cli_operation_run(cli, &up, &result);
    if (status != EXIT_OK)
        return status;
    if (result == NULL) {
        say_started(cli, compose->name);
        return EXIT_OK;
    }
    cli_operation_summary(
        cli, compose->name,
        json_find_bool(result, "changed", true) ? "is up" : "was up already, checked", result);
    if (options->detach || options->wait || options->no_wait)
        return EXIT_OK;
    return follow_logs(cli, compose->name, start_ms);
}

int cmd_up(struct cli *cli)
{
    AUTO(json_unref) json_t *resolved = NULL;
    struct compose *compose;
    struct err err;

    int status = project_load(cli, true, true, &compose, &resolved);
    if (status != EXIT_OK)
        return status;
    if (cli->options.dry_run)
        return plan_view_up(cli, compose, resolved);
    if (!daemon_ensure(cli, &err))
        return cli_fail(cli, &err);
    return bring_up(cli, compose, resolved);
}
