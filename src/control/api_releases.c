/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests about releases, the way back to one, locks and the history. What is
 * stored can be looked at while the system is down.
 */
#include "base/base.h"

#include "base/err.h"
#include "compose/load.h"
#include "control/api_priv.h"
#include "control/releases.h"
#include "control/state.h"
#include "control/tree_sizes.h"

enum { LIST_MAX = 1000, LIST_DEFAULT = 100, HISTORY_DEFAULT = 50 };

/* The name in the path; in <arena>. */
static const char *name_of(const struct api_call *call, struct arena *arena)
{
    return arena_str(arena, call->name);
}

/* A number of the query; <otherwise> when it is not there. */
static bool read_number(const struct api_call *call, const char *key, uint64_t max,
                        uint64_t otherwise, uint64_t *ret, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *text = api_query(call, key, 0, &arena);

    *ret = otherwise;
    if (text == NULL || str_to_u64(str_of(text), max, ret))
        return true;
    return err_set(err, ERR_INVALID, "'%s' must be a number up to %llu, '%.40s' is none", key,
                   (unsigned long long)max, text);
}

/* ---- list ---- */

struct listing {
    const struct system *system; /* NULL: it is down */
    json_t *rows;
    struct daemon *daemon;
    const char *name;
    uint64_t limit;
    uint32_t only; /* this one; 0: all */
};

static const char *state_of(const struct system *system, const struct state_release *row)
{
    if (system != NULL && system->current != NULL && system->current->number == row->number)
        return "current";
    if (system != NULL && system->wanted != NULL && system->wanted->number == row->number)
        return "wanted";
    return row->state[0] == '\0' ? "unknown" : row->state;
}

/* Of its built trees, some of which others may have too; null: not measured yet. */
static json_t *bytes_of(const struct listing *listing, uint32_t number)
{
    AUTO(buf_done) struct buf config = {0}, text = {0};
    AUTO(json_unref) json_t *services = NULL;
    AUTO(map_done) struct map folders = {0};
    const char *name;
    json_t *service;
    struct map_entry *entry;
    uint64_t total = 0, bytes;
    struct err ignored;

    if (!state_read_release(listing->daemon->state, listing->name, number, &config, &text,
                            &ignored) ||
        !json_parse(buf_str(&text), COMPOSE_RESOLVED_BYTES, &services, &ignored))
        return json_null();
    json_object_foreach(services, name, service)
    {
        tree_sizes_add_folders(json_find_text(service, "tree", NULL), &folders);
    }
    for (size_t i = 0; (entry = map_next(&folders, &i)) != NULL;) {
        if (!tree_sizes_find(listing->daemon, entry->key, &bytes))
            return json_null();
        total += bytes;
    }
    return json_integer((json_int_t)total);
}

static void list_release(void *arg, const struct state_release *row)
{
    struct listing *listing = arg;
    json_t *changed = NULL;
    struct err ignored;

    if (strcmp(row->note, "run") == 0 || json_array_size(listing->rows) >= listing->limit ||
        (listing->only != 0 && listing->only != row->number))
        return;
    if (!json_parse(row->changed.len == 0 ? STR("{}") : row->changed, COMPOSE_RESOLVED_BYTES,
                    &changed, &ignored))
        changed = json_object();
    (void)json_array_append_new(
        listing->rows,
        json_pack("{s:I, s:I, s:s, s:s, s:I, s:s?, s:s?, s:b, s:I, s:o, s:o}", "number",
                  (json_int_t)row->number, "created_ms", (json_int_t)row->created_ms, "state",
                  state_of(listing->system, row), "command", row->note, "uid", (json_int_t)row->uid,
                  "user", row->user[0] == '\0' ? NULL : row->user, "commit", row->commit, "dirty",
                  (int)row->dirty, "back_to", (json_int_t)row->back_to, "changed", changed, "bytes",
                  bytes_of(listing, row->number)));
}

static bool list(const struct api_call *call, const char *name, struct listing *listing,
                 struct err *err)
{
    listing->daemon = call->daemon;
    listing->name = name;
    listing->system = daemon_find_system(call->daemon, name);
    if (!state_each_release(call->daemon->state, name, list_release, listing, err))
        return false;
    if (listing->only != 0 && json_array_size(listing->rows) == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no release %u of '%s'", listing->only, name);
    if (json_array_size(listing->rows) == 0 && listing->system == NULL)
        return err_set(err, ERR_NOT_FOUND, "nothing is known of a system '%s'", name);
    return true;
}

static json_int_t number_of(const struct release *release)
{
    return release == NULL ? 0 : (json_int_t)release->number;
}

void api_releases(struct api_call *call)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(json_unref) json_t *rows = json_array();
    struct listing listing = {.rows = rows};
    struct err err;

    if (!read_number(call, "limit", LIST_MAX, LIST_DEFAULT, &listing.limit, &err) ||
        !list(call, name_of(call, &arena), &listing, &err)) {
        api_refuse(call, &err);
        return;
    }
    const struct system *system = listing.system;
    api_answer(call, 200,
               json_pack("{s:O, s:I, s:I}", "releases", rows, "current",
                         system == NULL ? 0 : number_of(system->current), "wanted",
                         system == NULL ? 0 : number_of(system->wanted)));
}

/* ---- one, and two ---- */

struct stored {
    json_t *config; /* without contents of secrets */
    json_t *services;
};

static void stored_done(struct stored *stored)
{
    json_decref(stored->config);
    json_decref(stored->services);
}
AUTO_VALUE(struct stored, stored_done)

static bool read_stored(const struct api_call *call, const char *name, uint64_t number,
                        struct stored *ret, struct err *err)
{
    AUTO(buf_done) struct buf config = {0}, services = {0};
    AUTO(json_unref) json_t *whole = NULL;

    if (!state_read_release(call->daemon->state, name, (uint32_t)number, &config, &services, err) ||
        !json_parse(buf_str(&config), COMPOSE_RESOLVED_BYTES, &whole, err) ||
        !json_parse(buf_str(&services), COMPOSE_RESOLVED_BYTES, &ret->services, err))
        return false;
    ret->config = releases_mask(whole);
    return true;
}

/* Why it cannot be gone back to, or NULL; only while the system is up. */
static json_t *find_obstacle(const struct system *system, uint32_t number)
{
    struct err err;

    if (system == NULL || system->wanted == NULL)
        return json_null();
    struct release *release = releases_read(system, number, &err);
    if (release == NULL)
        return json_from_bytes(str_of(err.text));
    release_unref(release);
    return json_null();
}

void api_release_show(struct api_call *call)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(json_unref) json_t *rows = json_array();
    AUTO(stored_done) struct stored stored = {0};
    const char *name = name_of(call, &arena);
    uint64_t number;
    struct err err;

    struct listing listing = {.rows = rows, .limit = 1};
    bool ok = read_number(call, "number", UINT32_MAX, 0, &number, &err);
    listing.only = (uint32_t)number;
    if (ok && number == 0)
        ok = err_set(&err, ERR_INVALID, "'number' says which release");
    if (!ok || !list(call, name, &listing, &err) ||
        !read_stored(call, name, number, &stored, &err)) {
        api_refuse(call, &err);
        return;
    }
    json_t *answer = json_incref(json_array_get(rows, 0));
    (void)json_object_set(answer, "config", stored.config);
    (void)json_object_set_new(answer, "obstacle", find_obstacle(listing.system, (uint32_t)number));
    api_answer(call, 200, answer);
}

static bool is_former(const struct api_call *call, const char *key)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *text = api_query(call, key, 0, &arena);

    return text != NULL && strcmp(text, "former") == 0;
}

/* One that is not named is the current one; none named is what a rollback would do. <from> may be
 * "former", what a rollback would choose. */
static bool choose_two(struct api_call *call, const char *name, uint64_t *from, uint64_t *to,
                       struct err *err)
{
    struct system *system = daemon_find_system(call->daemon, name);
    uint32_t former = 0;
    bool since_former = is_former(call, "from");

    if (since_former)
        *from = 0;
    else if (!read_number(call, "from", UINT32_MAX, 0, from, err))
        return false;
    if (!read_number(call, "to", UINT32_MAX, 0, to, err))
        return false;
    if (*from != 0 && *to != 0)
        return true;
    if (system == NULL || system->current == NULL)
        return err_set(err, ERR_NOT_FOUND, "no release of '%s' is current; name two", name);
    if ((since_former || (*from == 0 && *to == 0)) && !releases_find_former(system, &former, err))
        return false;
    if (since_former)
        *from = former;
    else if (former != 0)
        *to = former;
    *from = *from == 0 ? system->current->number : *from;
    *to = *to == 0 ? system->current->number : *to;
    return true;
}

void api_release_diff(struct api_call *call)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(stored_done) struct stored a = {0};
    AUTO(stored_done) struct stored b = {0};
    AUTO(json_unref) json_t *irreversible = NULL;
    const char *name = name_of(call, &arena);
    uint64_t from, to;
    struct err err;

    if (!choose_two(call, name, &from, &to, &err) || !read_stored(call, name, from, &a, &err) ||
        !read_stored(call, name, to, &b, &err) ||
        !releases_irreversible(call->daemon->state, name, (uint32_t)from, (uint32_t)to,
                               &irreversible, &err)) {
        api_refuse(call, &err);
        return;
    }
    api_answer(call, 200,
               json_pack("{s:I, s:I, s:O, s:o, s:o, s:O, s:O, s:o}", "from", (json_int_t)from, "to",
                         (json_int_t)to, "irreversible", irreversible, "services",
                         releases_changed(b.services, a.services, "config_hash"), "differences",
                         releases_differences(a.config, a.services, b.config, b.services),
                         "from_config", a.config, "to_config", b.config, "obstacle",
                         find_obstacle(daemon_find_system(call->daemon, name), (uint32_t)to)));
}

/* ---- rollback, scale ---- */

void api_rollback(struct api_call *call)
{
    struct system *system = api_system(call);
    uint64_t number = json_find_u64(call->body, "release", 0);
    struct err err;

    if (system == NULL)
        return;
    struct subscriber *subscriber = api_stream(call);
    bool ok =
        number <= UINT32_MAX || err_set(&err, ERR_NOT_FOUND, "there is no release of that number");
    if (!ok || !rollback_begin(system, (uint32_t)number, api_milliseconds(call, "timeout_ms", 0),
                               subscriber, &err))
        api_stream_refuse(subscriber, &err);
}

void api_scale(struct api_call *call)
{
    struct system *system = api_system(call);
    struct err err;

    if (system == NULL)
        return;
    struct subscriber *subscriber = api_stream(call);
    if (!scale_begin(system, json_object_get(call->body, "services"),
                     api_milliseconds(call, "timeout_ms", 0), subscriber, &err))
        api_stream_refuse(subscriber, &err);
}

/* ---- history ---- */

static void list_action(void *arg, const struct state_action *row)
{
    (void)json_array_append_new(
        arg,
        json_pack("{s:I, s:I, s:o, s:s, s:o, s:I, s:s, s:I, s:b, s:o, s:I}", "id",
                  (json_int_t)row->id, "time_ms", (json_int_t)row->time_ms, "system",
                  json_from_bytes(str_of(row->system)), "action", row->action, "services",
                  json_from_bytes(str_of(row->services)), "uid", (json_int_t)row->uid, "user",
                  row->user, "took_ms", (json_int_t)row->took_ms, "ok", (int)(row->error == NULL),
                  "error", row->error == NULL ? json_null() : json_from_bytes(str_of(row->error)),
                  "release", (json_int_t)row->release));
}

void api_history(struct api_call *call)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(json_unref) json_t *rows = json_array();
    uint64_t limit;
    struct err err;

    if (!read_number(call, "limit", STATE_HISTORY_MAX, HISTORY_DEFAULT, &limit, &err) ||
        !state_each_action(call->daemon->state, api_query(call, "system", 0, &arena),
                           (uint32_t)limit, list_action, rows, &err))
        api_refuse(call, &err);
    else
        api_answer(call, 200, json_pack("{s:O}", "actions", rows));
}

/* ---- lock ---- */

void api_lock_show(struct api_call *call)
{
    AUTO(arena_done) struct arena arena = {0};
    struct state_lock lock;
    struct err err;
    bool held;

    if (!state_read_lock(call->daemon->state, name_of(call, &arena), &held, &lock, &err))
        api_refuse(call, &err);
    else if (!held)
        api_answer(call, 200, json_pack("{s:b}", "locked", 0));
    else
        api_answer(call, 200,
                   json_pack("{s:b, s:s, s:I, s:s, s:I}", "locked", 1, "user", lock.user, "uid",
                             (json_int_t)lock.uid, "message", lock.message, "time_ms",
                             (json_int_t)lock.time_ms));
}

void api_lock_acquire(struct api_call *call)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *message;
    struct err err;

    if (!json_get_text(call->body, "message", &message, &err) ||
        !lock_acquire(call->daemon, name_of(call, &arena), message, &call->caller, &err))
        api_refuse(call, &err);
    else
        api_answer(call, 200, json_pack("{s:b}", "locked", 1));
}

void api_lock_release(struct api_call *call)
{
    AUTO(arena_done) struct arena arena = {0};
    struct err err;

    if (!lock_release(call->daemon, name_of(call, &arena), &err))
        api_refuse(call, &err);
    else
        api_answer(call, 200, json_pack("{s:b}", "locked", 0));
}
