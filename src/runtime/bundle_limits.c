/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel holds against each process: ulimits, the OOM score, sysctls of
 * the instance's namespaces.
 */
#include "base/base.h"

#include <inttypes.h>

#include "base/err.h"
#include "runtime/bundle_priv.h"
#include "json/json.h"

static const struct limit {
    const char *name;
    int resource;
    const char *type;
} limits[] = {
    {"as", RLIMIT_AS, "RLIMIT_AS"},
    {"core", RLIMIT_CORE, "RLIMIT_CORE"},
    {"cpu", RLIMIT_CPU, "RLIMIT_CPU"},
    {"data", RLIMIT_DATA, "RLIMIT_DATA"},
    {"fsize", RLIMIT_FSIZE, "RLIMIT_FSIZE"},
    {"locks", RLIMIT_LOCKS, "RLIMIT_LOCKS"},
    {"memlock", RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"},
    {"msgqueue", RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE"},
    {"nice", RLIMIT_NICE, "RLIMIT_NICE"},
    {"nofile", RLIMIT_NOFILE, "RLIMIT_NOFILE"},
    {"nproc", RLIMIT_NPROC, "RLIMIT_NPROC"},
    {"rss", RLIMIT_RSS, "RLIMIT_RSS"},
    {"rtprio", RLIMIT_RTPRIO, "RLIMIT_RTPRIO"},
    {"rttime", RLIMIT_RTTIME, "RLIMIT_RTTIME"},
    {"sigpending", RLIMIT_SIGPENDING, "RLIMIT_SIGPENDING"},
    {"stack", RLIMIT_STACK, "RLIMIT_STACK"},
};

static const struct limit *find_limit(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        if (strcmp(limits[i].name, name) == 0)
            return &limits[i];
    return NULL;
}

/* -1 stands for "no limit" in the file and in the configuration (bundle_format()). */
static bool check_value(const struct limit *limit, int64_t value, uint64_t most, struct err *err)
{
    if (value < -1)
        return err_set(err, ERR_INVALID, "ulimits.%s: %" PRId64 " is no limit; -1 is none",
                       limit->name, value);
    if (most == UINT64_MAX || (value >= 0 && (uint64_t)value <= most))
        return true;
    if (value == -1)
        return err_set(err, ERR_LIMIT,
                       "ulimits.%s: 'unlimited' is above the daemon's own limit of %" PRIu64
                       "; write at most that, or start the daemon with a higher one",
                       limit->name, most);
    return err_set(err, ERR_LIMIT,
                   "ulimits.%s: %" PRId64 " is above the daemon's own limit of %" PRIu64
                   "; write at most that, or start the daemon with a higher one",
                   limit->name, value, most);
}

static bool add_ulimit(const struct bundle *bundle, const struct compose_ulimit *wanted,
                       json_t *list, struct err *err)
{
    const struct limit *limit = find_limit(wanted->name);

    if (limit == NULL)
        return err_set(err, ERR_INVALID, "ulimits: there is no limit '%.80s'", wanted->name);
    uint64_t most = bundle->machine->limits_max[limit->resource];
    if (!check_value(limit, wanted->soft, most, err) ||
        !check_value(limit, wanted->hard, most, err))
        return false;
    if (wanted->hard >= 0 && (wanted->soft < 0 || wanted->soft > wanted->hard))
        return err_set(err, ERR_INVALID, "ulimits.%s: the soft limit is above the hard one",
                       limit->name);
    (void)json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "type", limit->type, "hard",
                                                (json_int_t)wanted->hard, "soft",
                                                (json_int_t)wanted->soft));
    return true;
}

static bool names_files(const struct compose_tuning *tuning)
{
    for (size_t i = 0; i < tuning->ulimit_count; i++)
        if (strcmp(tuning->ulimits[i].name, "nofile") == 0)
            return true;
    return false;
}

static bool add_ulimits(const struct bundle *bundle, json_t *list, struct err *err)
{
    const struct compose_tuning *tuning = &bundle->spec->service->tuning;
    json_int_t files = (json_int_t)bundle->files_max;

    if (bundle->machine == NULL || !names_files(tuning))
        (void)json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "type", "RLIMIT_NOFILE",
                                                    "hard", files, "soft", files));
    for (size_t i = 0; bundle->machine != NULL && i < tuning->ulimit_count; i++)
        if (!add_ulimit(bundle, &tuning->ulimits[i], list, err))
            return false;
    return true;
}

static bool add_oom_score(const struct bundle *bundle, json_t *process, struct err *err)
{
    const struct compose_tuning *tuning = &bundle->spec->service->tuning;
    int32_t score = tuning->oom_score_adj;

    if (bundle->machine == NULL || !tuning->has_oom_score_adj)
        return true;
    if (score < -1000 || score > 1000)
        return err_set(err, ERR_INVALID, "oom_score_adj: %d is not from -1000 to 1000", score);
    if (score < 0 && !bundle->machine->may_lower_oom_score)
        return err_set(err, ERR_DENIED,
                       "oom_score_adj: %d needs the capability SYS_RESOURCE, which the daemon was "
                       "started without; write 0 or more",
                       score);
    (void)json_object_set_new(process, "oomScoreAdj", json_integer(score));
    return true;
}

bool bundle_add_limits(const struct bundle *bundle, json_t *process, struct err *err)
{
    json_t *list = json_array();

    (void)json_object_set_new(process, "rlimits", list);
    return add_ulimits(bundle, list, err) && add_oom_score(bundle, process, err);
}

/* ---- sysctls ---- */

/* The namespace that a setting belongs to; NULL when it is the machine's. */
static const char *namespace_of(const char *key)
{
    static const char *const of_ipc[] = {"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
                                         "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
                                         "kernel.shmmni", "kernel.shm_rmid_forced"};

    if (strncmp(key, "net.", 4) == 0)
        return "network";
    if (strncmp(key, "fs.mqueue.", 10) == 0)
        return "ipc";
    for (size_t i = 0; i < ARRAY_LEN(of_ipc); i++)
        if (strcmp(of_ipc[i], key) == 0)
            return "ipc";
    return NULL;
}

static const char key_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

static bool is_key(const char *key)
{
    return key[strspn(key, key_bytes)] == '\0' && strstr(key, "..") == NULL && strlen(key) <= 128;
}

/* Whose is the namespace, when it is not the instance's own? */
static const char *sharing(const struct bundle *bundle, const char *namespace)
{
    const struct compose_isolation *isolation = &bundle->spec->service->isolation;

    if (strcmp(namespace, "network") == 0) {
        if (bundle->spec->joins != NULL)
            return "another service's network";
        return bundle->netns == NULL && !bundle->no_network ? "the machine's network" : NULL;
    }
    if (bundle->ipc_namespace != NULL)
        return "another service's IPC namespace";
    return isolation->ipc != NULL && strcmp(isolation->ipc, "host") == 0
               ? "the machine's IPC namespace"
               : NULL;
}

static bool add_sysctl(const struct bundle *bundle, const struct compose_pair *pair,
                       json_t *sysctls, struct err *err)
{
    const char *namespace = is_key(pair->key) ? namespace_of(pair->key) : NULL;

    if (namespace == NULL)
        return err_set(err, ERR_DENIED,
                       "sysctls: '%.*s' is a setting of the whole machine; an instance has its "
                       "own net.*, fs.mqueue.*, kernel.sem, kernel.msg* and kernel.shm*",
                       (int)MIN(strspn(pair->key, key_bytes), 128U), pair->key);
    const char *shared = sharing(bundle, namespace);
    if (shared != NULL)
        return err_set(err, ERR_DENIED, "sysctls: '%s' would change %s, which it shares", pair->key,
                       shared);
    (void)json_object_set_new(sysctls, pair->key, json_from_bytes(str_of(pair->value)));
    return true;
}

/* The domain name by its sysctl: runc knows no other way before version 1.2. */
bool bundle_add_sysctls(const struct bundle *bundle, json_t *linux_part, struct err *err)
{
    const struct compose_service *service = bundle->spec->service;
    const struct compose_pairs *pairs = &service->tuning.sysctls;
    json_t *sysctls = json_object();

    (void)json_object_set_new(linux_part, "sysctl", sysctls);
    if (bundle->machine == NULL)
        return true;
    if (service->domainname != NULL)
        (void)json_object_set_new(sysctls, "kernel.domainname",
                                  json_from_bytes(str_of(service->domainname)));
    for (size_t i = 0; i < pairs->count; i++)
        if (!add_sysctl(bundle, &pairs->items[i], sysctls, err))
            return false;
    return true;
}
