/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <sys/stat.h>

#include "base/map.h"
#include "compose/model_rules.h"
#include "control/daemon_priv.h"
#include "control/edge_sources.h"

struct source {
    bool present;
    bool is_folder;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed; /* of a folder, as the size: 0, what is in it does not matter */
};

struct edge_sources {
    struct map files; /* path -> struct source */
};

static struct source look(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return (struct source){0};
    struct source source = {.present = true, .device = status.st_dev, .inode = status.st_ino};
    source.is_folder = S_ISDIR(status.st_mode);
    if (!source.is_folder) {
        source.size = status.st_size;
        source.changed = status.st_mtim;
    }
    return source;
}

static bool is_same(const struct source *a, const struct source *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static void forget(struct edge_sources *sources)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&sources->files, &i)) != NULL;)
        free(entry->value);
    map_done(&sources->files);
    sources->files = (struct map){0};
}

void edge_sources_begin(struct daemon *daemon)
{
    if (daemon->sources == NULL)
        daemon->sources = NEW(struct edge_sources);
    forget(daemon->sources);
}

static void note(struct edge_sources *sources, const char *path)
{
    if (path == NULL || map_find(&sources->files, str_of(path)) != NULL)
        return;
    struct source *source = NEW(struct source);
    *source = look(path);
    (void)map_set(&sources->files, str_of(path), source);
}

void edge_sources_note(struct daemon *daemon, const struct compose *compose)
{
    struct edge_sources *sources = daemon->sources;

    note(sources, compose->x.tls_certificate);
    note(sources, compose->x.tls_key);
    note(sources, compose->x.tls_ocsp);
    note(sources, compose->x.tls_client_ca);
    for (size_t i = 0; i < compose->x.certificate_count; i++) {
        note(sources, compose->x.certificates[i].certificate);
        note(sources, compose->x.certificates[i].key);
        note(sources, compose->x.certificates[i].ocsp);
    }
    for (size_t i = 0; i < compose->x.route_count; i++) {
        const struct compose_rules *rules = compose->x.routes[i].rules;
        note(sources, compose->x.routes[i].files);
        if (rules != NULL && rules->auth != NULL)
            note(sources, rules->auth->users_file);
        for (size_t k = 0; rules != NULL && k < rules->page_count; k++)
            note(sources, rules->pages[k].file);
    }
}

bool edge_sources_changed(const struct daemon *daemon)
{
    struct map_entry *entry;
    bool changed = false;

    if (daemon->sources == NULL)
        return false;
    for (size_t i = 0; (entry = map_next(&daemon->sources->files, &i)) != NULL;) {
        const struct source *before = entry->value;
        struct source now = look(entry->key);
        if (!now.present && before->is_folder)
            return false; /* a table made now would have nothing in its place */
        changed = changed || (now.present && !is_same(&now, before));
    }
    return changed;
}

void edge_sources_free(struct edge_sources *sources)
{
    if (sources != NULL)
        forget(sources);
    free(sources);
}
