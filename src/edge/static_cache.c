/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "edge/head.h"
#include "edge/static_cache.h"
#include "edge/worker.h"

enum { LINES_BYTES = 256, KEY_BYTES = 16 + STATIC_ACCEPT_BYTES + 1 + STATIC_NAME_BYTES };

void static_cache_init(struct static_cache *cache)
{
    *cache = (struct static_cache){0};
    list_init(&cache->recent);
}

void static_entry_unref(struct static_entry *entry)
{
    if (entry == NULL || --entry->refs > 0)
        return;
    fd_close(entry->file.fd);
    free(entry->content);
    free(entry);
}

static size_t content_bytes(const struct static_entry *entry)
{
    return entry->content == NULL ? 0 : (size_t)entry->file.status.st_size;
}

static void forget(struct static_cache *cache, struct static_entry *entry)
{
    (void)map_remove(&cache->entries, entry->key);
    list_remove(&entry->link);
    cache->count--;
    cache->bytes -= content_bytes(entry);
    static_entry_unref(entry);
}

void static_cache_done(struct static_cache *cache)
{
    while (!list_is_empty(&cache->recent))
        forget(cache, CONTAINER_OF(cache->recent.next, struct static_entry, link));
    map_done(&cache->entries);
    static_cache_init(cache);
}

/* The texts of an entry's head, in one piece of memory behind it with its key. */
static void write_lines(struct static_entry *entry, char *at)
{
    const struct static_file *file = &entry->file;
    char date[CLOCK_TEXT_BYTES];

    clock_format_http(file->status.st_mtim.tv_sec, date);
    str_format(at, LINES_BYTES, "ETag: %s\r\nLast-Modified: %s\r\n%s", file->tag, date,
               file->varies ? "Vary: Accept-Encoding\r\n" : "");
    entry->validators = str_of(at);
    at += LINES_BYTES;
    str_format(at, LINES_BYTES, "Content-Type: %s\r\n", file->mime_type);
    entry->type = str_of(at);
    at += LINES_BYTES;
    if (file->coding != HTTP_CODING_IDENTITY)
        str_format(at, LINES_BYTES, "Content-Encoding: %s\r\n", http_coding_name(file->coding));
    entry->coding = str_of(at);
}

/* NULL when the file is too long for it, or changes while it is read. */
static char *read_content(const struct static_file *file)
{
    size_t size = (size_t)file->status.st_size;

    if (file->status.st_size > STATIC_CONTENT_BYTES)
        return NULL;
    char *bytes = mem_new(MAX(size, 1));
    if (pread(file->fd, bytes, size, 0) == (ssize_t)size)
        return bytes;
    free(bytes);
    return NULL;
}

static struct static_entry *entry_new(const struct static_file *file, struct str key)
{
    struct static_entry *entry = mem_new(sizeof *entry + key.len + (size_t)3 * LINES_BYTES);
    char *at = (char *)(entry + 1);

    list_init(&entry->link);
    entry->file = *file;
    entry->refs = 1;
    (void)head_put(at, key); /* may be the empty text, which has no address */
    entry->key = str_from(at, key.len);
    write_lines(entry, at + key.len);
    return entry;
}

static void keep(struct static_cache *cache, struct static_entry *entry)
{
    entry->content = read_content(&entry->file);
    entry->refs++;
    (void)map_set(&cache->entries, entry->key, entry);
    list_push_front(&cache->recent, &entry->link);
    cache->count++;
    cache->bytes += content_bytes(entry);
    while (cache->count > STATIC_CACHE_FILES || cache->bytes > STATIC_CACHE_BYTES) {
        struct static_entry *last = CONTAINER_OF(cache->recent.prev, struct static_entry, link);
        forget(cache, last);
    }
}

/* The text of <key>; the empty one: it is not remembered. */
static struct str write_key(const struct static_key *key, char *ret)
{
    char *at = ret;

    if (key->path.len >= STATIC_NAME_BYTES || key->accepted.len > STATIC_ACCEPT_BYTES)
        return (struct str){0};
    memcpy(at, &key->route, sizeof key->route);
    at += sizeof key->route;
    *at++ = key->flavour;
    at = head_put(at, key->accepted);
    *at++ = '\0';
    at = head_put(at, key->path);
    return str_from(ret, (size_t)(at - ret));
}

static bool is_same(const struct static_file *a, const struct static_file *b)
{
    return a->status.st_dev == b->status.st_dev && a->status.st_ino == b->status.st_ino &&
           a->status.st_size == b->status.st_size && strcmp(a->tag, b->tag) == 0;
}

/* Entries are those of the newest table: another one's folders have other descriptors. */
static struct static_entry *find(struct worker *worker, struct str key)
{
    struct static_cache *cache = &worker->static_cache;
    uint64_t newest = worker->view->table->generation;

    if (cache->generation != newest) {
        static_cache_done(cache);
        cache->generation = newest;
    }
    return key.len == 0 ? NULL : map_find(&cache->entries, key);
}

struct static_entry *static_cache_find(struct worker *worker, const struct static_key *key)
{
    char bytes[KEY_BYTES];
    struct static_entry *entry = find(worker, write_key(key, bytes));

    if (entry == NULL ||
        loop_now_ns(worker->loop) - entry->checked_ns >= STATIC_FRESH_MS * NS_PER_MS)
        return NULL;
    entry->refs++;
    return entry;
}

struct static_entry *static_cache_keep(struct worker *worker, const struct static_key *key,
                                       const struct static_file *file)
{
    struct static_cache *cache = &worker->static_cache;
    char bytes[KEY_BYTES];
    struct str text = write_key(key, bytes);
    struct static_entry *entry = find(worker, text);

    if (entry != NULL && is_same(&entry->file, file)) {
        fd_close(file->fd);
        list_remove(&entry->link);
        list_push_front(&cache->recent, &entry->link);
        entry->refs++;
    } else {
        if (entry != NULL)
            forget(cache, entry);
        entry = entry_new(file, text);
        if (text.len > 0)
            keep(cache, entry);
    }
    entry->checked_ns = loop_now_ns(worker->loop);
    return entry;
}
