/* SPDX-License-Identifier: Apache-2.0
 *
 * Contents of secrets and configs. `up` takes them once, from the file, the
 * caller's variable or the text in the compose file, and keeps them in the state
 * folder by their hash (mode 0600): a release goes on with what it was made
 * with, and a service whose secret changed is replaced by the next `up`.
 */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "compose/load.h"
#include "control/daemon_priv.h"
#include "control/state.h"
#include "tls/hasher.h"

enum { CONTENT_BYTES = 16 << 20, DEFAULT_MODE = 0444 };

static char *content_path(const struct daemon *daemon, const char *hash, struct arena *arena)
{
    return arena_printf(arena, "%s/files/%s", daemon->options.state_dir, hash);
}

static const struct compose_file_source *find_source(const struct compose_file_source *sources,
                                                     size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(sources[i].key, key) == 0)
            return &sources[i];
    return NULL;
}

/* ---- taking ---- */

/* What is external was put into the state folder by a person: secrets/NAME, configs/NAME. */
static bool read_external(const struct daemon *daemon, const char *kind,
                          const struct compose_file_source *source, struct buf *ret,
                          struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *name = source->name == NULL ? source->key : source->name;
    const char *path = arena_printf(&arena, "%s/%s/%s", daemon->options.state_dir, kind, name);

    if (name[0] == '.' || strchr(name, '/') != NULL)
        return err_set(err, ERR_INVALID, "the name '%.80s' of an external one is no file name",
                       name);
    if (!file_exists(path))
        return err_set(err, ERR_NOT_FOUND,
                       "'%.80s' is external, and '%s' is not there; write its content to that file",
                       source->key, path);
    return file_read_regular(path, CONTENT_BYTES, ret, err);
}

static bool read_content(const struct daemon *daemon, const char *kind,
                         const struct compose_file_source *source, struct buf *ret, struct err *err)
{
    if (source->external)
        return read_external(daemon, kind, source, ret, err);
    if (source->file == NULL) {
        buf_add_text(ret, source->content == NULL ? "" : source->content);
        return true;
    }
    if (file_is_dir(source->file))
        return err_set(err, ERR_INVALID, "'%s' is a folder; a single file is needed", source->file);
    return file_read_regular(source->file, CONTENT_BYTES, ret, err);
}

static bool store_content(const struct daemon *daemon, const struct buf *content, const char *hash,
                          struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *path = content_path(daemon, hash, &arena);

    return file_exists(path) || (file_make_dirs(content_path(daemon, "", &arena), 0700, err) &&
                                 file_write(path, buf_str(content), 0600, err));
}

/* The hash of one content, which is stored when this returns. */
static const char *take(struct daemon *daemon, struct release *release, const char *kind,
                        const struct compose_file_source *source, const char *key, struct err *err)
{
    AUTO(buf_done) struct buf content = {0};
    AUTO(hasher_done) struct hasher hasher;
    char hash[HASHER_TEXT_BYTES];

    if (source == NULL) {
        err_set(err, ERR_NOT_FOUND, "%s '%s' is not at the top level of the file", kind, key);
        return NULL;
    }
    if (!read_content(daemon, kind, source, &content, err)) {
        err_prefix(err, "%s.%s", kind, key);
        return NULL;
    }
    hasher_init(&hasher);
    hasher_add(&hasher, buf_str(&content));
    hasher_end(&hasher, hash);
    if (!store_content(daemon, &content, hash, err))
        return NULL;
    return arena_text(&release->arena, hash);
}

static bool take_service(struct daemon *daemon, struct release *release,
                         struct release_service *made, struct err *err)
{
    const struct compose *compose = release->compose;
    const struct compose_service *service = made->service;

    made->files = ARENA_ARRAY(&release->arena, const char *,
                              service->secret_count + service->config_count + 1);
    for (size_t i = 0; i < service->secret_count + service->config_count; i++) {
        bool secret = i < service->secret_count;
        const struct compose_file_mount *mount =
            secret ? &service->secrets[i] : &service->configs[i - service->secret_count];
        const struct compose_file_source *source =
            secret ? find_source(compose->secrets, compose->secret_count, mount->source)
                   : find_source(compose->configs, compose->config_count, mount->source);
        made->files[i] =
            take(daemon, release, secret ? "secrets" : "configs", source, mount->source, err);
        if (made->files[i] == NULL)
            return false;
    }
    made->file_count = service->secret_count + service->config_count;
    return true;
}

bool files_take(struct daemon *daemon, struct release *release, struct err *err)
{
    for (size_t i = 0; i < release->compose->service_count; i++)
        if (!release->services[i].service->x.provided_by_edge &&
            !take_service(daemon, release, &release->services[i], err))
            return false;
    return true;
}

/* ---- giving ---- */

static bool owner_of(const char *text, uid_t otherwise, uid_t *ret, struct err *err)
{
    uint64_t number = otherwise;

    if (text != NULL && !str_to_u64(str_of(text), INT32_MAX, &number))
        return err_set(err, ERR_INVALID, "owner '%.40s' must be a number", text);
    *ret = (uid_t)number;
    return true;
}

bool files_make(const struct instance *instance, struct arena *arena, struct instance_spec *ret,
                struct err *err)
{
    const struct compose_service *service = instance->made_of->service;
    size_t count = service->secret_count + service->config_count;
    struct runtime_file *files = ARENA_ARRAY(arena, struct runtime_file, count + 1);

    if (instance->made_of->file_count != count)
        return err_set(err, ERR_NOT_FOUND, "the contents of its secrets are lost; run up");
    for (size_t i = 0; i < count; i++) {
        const struct compose_file_mount *mount = i < service->secret_count
                                                     ? &service->secrets[i]
                                                     : &service->configs[i - service->secret_count];
        files[i] = (struct runtime_file){
            .source = content_path(instance->system->daemon, instance->made_of->files[i], arena),
            .target = mount->target,
            .mode = mount->mode == 0 ? DEFAULT_MODE : mount->mode,
        };
        if (!owner_of(mount->uid, instance->system->uid, &files[i].uid, err) ||
            !owner_of(mount->gid, instance->system->uid, &files[i].gid, err))
            return err_prefix(err, "%s", mount->target);
    }
    ret->files = files;
    ret->file_count = count;
    return true;
}

bool files_check(const struct daemon *daemon, const struct release *release, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};

    for (size_t i = 0; i < release->compose->service_count; i++) {
        const struct release_service *made = &release->services[i];
        size_t count = made->service->secret_count + made->service->config_count;
        bool there = made->service->x.provided_by_edge || made->file_count == count;
        for (size_t k = 0; there && k < made->file_count; k++)
            there = file_exists(content_path(daemon, made->files[k], &arena));
        if (!there)
            return err_set(err, ERR_NOT_FOUND, "%s: the contents of its secrets are gone",
                           made->service->name);
    }
    return true;
}

/* ---- forgetting ---- */

static void keep_release(struct map *kept, const struct release *release)
{
    for (size_t i = 0; release != NULL && i < release->compose->service_count; i++)
        for (size_t j = 0; j < release->services[i].file_count; j++)
            (void)map_set(kept, str_of(release->services[i].files[j]), kept);
}

static void keep_system(struct map *kept, const struct system *system)
{
    keep_release(kept, system->wanted);
    keep_release(kept, system->current);
    if (system->operation != NULL)
        keep_release(kept, system->operation->candidate);
    LIST_FOR_EACH (node, &system->instances)
        keep_release(kept, CONTAINER_OF(node, struct instance, link)->release);
}

/* One-offs keep theirs only while their instance is there. */
static void keep_stored(void *arg, const char *note, struct str services)
{
    AUTO(json_unref) json_t *root = NULL;
    struct err err;
    const char *name;
    json_t *service, *hash;
    size_t i;

    if (strcmp(note, "run") == 0 || !json_parse(services, COMPOSE_RESOLVED_BYTES, &root, &err))
        return;
    json_object_foreach(root, name, service)
    {
        json_array_foreach(json_object_get(service, "files"), i, hash)
        {
            if (json_is_string(hash))
                (void)map_set(arg, str_of(json_string_value(hash)), arg);
        }
    }
}

void files_prune(const struct daemon *daemon)
{
    AUTO(arena_done) struct arena arena = {0};
    struct map kept = {0};
    struct map_entry *entry;
    const struct dirent *file;
    struct err err;

    if (daemon->unreadable.live > 0) /* whose releases are not known */
        return;
    DIR *dir = opendir(content_path(daemon, "", &arena));
    if (dir == NULL)
        return;
    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;)
        keep_system(&kept, entry->value);
    if (!state_each_services(daemon->state, keep_stored, &kept, &err)) {
        log_error("daemon", "contents of secrets are left: %s", err.text);
        (void)closedir(dir);
        map_done(&kept);
        return;
    }
    while ((file = readdir(dir)) != NULL)
        if (file->d_name[0] != '.' && map_find(&kept, str_of(file->d_name)) == NULL &&
            unlinkat(dirfd(dir), file->d_name, 0) != 0)
            log_error("daemon", "cannot remove the content '%s': %s", file->d_name,
                      strerror(errno));
    (void)closedir(dir);
    map_done(&kept);
}
