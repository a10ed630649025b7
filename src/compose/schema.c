/* SPDX-License-Identifier: Apache-2.0
 *
 * Top level of a compose file; services are in schema_service.c. */
#include "base/base.h"

#include "compose/schema_priv.h"

#define NOT_HERE   "the host runtime has no such driver"
#define NOT_LABELS "labels of networks and volumes are kept, nothing reads them"

static const struct schema text = {.type = SCHEMA_TEXT};

static const struct schema_key ipam_pool_keys[] = {
    {"subnet", SUPPORT_NOT_YET, {.type = SCHEMA_TEXT}, "addresses of the network, as CIDR", NULL},
    {"ip_range", SUPPORT_NOT_YET, {.type = SCHEMA_TEXT}, "part of them that is given out", NULL},
    {"gateway", SUPPORT_NOT_YET, {.type = SCHEMA_TEXT}, "address of the gateway", NULL},
    {"aux_addresses",
     SUPPORT_NOT_YET,
     {.type = SCHEMA_MAP, .items = &text},
     "addresses that are not given out",
     NULL},
    {0},
};
static const struct schema ipam_pool = {.type = SCHEMA_OBJECT, .keys = ipam_pool_keys};

static const struct schema_key ipam_keys[] = {
    {"driver", SUPPORT_NOT_YET, {.type = SCHEMA_TEXT}, "who gives out addresses", NULL},
    {"config", SUPPORT_HONOURED, {.type = SCHEMA_LIST, .items = &ipam_pool}, "address pools", NULL},
    {"options", SUPPORT_NOT_YET, {.type = SCHEMA_PAIRS}, "options of the driver", NULL},
    {0},
};

static const struct schema_key network_keys[] = {
    {"name", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "name outside the project", NULL},
    {"driver", SUPPORT_NOT_YET, {.type = SCHEMA_TEXT}, "network driver", NOT_HERE},
    {"driver_opts", SUPPORT_NOT_YET, {.type = SCHEMA_PAIRS}, "options of the driver", NOT_HERE},
    {"ipam", SUPPORT_HONOURED, {.type = SCHEMA_OBJECT, .keys = ipam_keys}, "addresses", NULL},
    {"external", SUPPORT_HONOURED, {.type = SCHEMA_BOOL}, "made by someone else", NULL},
    {"internal", SUPPORT_HONOURED, {.type = SCHEMA_BOOL}, "no way out of it", NULL},
    {"enable_ipv4", SUPPORT_NOT_YET, {.type = SCHEMA_BOOL}, "with IPv4 addresses", NULL},
    {"enable_ipv6", SUPPORT_NOT_YET, {.type = SCHEMA_BOOL}, "with IPv6 addresses", NULL},
    {"attachable", SUPPORT_NOT_YET, {.type = SCHEMA_BOOL}, "others may join", NULL},
    {"labels",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE},
     "labels",
     NOT_LABELS},
    {0},
};
static const struct schema network = {
    .type = SCHEMA_OBJECT, .keys = network_keys, .canonical = canonical_external};

static const struct schema_key volume_keys[] = {
    {"name", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "name outside the project", NULL},
    {"driver",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "volume driver",
     "a folder under the state directory"},
    {"driver_opts", SUPPORT_NOT_YET, {.type = SCHEMA_PAIRS}, "options of the driver", NULL},
    {"external", SUPPORT_HONOURED, {.type = SCHEMA_BOOL}, "made by someone else", NULL},
    {"labels",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE},
     "labels",
     NOT_LABELS},
    {0},
};
static const struct schema volume = {
    .type = SCHEMA_OBJECT, .keys = volume_keys, .canonical = canonical_external};

static const struct schema_key secret_keys[] = {
    {"name", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "name outside the project", NULL},
    {"environment", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "variable that holds the value", NULL},
    {"file", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "file that holds the value", NULL},
    {"external", SUPPORT_NOT_YET, {.type = SCHEMA_BOOL}, "made by someone else", NULL},
    {"labels",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE},
     "labels",
     NOT_LABELS},
    {"driver", SUPPORT_NOT_YET, {.type = SCHEMA_TEXT}, "who keeps the secret", NULL},
    {"driver_opts", SUPPORT_NOT_YET, {.type = SCHEMA_PAIRS}, "options of the driver", NULL},
    {"template_driver", SUPPORT_NOT_YET, {.type = SCHEMA_TEXT}, "template language", NULL},
    {0},
};
static const struct schema secret = {
    .type = SCHEMA_OBJECT, .keys = secret_keys, .canonical = canonical_external};

static const struct schema_key config_keys[] = {
    {"name", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "name outside the project", NULL},
    {"content", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "the text itself", NULL},
    {"environment", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "variable that holds the text", NULL},
    {"file", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "file that holds the text", NULL},
    {"external", SUPPORT_NOT_YET, {.type = SCHEMA_BOOL}, "made by someone else", NULL},
    {"labels",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE},
     "labels",
     NOT_LABELS},
    {"template_driver", SUPPORT_NOT_YET, {.type = SCHEMA_TEXT}, "template language", NULL},
    {0},
};
static const struct schema config = {
    .type = SCHEMA_OBJECT, .keys = config_keys, .canonical = canonical_external};

static const struct schema_key compose_keys[] = {
    {"version",
     SUPPORT_OBSOLETE,
     {.type = SCHEMA_TEXT, .flags = SCHEMA_LOOSE},
     "version of an old file format",
     "it has no effect; remove the line"},
    {"name", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "name of the project", NULL},
    {"include",
     SUPPORT_REFUSED,
     {.type = SCHEMA_ANY},
     "other compose files that belong to this one",
     "give the files with -f instead"},
    {"services",
     SUPPORT_HONOURED,
     {.type = SCHEMA_MAP, .flags = SCHEMA_NAMES, .items = &schema_service},
     "the programs that run",
     NULL},
    {"jobs", SUPPORT_REFUSED, {.type = SCHEMA_ANY}, "programs that run to their end", NULL},
    {"models", SUPPORT_REFUSED, {.type = SCHEMA_ANY}, "language models", NULL},
    {"networks",
     SUPPORT_HONOURED,
     {.type = SCHEMA_MAP, .flags = SCHEMA_NAMES, .items = &network},
     "who can reach whom",
     NULL},
    {"volumes",
     SUPPORT_HONOURED,
     {.type = SCHEMA_MAP, .flags = SCHEMA_NAMES, .items = &volume},
     "data that outlives instances",
     NULL},
    {"secrets",
     SUPPORT_NOT_YET,
     {.type = SCHEMA_MAP, .flags = SCHEMA_NAMES, .items = &secret},
     "files with secret content",
     NULL},
    {"configs",
     SUPPORT_NOT_YET,
     {.type = SCHEMA_MAP, .flags = SCHEMA_NAMES, .items = &config},
     "files with configuration",
     NULL},
    {0},
};

const struct schema schema_compose = {.type = SCHEMA_OBJECT, .keys = compose_keys};

const struct schema_key *schema_find_key(const struct schema *object, const char *name)
{
    for (const struct schema_key *key = object->keys; key->name != NULL; key++)
        if (strcmp(key->name, name) == 0)
            return key;
    return NULL;
}

const struct schema *schema_member(const struct schema *schema, const char *key)
{
    static const struct schema any = {.type = SCHEMA_ANY};

    if (schema->type == SCHEMA_MAP && strncmp(key, "x-", 2) != 0)
        return schema->items;
    if (schema->type == SCHEMA_OBJECT) {
        const struct schema_key *found = schema_find_key(schema, key);
        return found == NULL ? &any : &found->schema;
    }
    return &any;
}
