/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <unistd.h>

#include "cli/check_files.h"

static void add(struct compose_diags *diags, struct compose_diag diag)
{
    if (diags->count == COMPOSE_DIAGS_MAX) {
        diags->dropped++;
        return;
    }
    diags->error_count += diag.severity == COMPOSE_ERROR;
    diags->items[diags->count++] = diag;
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* "nginx.conf", and not ".ssh" or "conf.d": nobody wants a folder there. */
static bool looks_like_a_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(path, '.');

    return slash != NULL && dot != NULL && dot > slash + 1 && dot[1] != '\0' &&
           strcmp(dot, ".d") != 0;
}

/* "./nginx.conf" in the folder of the project, as the file says it. */
static const char *shown(struct arena *arena, const struct compose *compose, const char *path)
{
    struct str folder = str_of(compose->working_dir == NULL ? "" : compose->working_dir);
    struct str rest = str_of(path);

    if (folder.len < 2 || !str_starts(rest, folder) || path[folder.len] != '/')
        return path;
    return arena_printf(arena, ".%s", path + folder.len);
}

static void check_mounts(struct arena *arena, const struct compose *compose,
                         const struct compose_service *service, struct compose_diags *diags)
{
    for (size_t i = 0; i < service->volume_count; i++) {
        const struct compose_volume_mount *mount = &service->volumes[i];
        bool is_made = mount->create_host_path;

        if (mount->type != VOLUME_BIND || mount->source == NULL || is_there(mount->source) ||
            (is_made && !looks_like_a_file(mount->target)))
            continue;
        add(diags, (struct compose_diag){
                       .severity = is_made ? COMPOSE_WARNING : COMPOSE_ERROR,
                       .place = mount->place,
                       .path = arena_printf(arena, "services.%s.volumes", service->name),
                       .text = arena_printf(arena, "'%s' is not there",
                                            shown(arena, compose, mount->source)),
                       .hint = is_made ? "an empty folder will be made in its place; if it shall "
                                         "be a file, make it first"
                                       : "make it first",
                   });
    }
}

static bool is_used(const struct compose_file_mount *mounts, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(mounts[i].source, key) == 0)
            return true;
    return false;
}

static bool needs(const struct compose *compose, bool secrets, const char *key)
{
    for (size_t i = 0; i < compose->service_count; i++) {
        const struct compose_service *service = &compose->services[i];

        if (secrets ? is_used(service->secrets, service->secret_count, key)
                    : is_used(service->configs, service->config_count, key))
            return true;
    }
    return false;
}

/* Where the content of <source> lies; NULL: in no file. */
static const char *path_of(struct arena *arena, const char *state_dir, bool secrets,
                           const struct compose_file_source *source)
{
    const char *name = source->name == NULL ? source->key : source->name;

    return source->external
               ? arena_printf(arena, "%s/%s/%s", state_dir, secrets ? "secrets" : "configs", name)
               : source->file;
}

static void check_sources(struct arena *arena, const char *state_dir, const struct compose *compose,
                          bool secrets, struct compose_diags *diags)
{
    const struct compose_file_source *sources = secrets ? compose->secrets : compose->configs;
    size_t count = secrets ? compose->secret_count : compose->config_count;

    for (size_t i = 0; i < count; i++) {
        const struct compose_file_source *source = &sources[i];
        const char *path = path_of(arena, state_dir, secrets, source);

        if (path == NULL || is_there(path) || !needs(compose, secrets, source->key))
            continue;
        add(diags,
            (struct compose_diag){
                .severity = COMPOSE_ERROR,
                .place = source->place,
                .path = arena_printf(arena, "%s.%s.%s", secrets ? "secrets" : "configs",
                                     source->key, source->external ? "external" : "file"),
                .text = arena_printf(arena, "'%s' is not there", shown(arena, compose, path)),
                .hint = source->external ? "write its content to that file" : "make it first",
            });
    }
}

void check_files(struct arena *arena, const char *state_dir, const struct compose *compose,
                 struct compose_diags *ret)
{
    for (size_t i = 0; i < compose->service_count; i++)
        check_mounts(arena, compose, &compose->services[i], ret);
    check_sources(arena, state_dir, compose, true, ret);
    check_sources(arena, state_dir, compose, false, ret);
}
