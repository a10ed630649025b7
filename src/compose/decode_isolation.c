/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rights, namespaces and devices a process has. */
#include "base/base.h"

#include "compose/decode_service.h"
#include "compose/decode_value.h"

/* capabilities(7) */
static const char *const capabilities[] = {
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
    NULL,
};

/* "cap_net_admin" is "NET_ADMIN". */
static const char *capability_name(struct load *load, const char *text)
{
    char *name = arena_text(load->arena, text);

    for (char *c = name; *c != '\0'; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c & ~0x20);
    return str_starts(str_of(name), STR("CAP_")) ? name + strlen("CAP_") : name;
}

static struct compose_texts decode_capabilities(struct load *load, const struct path *path,
                                                const struct yaml_node *node, const char *key)
{
    struct compose_texts names = value_texts(load->arena, node, key);
    const struct path list = {path, key, 0};
    size_t kept = 0;

    for (size_t i = 0; i < names.count; i++) {
        const struct path here = {&list, NULL, i};
        const char *name = capability_name(load, names.items[i]);

        if (is_one_of(name, capabilities))
            names.items[kept++] = name;
        else
            load_unfit(load, yaml_find(node, key)->items[i].node, &here,
                       suggest(load->arena, name, capabilities), "there is no capability '%.80s'",
                       names.items[i]);
    }
    names.count = kept;
    return names;
}

static bool is_permissions(const char *text)
{
    return *text != '\0' && strlen(text) <= 3 && text[strspn(text, "rwm")] == '\0';
}

static bool decode_device(struct load *load, const struct path *path, const struct yaml_node *node,
                          struct compose_device *ret)
{
    const char *target = value_text(node, "target");
    const char *permissions = value_text(node, "permissions");

    *ret = (struct compose_device){value_text(node, "source"), target, permissions};
    if (permissions == NULL)
        ret->permissions = "rwm";
    if (target == NULL || *target == '\0')
        ret->target = ret->source;
    if (ret->source == NULL || ret->source[0] != '/') {
        load_unfit(load, node, path, "write /dev/NAME", "'%.80s' is no device file of the machine",
                   ret->source == NULL ? "" : ret->source);
        return false;
    }
    if (ret->target[0] != '/' || !is_permissions(ret->permissions)) {
        load_unfit(load, node, path, "write source:target:rwm",
                   "'%.80s:%.8s' is no place and permissions of a device", ret->target,
                   ret->permissions);
        return false;
    }
    return true;
}

static void decode_devices(struct load *load, const struct path *path, const struct yaml_node *node,
                           struct compose_isolation *ret)
{
    const struct yaml_node *list = yaml_find(node, "devices");
    const struct path devices = {path, "devices", 0};

    if (yaml_is_null(list) || list->count == 0)
        return;
    ret->devices = ARENA_ARRAY(load->arena, struct compose_device, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct path here = {&devices, NULL, i};
        ret->device_count +=
            decode_device(load, &here, list->items[i].node, &ret->devices[ret->device_count]);
    }
}

static void decode_umask(struct load *load, const struct path *path, const struct yaml_node *node,
                         struct compose_isolation *ret)
{
    const struct path here = {path, "umask", 0};
    uint64_t mask = value_u64(node, "umask", 0);

    ret->has_umask = !yaml_is_null(yaml_find(node, "umask")) && mask <= 0777;
    ret->umask = (uint32_t)(mask & 0777);
    if (mask > 0777)
        load_unfit(load, yaml_find(node, "umask"), &here, "write it as 022",
                   "%llu is no set of permissions", (unsigned long long)mask);
}

struct compose_isolation decode_isolation(struct load *load, const struct path *path,
                                          const struct yaml_node *node)
{
    struct compose_isolation isolation = {
        .privileged = value_bool(node, "privileged", false),
        .cap_add = decode_capabilities(load, path, node, "cap_add"),
        .cap_drop = decode_capabilities(load, path, node, "cap_drop"),
        .security_opt = value_texts(load->arena, node, "security_opt"),
        .group_add = value_texts(load->arena, node, "group_add"),
        .ipc = value_text(node, "ipc"),
        .pid = value_text(node, "pid"),
        .uts = value_text(node, "uts"),
        .userns = value_text(node, "userns_mode"),
        .cgroup = value_text(node, "cgroup"),
        .cgroup_parent = value_text(node, "cgroup_parent"),
    };

    decode_devices(load, path, node, &isolation);
    decode_umask(load, path, node, &isolation);
    return isolation;
}
