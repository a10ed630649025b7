/* SPDX-License-Identifier: Apache-2.0
 *
 * Upgrades and maintenance, as the API has them.
 */
#include "base/base.h"

#include "base/err.h"
#include "control/api_priv.h"
#include "control/maintenance.h"
#include "control/upgrade.h"

/* ---- upgrade ---- */

struct trying {
    struct api_call call;
    bool gone; /* the client went away */
};

static void on_client_gone(void *arg)
{
    struct trying *trying = arg;

    trying->gone = true;
}

static void on_tried(void *arg, const char *version, uint64_t schema, const struct err *err)
{
    struct trying *trying = arg;

    if (!trying->gone && err != NULL)
        api_refuse(&trying->call, err);
    else if (!trying->gone) {
        trying->call.action = NULL; /* the next program notes it when it is over */
        api_answer(&trying->call, 200,
                   json_pack("{s:s, s:s, s:I}", "from", ISHIZUE_VERSION, "to", version, "schema",
                             (json_int_t)schema));
    }
    free(trying);
}

void api_upgrade(struct api_call *call)
{
    struct upgrade_request request = {
        .install = json_find_text(call->body, "install", NULL),
        .drain_ms = api_milliseconds(call, "drain_ms", EDGE_DRAIN_MS),
        .only_try = json_find_bool(call->body, "only_try", false),
        .caller = call->caller,
    };
    struct trying *trying = NEW(struct trying);
    struct err err;

    trying->call = *call;
    if (!json_get_text(call->body, "program", &request.program, &err) ||
        !upgrade_begin(call->daemon, &request, on_tried, trying, &err)) {
        free(trying);
        api_refuse(call, &err);
        return;
    }
    http_exchange_watch(call->exchange, on_client_gone, NULL, trying);
}

void api_upgrade_show(struct api_call *call)
{
    api_answer_upgraded(call);
}

/* ---- maintenance ---- */

static const char *name_of(const struct api_call *call, struct arena *arena)
{
    return arena_str(arena, call->name);
}

void api_maintenance_show(struct api_call *call)
{
    AUTO(arena_done) struct arena arena = {0};
    const struct system *system = api_system(call);

    if (system != NULL)
        api_answer(call, 200, maintenance_json(call->daemon, name_of(call, &arena)));
}

void api_maintenance_begin(struct api_call *call)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *name = name_of(call, &arena);
    struct err err;

    if (api_system(call) == NULL)
        return;
    if (!maintenance_begin(call->daemon, name, json_find_text(call->body, "page", NULL),
                           &call->caller, &err))
        api_refuse(call, &err);
    else
        api_answer_settled(call, maintenance_json(call->daemon, name));
}

void api_maintenance_end(struct api_call *call)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *name = name_of(call, &arena);
    struct err err;

    if (!maintenance_end(call->daemon, name, &err))
        api_refuse(call, &err);
    else
        api_answer_settled(call, maintenance_json(call->daemon, name));
}
