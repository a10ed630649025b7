/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder of its own for each test, files in it, and one load of them.
 */
#pragma once

#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/file.h"
#include "compose/load.h"
#include "json/json.h"

struct fixture {
    char folder[64];
    struct arena arena;
    struct compose *compose;
    json_t *resolved;
    struct compose_diags diags;
    struct err err;
    char *environment[16];
    struct compose_options options;
};

static struct fixture fixture;

static inline int fixture_open(void **state)
{
    (void)state;
    fixture = (struct fixture){0};
    (void)snprintf(fixture.folder, sizeof fixture.folder, "%s", "/tmp/test_compose_XXXXXX");
    if (mkdtemp(fixture.folder) == NULL)
        return -1;
    fixture.options.working_dir = fixture.folder;
    fixture.options.environment = fixture.environment;
    fixture.options.project_name = "p";
    return 0;
}

static inline int fixture_close(void **state)
{
    (void)state;
    struct err err;

    arena_done(&fixture.arena);
    json_unref(fixture.resolved);
    return file_remove_tree(fixture.folder, &err) ? 0 : -1;
}

static inline const char *fixture_path(const char *name)
{
    return arena_printf(&fixture.arena, "%s/%s", fixture.folder, name);
}

static inline void fixture_write(const char *name, const char *text)
{
    struct err err;
    const char *path = fixture_path(name);
    struct str parent = str_sub(str_of(path), 0, str_find_last(str_of(path), '/'));

    assert_true(file_make_dirs(arena_str(&fixture.arena, parent), 0755, &err));
    assert_true(file_write(path, str_of(text), 0644, &err));
}

static inline bool fixture_try(void)
{
    json_unref(TAKE(fixture.resolved));
    return compose_load(&fixture.options, &fixture.arena, &fixture.compose, &fixture.resolved,
                        &fixture.diags, &fixture.err);
}

static inline void fixture_load(const char *text)
{
    fixture_write("compose.yaml", text);
    if (!fixture_try())
        fail_msg("%s", fixture.err.text);
}

static inline const struct compose_service *fixture_service(const char *name)
{
    const struct compose_service *service = compose_find_service(fixture.compose, name);

    assert_non_null(service);
    return service;
}

/* All messages, one a line, "warning: " before warnings. */
static inline const char *fixture_messages(void)
{
    AUTO(buf_done) struct buf text = {0};

    for (size_t i = 0; i < fixture.diags.count; i++) {
        if (fixture.diags.items[i].severity == COMPOSE_WARNING)
            buf_add_text(&text, "warning: ");
        compose_diag_format(&fixture.diags.items[i], &text);
        buf_add_char(&text, '\n');
    }
    return arena_str(&fixture.arena, buf_str(&text));
}

/* The load of <text> fails and its first error is exactly <message>. */
static inline void fixture_refused(const char *text, const char *message)
{
    fixture_write("compose.yaml", text);
    assert_false(fixture_try());
    assert_null(fixture.resolved);
    assert_string_equal(fixture.err.text, message);
}

/* The resolved project at a path of keys, as compact JSON. */
static inline const char *fixture_json(const char *service, const char *key)
{
    AUTO(buf_done) struct buf text = {0};
    const json_t *node = json_object_get(
        json_object_get(json_object_get(fixture.resolved, "services"), service), key);

    if (node == NULL)
        return "missing";
    json_format(node, false, &text);
    return arena_str(&fixture.arena, buf_str(&text));
}

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
