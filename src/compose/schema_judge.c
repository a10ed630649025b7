/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys about which the host runtime decides by their value. */
#include "base/base.h"

#include "compose/schema_priv.h"

static const char *text_of(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR ? node->text : "";
}

static bool is_any(const struct yaml_node *node, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(text_of(node), *words) == 0)
            return true;
    return false;
}

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void set(enum compose_support value, const char *why, enum compose_support *support,
                const char **note)
{
    *support = value;
    *note = why;
}

/* Refused by the table; `false` asks for nothing. */
void judge_not_false(const struct yaml_node *node, enum compose_support *support, const char **note)
{
    if (strcmp(text_of(node), "false") == 0)
        set(SUPPORT_HONOURED, NULL, support, note);
}

void judge_deploy_mode(const struct yaml_node *node, enum compose_support *support,
                       const char **note)
{
    static const char *const known[] = {"replicated", "replicated-job", "", NULL};
    static const char *const global[] = {"global", "global-job", NULL};

    if (is_any(node, global))
        set(SUPPORT_EMULATED, "there is one machine, so it runs once", support, note);
    else if (!is_any(node, known))
        set(SUPPORT_REFUSED, "use replicated, global, replicated-job or global-job", support, note);
}

void judge_port_mode(const struct yaml_node *node, enum compose_support *support, const char **note)
{
    if (strcmp(text_of(node), "ingress") == 0)
        set(SUPPORT_HONOURED, NULL, support, note);
}

void judge_recursive(const struct yaml_node *node, enum compose_support *support, const char **note)
{
    if (strcmp(text_of(node), "enabled") == 0)
        set(SUPPORT_HONOURED, NULL, support, note);
}

void judge_volume_type(const struct yaml_node *node, enum compose_support *support,
                       const char **note)
{
    static const char *const known[] = {"bind", "volume", "tmpfs", NULL};

    if (!is_any(node, known))
        set(SUPPORT_REFUSED, "use bind, volume or tmpfs", support, note);
}

/* Most options tune a driver that is not there; these two would change who reaches whom. */
void judge_driver_opts(const struct yaml_node *node, enum compose_support *support,
                       const char **note)
{
    for (size_t i = 0; i < node->count; i++) {
        const char *key = node->items[i].key == NULL ? "" : node->items[i].key;
        bool isolates = strcmp(key, "com.docker.network.bridge.enable_icc") == 0 &&
                        strcmp(text_of(node->items[i].node), "true") != 0;

        if (isolates || starts(key, "com.docker.network.bridge.gateway_mode"))
            set(SUPPORT_REFUSED,
                "use several networks, or `internal: true`, to keep services apart", support, note);
    }
}

void judge_service_name_alias(const struct yaml_node *node, enum compose_support *support,
                              const char **note)
{
    if (strcmp(text_of(node), "true") != 0)
        set(SUPPORT_REFUSED, "a service is always reachable by its name in its networks", support,
            note);
}

void judge_cgroup(const struct yaml_node *node, enum compose_support *support, const char **note)
{
    if (strcmp(text_of(node), "host") == 0)
        set(SUPPORT_REFUSED, "an instance sees only its own control group; use private", support,
            note);
}

static bool is_of_service(const char *text)
{
    return starts(text, "service:") && text[strlen("service:")] != '\0';
}

/* One of this project has become a service before this is asked. */
static bool is_foreign_container(const struct yaml_node *node, enum compose_support *support,
                                 const char **note)
{
    if (!starts(text_of(node), "container:"))
        return false;
    set(SUPPORT_REFUSED,
        "no service of this file has a container of that name; write the two into one file, and "
        "service:NAME",
        support, note);
    return true;
}

/* ipc, pid, uts */
void judge_namespace(const struct yaml_node *node, enum compose_support *support, const char **note)
{
    static const char *const known[] = {"", "host", "private", "shareable", NULL};

    if (is_foreign_container(node, support, note))
        return;
    if (!is_any(node, known) && !is_of_service(text_of(node)))
        set(SUPPORT_REFUSED, "use private, shareable, host or service:NAME", support, note);
}

void judge_isolation(const struct yaml_node *node, enum compose_support *support, const char **note)
{
    if (strcmp(text_of(node), "default") == 0)
        set(SUPPORT_HONOURED, NULL, support, note);
}

void judge_network_mode(const struct yaml_node *node, enum compose_support *support,
                        const char **note)
{
    static const char *const known[] = {"", "host", "none", "bridge", "default", NULL};

    if (is_foreign_container(node, support, note))
        return;
    if (!is_any(node, known) && !is_of_service(text_of(node)))
        set(SUPPORT_REFUSED, "use none, host, bridge or service:NAME", support, note);
}

#if defined(__x86_64__)
static const char *const own_platforms[] = {
    "", "linux", "amd64", "x86_64", "linux/amd64", "linux/x86_64", NULL};
#elif defined(__aarch64__)
static const char *const own_platforms[] = {
    "", "linux", "arm64", "aarch64", "linux/arm64", "linux/arm64/v8", "linux/aarch64", NULL};
#else
static const char *const own_platforms[] = {"", "linux", NULL};
#endif

void judge_platform(const struct yaml_node *node, enum compose_support *support, const char **note)
{
    if (!is_any(node, own_platforms))
        set(SUPPORT_REFUSED, "programs of another platform do not run on this machine", support,
            note);
}

static bool is_known_option(const char *text)
{
    static const char *const known[] = {"no-new-privileges", "no-new-privileges:true",
                                        "no-new-privileges=true", NULL};

    for (const char *const *word = known; *word != NULL; word++)
        if (strcmp(text, *word) == 0)
            return true;
    return starts(text, "seccomp=") || starts(text, "seccomp:");
}

void judge_security_opt(const struct yaml_node *node, enum compose_support *support,
                        const char **note)
{
    for (size_t i = 0; i < node->count; i++) {
        const char *text = text_of(node->items[i].node);

        if (is_known_option(text))
            continue;
        if (!starts(text, "apparmor") && !starts(text, "label")) {
            set(SUPPORT_REFUSED,
                "use no-new-privileges:true, seccomp=unconfined, seccomp=FILE, apparmor=... or "
                "label=...",
                support, note);
            return;
        }
        set(SUPPORT_EMULATED, "the machine runs without this security module", support, note);
    }
}

/* Names are given to it; a number or root cannot be had. */
void judge_user(const struct yaml_node *node, enum compose_support *support, const char **note)
{
    const char *text = text_of(node);

    if ((text[0] >= '0' && text[0] <= '9') || strcmp(text, "root") == 0 || starts(text, "root:"))
        set(SUPPORT_EMULATED,
            "it stands for the one unprivileged user that everything in an instance runs as",
            support, note);
}

void judge_hook_user(const struct yaml_node *node, enum compose_support *support, const char **note)
{
    judge_user(node, support, note);
    if (*support == SUPPORT_EMULATED && (text_of(node)[0] < '0' || text_of(node)[0] > '9'))
        set(SUPPORT_REFUSED,
            "everything in an instance runs as its one unprivileged user; leave the user out",
            support, note);
}

void judge_volumes_from(const struct yaml_node *node, enum compose_support *support,
                        const char **note)
{
    for (size_t i = 0; i < node->count; i++)
        if (starts(text_of(node->items[i].node), "container:"))
            set(SUPPORT_REFUSED, "name a service of this project", support, note);
}

void judge_network_driver(const struct yaml_node *node, enum compose_support *support,
                          const char **note)
{
    static const char *const known[] = {"", "default", "bridge", "overlay", "host", "none", NULL};

    if (!is_any(node, known))
        set(SUPPORT_REFUSED, "the host runtime has no such driver; use bridge", support, note);
}

void judge_volume_driver(const struct yaml_node *node, enum compose_support *support,
                         const char **note)
{
    static const char *const known[] = {"", "default", "local", NULL};

    if (!is_any(node, known))
        set(SUPPORT_REFUSED, "the host runtime has no such driver; use local with driver_opts",
            support, note);
}

void judge_ipv4(const struct yaml_node *node, enum compose_support *support, const char **note)
{
    if (strcmp(text_of(node), "false") == 0)
        set(SUPPORT_REFUSED, "instances have IPv4 only", support, note);
}
