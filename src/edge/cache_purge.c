/* SPDX-License-Identifier: Apache-2.0
 *
 * What the daemon asks of the cache: how much of it a system has, and that
 * something goes.
 */
#include "base/base.h"

#include "edge/cache_store.h"
#include "edge/control.h"
#include "json/json.h"

static uint64_t purge(struct edge *edge, const json_t *root, struct str system)
{
    static const char *const kinds[] = {[CACHE_PURGE_ALL] = "all",
                                        [CACHE_PURGE_PATH] = "path",
                                        [CACHE_PURGE_PREFIX] = "prefix",
                                        [CACHE_PURGE_TAG] = "tag"};
    const char *kind = json_find_text(root, "purge", "");
    struct str text = str_of(json_find_text(root, "text", ""));

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return cache_purge(edge->cache, system, (enum cache_purge_kind)i, text);
    return 0;
}

void cache_take_message(struct edge *edge, const json_t *root, struct channel_message *message)
{
    struct str system = str_of(json_find_text(root, "system", ""));
    uint64_t purged = purge(edge, root, system), entries, bytes;
    json_t *event = stats_make(edge);

    (void)message;
    cache_measure(edge->cache, system, &entries, &bytes);
    (void)json_object_set_new(event, "event", json_string("cache"));
    (void)json_object_set_new(event, "id", json_integer((json_int_t)json_find_u64(root, "id", 0)));
    (void)json_object_set_new(event, "purged", json_integer((json_int_t)purged));
    (void)json_object_set_new(event, "system_entries", json_integer((json_int_t)entries));
    (void)json_object_set_new(event, "system_bytes", json_integer((json_int_t)bytes));
    control_send(edge, event, NULL, 0);
}
