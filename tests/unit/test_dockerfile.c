/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/file.h"
#include "cli/dockerfile.h"
#include "cli/host_hint.h"

static void lines_are_joined_and_flags_and_comments_left_out(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    struct dockerfile file;

    dockerfile_parse(STR("# syntax=docker/dockerfile:1\n"
                         "from --platform=linux/amd64 node:20 as build\r\n"
                         "RUN --mount=type=cache,target=/root/.npm --network=none npm ci \\\n"
                         "    # why\n"
                         "\n"
                         "    --omit=dev\n"
                         "RUN <<EOF\n"
                         "RUN [\"npm\", \"run\", \"it's\"]\n"
                         "RUN a && b \\"),
                     &arena, &file);
    assert_string_equal(file.from, "node:20");
    assert_int_equal(file.steps.count, 3);
    assert_string_equal(file.steps.items[0], "npm ci --omit=dev");
    assert_string_equal(file.steps.items[1], "npm run 'it'\\''s'");
    assert_string_equal(file.steps.items[2], "a && b");
    assert_null(file.command);
    assert_null(file.workdir);
}

static void folder_and_command_are_those_of_the_last_stage(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    struct dockerfile file;

    dockerfile_parse(STR("FROM a\nWORKDIR /x\nCMD old\nRUN first\n"
                         "FROM b\nWORKDIR /srv\nWORKDIR code\nRUN second\n"
                         "ENTRYPOINT [\"/entry\", \"-v\"]\nCMD [\"serve\", \"a b\"]\n"),
                     &arena, &file);
    assert_string_equal(file.from, "b");
    assert_string_equal(file.workdir, "/srv/code");
    assert_string_equal(file.command, "/entry -v serve 'a b'");
    assert_int_equal(file.steps.count, 2);
    dockerfile_parse(STR("FROM a\nCMD node server.js --port $PORT\n"), &arena, &file);
    assert_string_equal(file.command, "node server.js --port $PORT");
    dockerfile_parse(STR(""), &arena, &file);
    assert_null(file.from);
}

static void steps_and_folders_have_a_limit(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    struct dockerfile file;

    buf_add_text(&text, "FROM a\n");
    for (int i = 0; i < DOCKERFILE_STEPS_MAX + 5; i++)
        buf_addf(&text, "RUN step %d\nWORKDIR abcdefghijklmnopqrstuvwxyz\n", i);
    dockerfile_parse(buf_str(&text), &arena, &file);
    assert_int_equal(file.steps.count, DOCKERFILE_STEPS_MAX);
    assert_true(strlen(file.workdir) <= 1025);
}

/* What <dockerfile> gives, beside the <files> of its folder. */
static const char *hint_of(struct arena *arena, const char *dockerfile, const char *const *files)
{
    AUTO(buf_done) struct buf text = {0};
    char folder[] = "/tmp/test_dockerfile_XXXXXX";
    struct err err;

    assert_non_null(mkdtemp(folder));
    assert_true(
        file_write(arena_printf(arena, "%s/Dockerfile", folder), str_of(dockerfile), 0644, &err));
    for (; *files != NULL; files++)
        assert_true(file_write(arena_printf(arena, "%s/%s", folder, *files), STR("x"), 0644, &err));
    const struct compose_build build = {.present = true, .context = folder};
    struct compose_service services[] = {
        {.name = "worker", .build = build, .has_command = true},
        {.name = "api", .build = build},
        {.name = "more", .build = build},
        {.name = "done", .build = build, .x.host.present = true},
    };
    const struct compose compose = {.services = services, .service_count = ARRAY_LEN(services)};
    host_hints_add(arena, &compose, &text);
    assert_true(file_remove_tree(folder, &err));
    return arena_str(arena, buf_str(&text));
}

static void a_dockerfile_becomes_steps_of_the_host(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    static const char *const node[] = {"package.json", "package-lock.json", NULL};
    static const char *const python[] = {"requirements.txt", NULL};

    assert_string_equal(
        hint_of(&arena,
                "FROM node:20 AS deps\nWORKDIR /app\nRUN npm ci --omit=dev\nFROM node:20\n"
                "WORKDIR /app\nRUN apk add curl\nRUN mkdir -p x && chown node x\n"
                "RUN npm run build -- $MODE\nCMD [\"node\", \"server.js\"]\n",
                node),
        "A start for service 'api', made of its Dockerfile; read it before you use it:\n\n"
        "      x-ishizue:\n"
        "        host:\n"
        "          # on the machine itself: \"apk add curl\"\n"
        "          workdir: \"/app\"\n"
        "          dependencies:\n"
        "            - \"npm ci --omit=dev\"\n"
        "          cache_key:\n"
        "            - \"package.json\"\n"
        "            - \"package-lock.json\"\n"
        "          build:\n"
        "            - \"npm run build -- $$MODE\"\n"
        "          command: \"node server.js\"\n\n");
    assert_string_equal(
        hint_of(&arena, "FROM python:3\nRUN pip install --no-cache-dir -r requirements.txt\n",
                python),
        "A start for service 'api', made of its Dockerfile; read it before you use it:\n\n"
        "      x-ishizue:\n"
        "        host:\n"
        "          dependencies:\n"
        "            - \"python3 -m venv .venv\"\n"
        "            - \".venv/bin/pip install -r requirements.txt\"\n"
        "          cache_key:\n"
        "            - \"requirements.txt\"\n\n");
}

static void a_dockerfile_that_is_too_long_is_left_alone(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    static const char *const none[] = {NULL};

    buf_add_text(&text, "FROM a\nCMD run\n");
    while (text.len <= DOCKERFILE_BYTES_MAX)
        buf_add_text(&text, "# nothing\n");
    assert_string_equal(hint_of(&arena, buf_text(&text), none), "");
    assert_non_null(strstr(hint_of(&arena, "FROM a\nCMD run\n", none), "command: \"run\""));
}

static void files_behind_an_nginx_are_for_a_route(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    static const char *const none[] = {NULL};

    const char *hint = hint_of(&arena, "FROM node\nRUN npm ci\nFROM nginx:alpine\n", none);
    assert_non_null(strstr(hint, "provided_by: edge"));
    assert_null(strstr(hint, "npm ci"));
    assert_string_equal(hint_of(&arena, "# nothing\n", none), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_joined_and_flags_and_comments_left_out),
        cmocka_unit_test(folder_and_command_are_those_of_the_last_stage),
        cmocka_unit_test(steps_and_folders_have_a_limit),
        cmocka_unit_test(a_dockerfile_becomes_steps_of_the_host),
        cmocka_unit_test(a_dockerfile_that_is_too_long_is_left_alone),
        cmocka_unit_test(files_behind_an_nginx_are_for_a_route),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
