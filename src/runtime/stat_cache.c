/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/stat_cache.h"
#include "tls/hasher.h"

enum { KEY_BYTES = 120, SETTLED_MS = 2000 };

static void format_key(const struct stat *st, char *ret)
{
    (void)snprintf(ret, KEY_BYTES, "%llx.%llx.%llx.%lx.%llx.%lx", (unsigned long long)st->st_ino,
                   (unsigned long long)st->st_size, (unsigned long long)st->st_mtim.tv_sec,
                   (unsigned long)st->st_mtim.tv_nsec, (unsigned long long)st->st_ctim.tv_sec,
                   (unsigned long)st->st_ctim.tv_nsec);
}

void stat_cache_done(struct stat_cache *cache)
{
    map_done(&cache->entries);
    arena_done(&cache->arena);
}

/* A line is "key hash path"; a path with a newline is never written. */
void stat_cache_read(struct stat_cache *cache, const char *file)
{
    AUTO(buf_done) struct buf text = {0};
    struct err ignored;

    if (!file_read(file, STAT_CACHE_BYTES_MAX, &text, &ignored))
        return;
    struct str rest = buf_str(&text);
    while (rest.ptr != NULL) {
        struct str line = str_cut(&rest, '\n');
        size_t key_end = str_find(line, ' ');
        size_t value_len = key_end + HASHER_TEXT_BYTES; /* with the blank, without NUL */
        if (key_end < KEY_BYTES && line.len > value_len + 1 && line.ptr[value_len] == ' ')
            (void)map_set(&cache->entries, str_sub(line, value_len + 1, line.len),
                          arena_str(&cache->arena, str_sub(line, 0, value_len)));
    }
}

bool stat_cache_write(const struct stat_cache *cache, const char *file, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    const struct map_entry *entry;

    if (!cache->changed)
        return true;
    for (size_t i = 0; (entry = map_next(&cache->entries, &i)) != NULL;)
        buf_addf(&text, "%s %s\n", (const char *)entry->value, entry->key);
    return file_write(file, buf_str(&text), 0600, err);
}

const char *stat_cache_find(const struct stat_cache *cache, const char *path, const struct stat *st)
{
    const char *value = map_find(&cache->entries, str_of(path));
    char key[KEY_BYTES];

    format_key(st, key);
    size_t len = strlen(key);
    return value != NULL && strncmp(value, key, len) == 0 && value[len] == ' ' ? value + len + 1
                                                                               : NULL;
}

void stat_cache_set(struct stat_cache *cache, const char *path, const struct stat *st,
                    const char *hash, int64_t now_wall_ms)
{
    int64_t changed_ms = (int64_t)st->st_ctim.tv_sec * 1000 + st->st_ctim.tv_nsec / 1000000;
    char key[KEY_BYTES];

    if (strchr(path, '\n') != NULL || now_wall_ms - changed_ms < SETTLED_MS)
        return;
    format_key(st, key);
    (void)map_set(&cache->entries, str_of(path), arena_printf(&cache->arena, "%s %s", key, hash));
    cache->changed = true;
}
