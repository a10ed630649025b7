/* SPDX-License-Identifier: Apache-2.0
 *
 * Builds on the real machine; part of runtime_driver.c.
 */
#include "base/base.h"

#include "base/file.h"
#include "runtime_rig.h"

/* A service with a context of its own; the cases change its steps. */
struct built {
    struct arena arena;
    const char *context;
    const char *steps[2];
    const char *dependencies[1];
    const char *key_files[1];
    char *environment[1];
    struct compose_service service;
    struct build_spec spec;
    const char *tree;
};

static bool write_context(const struct built *built, const char *name, struct str text)
{
    AUTO(arena_done) struct arena arena = {0};
    struct err err;

    return file_make_dirs(built->context, 0755, &err) &&
           file_write(arena_printf(&arena, "%s/%s", built->context, name), text, 0644, &err);
}

static bool is_ready(struct drive *drive, struct built *built, const char **ret_tree)
{
    bool ready = false;

    drive->has_err = !drive->runtime->ops->build_key(drive->runtime, &built->spec, &built->arena,
                                                     ret_tree, &ready, &drive->err);
    return ready;
}

static void drive_tree(struct drive *drive, struct built *built)
{
    const char *again = "";

    drive_check(drive,
                write_context(built, "in.txt", STR("hello\n")) &&
                    !is_ready(drive, built, &built->tree) && !drive->has_err,
                "a tree that was never built has a name");
    drive_check(drive,
                drive_make(drive, &built->spec, &built->arena, &built->tree) &&
                    output_has(drive, "two lines\nhere"),
                "a build runs its steps and shows their output");
    drive_check(drive, is_ready(drive, built, &again) && strcmp(built->tree, again) == 0,
                "the same content is not built again");
    drive_check(
        drive, file_has(arena_printf(&built->arena, "%s/app/out.txt", built->tree), "hello\n58002"),
        "steps run as the unprivileged user and their files are in the tree");
}

static void drive_tree_use(struct drive *drive, struct built *built)
{
    struct instance_spec instance = {
        .id = "runtime-test-built",
        .system = "runtimetest",
        .service = &built->service,
        .hostname = "built",
        .uid = CLIENT_UID,
        .tree = built->tree,
        .log_path = arena_printf(&built->arena, "%s/built.log", drive->folder),
    };

    drive_check(drive,
                drive_start(drive, &instance) &&
                    drive_run(drive, instance.id, "test \"$PWD\" = /app && touch ok && cat out.txt",
                              5000) &&
                    output_has(drive, "hello"),
                "an instance sees its tree and may write in it");
    drive_check(drive, stop_and_remove(drive, instance.id), "the built instance is removed");
    drive_check(drive, !file_exists(arena_printf(&built->arena, "%s/app/ok", built->tree)),
                "what an instance writes is not in the tree");
}

static void drive_dependencies(struct drive *drive, struct built *built)
{
    const char *second = "";

    built->service.x.host.dependencies = (struct compose_texts){built->dependencies, 1};
    built->service.x.host.cache_key = (struct compose_texts){built->key_files, 1};
    built->steps[1] = "cat deps.txt seen.txt";
    drive_check(drive,
                write_context(built, "other.txt", STR("x\n")) &&
                    drive_make(drive, &built->spec, &built->arena, &built->tree) &&
                    output_has(drive, "+ cat in.txt in.txt") &&
                    output_has(drive, "hello\nhello\ndeps.txt\nin.txt\nseen.txt\n"),
                "dependencies are made from the key files alone and lie below the tree");
    drive_check(drive,
                write_context(built, "other.txt", STR("y\n")) &&
                    drive_make(drive, &built->spec, &built->arena, &second) &&
                    strcmp(built->tree, second) != 0 && !output_has(drive, "+ cat in.txt in.txt") &&
                    output_has(drive, "hello\nhello"),
                "a change elsewhere does not make them again");
}

static void drive_failed_step(struct drive *drive, struct built *built)
{
    const char *tree = "";

    built->steps[1] = "echo broken pipe dream; exit 3";
    drive_check(drive,
                !drive_make(drive, &built->spec, &built->arena, &tree) && drive->has_err &&
                    strstr(drive->err.text, "broken pipe dream") != NULL &&
                    strstr(drive->err.text, "status 3") != NULL && !file_exists(tree),
                "a step that fails is named with its status and last words");
}

void drive_build(struct drive *drive)
{
    struct built built = {
        .steps = {"cp in.txt out.txt && id -u >> out.txt", "echo two lines; echo here"},
        .dependencies = {"cat in.txt in.txt > deps.txt; ls > seen.txt"},
        .key_files = {"in.txt"},
    };

    built.context = arena_printf(&built.arena, "%s/context", drive->folder);
    built.service = (struct compose_service){
        .name = "built",
        .build = {.present = true, .context = built.context},
        .x = {.host = {.present = true,
                       .build = {built.steps, 2},
                       .command = "cat out.txt; sleep 300"}},
    };
    built.spec = (struct build_spec){.system = "runtimetest",
                                     .service = &built.service,
                                     .uid = CLIENT_UID,
                                     .caller_environment = built.environment};
    drive_tree(drive, &built);
    drive_tree_use(drive, &built);
    drive_dependencies(drive, &built);
    drive_failed_step(drive, &built);
    arena_done(&built.arena);
}
