/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/environment.h"
#include "cli/git_state.h"
#include "cli/up_request.h"
#include "json/json.h"

enum { SCALE_MAX = 100 };

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

/* Places are told from where the caller stands; who lists systems stands elsewhere. */
static const char *absolute(const char *file, const char *folder, struct buf *ret)
{
    buf_clear(ret);
    if (file[0] != '/' && file[0] != '(' && folder != NULL)
        buf_addf(ret, "%s/", strcmp(folder, "/") == 0 ? "" : folder);
    buf_add_text(ret, file);
    return buf_text(ret);
}

/* The files the model was read from, as far as its places tell; for `ls`. */
static json_t *list_files(const struct compose *compose)
{
    AUTO(free) char *folder = getcwd(NULL, 0);
    AUTO(buf_done) struct buf path = {0};
    json_t *list = json_array();

    for (size_t i = 0; i < compose->service_count; i++) {
        const char *file = compose->services[i].place.file;
        bool known = false;
        size_t k;
        const json_t *item;

        if (file == NULL)
            continue;
        file = absolute(file, folder, &path);
        json_array_foreach(list, k, item) known |= strcmp(json_string_value(item), file) == 0;
        if (!known)
            json_array_append_new(list, json_from_bytes(str_of(file)));
    }
    return list;
}

/* ---- what the options change in the file ---- */

static json_t *find_service(json_t *resolved, struct str name)
{
    return json_object_getn(json_object_get(resolved, "services"), name.ptr, name.len);
}

static bool apply_scale(struct compose *compose, json_t *resolved, const char *text,
                        struct err *err)
{
    struct str number = str_of(text);
    struct str name = str_cut(&number, '=');
    json_t *service = find_service(resolved, name);
    uint64_t count;

    if (number.ptr == NULL || !str_to_u64(number, SCALE_MAX, &count))
        return err_set(err, ERR_INVALID, "--scale '%s' is not SERVICE=NUMBER with at most %d", text,
                       SCALE_MAX);
    if (service == NULL)
        return err_set(err, ERR_INVALID, "--scale: no such service: '" STR_FMT "'", STR_ARG(name));
    json_t *deploy = json_object_get(service, "deploy");
    (void)json_object_set_new(service, "scale", json_integer((json_int_t)count));
    if (deploy != NULL && json_object_get(deploy, "replicas") != NULL)
        (void)json_object_set_new(deploy, "replicas", json_integer((json_int_t)count));
    for (size_t i = 0; i < compose->service_count; i++)
        if (str_is(name, compose->services[i].name))
            compose->services[i].replicas = (uint32_t)count;
    return true;
}

static bool is_named(const struct options *options, const char *service)
{
    for (size_t i = 0; i < options->arguments.count; i++)
        if (strcmp(options->arguments.items[i], service) == 0)
            return true;
    return options->arguments.count == 0;
}

/* Of the services named, or of all that are built. */
static bool apply_argument(struct cli *cli, json_t *resolved, const char *text, struct err *err)
{
    struct str value = str_of(text);
    const char *name = arena_str(&cli->arena, str_cut(&value, '='));
    const char *key;
    json_t *service;

    if (value.ptr == NULL)
        value = str_of(environment_find(name));
    if (name[0] == '\0')
        return err_set(err, ERR_INVALID, "--build-arg '%s' is not NAME=VALUE", text);
    if (value.ptr == NULL)
        return true; /* the caller has no such variable */
    json_object_foreach(json_object_get(resolved, "services"), key, service)
    {
        json_t *build = json_object_get(service, "build");
        if (!json_is_object(build) || !is_named(&cli->options, key))
            continue;
        if (!json_is_object(json_object_get(build, "args")))
            (void)json_object_set_new(build, "args", json_object());
        (void)json_object_set_new(json_object_get(build, "args"), name, json_from_bytes(value));
    }
    return true;
}

bool up_request_apply(struct cli *cli, struct compose *compose, json_t *resolved, struct err *err)
{
    const struct options *options = &cli->options;

    for (size_t i = 0; i < options->scale.count; i++)
        if (!apply_scale(compose, resolved, options->scale.items[i], err))
            return false;
    for (size_t i = 0; i < options->build_args.count; i++)
        if (!apply_argument(cli, resolved, options->build_args.items[i], err))
            return false;
    return true;
}

/* ---- the body ---- */

/* --always-recreate-deps is --force-recreate of more services. */
static bool recreates(const struct options *options)
{
    return options->force_recreate || options->always_recreate_deps;
}

static bool has_text(const json_t *list, const char *text)
{
    size_t i;
    const json_t *item;

    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(item), text) == 0)
            return true;
    }
    return false;
}

/* The services named and, with --always-recreate-deps, all that they need. In the model what is
 * needed comes first. */
static json_t *list_services(const struct options *options, const struct compose *compose)
{
    json_t *list = list_texts(&options->arguments);

    for (size_t i = compose->service_count; options->always_recreate_deps && i-- > 0;) {
        const struct compose_service *service = &compose->services[i];
        for (size_t k = 0; has_text(list, service->name) && k < service->depends_on_count; k++)
            if (!has_text(list, service->depends_on[k].service))
                json_array_append_new(list, json_string(service->depends_on[k].service));
    }
    return list;
}

/* Members that few requests have are left out when they are false. */
static void add_flags(json_t *body, const struct options *options, bool only_build)
{
    const struct {
        const char *key;
        bool on;
    } flags[] = {
        {"only_build", only_build},
        {"no_cache", options->no_cache},
        {"no_build", options->no_build},
        {"no_recreate", options->no_recreate},
        {"no_start", options->no_start},
        {"no_deps", only_build ? !options->with_dependencies && options->arguments.count > 0
                               : options->no_deps},
    };

    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (flags[i].on)
            (void)json_object_set_new(body, flags[i].key, json_true());
}

const char *const *up_request_names(struct cli *cli, const struct compose *compose)
{
    const char **names = ARENA_ARRAY(&cli->arena, const char *, compose->service_count + 1);

    for (size_t i = 0; i < compose->service_count; i++)
        names[i] = compose->services[i].name;
    return names;
}

json_t *up_request_make(const struct cli *cli, const struct compose *compose, json_t *resolved,
                        bool only_build)
{
    const struct options *options = &cli->options;
    uint64_t timeout_ms = options->wait_timeout_s.given ? options->wait_timeout_s.value * 1000 : 0;
    json_t *body = json_pack(
        "{s:O, s:s, s:o, s:o, s:b, s:b, s:o, s:I}", "config", resolved, "directory",
        compose->working_dir, "files", list_files(compose), "environment", list_build_environment(),
        "build", (int)(options->build || only_build), "force_recreate", (int)recreates(options),
        "services", list_services(options, compose), "timeout_ms", (json_int_t)timeout_ms);

    add_flags(body, options, only_build);
    return body;
}

json_t *up_request_make_release(const struct cli *cli, const struct compose *compose,
                                json_t *resolved)
{
    json_t *body = up_request_make(cli, compose, resolved, false);
    json_t *git = git_state(compose->working_dir);

    if (git != NULL)
        (void)json_object_set_new(body, "git", git);
    return body;
}
