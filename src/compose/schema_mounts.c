/* SPDX-License-Identifier: Apache-2.0
 *
 * What a service is given from outside: volumes, secrets, ports, networks, devices. */
#include "base/base.h"

#include "compose/schema_priv.h"

#define ONE_ADDRESS "an instance has one address, from Ishizue's own range, in all its networks"

static const struct schema text = {.type = SCHEMA_TEXT};

static const struct schema_key mount_keys[] = {
    {"source", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "name at the top level", NULL, NULL},
    {"target", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "file in the instance", NULL, NULL},
    {"uid", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "owner", NULL, NULL},
    {"gid", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "group", NULL, NULL},
    {"mode",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT, .flags = SCHEMA_OCTAL},
     "permissions, octal",
     NULL,
     NULL},
    {0},
};

const struct schema schema_secret_mount = {
    .type = SCHEMA_OBJECT, .keys = mount_keys, .canonical = canonical_mount};

static const struct schema_key env_file_keys[] = {
    {"path", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "the file", NULL, NULL},
    {"required", SUPPORT_HONOURED, {.type = SCHEMA_BOOL}, "false: it may be missing", NULL, NULL},
    {"format", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "raw: no quotes, no variables", NULL, NULL},
    {0},
};

const struct schema schema_env_file = {.type = SCHEMA_OBJECT, .keys = env_file_keys};

static const struct schema_key port_keys[] = {
    {"name", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "name for messages", NULL, NULL},
    {"mode",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT, .judge = judge_port_mode},
     "ingress or host",
     "the edge owns every published port",
     NULL},
    {"host_ip", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "address to listen on", NULL, NULL},
    {"target", SUPPORT_HONOURED, {.type = SCHEMA_INT}, "port in the instance", NULL, NULL},
    {"published",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT, .flags = SCHEMA_LOOSE},
     "port or range outside",
     NULL,
     NULL},
    {"protocol", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "tcp or udp", NULL, NULL},
    {"app_protocol",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "what is spoken, such as http",
     NULL,
     NULL},
    {0},
};

const struct schema schema_port = {.type = SCHEMA_OBJECT, .keys = port_keys};

static const char *const recursive_words[] = {"enabled", "disabled", "writable", "readonly", NULL};

static const char *const selinux_words[] = {"z", "Z", NULL};

static const struct schema_key bind_keys[] = {
    {"propagation", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "mount propagation", NULL, NULL},
    {"create_host_path",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BOOL},
     "make the folder when it is not there",
     NULL,
     NULL},
    {"recursive",
     SUPPORT_REFUSED,
     {.type = SCHEMA_TEXT, .words = recursive_words, .judge = judge_recursive},
     "mounts below",
     "what is mounted below comes along; mount the folder that you need",
     NULL},
    {"selinux",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT, .words = selinux_words},
     "label",
     "Debian runs without SELinux",
     NULL},
    {0},
};

static const struct schema_key volume_volume_keys[] = {
    {"labels",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS, .flags = SCHEMA_EMPTY_VALUE},
     "labels",
     "kept, nothing reads them",
     NULL},
    {"nocopy", SUPPORT_HONOURED, {.type = SCHEMA_BOOL}, "do not fill from the image", NULL, NULL},
    {"subpath", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "folder within the volume", NULL, NULL},
    {0},
};

static const struct schema_key tmpfs_keys[] = {
    {"size", SUPPORT_HONOURED, {.type = SCHEMA_BYTES}, "most bytes it may hold", NULL, NULL},
    {"mode", SUPPORT_HONOURED, {.type = SCHEMA_INT}, "permissions", NULL, NULL},
    {0},
};

static const struct schema_key image_keys[] = {
    {"subpath",
     SUPPORT_REFUSED,
     {.type = SCHEMA_TEXT},
     "part of the image",
     "there are no images to mount",
     NULL},
    {0},
};

static const char *const volume_type_words[] = {"bind",  "volume", "tmpfs", "cluster",
                                                "npipe", "image",  NULL};

static const struct schema_key volume_keys[] = {
    {"type",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT, .words = volume_type_words, .judge = judge_volume_type},
     "bind, volume or tmpfs",
     NULL,
     NULL},
    {"source", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "path or name of a volume", NULL, NULL},
    {"target", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "path in the instance", NULL, NULL},
    {"read_only", SUPPORT_HONOURED, {.type = SCHEMA_BOOL}, "no writing", NULL, NULL},
    {"consistency",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "for macOS",
     "has no meaning on Linux",
     NULL},
    {"bind",
     SUPPORT_HONOURED,
     {.type = SCHEMA_OBJECT, .keys = bind_keys},
     "of type bind",
     NULL,
     NULL},
    {"volume",
     SUPPORT_HONOURED,
     {.type = SCHEMA_OBJECT, .keys = volume_volume_keys},
     "of type volume",
     NULL,
     NULL},
    {"tmpfs",
     SUPPORT_HONOURED,
     {.type = SCHEMA_OBJECT, .keys = tmpfs_keys},
     "of type tmpfs",
     NULL,
     NULL},
    {"image",
     SUPPORT_REFUSED,
     {.type = SCHEMA_OBJECT, .keys = image_keys},
     "of type image",
     "there are no images to mount; build a tree or mount a folder",
     NULL},
    {0},
};

const struct schema schema_mount = {
    .type = SCHEMA_OBJECT, .keys = volume_keys, .canonical = canonical_volume};

static const struct schema_key service_network_keys[] = {
    {"aliases",
     SUPPORT_HONOURED,
     {.type = SCHEMA_LIST, .items = &text, .identity = identity_text},
     "more names in this network",
     NULL,
     NULL},
    {"interface_name",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "name of the interface",
     NULL,
     NULL},
    {"ipv4_address",
     SUPPORT_EMULATED,
     {.type = SCHEMA_TEXT},
     "fixed address",
     "names resolve; the address is another, from Ishizue's own range",
     NULL},
    {"ipv6_address",
     SUPPORT_REFUSED,
     {.type = SCHEMA_TEXT},
     "fixed IPv6 address",
     "instances have IPv4 only; use the name of the service",
     NULL},
    {"link_local_ips",
     SUPPORT_REFUSED,
     {.type = SCHEMA_LIST, .items = &text, .identity = identity_text},
     "link-local addresses",
     ONE_ADDRESS,
     NULL},
    {"mac_address", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "hardware address", NULL, NULL},
    {"driver_opts",
     SUPPORT_EMULATED,
     {.type = SCHEMA_PAIRS,
      .flags = SCHEMA_EMPTY_VALUE | SCHEMA_NO_LIST,
      .judge = judge_driver_opts},
     "options of the driver",
     "the program makes its networks itself",
     NULL},
    {"priority",
     SUPPORT_EMULATED,
     {.type = SCHEMA_INT, .flags = SCHEMA_SIGNED},
     "order of the networks",
     ONE_ADDRESS,
     NULL},
    {"gw_priority",
     SUPPORT_EMULATED,
     {.type = SCHEMA_INT, .flags = SCHEMA_SIGNED},
     "which network leads outside",
     ONE_ADDRESS,
     NULL},
    {"use_service_name_alias",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BOOL, .judge = judge_service_name_alias},
     "reachable by the name of the service",
     NULL,
     NULL},
    {0},
};

const struct schema schema_service_network = {.type = SCHEMA_OBJECT, .keys = service_network_keys};

static const struct schema_key device_keys[] = {
    {"source", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "device of the machine", NULL, NULL},
    {"target", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "path in the instance", NULL, NULL},
    {"permissions", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "rwm", NULL, NULL},
    {0},
};

const struct schema schema_device = {
    .type = SCHEMA_OBJECT, .keys = device_keys, .canonical = canonical_device};
