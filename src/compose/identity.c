/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/compose_priv.h"
#include "compose/schema_priv.h"

const char *identity_text(struct load *load, const struct yaml_node *entry)
{
    (void)load;
    return entry->kind == YAML_SCALAR ? entry->text : NULL;
}

static const char *member_text(const struct yaml_node *entry, const char *key)
{
    const struct yaml_node *node = yaml_find(entry, key);

    return node != NULL && node->kind == YAML_SCALAR ? node->text : NULL;
}

const char *identity_target(struct load *load, const struct yaml_node *entry)
{
    (void)load;
    return member_text(entry, "target");
}

const char *identity_path(struct load *load, const struct yaml_node *entry)
{
    (void)load;
    return member_text(entry, "path");
}

static const char *identity_mount(struct load *load, const struct yaml_node *entry,
                                  const char *folder)
{
    const char *target = member_text(entry, "target");
    const char *source = member_text(entry, "source");

    if (target != NULL || source == NULL)
        return target;
    return arena_printf(load->arena, "%s/%s", folder, source);
}

const char *identity_secret(struct load *load, const struct yaml_node *entry)
{
    return identity_mount(load, entry, "/run/secrets");
}

const char *identity_config(struct load *load, const struct yaml_node *entry)
{
    return identity_mount(load, entry, "");
}

/* Address pools of a network. */
const char *identity_subnet(struct load *load, const struct yaml_node *entry)
{
    (void)load;
    return member_text(entry, "subnet");
}

const char *identity_port(struct load *load, const struct yaml_node *entry)
{
    const char *host_ip = member_text(entry, "host_ip");
    const char *published = member_text(entry, "published");
    const char *target = member_text(entry, "target");
    const char *protocol = member_text(entry, "protocol");

    return arena_printf(load->arena, "%s:%s:%s/%s", host_ip == NULL ? "0.0.0.0" : host_ip,
                        published == NULL ? "" : published, target == NULL ? "" : target,
                        protocol == NULL ? "tcp" : protocol);
}
