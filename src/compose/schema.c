/* SPDX-License-Identifier: Apache-2.0
 *
 * Top level of a compose file; services are in schema_service.c. */
#include "base/base.h"

#include "compose/schema_priv.h"

#define OWN_RANGE "addresses come from Ishizue's own range"
#define LABELS    "kept, nothing reads them"
#define NO_DRIVER "there are no drivers of secrets; give file, environment or external"
#define NO_NAME   "names the file of an external one; every system lays out its own otherwise"
#define NO_MODELS                                                                                  \
    "the host runtime runs no language models; name the address of one in 'environment'"

static const struct schema text = {.type = SCHEMA_TEXT};

static const struct schema_key ipam_pool_keys[] = {
    {"subnet",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "addresses of the network, as CIDR",
     OWN_RANGE,
     "test_what_a_network_says_about_addresses_and_drivers_leaves_names_as_they_are"},
    {"ip_range",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "part of them that is given out",
     OWN_RANGE,
     "test_what_a_network_says_about_addresses_and_drivers_leaves_names_as_they_are"},
    {"gateway",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "address of the gateway",
     OWN_RANGE,
     "test_what_a_network_says_about_addresses_and_drivers_leaves_names_as_they_are"},
    {"aux_addresses",
     SUPPORT_EMULATED,
     {.type = SCHEMA_MAP, .items = &text},
     "addresses that are not given out",
     OWN_RANGE,
     "test_what_a_network_says_about_addresses_and_drivers_leaves_names_as_they_are"},
    {0},
};

static const struct schema ipam_pool = {.type = SCHEMA_OBJECT, .keys = ipam_pool_keys};

static const struct schema_key ipam_keys[] = {
    {"driver",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "who gives out addresses",
     OWN_RANGE,
     "test_what_a_network_says_about_addresses_and_drivers_leaves_names_as_they_are"},
    {"config",
     SUPPORT_EMULATED,
     {.type = SCHEMA_LIST,
      .items = &ipam_pool,
      .identity = identity_subnet,
      .merge = SCHEMA_MERGE_SAME},
     "address pools",
     OWN_RANGE,
     "test_what_a_network_says_about_addresses_and_drivers_leaves_names_as_they_are"},
    {"options",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE | SCHEMA_NO_LIST},
     "options of the driver",
     OWN_RANGE,
     "test_what_a_network_says_about_addresses_and_drivers_leaves_names_as_they_are"},
    {0},
};

static const struct schema_key network_keys[] = {
    {"name",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "name outside the project",
     NULL,
     "test_systems_that_join_one_network_reach_each_other_by_service_name"},
    {"driver",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT, .judge = judge_network_driver},
     "network driver",
     "a network says who reaches whom; each instance has a link of its own, and there is no bridge",
     "test_what_a_network_says_about_addresses_and_drivers_leaves_names_as_they_are"},
    {"driver_opts",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS,
      .flags = SCHEMA_EMPTY_VALUE | SCHEMA_NO_LIST,
      .judge = judge_driver_opts},
     "options of the driver",
     "a network says who reaches whom; each instance has a link of its own, and there is no bridge",
     "test_what_a_network_says_about_addresses_and_drivers_leaves_names_as_they_are"},
    {"ipam",
     SUPPORT_EMULATED,
     {.type = SCHEMA_OBJECT, .keys = ipam_keys},
     "addresses",
     OWN_RANGE,
     "test_what_a_network_says_about_addresses_and_drivers_leaves_names_as_they_are"},
    {"external",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BOOL},
     "made by someone else",
     NULL,
     "test_systems_that_join_one_network_reach_each_other_by_service_name"},
    {"internal",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BOOL},
     "no way out of it",
     NULL,
     "test_no_way_leads_out_of_internal_networks"},
    {"enable_ipv4",
     SUPPORT_EMULATED,
     {.type = SCHEMA_BOOL, .judge = judge_ipv4},
     "with IPv4 addresses",
     "instances have IPv4 only",
     "test_what_a_network_says_about_addresses_and_drivers_leaves_names_as_they_are"},
    {"enable_ipv6",
     SUPPORT_EMULATED,
     {.type = SCHEMA_BOOL},
     "with IPv6 addresses",
     "clients reach published ports by IPv6; instances talk IPv4 to each other and to the outside",
     "test_a_network_with_ipv6_is_reached_by_ipv6_and_talks_ipv4"},
    {"attachable",
     SUPPORT_EMULATED,
     {.type = SCHEMA_BOOL},
     "others may join",
     "only services of the project join its networks",
     "test_what_a_network_says_about_addresses_and_drivers_leaves_names_as_they_are"},
    {"labels",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE},
     "labels",
     LABELS,
     "test_what_a_network_says_about_addresses_and_drivers_leaves_names_as_they_are"},
    {0},
};

static const struct schema network = {
    .type = SCHEMA_OBJECT, .keys = network_keys, .canonical = canonical_resource};

static const struct schema_key volume_keys[] = {
    {"name",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "name outside the project",
     NULL,
     "test_a_named_volume_is_found_by_its_name_from_another_system"},
    {"driver",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT, .judge = judge_volume_driver},
     "local",
     NULL,
     "test_more_keys_of_the_file_reach_the_process"},
    {"driver_opts",
     SUPPORT_HONOURED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE | SCHEMA_NO_LIST},
     "type, o and device: tmpfs, a folder or a disk",
     NULL,
     "test_volumes_of_the_local_driver_are_mounted_and_unmounted"},
    {"external",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BOOL},
     "made by someone else",
     NULL,
     "test_a_named_volume_is_found_by_its_name_from_another_system"},
    {"labels",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE},
     "labels",
     LABELS,
     "test_a_named_volume_is_found_by_its_name_from_another_system"},
    {0},
};

static const struct schema volume = {
    .type = SCHEMA_OBJECT, .keys = volume_keys, .canonical = canonical_resource};

static const struct schema_key secret_keys[] = {
    {"name",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "name outside the project",
     NO_NAME,
     "test_more_keys_of_the_file_reach_the_process"},
    {"environment",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "variable that holds the value",
     NULL,
     "test_more_keys_of_the_file_reach_the_process"},
    {"file",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "file that holds the value",
     NULL,
     "test_secrets_and_configs_are_files_with_owner_and_mode"},
    {"external",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BOOL},
     "made by someone else: a file of the state folder, secrets/NAME",
     NULL,
     "test_an_external_secret_is_a_file_of_the_state_folder"},
    {"labels",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE},
     "labels",
     LABELS,
     "test_keys_about_other_machines_and_labels_change_nothing"},
    {"driver", SUPPORT_REFUSED, {.type = SCHEMA_TEXT}, "who keeps the secret", NO_DRIVER, NULL},
    {"driver_opts",
     SUPPORT_REFUSED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE | SCHEMA_NO_LIST},
     "options of the driver",
     NO_DRIVER,
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
    {"name",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "name outside the project",
     NO_NAME,
     "test_keys_about_other_machines_and_labels_change_nothing"},
    {"content",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "the text itself",
     NULL,
     "test_secrets_and_configs_are_files_with_owner_and_mode"},
    {"environment",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "variable that holds the text",
     NULL,
     "test_more_keys_of_the_file_reach_the_process"},
    {"file",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "file that holds the text",
     NULL,
     "test_more_keys_of_the_file_reach_the_process"},
    {"external",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BOOL},
     "made by someone else: a file of the state folder, configs/NAME",
     NULL,
     "test_an_external_secret_is_a_file_of_the_state_folder"},
    {"labels",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE},
     "labels",
     LABELS,
     "test_keys_about_other_machines_and_labels_change_nothing"},
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
     "test_what_a_file_includes_runs_with_its_own_folder_and_variables"},
    {"project_directory",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "folder of its relative paths",
     NULL,
     "test_what_a_file_includes_runs_with_its_own_folder_and_variables"},
    {"env_file",
     SUPPORT_HONOURED,
     {.type = SCHEMA_LIST, .items = &text, .canonical = canonical_text_list},
     "files of variables, instead of its `.env`",
     NULL,
     "test_what_a_file_includes_runs_with_its_own_folder_and_variables"},
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
     "test_a_version_line_is_a_warning_and_nothing_more"},
    {"name",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "name of the project",
     NULL,
     "test_the_name_in_the_file_is_that_of_the_system"},
    {"include",
     SUPPORT_HONOURED,
     {.type = SCHEMA_LIST, .items = &include},
     "other compose files that belong to this one",
     NULL,
     "test_what_a_file_includes_runs_with_its_own_folder_and_variables"},
    {"services",
     SUPPORT_HONOURED,
     {.type = SCHEMA_MAP, .items = &schema_service, .flags = SCHEMA_NAMES | SCHEMA_X_NAMES},
     "the programs that run",
     NULL,
     "test_up_then_ps_logs_exec_and_down_show_and_end_a_system"},
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
     "test_services_of_different_networks_do_not_reach_each_other"},
    {"volumes",
     SUPPORT_HONOURED,
     {.type = SCHEMA_MAP, .items = &volume, .flags = SCHEMA_NAMES | SCHEMA_X_NAMES},
     "data that outlives instances",
     NULL,
     "test_down_keeps_named_volumes_and_down_v_removes_them"},
    {"secrets",
     SUPPORT_HONOURED,
     {.type = SCHEMA_MAP, .items = &secret, .flags = SCHEMA_NAMES | SCHEMA_X_NAMES},
     "files with secret content",
     NULL,
     "test_secrets_and_configs_are_files_with_owner_and_mode"},
    {"configs",
     SUPPORT_HONOURED,
     {.type = SCHEMA_MAP, .items = &config, .flags = SCHEMA_NAMES | SCHEMA_X_NAMES},
     "files with configuration",
     NULL,
     "test_secrets_and_configs_are_files_with_owner_and_mode"},
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
