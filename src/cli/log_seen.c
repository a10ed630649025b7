/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdlib.h>

#include "cli/log_seen.h"

struct known {
    int64_t last_ms;
    uint64_t count;  /* lines of that time */
    uint64_t repeat; /* so many of them are to come again */
    bool repeats;    /* what comes was seen, until something newer does */
};

void log_seen_init(struct log_seen *seen, int64_t began_ms, int64_t since_ms, bool has_tail)
{
    *seen = (struct log_seen){.began_ms = began_ms, .floor_ms = has_tail ? began_ms : since_ms};
}

void log_seen_done(struct log_seen *seen)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&seen->instances, &i)) != NULL;)
        free(entry->value);
    map_done(&seen->instances);
}

static bool is_repeated(struct known *known, int64_t time_ms)
{
    if (!known->repeats)
        return false;
    if (time_ms < known->last_ms)
        return true;
    if (time_ms == known->last_ms && known->repeat > 0) {
        known->repeat--;
        return true;
    }
    known->repeats = false;
    return false;
}

bool log_seen_take(struct log_seen *seen, struct str instance, int64_t time_ms)
{
    struct known *known = map_find(&seen->instances, instance);

    if (time_ms >= seen->began_ms) /* they come by time at first: there is nothing older left */
        seen->floor_ms = MAX(seen->floor_ms, seen->began_ms);
    if (known == NULL) {
        if (seen->resumed && time_ms < seen->floor_ms)
            return false;
        known = NEW(struct known);
        known->last_ms = time_ms;
        (void)map_set(&seen->instances, instance, known);
    }
    if (is_repeated(known, time_ms))
        return false;
    known->count = time_ms == known->last_ms ? known->count + 1 : 1;
    known->last_ms = time_ms;
    return true;
}

int64_t log_seen_resume(struct log_seen *seen)
{
    int64_t from_ms = seen->floor_ms;
    struct map_entry *entry;

    seen->resumed = true;
    for (size_t i = 0; (entry = map_next(&seen->instances, &i)) != NULL;) {
        struct known *known = entry->value;
        known->repeats = true;
        known->repeat = known->count;
        from_ms = MIN(from_ms, known->last_ms);
    }
    return from_ms;
}
