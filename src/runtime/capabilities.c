/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "runtime/capabilities.h"

/* The namespace that a capability ends at: with the machine's own it would not. */
enum boundary { NO_BOUNDARY, OWN_NETWORK, OWN_PID, OWN_IPC };

struct capability {
    const char *name;
    enum capability_kind kind;
    enum boundary boundary;
};

/* SYS_PTRACE is not given: with it an instance could take over the OCI runtime's process while
 * `exec` brings that into its PID namespace. A process may trace those of its own user anyway. */
static const struct capability capabilities[] = {
    {"AUDIT_CONTROL", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"AUDIT_READ", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"AUDIT_WRITE", CAPABILITY_OF_ROOT, NO_BOUNDARY},
    {"BLOCK_SUSPEND", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"BPF", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"CHECKPOINT_RESTORE", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"CHOWN", CAPABILITY_OF_ROOT, NO_BOUNDARY},
    {"DAC_OVERRIDE", CAPABILITY_OF_ROOT, NO_BOUNDARY},
    {"DAC_READ_SEARCH", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"FOWNER", CAPABILITY_OF_ROOT, NO_BOUNDARY},
    {"FSETID", CAPABILITY_OF_ROOT, NO_BOUNDARY},
    {"IPC_LOCK", CAPABILITY_GIVEN, NO_BOUNDARY},
    {"IPC_OWNER", CAPABILITY_GIVEN, OWN_IPC},
    {"KILL", CAPABILITY_GIVEN, OWN_PID},
    {"LEASE", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"LINUX_IMMUTABLE", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"MAC_ADMIN", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"MAC_OVERRIDE", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"MKNOD", CAPABILITY_OF_ROOT, NO_BOUNDARY},
    {"NET_ADMIN", CAPABILITY_GIVEN, OWN_NETWORK},
    {"NET_BIND_SERVICE", CAPABILITY_GIVEN, NO_BOUNDARY},
    {"NET_BROADCAST", CAPABILITY_GIVEN, OWN_NETWORK},
    {"NET_RAW", CAPABILITY_GIVEN, OWN_NETWORK},
    {"PERFMON", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"SETFCAP", CAPABILITY_OF_ROOT, NO_BOUNDARY},
    {"SETGID", CAPABILITY_OF_ROOT, NO_BOUNDARY},
    {"SETPCAP", CAPABILITY_OF_ROOT, NO_BOUNDARY},
    {"SETUID", CAPABILITY_OF_ROOT, NO_BOUNDARY},
    {"SYSLOG", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"SYS_ADMIN", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"SYS_BOOT", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"SYS_CHROOT", CAPABILITY_GIVEN, NO_BOUNDARY},
    {"SYS_MODULE", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"SYS_NICE", CAPABILITY_GIVEN, OWN_PID},
    {"SYS_PACCT", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"SYS_PTRACE", CAPABILITY_FILTER, NO_BOUNDARY},
    {"SYS_RAWIO", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"SYS_RESOURCE", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"SYS_TIME", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"SYS_TTY_CONFIG", CAPABILITY_REFUSED, NO_BOUNDARY},
    {"WAKE_ALARM", CAPABILITY_REFUSED, NO_BOUNDARY},
};

static const struct capability *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
        if (strcmp(capabilities[i].name, name) == 0)
            return &capabilities[i];
    return NULL;
}

enum capability_kind capability_find(const char *name)
{
    const struct capability *found = find(name);
    return found == NULL ? CAPABILITY_UNKNOWN : found->kind;
}

static bool has_text(const struct compose_texts *texts, const char *text)
{
    for (size_t i = 0; i < texts->count; i++)
        if (strcmp(texts->items[i], text) == 0)
            return true;
    return false;
}

/* Docker's order: what is dropped by name stays dropped; ALL is everything not named on the other
 * side. */
static bool is_added(const struct compose_isolation *isolation, const char *name)
{
    if (has_text(&isolation->cap_drop, name))
        return false;
    return has_text(&isolation->cap_add, name) || has_text(&isolation->cap_add, "ALL");
}

bool capability_is_added(const struct compose_service *service, const char *name)
{
    return is_added(&service->isolation, name);
}

static bool is_host(const char *mode)
{
    return mode != NULL && strcmp(mode, "host") == 0;
}

/* The key that takes the boundary away, or NULL. */
static const char *open_boundary(const struct compose_service *service, enum boundary boundary)
{
    switch (boundary) {
    case OWN_NETWORK:
        return is_host(service->network_mode) ? "network_mode: host" : NULL;
    case OWN_PID:
        return is_host(service->isolation.pid) ? "pid: host" : NULL;
    case OWN_IPC:
        return is_host(service->isolation.ipc) ? "ipc: host" : NULL;
    case NO_BOUNDARY:
        break;
    }
    return NULL;
}

static bool refuse(const char *name, struct err *err)
{
    AUTO(buf_done) struct buf names = {0};

    for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
        if (capabilities[i].kind == CAPABILITY_GIVEN || capabilities[i].kind == CAPABILITY_FILTER)
            buf_addf(&names, "%s%s", names.len == 0 ? "" : ", ", capabilities[i].name);
    return err_set(err, ERR_DENIED,
                   "cap_add: '%s' would reach beyond the instance; what can be added: %s", name,
                   buf_text(&names));
}

static bool check_names(const char *key, const struct compose_texts *names, struct err *err)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], "ALL") != 0 && find(names->items[i]) == NULL)
            return err_set(err, ERR_INVALID, "%s: there is no capability '%s'", key,
                           names->items[i]);
    return true;
}

static bool check_added(const struct compose_service *service, struct err *err)
{
    const struct compose_isolation *isolation = &service->isolation;

    for (size_t i = 0; i < isolation->cap_add.count; i++) {
        const struct capability *added = find(isolation->cap_add.items[i]);
        if (added == NULL || has_text(&isolation->cap_drop, added->name))
            continue; /* ALL */
        if (added->kind == CAPABILITY_REFUSED)
            return refuse(added->name, err);
        const char *open = open_boundary(service, added->boundary);
        if (open != NULL)
            return err_set(err, ERR_DENIED,
                           "cap_add: '%s' together with %s would reach the whole machine; leave "
                           "one of them out",
                           added->name, open);
    }
    return true;
}

bool capabilities_of(const struct compose_service *service, struct arena *arena,
                     struct compose_texts *ret, struct err *err)
{
    const struct compose_isolation *isolation = &service->isolation;

    if (!check_names("cap_add", &isolation->cap_add, err) ||
        !check_names("cap_drop", &isolation->cap_drop, err) || !check_added(service, err))
        return false;
    *ret =
        (struct compose_texts){.items = ARENA_ARRAY(arena, const char *, ARRAY_LEN(capabilities))};
    for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
        if (capabilities[i].kind == CAPABILITY_GIVEN && is_added(isolation, capabilities[i].name) &&
            open_boundary(service, capabilities[i].boundary) == NULL)
            ret->items[ret->count++] = arena_printf(arena, "CAP_%s", capabilities[i].name);
    return true;
}
