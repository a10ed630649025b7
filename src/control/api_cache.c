/* SPDX-License-Identifier: Apache-2.0
 *
 * What the edges keep of a system's answers: shown, and thrown away.
 */
#include "base/base.h"

#include "base/err.h"
#include "control/api_priv.h"
#include "control/edge_link_priv.h"
#include "json/json.h"

enum { TEXT_MAX_BYTES = 4096 };

static json_t *shown(const json_t *totals)
{
    static const char *const edge[] = {"hits",     "misses", "stale",   "revalidated", "collapsed",
                                       "bypasses", "stored", "evicted", "purged",      "refused"};
    json_t *counters = json_object();
    char key[32];

    for (size_t i = 0; i < ARRAY_LEN(edge); i++) {
        str_format(key, sizeof key, "cache_%s", edge[i]);
        (void)json_object_set_new(counters, edge[i],
                                  json_integer((json_int_t)json_find_u64(totals, key, 0)));
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:o}", "entries",
                     (json_int_t)json_find_u64(totals, "system_entries", 0), "bytes",
                     (json_int_t)json_find_u64(totals, "system_bytes", 0), "used_bytes",
                     (json_int_t)json_find_u64(totals, "cache_bytes", 0), "limit_bytes",
                     (json_int_t)json_find_u64(totals, "cache_limit_bytes", 0), "edge", counters);
}

static void on_shown(struct api_call *call, const struct edge_answers *answers,
                     const struct err *err)
{
    if (answers->active == NULL)
        api_refuse(call, err);
    else
        api_answer(call, 200, shown(answers->active));
}

static void on_purged(struct api_call *call, const struct edge_answers *answers,
                      const struct err *err)
{
    if (err != NULL && err->code == ERR_TIMEOUT)
        api_refuse(call, err);
    else
        api_answer(call, 200, json_pack("{s:I}", "purged", (json_int_t)answers->purged));
}

/* <kind> NULL: only to look. */
static void ask_edges(struct api_call *call, const struct system *system, const char *kind,
                      const char *text)
{
    edge_ask(call,
             json_pack("{s:s, s:s, s:s*, s:s*}", "type", "cache", "system", system->name, "purge",
                       kind, "text", text),
             true, kind == NULL ? on_shown : on_purged);
}

void api_cache_show(struct api_call *call)
{
    const struct system *system = api_system(call);

    if (system != NULL)
        ask_edges(call, system, NULL, NULL);
}

/* Exactly one of "all", "path", "prefix", "tag". */
static bool read_purge(const struct api_call *call, const char **ret_kind, const char **ret_text,
                       struct err *err)
{
    static const char *const kinds[] = {"path", "prefix", "tag"};
    size_t count = 0;

    *ret_text = NULL;
    if (json_find_bool(call->body, "all", false)) {
        *ret_kind = "all";
        count++;
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const char *text = json_find_text(call->body, kinds[i], NULL);
        if (text == NULL)
            continue;
        *ret_kind = kinds[i];
        *ret_text = text;
        count++;
    }
    if (count != 1)
        return err_set(err, ERR_INVALID,
                       "what is to be purged is not clear; give one of path, prefix, tag and all");
    if (*ret_text == NULL)
        return true;
    if (strlen(*ret_text) > TEXT_MAX_BYTES)
        return err_set(err, ERR_LIMIT, "the %s is longer than %d bytes", *ret_kind, TEXT_MAX_BYTES);
    return (*ret_text)[0] == '/' || strcmp(*ret_kind, "tag") == 0 ||
           err_set(err, ERR_INVALID, "%s '%.80s' does not start with '/'", *ret_kind, *ret_text);
}

void api_cache_purge(struct api_call *call)
{
    const struct system *system = api_system(call);
    const char *kind, *text;
    struct err err;

    if (system == NULL)
        return;
    if (read_purge(call, &kind, &text, &err))
        ask_edges(call, system, kind, text);
    else
        api_refuse(call, &err);
}
