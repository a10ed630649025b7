/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests about the change of a system to another release.
 */
#include "base/base.h"

#include "base/err.h"
#include "control/api_priv.h"
#include "control/rollout.h"

static bool parse_wait(const char *text, enum deploy_wait *ret, struct err *err)
{
    static const char *const names[] = {
        [DEPLOY_WAIT_DONE] = "done",
        [DEPLOY_WAIT_SWITCHED] = "switched",
        [DEPLOY_WAIT_STARTED] = "started",
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum deploy_wait)i;
            return true;
        }
    return err_set(err, ERR_INVALID, "'wait' must be started, switched or done, not '%.40s'", text);
}

bool api_deploy_request(const struct api_call *call, struct deploy_request *ret, struct err *err)
{
    static const char *const known[] = {"strategy", "wait", "dry_run"};
    const json_t *given = json_object_get(call->body, "deploy");
    const char *name;
    json_t *value;

    *ret = (struct deploy_request){.present = json_is_object(given)};
    json_object_foreach((json_t *)(uintptr_t)given, name, value)
    {
        bool is_known = false;
        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            is_known |= strcmp(name, known[i]) == 0;
        if (!is_known)
            return err_set(err, ERR_INVALID, "'deploy' has no member '%.40s'", name);
    }
    ret->strategy = json_find_text(given, "strategy", NULL);
    ret->dry_run = json_find_bool(given, "dry_run", false);
    return !ret->present || parse_wait(json_find_text(given, "wait", "switched"), &ret->wait, err);
}

void api_rollout_show(struct api_call *call)
{
    struct system *system = api_system(call);

    if (system != NULL)
        api_answer(call, 200, json_pack("{s:o}", "rollout", rollout_json(system)));
}

void api_promote(struct api_call *call)
{
    struct system *system = api_system(call);
    struct err err;

    if (system == NULL)
        return;
    struct subscriber *subscriber = api_stream(call);
    if (!promote_begin(system, json_find_bool(call->body, "all", false),
                       api_milliseconds(call, "timeout_ms", 0), subscriber, &err))
        api_stream_refuse(subscriber, &err);
}

void api_abort(struct api_call *call)
{
    struct system *system = api_system(call);
    struct err err;

    if (system == NULL)
        return;
    struct subscriber *subscriber = api_stream(call);
    if (!abort_begin(system, api_milliseconds(call, "timeout_ms", 0), subscriber, &err))
        api_stream_refuse(subscriber, &err);
}
