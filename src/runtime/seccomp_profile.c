/* SPDX-License-Identifier: Apache-2.0
 *
 * Docker's form of a system call filter has, beyond that of the OCI Runtime
 * Specification: "archMap" in place of "architectures", one "name" in place of
 * "names", and conditions ("includes", "excludes") on each rule.
 */
#include "base/base.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/security.h"
#include "json/json.h"

#if defined(__x86_64__)
static const char arch_word[] = "amd64", arch_name[] = "SCMP_ARCH_X86_64";
#elif defined(__aarch64__)
static const char arch_word[] = "arm64", arch_name[] = "SCMP_ARCH_AARCH64";
#else
static const char arch_word[] = "", arch_name[] = "";
#endif

struct conversion {
    const struct compose_texts *capabilities;
    const char *kernel;
};

static bool has_capability(const struct conversion *conversion, const char *name)
{
    for (size_t i = 0; i < conversion->capabilities->count; i++)
        if (strcmp(conversion->capabilities->items[i], name) == 0)
            return true;
    return false;
}

static bool has_text(const json_t *list, const char *text)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (json_is_string(item) && strcmp(json_string_value(item), text) == 0)
            return true;
    }
    return false;
}

/* The first two numbers of "6.1.0-18-amd64". */
static uint64_t version_of(const char *text)
{
    struct str rest = str_of(text);
    uint64_t major = 0, minor = 0;
    struct str first = str_cut(&rest, '.');
    size_t digits = 0;

    while (digits < rest.len && rest.ptr[digits] >= '0' && rest.ptr[digits] <= '9')
        digits++;
    if (!str_to_u64(first, 100000, &major))
        return 0;
    if (rest.ptr != NULL && !str_to_u64(str_sub(rest, 0, digits), 100000, &minor))
        minor = 0;
    return major * 1000000 + minor;
}

static bool is_as_new(const struct conversion *conversion, const char *kernel)
{
    return version_of(conversion->kernel) >= version_of(kernel);
}

static bool is_excluded(const struct conversion *conversion, const json_t *conditions)
{
    const json_t *capability;
    const char *kernel = json_find_text(conditions, "minKernel", NULL);
    size_t i;

    if (has_text(json_object_get(conditions, "arches"), arch_word))
        return true;
    json_array_foreach(json_object_get(conditions, "caps"), i, capability)
    {
        if (json_is_string(capability) && has_capability(conversion, json_string_value(capability)))
            return true;
    }
    return kernel != NULL && is_as_new(conversion, kernel);
}

static bool is_included(const struct conversion *conversion, const json_t *conditions)
{
    const json_t *arches = json_object_get(conditions, "arches");
    const json_t *capability;
    const char *kernel = json_find_text(conditions, "minKernel", NULL);
    size_t i;

    if (json_array_size(arches) > 0 && !has_text(arches, arch_word))
        return false;
    json_array_foreach(json_object_get(conditions, "caps"), i, capability)
    {
        if (!json_is_string(capability) ||
            !has_capability(conversion, json_string_value(capability)))
            return false;
    }
    return kernel == NULL || is_as_new(conversion, kernel);
}

static json_t *copy_members(const json_t *from, const char *const *names, size_t count)
{
    json_t *ret = json_object();

    for (size_t i = 0; i < count; i++) {
        json_t *member = json_object_get(from, names[i]);
        if (member != NULL && !json_is_null(member))
            (void)json_object_set_new(ret, names[i], json_deep_copy(member));
    }
    return ret;
}

static bool add_rule(const json_t *rule, json_t *rules, struct err *err)
{
    static const char *const kept[] = {"names", "action", "args", "errnoRet"};
    const char *name = json_find_text(rule, "name", NULL);
    json_t *copy = copy_members(rule, kept, ARRAY_LEN(kept));

    if (name != NULL && json_object_get(copy, "names") == NULL)
        (void)json_object_set_new(copy, "names", json_pack("[s]", name));
    (void)json_array_append_new(rules, copy);
    if (json_array_size(json_object_get(copy, "names")) == 0 ||
        json_find_text(copy, "action", NULL) == NULL)
        return err_set(err, ERR_INVALID, "syscalls[%zu] lacks names or action",
                       json_array_size(rules) - 1);
    return true;
}

static bool convert_rules(const struct conversion *conversion, const json_t *profile, json_t *ret,
                          struct err *err)
{
    json_t *rules = json_array();
    const json_t *rule;
    size_t i;

    (void)json_object_set_new(ret, "syscalls", rules);
    json_array_foreach(json_object_get(profile, "syscalls"), i, rule)
    {
        if (is_excluded(conversion, json_object_get(rule, "excludes")) ||
            !is_included(conversion, json_object_get(rule, "includes")))
            continue;
        if (!add_rule(rule, rules, err))
            return false;
    }
    return true;
}

static void convert_architectures(const json_t *profile, json_t *ret)
{
    const json_t *entry, *sub;
    size_t i, k;

    json_array_foreach(json_object_get(profile, "archMap"), i, entry)
    {
        if (strcmp(json_find_text(entry, "architecture", ""), arch_name) != 0)
            continue;
        json_t *list = json_pack("[s]", arch_name);
        json_array_foreach(json_object_get(entry, "subArchitectures"), k, sub)
        {
            if (json_is_string(sub))
                (void)json_array_append_new(list, json_deep_copy(sub));
        }
        (void)json_object_set_new(ret, "architectures", list);
        return;
    }
}

bool seccomp_convert(const json_t *profile, const struct compose_texts *capabilities,
                     const char *kernel, json_t **ret, struct err *err)
{
    static const char *const kept[] = {"defaultAction", "defaultErrnoRet", "architectures",
                                       "flags"};
    const struct conversion conversion = {capabilities, kernel};

    if (json_find_text(profile, "defaultAction", NULL) == NULL)
        return err_set(err, ERR_INVALID, "it has no defaultAction");
    AUTO(json_unref) json_t *filter = copy_members(profile, kept, ARRAY_LEN(kept));
    convert_architectures(profile, filter);
    if (!convert_rules(&conversion, profile, filter, err))
        return false;
    *ret = TAKE(filter);
    return true;
}

bool seccomp_profile_load(const char *path, const struct compose_texts *capabilities, json_t **ret,
                          struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    AUTO(json_unref) json_t *profile = NULL;
    struct utsname machine;
    struct stat st;

    if (stat(path, &st) != 0)
        return err_sys(err, "security_opt: cannot read '%s'", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "security_opt: '%s' is no file", path);
    if (!file_read(path, SECCOMP_PROFILE_BYTES_MAX, &text, err))
        return err_prefix(err, "security_opt");
    if (uname(&machine) != 0)
        return err_sys(err, "cannot tell the kernel's version");
    if (!json_parse(buf_str(&text), SECCOMP_PROFILE_BYTES_MAX, &profile, err) ||
        !seccomp_convert(profile, capabilities, machine.release, ret, err))
        return err_prefix(err, "security_opt: '%s'", path);
    return true;
}
