/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "cli/cli.h"
#include "cli/environment.h"
#include "cli/run_overrides.h"
#include "json/json.h"

/* The member as it is, or an empty one; new reference. */
static json_t *copy_of(const json_t *service, const char *key, bool is_list)
{
    json_t *own = json_object_get(service, key);

    if (own != NULL && (is_list ? json_is_array(own) : json_is_object(own)))
        return json_deep_copy(own);
    return is_list ? json_array() : json_object();
}

static void append_all(json_t *list, const struct compose_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        (void)json_array_append_new(list, json_from_bytes(str_of(texts->items[i])));
}

/* NAME=VALUE; NAME takes the caller's, or nothing. */
static void set_environment(struct cli *cli, json_t *into)
{
    const struct compose_texts *pairs = &cli->options.environment;

    for (size_t i = 0; i < pairs->count; i++) {
        struct str value = str_of(pairs->items[i]);
        const char *name = arena_str(&cli->arena, str_cut(&value, '='));
        if (value.ptr == NULL)
            value = str_of(environment_find(name));
        if (value.ptr != NULL)
            (void)json_object_set_new(into, name, json_from_bytes(value));
    }
}

static bool set_labels(struct cli *cli, json_t *into, struct err *err)
{
    const struct compose_texts *pairs = &cli->options.labels;

    for (size_t i = 0; i < pairs->count; i++) {
        struct str value = str_of(pairs->items[i]);
        const char *name = arena_str(&cli->arena, str_cut(&value, '='));
        if (value.ptr == NULL)
            return err_set(err, ERR_INVALID, "--label '%s' is not NAME=VALUE", pairs->items[i]);
        (void)json_object_set_new(into, name, json_from_bytes(value));
    }
    return true;
}

static void set_command(const struct options *options, json_t *into)
{
    bool has_command = options->arguments.count > 1;

    if (options->entrypoint != NULL)
        (void)json_object_set_new(into, "entrypoint", json_from_bytes(str_of(options->entrypoint)));
    if (!has_command && options->entrypoint == NULL)
        return;
    json_t *command = json_array();
    for (size_t i = 1; i < options->arguments.count; i++)
        (void)json_array_append_new(command, json_from_bytes(str_of(options->arguments.items[i])));
    (void)json_object_set_new(into, "command", command);
}

static void add_lists(const struct options *options, const json_t *service, json_t *into)
{
    const struct {
        const char *key;
        const struct compose_texts *texts;
    } lists[] = {{"volumes", &options->run_volumes},
                 {"cap_add", &options->cap_add},
                 {"cap_drop", &options->cap_drop}};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        if (lists[i].texts->count == 0)
            continue;
        json_t *list = copy_of(service, lists[i].key, true);
        append_all(list, lists[i].texts);
        (void)json_object_set_new(into, lists[i].key, list);
    }
}

/* No port unless it was asked for. */
static void set_ports(const struct options *options, json_t *into)
{
    if (options->service_ports)
        return;
    json_t *ports = json_array();
    append_all(ports, &options->publish);
    (void)json_object_set_new(into, "ports", ports);
}

/* Names are given to the one user; what is known by number or power cannot be had. */
static void warn_of_user(struct cli *cli, const char *user)
{
    struct str rest = str_of(user);
    struct str name = str_cut(&rest, ':');

    if (!str_is(name, "root") && (name.len == 0 || name.ptr[0] < '0' || name.ptr[0] > '9'))
        return;
    cli_warn(cli, arena_printf(&cli->arena,
                               "'%.80s' stands for the one unprivileged user that everything in an "
                               "instance runs as",
                               user));
}

json_t *run_overrides_make(struct cli *cli, const json_t *service, bool tty, struct err *err)
{
    const struct options *options = &cli->options;
    json_t *environment = copy_of(service, "environment", false);
    json_t *labels = copy_of(service, "labels", false);
    AUTO(json_unref)
    json_t *into = json_pack("{s:b, s:b, s:o, s:o}", "tty", (int)tty, "stdin_open",
                             (int)!options->detach, "environment", environment, "labels", labels);

    if (options->service_ports && options->publish.count > 0) {
        err_set(err, ERR_INVALID, "--service-ports and --publish exclude each other");
        return NULL;
    }
    set_environment(cli, environment);
    if (!set_labels(cli, labels, err))
        return NULL;
    set_command(options, into);
    add_lists(options, service, into);
    set_ports(options, into);
    if (options->user != NULL) {
        warn_of_user(cli, options->user);
        (void)json_object_set_new(into, "user", json_from_bytes(str_of(options->user)));
    }
    if (options->working_dir != NULL)
        (void)json_object_set_new(into, "working_dir",
                                  json_from_bytes(str_of(options->working_dir)));
    return json_incref(into);
}
