/* SPDX-License-Identifier: Apache-2.0
 *
 * Who the process is, what it may do, and which namespaces it has to itself.
 */
#include "base/base.h"

#include "base/err.h"
#include "runtime/bundle_priv.h"
#include "runtime/capabilities.h"
#include "json/json.h"

/* The mode that a key of the file asks for; a build step has all namespaces to itself. */
static bool is_mode(const struct bundle *bundle, const char *written, const char *mode)
{
    return bundle->machine != NULL && written != NULL && strcmp(written, mode) == 0;
}

bool bundle_has_own_names(const struct bundle *bundle)
{
    return !is_mode(bundle, bundle->spec->service->isolation.uts, "host");
}

static bool check_mode(const char *key, const char *mode, const char *const *known, size_t count,
                       const char *namespace_path, struct err *err)
{
    if (mode == NULL || mode[0] == '\0')
        return true;
    for (size_t i = 0; i < count; i++)
        if (strcmp(known[i], mode) == 0)
            return true;
    if (strncmp(mode, "service:", strlen("service:")) == 0)
        return namespace_path != NULL
                   ? true
                   : err_set(err, ERR_NOT_FOUND, "%s: '%s' has no running instance to share with",
                             key, mode);
    return err_set(err, ERR_INVALID, "%s: '%.80s' is not possible here; private, host%s", key, mode,
                   strcmp(key, "uts") == 0 || strcmp(key, "cgroup") == 0 ? " and nothing else"
                                                                         : " and service:NAME are");
}

static bool check_modes(const struct bundle *bundle, struct err *err)
{
    static const char *const pid[] = {"host", "private"};
    static const char *const ipc[] = {"host", "private", "shareable", "none"};
    static const char *const both[] = {"host", "private"};
    const struct compose_isolation *isolation = &bundle->spec->service->isolation;
    const char *path = bundle->pid_namespace;

    return check_mode("pid", isolation->pid, pid, ARRAY_LEN(pid), path, err) &&
           check_mode("ipc", isolation->ipc, ipc, ARRAY_LEN(ipc), bundle->ipc_namespace, err) &&
           check_mode("uts", isolation->uts, both, ARRAY_LEN(both), NULL, err) &&
           check_mode("cgroup", isolation->cgroup, both, ARRAY_LEN(both), NULL, err);
}

bool bundle_check_rights(const struct bundle *bundle, struct err *err)
{
    const struct compose_service *service = bundle->spec->service;

    if (bundle->machine == NULL)
        return true;
    if (service->isolation.privileged)
        return err_set(err, ERR_DENIED,
                       "privileged: an instance with all rights would have the whole machine; "
                       "give it what it needs with cap_add and devices");
    if (!bundle_has_own_names(bundle) && (service->hostname != NULL || service->domainname != NULL))
        return err_set(err, ERR_INVALID,
                       "%s: with 'uts: host' it would change the machine's; leave one of them out",
                       service->hostname != NULL ? "hostname" : "domainname");
    return check_modes(bundle, err);
}

static json_t *capabilities_json(const struct compose_texts *names)
{
    static const char *const sets[] = {"bounding", "permitted", "inheritable", "effective",
                                       "ambient"};
    json_t *ret = json_object();

    /* Ambient, or an unprivileged process would lose them with its program. Without any, no set is
     * there: the process has none and can get none. */
    for (size_t i = 0; names->count > 0 && i < ARRAY_LEN(sets); i++)
        (void)json_object_set_new(ret, sets[i], bundle_texts(names->items, names->count));
    return ret;
}

void bundle_add_rights(const struct bundle *bundle, json_t *process)
{
    json_int_t uid = (json_int_t)bundle->spec->uid;
    json_t *user = json_pack("{s:I, s:I}", "uid", uid, "gid", uid);

    if (bundle->spec->service->isolation.has_umask)
        (void)json_object_set_new(user, "umask",
                                  json_integer(bundle->spec->service->isolation.umask));
    if (bundle->groups.count > 0) {
        json_t *groups = json_array();
        for (size_t i = 0; i < bundle->groups.count; i++)
            (void)json_array_append_new(groups,
                                        json_integer((json_int_t)bundle->groups.items[i].gid));
        (void)json_object_set_new(user, "additionalGids", groups);
    }
    (void)json_object_set_new(process, "user", user);
    (void)json_object_set_new(process, "capabilities", capabilities_json(&bundle->capabilities));
}

json_t *bundle_filter(const struct bundle *bundle)
{
    const struct compose_service *service = bundle->spec->service;

    if (bundle->security.unconfined)
        return NULL;
    if (bundle->seccomp != NULL)
        return json_deep_copy(bundle->seccomp);
    return bundle_seccomp(bundle->machine != NULL && capability_is_added(service, "SYS_PTRACE"));
}

static void add_namespace(json_t *list, const char *type, const char *path)
{
    json_t *entry = json_pack("{s:s}", "type", type);

    if (path != NULL)
        (void)json_object_set_new(entry, "path", json_string(path));
    (void)json_array_append_new(list, entry);
}

/* Version 1 shows the control groups only in /proc/self/cgroup, as Docker has it there. */
static bool has_own_cgroups(const struct bundle *bundle)
{
    const char *mode = bundle->spec->service->isolation.cgroup;

    if (bundle->machine == NULL || is_mode(bundle, mode, "host"))
        return false;
    return bundle->machine->cgroup_v2 || is_mode(bundle, mode, "private");
}

void bundle_add_namespaces(const struct bundle *bundle, json_t *linux_part)
{
    const struct compose_isolation *isolation = &bundle->spec->service->isolation;
    json_t *list = json_array();

    (void)json_object_set_new(linux_part, "namespaces", list);
    add_namespace(list, "mount", NULL);
    if (!is_mode(bundle, isolation->pid, "host"))
        add_namespace(list, "pid", bundle->pid_namespace);
    if (!is_mode(bundle, isolation->ipc, "host"))
        add_namespace(list, "ipc", bundle->ipc_namespace);
    if (bundle_has_own_names(bundle))
        add_namespace(list, "uts", NULL);
    if (bundle->netns != NULL || bundle->no_network)
        add_namespace(list, "network", bundle->netns);
    if (has_own_cgroups(bundle))
        add_namespace(list, "cgroup", NULL);
}

void bundle_add_devices(const struct bundle *bundle, json_t *linux_part)
{
    json_t *list = json_array();

    for (size_t i = 0; i < bundle->devices.count; i++) {
        const struct device *device = &bundle->devices.items[i];
        const char type[] = {device->type, '\0'};
        (void)json_array_append_new(
            list, json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I}", "path",
                            json_from_bytes(str_of(device->path)), "type", type, "major",
                            (json_int_t)device->major, "minor", (json_int_t)device->minor,
                            "fileMode", (json_int_t)device->mode, "uid",
                            (json_int_t)bundle->spec->uid, "gid", (json_int_t)device->gid));
    }
    if (json_array_size(list) > 0)
        (void)json_object_set_new(linux_part, "devices", list);
    else
        json_decref(list);
}

/* Keys by which an OCI runtime is told to do things as root. */
static bool is_reserved(const char *key)
{
    static const char *const prefixes[] = {"run.oci.", "org.systemd.property.", "io.crun.",
                                           "org.criu."};

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (strncmp(key, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

bool bundle_add_annotations(const struct bundle *bundle, json_t *config, struct err *err)
{
    const struct compose_pairs *pairs = &bundle->spec->service->annotations;

    if (bundle->machine == NULL || pairs->count == 0)
        return true;
    json_t *annotations = json_object();
    (void)json_object_set_new(config, "annotations", annotations);
    for (size_t i = 0; i < pairs->count; i++) {
        const struct compose_pair *pair = &pairs->items[i];
        if (is_reserved(pair->key))
            return err_set(err, ERR_DENIED,
                           "annotations: '%s' gives orders to the OCI runtime, which runs as root; "
                           "leave it out",
                           pair->key);
        if (json_object_set_new(annotations, pair->key, json_from_bytes(str_of(pair->value))) != 0)
            return err_set(err, ERR_INVALID, "annotations: a key is no UTF-8 text");
    }
    return true;
}
