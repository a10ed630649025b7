/* SPDX-License-Identifier: Apache-2.0
 *
 * `ps --format json`: the keys of Docker Compose. What it says of labels, networks and mounts is
 * of the wanted release's configuration, not of the instance.
 */
#include "base/base.h"

#include <stdio.h>

#include "base/clock.h"
#include "cli/ps_format.h"
#include "json/json.h"

struct lines {
    const json_t *system;
    const json_t *config;
    int64_t now_ms;
};

static const json_t *find_service(const json_t *system, const char *name)
{
    size_t i;
    const json_t *service;

    json_array_foreach(json_object_get(system, "services"), i, service)
    {
        if (strcmp(json_find_text(service, "name", ""), name) == 0)
            return service;
    }
    return NULL;
}

static void add_comma(struct buf *text)
{
    if (text->len > 0)
        buf_add_char(text, ',');
}

static json_t *text_of(const struct buf *text)
{
    return json_from_bytes(buf_str(text));
}

static json_t *publishers(const json_t *service)
{
    json_t *list = json_array();
    size_t i;
    const json_t *port;

    json_array_foreach(json_object_get(service, "ports"), i, port) json_array_append_new(
        list, json_pack("{s:s, s:I, s:I, s:s}", "URL", json_find_text(port, "host_ip", "0.0.0.0"),
                        "TargetPort", (json_int_t)json_find_u64(port, "target", 0), "PublishedPort",
                        (json_int_t)json_find_u64(port, "published", 0), "Protocol",
                        json_find_text(port, "protocol", "tcp")));
    return list;
}

/* "0.0.0.0:8080->80/tcp, 9090/udp" */
static json_t *ports_text(const json_t *service)
{
    AUTO(buf_done) struct buf text = {0};
    size_t i;
    const json_t *port;

    json_array_foreach(json_object_get(service, "ports"), i, port)
    {
        uint64_t published = json_find_u64(port, "published", 0);
        if (text.len > 0)
            buf_add_text(&text, ", ");
        if (published != 0)
            buf_addf(&text, "%s:%llu->", json_find_text(port, "host_ip", "0.0.0.0"),
                     (unsigned long long)published);
        buf_addf(&text, "%llu/%s", (unsigned long long)json_find_u64(port, "target", 0),
                 json_find_text(port, "protocol", "tcp"));
    }
    return text_of(&text);
}

/* "a=b,c=d" */
static json_t *labels_text(const json_t *configured)
{
    AUTO(buf_done) struct buf text = {0};
    const char *key;
    json_t *value;

    json_object_foreach(json_object_get(configured, "labels"), key, value)
    {
        add_comma(&text);
        buf_addf(&text, "%s=%s", key, json_is_string(value) ? json_string_value(value) : "");
    }
    return text_of(&text);
}

static const char *name_outside(const struct lines *lines, const char *section, const char *key)
{
    return json_find_text(json_object_get(json_object_get(lines->config, section), key), "name",
                          key);
}

static json_t *networks_text(const struct lines *lines, const json_t *configured)
{
    AUTO(buf_done) struct buf text = {0};
    const char *key;
    json_t *value;

    json_object_foreach(json_object_get(configured, "networks"), key, value)
    {
        add_comma(&text);
        buf_add_text(&text, name_outside(lines, "networks", key));
    }
    return text_of(&text);
}

/* Sources; <ret_volumes> counts those that are volumes. */
static json_t *mounts_text(const struct lines *lines, const json_t *configured,
                           unsigned *ret_volumes)
{
    AUTO(buf_done) struct buf text = {0};
    size_t i;
    const json_t *mount;

    *ret_volumes = 0;
    json_array_foreach(json_object_get(configured, "volumes"), i, mount)
    {
        const char *source = json_find_text(mount, "source", "");
        bool is_volume = strcmp(json_find_text(mount, "type", ""), "volume") == 0;

        *ret_volumes += is_volume;
        if (*source == '\0')
            continue;
        add_comma(&text);
        buf_add_text(&text, is_volume ? name_outside(lines, "volumes", source) : source);
    }
    return text_of(&text);
}

static void add_times(const struct lines *lines, const json_t *instance, json_t *into)
{
    int64_t created_ms = json_integer_value(json_object_get(instance, "created_ms"));
    char created[CLOCK_TEXT_BYTES];
    AUTO(buf_done) struct buf age = {0};

    clock_format_rfc3339(created_ms, created);
    ps_format_age(lines->now_ms > created_ms ? (uint64_t)(lines->now_ms - created_ms) : 0, &age);
    buf_add_text(&age, " ago");
    (void)json_object_set_new(into, "CreatedAt", json_string(created));
    (void)json_object_set_new(into, "Created", json_integer((json_int_t)(created_ms / 1000)));
    (void)json_object_set_new(into, "RunningFor", text_of(&age));
}

static void add_configured(const struct lines *lines, const char *service, json_t *into)
{
    const json_t *configured = json_object_get(json_object_get(lines->config, "services"), service);
    char count[12];
    unsigned volumes;

    (void)json_object_set_new(into, "Labels", labels_text(configured));
    (void)json_object_set_new(into, "Networks", networks_text(lines, configured));
    (void)json_object_set_new(into, "Mounts", mounts_text(lines, configured, &volumes));
    (void)snprintf(count, sizeof count, "%u", volumes);
    (void)json_object_set_new(into, "LocalVolumes", json_string(count));
}

static json_t *compose_object(const struct lines *lines, const json_t *instance)
{
    const char *name = json_find_text(instance, "service", "");
    const char *health = json_find_text(instance, "health", "none");
    const json_t *service = find_service(lines->system, name);
    const char *full = json_find_text(instance, "name", "");
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:o, s:o}", "ID",
        json_find_text(instance, "id", ""), "Name", full, "Names", full, "Service", name, "Project",
        json_find_text(lines->system, "name", ""), "State", ps_format_state(instance), "Health",
        strcmp(health, "none") == 0 ? "" : health, "ExitCode",
        (json_int_t)json_find_u64(instance, "exit_status", 0), "Status",
        json_find_text(instance, "text", ""), "Command", json_find_text(instance, "command", ""),
        "Image", json_find_text(service, "image", ""), "Publishers", publishers(service), "Ports",
        ports_text(service));

    add_times(lines, instance, object);
    add_configured(lines, name, object);
    return object;
}

void ps_format_lines(const json_t *system, const json_t *config, int64_t now_ms, struct buf *ret)
{
    const struct lines lines = {system, config, now_ms};
    size_t i;
    const json_t *instance;

    json_array_foreach(json_object_get(system, "instances"), i, instance)
    {
        AUTO(json_unref) json_t *object = compose_object(&lines, instance);
        json_format(object, false, ret);
        buf_add_char(ret, '\n');
    }
}
