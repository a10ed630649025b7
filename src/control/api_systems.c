/* SPDX-License-Identifier: Apache-2.0
 *
 * What the API says about systems and their instances.
 */
#include "base/base.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "control/api_priv.h"

struct system *api_system(struct api_call *call)
{
    AUTO(buf_done) struct buf name = {0};
    struct err err;

    buf_add_str(&name, call->name);
    struct system *system = daemon_find_system(call->daemon, buf_text(&name));
    const char *why = map_find(&call->daemon->unreadable, buf_str(&name));
    if (system == NULL && why != NULL)
        err_set(&err, ERR_INVALID, "what is stored of '%s' cannot be read: %s", buf_text(&name),
                why);
    else if (system == NULL)
        err_set(&err, ERR_NOT_FOUND, "no system '%s' is up", buf_text(&name));
    if (system == NULL)
        api_refuse(call, &err);
    return system;
}

/* ---- instances ---- */

static const char *health_of(const struct instance *instance)
{
    if (!check_exists(instance))
        return "none";
    if (instance->state == INSTANCE_WARMING || instance->state == INSTANCE_STARTING)
        return "starting";
    if (instance->state == INSTANCE_READY || instance->state == INSTANCE_DRAINING)
        return "healthy";
    return instance->state == INSTANCE_UNHEALTHY ? "unhealthy" : "none";
}

/* "3 minutes", as docker ps says it. */
static void add_age(struct buf *text, int64_t ms)
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    int64_t seconds = MAX(ms, 0) / 1000;

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        int64_t count = seconds / units[i].seconds;
        if (count > 0 || i + 1 == ARRAY_LEN(units)) {
            buf_addf(text, "%lld %s%s", (long long)count, units[i].name, count == 1 ? "" : "s");
            return;
        }
    }
}

static void describe_state(const struct instance *instance, struct buf *text)
{
    const char *health = health_of(instance);
    int64_t now_ms = clock_wall_ms();

    if (instance->state == INSTANCE_EXITED && instance->started_wall_ms == 0) {
        buf_add_text(text, "Created");
    } else if (instance->state == INSTANCE_EXITED) {
        buf_addf(text, "Exited (%d)", instance->exit_status);
    } else if (instance->state == INSTANCE_BACKOFF) {
        buf_addf(text, "Restarting (%d)", instance->exit_status);
    } else if (instance_state_is_live(instance->state) && instance->started_wall_ms != 0) {
        buf_add_text(text, "Up ");
        add_age(text, now_ms - instance->started_wall_ms);
        if (instance->paused)
            buf_add_text(text, " (Paused)");
        else if (strcmp(health, "none") != 0)
            buf_addf(text, " (%s)", health);
    } else {
        buf_add_text(text, "Created");
    }
}

static void add_runtime_facts(const struct instance *instance, json_t *row)
{
    struct runtime *runtime = instance->system->daemon->runtime;
    struct runtime_status status = {0};
    struct runtime_usage usage = {0};
    struct err err;

    if (!instance_state_is_live(instance->state))
        return;
    if (runtime->ops->inspect(runtime, instance->id, &status, &err))
        (void)json_object_set_new(row, "pid", json_integer(status.pid));
    if (runtime->ops->usage(runtime, instance->id, &usage, &err)) {
        (void)json_object_set_new(row, "cpu_ns", json_integer((json_int_t)usage.cpu_ns));
        (void)json_object_set_new(row, "memory_bytes",
                                  json_integer((json_int_t)usage.memory_bytes));
    }
}

static json_t *describe_instance(const struct instance *instance)
{
    const struct compose_service *service = instance->made_of->service;
    char name[RUNTIME_ID_MAX + 1];
    AUTO(buf_done) struct buf text = {0}, command = {0};

    instance_format_name(instance, name);
    describe_state(instance, &text);
    for (size_t i = 0; i < service->command.count; i++)
        buf_addf(&command, "%s%s", i == 0 ? "" : " ", service->command.items[i]);
    if (command.len == 0 && service->x.host.command != NULL)
        buf_add_text(&command, service->x.host.command);
    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:i, s:s, s:I, s:I, s:I, s:I, s:b, s:b, s:o}", "id",
        instance->id, "name", name, "service", service->name, "number",
        (json_int_t)instance->number, "state",
        instance->paused ? "paused" : instance_state_name(instance->state), "health",
        health_of(instance), "text", buf_text(&text), "exit_status", instance->exit_status,
        "address", instance->address, "created_ms", (json_int_t)instance->created_wall_ms,
        "started_ms", (json_int_t)instance->started_wall_ms, "restarts",
        (json_int_t)instance->restarts, "release", (json_int_t)instance->release->number, "job",
        (int)(instance->is_job && instance->one_off == NULL), "one_off",
        (int)(instance->one_off != NULL), "command", json_from_bytes(buf_str(&command)));
    add_runtime_facts(instance, row);
    return row;
}

/* ---- systems ---- */

static uint32_t count_ready(const struct system *system, const char *service)
{
    uint32_t ready = 0;

    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (instance->state == INSTANCE_READY && !instance->is_job &&
            (service == NULL || strcmp(instance->made_of->service->name, service) == 0))
            ready++;
    }
    return ready;
}

static json_t *describe_ports(const struct compose_service *service)
{
    json_t *ports = json_array();

    for (size_t i = 0; i < service->port_count; i++) {
        const struct compose_port *port = &service->ports[i];
        (void)json_array_append_new(
            ports, json_pack("{s:s?, s:i, s:i, s:s}", "host_ip", port->host_ip, "published",
                             (int)port->published, "target", (int)port->target, "protocol",
                             port->protocol == PORT_UDP ? "udp" : "tcp"));
    }
    return ports;
}

/* NULL: it is kept running. */
static const char *hold_name(const struct system *system, const char *service)
{
    switch (system_hold(system, service)) {
    case PLAN_HOLD_STOPPED:
        return "stopped";
    case PLAN_HOLD_CREATED:
        return "created";
    case PLAN_HOLD_EMPTY:
        return "empty";
    case PLAN_HOLD_NONE:
    case PLAN_HOLD_COUNT:
        break;
    }
    return NULL;
}

static json_t *describe_services(const struct system *system)
{
    json_t *services = json_array();

    for (size_t i = 0; system->wanted != NULL && i < system->wanted->compose->service_count; i++) {
        const struct compose_service *service = system->wanted->services[i].service;
        (void)json_array_append_new(
            services,
            json_pack("{s:s, s:s?, s:I, s:I, s:s?, s:s?, s:o}", "name", service->name, "image",
                      service->image, "wanted",
                      service->x.provided_by_edge ? (json_int_t)0 : (json_int_t)service->replicas,
                      "ready", (json_int_t)count_ready(system, service->name), "provided_by",
                      service->x.provided_by_edge ? "edge" : NULL, "held",
                      hold_name(system, service->name), "ports", describe_ports(service)));
    }
    return services;
}

json_t *api_describe_system(struct system *system)
{
    json_t *instances = json_array();

    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (instance->state != INSTANCE_GONE)
            (void)json_array_append_new(instances, describe_instance(instance));
    }
    return json_pack(
        "{s:s, s:s, s:I, s:s?, s:o, s:o, s:o}", "name", system->name, "directory",
        system->directory, "release",
        (json_int_t)(system->current == NULL ? 0 : system->current->number), "operation",
        system->operation == NULL ? NULL : operation_kind_name(system->operation->kind),
        "addresses", edge_table_addresses(system), "services", describe_services(system),
        "instances", instances);
}

void api_show_system(struct api_call *call)
{
    struct system *system = api_system(call);

    if (system != NULL)
        api_answer(call, 200, api_describe_system(system));
}

/* Docker's word for the state of an instance. */
static const char *docker_state(const struct instance *instance)
{
    bool ran = instance->started_wall_ms != 0;

    if (instance->paused)
        return "paused";
    if (instance->state == INSTANCE_BACKOFF)
        return "restarting";
    if (instance->state == INSTANCE_PENDING)
        return "created";
    if (instance->state == INSTANCE_EXITED)
        return ran ? "exited" : "created";
    return "running";
}

/* "exited(1), running(3)", as `docker compose ls` says it. */
static void describe_status(const struct system *system, struct buf *ret)
{
    static const char *const words[] = {"created", "exited", "paused", "restarting", "running"};
    unsigned counts[ARRAY_LEN(words)] = {0};

    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        for (size_t i = 0; i < ARRAY_LEN(words) && instance->state != INSTANCE_GONE; i++)
            if (!instance->is_job && strcmp(words[i], docker_state(instance)) == 0)
                counts[i]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (counts[i] > 0)
            buf_addf(ret, "%s%s(%u)", ret->len == 0 ? "" : ", ", words[i], counts[i]);
    if (ret->len == 0)
        buf_add_text(ret, "running(0)");
}

void api_list_systems(struct api_call *call)
{
    json_t *list = json_array();
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&call->daemon->systems, &i)) != NULL;) {
        const struct system *system = entry->value;
        json_t *files = json_loads(system->files, JSON_DECODE_ANY, NULL);
        AUTO(buf_done) struct buf status = {0};
        describe_status(system, &status);
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:o, s:s, s:I}", "name", system->name, "directory",
                            system->directory, "files", files == NULL ? json_array() : files,
                            "status", buf_text(&status), "release",
                            (json_int_t)(system->current == NULL ? 0 : system->current->number)));
    }
    api_answer(call, 200, json_pack("{s:o}", "systems", list));
}

void api_show_config(struct api_call *call)
{
    struct system *system = api_system(call);
    struct err err;

    if (system == NULL)
        return;
    if (system->wanted == NULL) {
        err_set(&err, ERR_NOT_FOUND, "'%s' has no release", system->name);
        api_refuse(call, &err);
        return;
    }
    http_answer(call->exchange, 200, str_of(system->wanted->text));
}

/* ---- exec ---- */

static struct instance *find_for_exec(struct api_call *call, struct system *system, struct err *err)
{
    const char *service, *id = json_find_text(call->body, "id", NULL);
    uint64_t index = json_find_u64(call->body, "index", 0);
    struct instance *found = NULL;

    if (!json_get_text(call->body, "service", &service, err))
        return NULL;
    LIST_FOR_EACH (node, &system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        bool fits = strcmp(instance->made_of->service->name, service) == 0 &&
                    instance_state_is_live(instance->state) &&
                    (id != NULL ? strcmp(instance->id, id) == 0
                                : !instance->is_job && (index == 0 || index == instance->number));
        if (fits && (found == NULL || instance->in_traffic))
            found = instance;
    }
    if (found == NULL && release_find(system->wanted, service) == SIZE_MAX)
        err_set(err, ERR_NO_SERVICE, "there is no service '%.100s'", service);
    else if (found == NULL)
        err_set(err, ERR_NOT_FOUND,
                index == 0 ? "no instance of service '%s' is running"
                           : "service '%s' has no running instance of that number",
                service);
    return found;
}

static struct compose_pairs read_environment(const json_t *object, struct arena *arena)
{
    struct compose_pairs pairs = {
        .items = ARENA_ARRAY(arena, struct compose_pair, json_object_size(object) + 1)};
    const char *key;
    const json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (json_is_string(value))
            pairs.items[pairs.count++] = (struct compose_pair){key, json_string_value(value)};
    }
    return pairs;
}

void api_exec(struct api_call *call)
{
    struct system *system = api_system(call);
    struct runtime *runtime = call->daemon->runtime;
    AUTO(arena_done) struct arena arena = {0};
    struct compose_texts argv = {0};
    struct err err;

    if (system == NULL)
        return;
    struct instance *instance = find_for_exec(call, system, &err);
    struct compose_pairs environment =
        read_environment(json_object_get(call->body, "environment"), &arena);
    if (instance == NULL ||
        !runtime->ops->exec_argv(runtime, instance->id, json_find_bool(call->body, "tty", false),
                                 json_find_text(call->body, "user", NULL),
                                 json_find_text(call->body, "working_dir", NULL), &environment,
                                 &arena, &argv, &err)) {
        api_refuse(call, &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < argv.count; i++)
        (void)json_array_append_new(list, json_string(argv.items[i]));
    api_answer(call, 200, json_pack("{s:o}", "argv", list));
}
