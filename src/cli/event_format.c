/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <time.h>

#include "base/clock.h"
#include "cli/looking_format.h"
#include "cli/text_width.h"
#include "json/json.h"

static bool is_about_instance(const json_t *event)
{
    return strcmp(json_find_text(event, "event", ""), "container") == 0;
}

/* {"name", "image", "exitCode"}: what Docker calls attributes. */
static json_t *attributes_of(const json_t *event)
{
    json_t *attributes = json_object();
    const char *image = json_find_text(event, "image", NULL);

    if (json_object_get(event, "exit_status") != NULL)
        (void)json_object_set_new(
            attributes, "exitCode",
            json_sprintf("%llu", (unsigned long long)json_find_u64(event, "exit_status", 0)));
    if (image != NULL)
        (void)json_object_set_new(attributes, "image", json_string(image));
    (void)json_object_set_new(attributes, "name",
                              json_string(json_find_text(event, "instance", "")));
    return attributes;
}

/* "2026-11-21 02:14:07.123000", local time. */
static void format_time(int64_t wall_ms, struct buf *ret)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local = {0};
    char text[32] = "?";

    if (localtime_r(&seconds, &local) != NULL &&
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local) > 0)
        buf_addf(ret, "%s.%06d", text, (int)(wall_ms % 1000) * 1000);
}

void event_format_text(const json_t *event, struct buf *ret)
{
    AUTO(json_unref) json_t *attributes = NULL;
    AUTO(buf_done) struct buf line = {0};
    const char *key, *separator = "";
    const json_t *value;

    if (!is_about_instance(event))
        return;
    attributes = attributes_of(event);
    format_time((int64_t)json_find_u64(event, "time_ms", 0), &line);
    buf_addf(&line, " container %s %s (", json_find_text(event, "action", "?"),
             json_find_text(event, "id", "?"));
    json_object_foreach(attributes, key, value)
    {
        buf_addf(&line, "%s%s=%s", separator, key, json_string_value(value));
        separator = ", ";
    }
    buf_add_char(&line, ')');
    text_clean(buf_str(&line), false, ret);
    buf_add_char(ret, '\n');
}

void event_format_json(const json_t *event, struct buf *ret)
{
    char time[CLOCK_TEXT_BYTES];

    if (!is_about_instance(event))
        return;
    clock_format_rfc3339((int64_t)json_find_u64(event, "time_ms", 0), time);
    AUTO(json_unref)
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o}", "time", time, "type", "container", "service",
        json_find_text(event, "service", ""), "id", json_find_text(event, "id", ""), "action",
        json_find_text(event, "action", ""), "attributes", attributes_of(event));
    json_format(object, false, ret);
    buf_add_char(ret, '\n');
}
