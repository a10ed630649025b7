/* SPDX-License-Identifier: Apache-2.0
 *
 * Who did what: a row for each action of a person, written when it is over.
 */
#include "base/base.h"

#include <pwd.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/state.h"

enum { LOGIN_BYTES = 32, USERS_MAX = 100000 };

/* The name as the machine's own list has it: other sources may not answer, and nobody waits for
 * them here. */
static void find_name(uid_t uid, char *ret)
{
    char text[4096];
    struct passwd entry, *found = NULL;
    FILE *file = fopen("/etc/passwd", "re");

    str_format(ret, STATE_USER_BYTES, "%u", uid);
    for (int i = 0;
         file != NULL && i < USERS_MAX && fgetpwent_r(file, &entry, text, sizeof text, &found) == 0;
         i++) {
        if (entry.pw_uid != uid)
            continue;
        str_format(ret, STATE_USER_BYTES, "%s", entry.pw_name);
        break;
    }
    if (file != NULL)
        (void)fclose(file);
}

/* Who logged in, which sudo does not change; <otherwise> for what no login began. */
static uid_t find_login(pid_t pid, uid_t otherwise)
{
    AUTO(buf_done) struct buf text = {0};
    char path[64];
    uint64_t uid;
    struct err err;

    str_format(path, sizeof path, "/proc/%d/loginuid", (int)pid);
    if (!file_read(path, LOGIN_BYTES, &text, &err) ||
        !str_to_u64(str_trim(buf_str(&text)), INT32_MAX, &uid))
        return otherwise;
    return (uid_t)uid;
}

void caller_find(struct caller *ret, pid_t pid, uid_t uid)
{
    ret->uid = find_login(pid, uid);
    find_name(ret->uid, ret->user);
}

void history_add(struct daemon *daemon, const struct state_action *action)
{
    struct err err;

    if (!state_add_action(daemon->state, action, &err))
        log_error("daemon", "%s: %s is not in the history: %s", action->system, action->action,
                  err.text);
}

void history_add_operation(const struct operation *operation, const struct err *err)
{
    struct system *system = operation->system;
    AUTO(buf_done) struct buf services = {0};
    uint64_t took_ns = loop_now_ns(system->daemon->loop) - operation->started_ns;

    for (size_t i = 0; operation->has_scope && i < operation->scope.count; i++)
        buf_addf(&services, "%s%s", i == 0 ? "" : ", ", operation->scope.items[i]);
    struct state_action action = {
        .system = system->name,
        .action = operation_kind_name(operation->kind),
        .services = buf_text(&services),
        .uid = operation->caller.uid,
        .user = operation->caller.user,
        .time_ms = operation->started_wall_ms,
        .took_ms = (int64_t)(took_ns / NS_PER_MS),
        .release = system->wanted == NULL ? 0 : system->wanted->number,
        .error = err == NULL ? NULL : err->text,
    };
    if (!operation->deploy.dry_run) /* it looked, and did nothing */
        history_add(system->daemon, &action);
    if (system->daemon->asking.serial == operation->request)
        system->daemon->asking.recorded = true;
}
