/* SPDX-License-Identifier: Apache-2.0
 *
 * A person keeps everybody, and every script, from changing a system for a
 * while. Stored, so that it outlasts the daemon; it needs no system that is up.
 */
#include "base/base.h"

#include "base/clock.h"
#include "base/err.h"
#include "control/daemon_priv.h"
#include "control/state.h"

static bool refuse(const char *system, const struct state_lock *lock, struct err *err)
{
    char when[CLOCK_TEXT_BYTES];

    clock_format_rfc3339(lock->time_ms, when);
    return err_set(err, ERR_LOCKED,
                   "'%s' is locked by %s since %s: %s; 'ishizue lock release' ends that", system,
                   lock->user, when, lock->message);
}

bool lock_check(const struct daemon *daemon, const char *system, struct err *err)
{
    struct state_lock lock;
    bool held;

    return state_read_lock(daemon->state, system, &held, &lock, err) &&
           (!held || refuse(system, &lock, err));
}

bool lock_acquire(struct daemon *daemon, const char *system, const char *message,
                  const struct caller *caller, struct err *err)
{
    struct state_lock lock = {.uid = caller->uid, .time_ms = clock_wall_ms()};
    size_t len = strlen(message);

    if (!system_check_name(system, err))
        return false;
    if (len == 0 || len >= sizeof lock.message)
        return err_set(err, ERR_LIMIT,
                       "the message of a lock has 1 to %zu bytes, this one has %zu; say why",
                       sizeof lock.message - 1, len);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)message[i] < ' ' || message[i] == 127)
            return err_set(err, ERR_INVALID, "the message of a lock is one line of text");
    if (!lock_check(daemon, system, err))
        return false;
    str_format(lock.user, sizeof lock.user, "%s", caller->user);
    str_format(lock.message, sizeof lock.message, "%s", message);
    return state_save_lock(daemon->state, system, &lock, err);
}

bool lock_release(struct daemon *daemon, const char *system, struct err *err)
{
    struct state_lock lock;
    bool held;

    if (!state_read_lock(daemon->state, system, &held, &lock, err))
        return false;
    if (!held)
        return err_set(err, ERR_NOT_FOUND, "'%s' is not locked", system);
    return state_delete_lock(daemon->state, system, err);
}
