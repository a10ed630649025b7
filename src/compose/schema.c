/* SPDX-License-Identifier: Apache-2.0
 *
 * Top level of a compose file; services are in schema_service.c. */
#include "base/base.h"

#include "compose/schema_priv.h"

#define OWN_RANGE "addresses come from Ishizue's own range"
#define LABELS    "kept, nothing reads them"
#define NO_STORE  "there is no store of secrets; give file, environment or content"
#define NO_MODELS                                                                                  \
    "the host runtime runs no language models; name the address of one in 'environment'"

static const struct schema text = {.type = SCHEMA_TEXT};

static const struct schema_key ipam_pool_keys[] = {
    {"subnet",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "addresses of the network, as CIDR",
     OWN_RANGE,
     NULL},
    {"ip_range",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "part of them that is given out",
     OWN_RANGE,
     NULL},
    {"gateway", SUPPORT_EMULATED, {.type = SCHEMA_TEXT}, "address of the gateway", OWN_RANGE, NULL},
    {"aux_addresses",
     SUPPORT_EMULATED,
     {.type = SCHEMA_MAP, .items = &text},
     "addresses that are not given out",
     OWN_RANGE,
     NULL},
    {0},
};

static const struct schema ipam_pool = {.type = SCHEMA_OBJECT, .keys = ipam_pool_keys};

static const struct schema_key ipam_keys[] = {
    {"driver", SUPPORT_EMULATED, {.type = SCHEMA_TEXT}, "who gives out addresses", OWN_RANGE, NULL},
    {"config",
     SUPPORT_EMULATED,
     {.type = SCHEMA_LIST,
      .items = &ipam_pool,
      .identity = identity_subnet,
      .merge = SCHEMA_MERGE_SAME},
     "address pools",
     OWN_RANGE,
     NULL},
    {"options",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE | SCHEMA_NO_LIST},
     "options of the driver",
     OWN_RANGE,
     NULL},
    {0},
};

static const struct schema_key network_keys[] = {
    {"name", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "name outside the project", NULL, NULL},
    {"driver",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT, .judge = judge_network_driver},
     "network driver",
     "every network is a bridge of the program",
     NULL},
    {"driver_opts",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS,
      .flags = SCHEMA_EMPTY_VALUE | SCHEMA_NO_LIST,
      .judge = judge_driver_opts},
     "options of the driver",
     "every network is a bridge of the program",
     NULL},
    {"ipam",
     SUPPORT_EMULATED,
     {.type = SCHEMA_OBJECT, .keys = ipam_keys},
     "addresses",
     OWN_RANGE,
     NULL},
    {"external", SUPPORT_HONOURED, {.type = SCHEMA_BOOL}, "made by someone else", NULL, NULL},
    {"internal", SUPPORT_HONOURED, {.type = SCHEMA_BOOL}, "no way out of it", NULL, NULL},
    {"enable_ipv4",
     SUPPORT_EMULATED,
     {.type = SCHEMA_BOOL, .judge = judge_ipv4},
     "with IPv4 addresses",
     "instances have IPv4 only",
     NULL},
    {"enable_ipv6",
     SUPPORT_REFUSED,
     {.type = SCHEMA_BOOL, .judge = judge_not_false},
     "with IPv6 addresses",
     "instances have IPv4 only; the edge listens on IPv6",
     NULL},
    {"attachable",
     SUPPORT_EMULATED,
     {.type = SCHEMA_BOOL},
     "others may join",
     "only services of the project join its networks",
     NULL},
    {"labels",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE},
     "labels",
     LABELS,
     NULL},
    {0},
};

static const struct schema network = {
    .type = SCHEMA_OBJECT, .keys = network_keys, .canonical = canonical_resource};

static const struct schema_key volume_keys[] = {
    {"name", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "name outside the project", NULL, NULL},
    {"driver",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT, .judge = judge_volume_driver},
     "local",
     NULL,
     NULL},
    {"driver_opts",
     SUPPORT_HONOURED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE | SCHEMA_NO_LIST},
     "type, o and device: tmpfs, a folder or NFS",
     NULL,
     NULL},
    {"external", SUPPORT_HONOURED, {.type = SCHEMA_BOOL}, "made by someone else", NULL, NULL},
    {"labels",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE},
     "labels",
     LABELS,
     NULL},
    {0},
};

static const struct schema volume = {
    .type = SCHEMA_OBJECT, .keys = volume_keys, .canonical = canonical_resource};

static const struct schema_key secret_keys[] = {
    {"name", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "name outside the project", NULL, NULL},
    {"environment",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "variable that holds the value",
     NULL,
     NULL},
    {"file", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "file that holds the value", NULL, NULL},
    {"external",
     SUPPORT_REFUSED,
     {.type = SCHEMA_BOOL, .judge = judge_not_false},
     "made by someone else",
     NO_STORE,
     NULL},
    {"labels",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE},
     "labels",
     LABELS,
     NULL},
    {"driver", SUPPORT_REFUSED, {.type = SCHEMA_TEXT}, "who keeps the secret", NO_STORE, NULL},
    {"driver_opts",
     SUPPORT_REFUSED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE | SCHEMA_NO_LIST},
     "options of the driver",
     NO_STORE,
     NULL},
    {"template_driver",
     SUPPORT_REFUSED,
     {.type = SCHEMA_TEXT},
     "template language",
     "there are no templates; write the file as it shall be",
     NULL},
    {0},
};

static const struct schema secret = {
    .type = SCHEMA_OBJECT, .keys = secret_keys, .canonical = canonical_resource};

static const struct schema_key config_keys[] = {
    {"name", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "name outside the project", NULL, NULL},
    {"content", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "the text itself", NULL, NULL},
    {"environment",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "variable that holds the text",
     NULL,
     NULL},
    {"file", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "file that holds the text", NULL, NULL},
    {"external",
     SUPPORT_REFUSED,
     {.type = SCHEMA_BOOL, .judge = judge_not_false},
     "made by someone else",
     NO_STORE,
     NULL},
    {"labels",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE},
     "labels",
     LABELS,
     NULL},
    {"template_driver",
     SUPPORT_REFUSED,
     {.type = SCHEMA_TEXT},
     "template language",
     "there are no templates; write the file as it shall be",
     NULL},
    {0},
};

static const struct schema config = {
    .type = SCHEMA_OBJECT, .keys = config_keys, .canonical = canonical_resource};

static const struct schema_key model_keys[] = {
    {"name", SUPPORT_REFUSED, {.type = SCHEMA_TEXT}, "name outside the project", NO_MODELS, NULL},
    {"model", SUPPORT_REFUSED, {.type = SCHEMA_TEXT}, "which model", NO_MODELS, NULL},
    {"context_size",
     SUPPORT_REFUSED,
     {.type = SCHEMA_INT},
     "tokens it sees at once",
     NO_MODELS,
     NULL},
    {"runtime_flags",
     SUPPORT_REFUSED,
     {.type = SCHEMA_LIST, .items = &text},
     "what its program is told",
     NO_MODELS,
     NULL},
    {0},
};

static const struct schema model = {
    .type = SCHEMA_OBJECT, .keys = model_keys, .canonical = canonical_model};

static const struct schema_key include_keys[] = {
    {"path",
     SUPPORT_HONOURED,
     {.type = SCHEMA_LIST, .items = &text, .canonical = canonical_text_list},
     "the file, and files that are put on it",
     NULL,
     NULL},
    {"project_directory",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "folder of its relative paths",
     NULL,
     NULL},
    {"env_file",
     SUPPORT_HONOURED,
     {.type = SCHEMA_LIST, .items = &text, .canonical = canonical_text_list},
     "files of variables, instead of its `.env`",
     NULL,
     NULL},
    {0},
};

static const struct schema include = {
    .type = SCHEMA_OBJECT, .keys = include_keys, .canonical = canonical_include};

static const struct schema_key compose_keys[] = {
    {"version",
     SUPPORT_OBSOLETE,
     {.type = SCHEMA_TEXT},
     "version of an old file format",
     "it has no effect; remove the line",
     NULL},
    {"name", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "name of the project", NULL, NULL},
    {"include",
     SUPPORT_HONOURED,
     {.type = SCHEMA_LIST, .items = &include},
     "other compose files that belong to this one",
     NULL,
     NULL},
    {"services",
     SUPPORT_HONOURED,
     {.type = SCHEMA_MAP, .items = &schema_service, .flags = SCHEMA_NAMES | SCHEMA_X_NAMES},
     "the programs that run",
     NULL,
     NULL},
    {"jobs",
     SUPPORT_REFUSED,
     {.type = SCHEMA_MAP, .items = &schema_job, .flags = SCHEMA_NAMES},
     "programs that run to their end",
     "write it as a service with `profiles:` and start it with `ishizue run`, from a timer of the "
     "machine if it has hours",
     NULL},
    {"models",
     SUPPORT_REFUSED,
     {.type = SCHEMA_MAP, .items = &model, .flags = SCHEMA_NAMES},
     "language models",
     NO_MODELS,
     NULL},
    {"networks",
     SUPPORT_HONOURED,
     {.type = SCHEMA_MAP, .items = &network, .flags = SCHEMA_NAMES | SCHEMA_X_NAMES},
     "who can reach whom",
     NULL,
     NULL},
    {"volumes",
     SUPPORT_HONOURED,
     {.type = SCHEMA_MAP, .items = &volume, .flags = SCHEMA_NAMES | SCHEMA_X_NAMES},
     "data that outlives instances",
     NULL,
     NULL},
    {"secrets",
     SUPPORT_HONOURED,
     {.type = SCHEMA_MAP, .items = &secret, .flags = SCHEMA_NAMES | SCHEMA_X_NAMES},
     "files with secret content",
     NULL,
     NULL},
    {"configs",
     SUPPORT_HONOURED,
     {.type = SCHEMA_MAP, .items = &config, .flags = SCHEMA_NAMES | SCHEMA_X_NAMES},
     "files with configuration",
     NULL,
     NULL},
    {0},
};

const struct schema schema_compose = {.type = SCHEMA_OBJECT, .keys = compose_keys};

const struct schema_key *schema_find_key(const struct schema *object, const char *name)
{
    for (; object != NULL; object = object->base)
        for (const struct schema_key *key = object->keys; key != NULL && key->name != NULL; key++)
            if (text_eq(key->name, name))
                return key;
    return NULL;
}

const struct schema *schema_member(const struct schema *schema, const char *key)
{
    static const struct schema any = {.type = SCHEMA_ANY};

    if (schema->type == SCHEMA_MAP &&
        (strncmp(key, "x-", 2) != 0 || (schema->flags & SCHEMA_X_NAMES) != 0))
        return schema->items;
    if (schema->type == SCHEMA_OBJECT) {
        const struct schema_key *found = schema_find_key(schema, key);
        return found == NULL ? &any : &found->schema;
    }
    return &any;
}
