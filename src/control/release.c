/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/err.h"
#include "compose/load.h"
#include "control/release.h"
#include "control/state.h"
#include "tls/hasher.h"
#include "json/json.h"

enum { VOLUME_NAME_MAX = 128, REPLICAS_MAX = 100, HEALTH_PATH_MAX = 1024 };

size_t release_find(const struct release *release, const char *name)
{
    for (size_t i = 0; release != NULL && i < release->compose->service_count; i++)
        if (strcmp(release->services[i].service->name, name) == 0)
            return i;
    return SIZE_MAX;
}

struct release *release_ref(struct release *release)
{
    release->refs++;
    return release;
}

void release_unref(struct release *release)
{
    if (release == NULL || --release->refs > 0)
        return;
    arena_done(&release->arena);
    free(release);
}
AUTO_TYPE(struct release *, release_unref)

/* A volume's name is a folder's: it must not lead anywhere else. */
static bool check_volume_name(const char *name, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_.-";
    size_t len = strlen(name);

    if (len > 0 && len <= VOLUME_NAME_MAX && name[0] != '.' && name[0] != '-' &&
        strspn(name, allowed) == len)
        return true;
    return err_set(err, ERR_INVALID,
                   "'%.128s' is no name of a volume: 1 to %d letters, digits, _ . and -, not "
                   "starting with . or -",
                   name, VOLUME_NAME_MAX);
}

static bool check_release(const struct compose *compose, struct err *err)
{
    for (size_t i = 0; i < compose->volume_count; i++)
        if (!check_volume_name(compose->volumes[i].name, err))
            return err_prefix(err, "volumes.%s.name", compose->volumes[i].key);
    for (size_t i = 0; i < compose->service_count; i++) {
        const struct compose_service *service = &compose->services[i];
        if (service->replicas > REPLICAS_MAX)
            return err_set(err, ERR_LIMIT, "services.%s: %u replicas are more than %d",
                           service->name, service->replicas, REPLICAS_MAX);
        if (service->x.health.path != NULL && strlen(service->x.health.path) > HEALTH_PATH_MAX)
            return err_set(err, ERR_LIMIT, "services.%s.x-ishizue.health.path is longer than %d",
                           service->name, HEALTH_PATH_MAX);
    }
    return true;
}

/* What stands for an image that is not known any more: its instances go on and can be ended. */
static const struct runtime_image unknown_image;

static struct release *make_release(struct str config, const char *directory,
                                    struct runtime *runtime, bool stored, struct err *err)
{
    AUTO(release_unref) struct release *release = NEW(struct release);
    struct compose *compose = NULL;
    struct compose_diags *diags = mem_new(sizeof *diags);

    release->refs = 1;
    bool loaded =
        compose_load_resolved(config, directory, &release->arena, &compose, NULL, diags, err) &&
        check_release(compose, err);
    free(diags);
    if (!loaded)
        return NULL;
    release->compose = compose;
    release->text = arena_str(&release->arena, config);
    release->services =
        ARENA_ARRAY(&release->arena, struct release_service, compose->service_count + 1);
    for (size_t i = 0; i < compose->service_count; i++) {
        struct release_service *made = &release->services[i];
        made->service = &compose->services[i];
        if (made->service->x.provided_by_edge)
            continue;
        made->image = runtime->ops->image_find(runtime, made->service, err);
        if (made->image == NULL && stored)
            made->image = &unknown_image;
        if (made->image == NULL) {
            err_prefix(err, "services.%s", made->service->name);
            return NULL;
        }
    }
    return TAKE(release);
}

struct release *release_new(struct str config, const char *directory, struct runtime *runtime,
                            struct err *err)
{
    return make_release(config, directory, runtime, false, err);
}

void release_take_service(struct release *release, size_t service,
                          const struct release_service *from)
{
    struct release_service *to = &release->services[service];

    to->tree = from->tree == NULL ? NULL : arena_text(&release->arena, from->tree);
    to->files = ARENA_ARRAY(&release->arena, const char *, from->file_count + 1);
    for (to->file_count = 0; to->file_count < from->file_count; to->file_count++)
        to->files[to->file_count] = arena_text(&release->arena, from->files[to->file_count]);
}

void release_take_over(struct release *release, const struct release *former)
{
    for (size_t i = 0; i < former->compose->service_count; i++)
        release_take_service(release, i, &former->services[i]);
}

/* What does not change what an instance is: how many there are, and when they start. */
static void remove_unhashed(json_t *service)
{
    static const char *const keys[] = {"depends_on", "profiles", "scale", "pull_policy"};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        (void)json_object_del(service, keys[i]);
    json_t *deploy = json_object_get(service, "deploy");
    if (deploy != NULL)
        (void)json_object_del(deploy, "replicas");
}

/* A map without members says as much as none. */
static void remove_member(json_t *service, const char *map, const char *key)
{
    json_t *members = json_object_get(service, map);

    (void)json_object_del(members, key);
    if (json_is_object(members) && json_object_size(members) == 0)
        (void)json_object_del(service, map);
}

/* Nor how one takes the place of another. */
static void remove_rollout_settings(json_t *service)
{
    remove_member(service, "deploy", "update_config");
    remove_member(service, "deploy", "rollback_config");
    remove_member(service, "x-ishizue", "deploy");
}

static bool is_in(const char *name, const struct compose_texts *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], name) == 0)
            return true;
    return false;
}

/* What shares a namespace of another service is replaced together with it. Services come in an
 * order in which that one is sealed already. */
static void hash_shared(struct hasher *hasher, const struct release *release,
                        const struct compose_service *service)
{
    const char *const modes[] = {service->network_mode, service->isolation.pid,
                                 service->isolation.ipc};

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        if (modes[i] == NULL || !str_starts(str_of(modes[i]), STR("service:")))
            continue;
        size_t index = release_find(release, modes[i] + strlen("service:"));
        if (index != SIZE_MAX)
            hasher_add(hasher, str_of(release->services[index].hash));
    }
}

static void hash_config(const struct release *release, const struct release_service *made,
                        const json_t *service, uid_t uid, char *ret)
{
    AUTO(buf_done) struct buf text = {0};
    AUTO(hasher_done) struct hasher hasher;

    hasher_init(&hasher);
    json_format(service, false, &text);
    hasher_add(&hasher, buf_str(&text));
    hasher_add(&hasher, str_of(made->tree));
    for (size_t i = 0; i < made->file_count; i++)
        hasher_add(&hasher, str_of(made->files[i]));
    hasher_add(&hasher, str_from(&uid, sizeof uid));
    if (made->service->x.host.is_shared) /* what <service> does not say itself */
        hasher_add(&hasher, str_of(made->service->x.host.command));
    hash_shared(&hasher, release, made->service);
    hasher_end(&hasher, ret);
}

/* Is it as it was in <former>? A release that a former version of this program stored has a hash
 * with the settings of rollouts in it: its instances must not be replaced for that. */
static bool hash_service(const struct release *release, const struct release_service *former,
                         struct release_service *made, json_t *service, uid_t uid)
{
    char with_settings[HASH_TEXT_BYTES];

    remove_unhashed(service);
    hash_config(release, made, service, uid, with_settings);
    remove_rollout_settings(service);
    hash_config(release, made, service, uid, made->config_hash);
    return former != NULL && (strcmp(former->config_hash, made->config_hash) == 0 ||
                              strcmp(former->config_hash, with_settings) == 0);
}

static void draw_hash(struct release_service *made)
{
    AUTO(hasher_done) struct hasher hasher;
    uint64_t nonce = 0;

    ssize_t drawn = getrandom(&nonce, sizeof nonce, 0);
    assert(drawn == (ssize_t)sizeof nonce);
    hasher_init(&hasher);
    hasher_add(&hasher, str_of(made->config_hash));
    hasher_add(&hasher, str_from(&nonce, sizeof nonce));
    hasher_end(&hasher, made->hash);
}

/* `depends_on.restart`: a service that was as it is, but whose dependency is made anew. */
static bool follows_a_dependency(const struct release *release, const struct release *former,
                                 size_t service)
{
    const struct compose_service *own = release->services[service].service;

    if (release_find(former, own->name) == SIZE_MAX)
        return false;
    for (size_t i = 0; i < own->depends_on_count; i++) {
        const char *name = own->depends_on[i].service;
        size_t now = release_find(release, name), before = release_find(former, name);
        if (own->depends_on[i].restart && now != SIZE_MAX && before != SIZE_MAX &&
            strcmp(release->services[now].hash, former->services[before].hash) != 0)
            return true;
    }
    return false;
}

void release_seal(struct release *release, const struct release *former, uid_t uid,
                  const struct compose_texts *fresh, bool all_fresh)
{
    AUTO(json_unref) json_t *root = NULL;
    struct err err;

    bool parsed = json_parse(str_of(release->text), COMPOSE_RESOLVED_BYTES, &root, &err);
    assert(parsed); /* it was decoded from the same text */
    for (size_t i = 0; i < release->compose->service_count; i++) {
        struct release_service *made = &release->services[i];
        const char *name = made->service->name;
        size_t before = release_find(former, name);
        bool is_same =
            hash_service(release, before == SIZE_MAX ? NULL : &former->services[before], made,
                         json_object_get(json_object_get(root, "services"), name), uid);
        if (all_fresh || is_in(name, fresh) || follows_a_dependency(release, former, i))
            draw_hash(made);
        else
            memcpy(made->hash, is_same ? former->services[before].hash : made->config_hash,
                   sizeof made->hash);
    }
}

bool release_is_same(const struct release *a, const struct release *b)
{
    if (strcmp(a->text, b->text) != 0)
        return false;
    for (size_t i = 0; i < a->compose->service_count; i++)
        if (strcmp(a->services[i].hash, b->services[i].hash) != 0)
            return false;
    return true;
}

static json_t *files_json(const struct release_service *made)
{
    json_t *list = json_array();

    for (size_t i = 0; i < made->file_count; i++)
        (void)json_array_append_new(list, json_string(made->files[i]));
    return list;
}

/* A list that does not fit the service is none: starting it says which file is missing. */
static void read_files(struct release *release, struct release_service *made, const json_t *list)
{
    const struct compose_service *service = made->service;
    size_t count = json_array_size(list);

    if (count != service->secret_count + service->config_count)
        return;
    made->files = ARENA_ARRAY(&release->arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        const char *hash = json_string_value(json_array_get(list, i));
        made->files[made->file_count++] = arena_text(&release->arena, hash == NULL ? "" : hash);
    }
}

bool release_store(struct release *release, struct state *state, const char *system,
                   const char *note, struct err *err)
{
    AUTO(json_unref) json_t *services = json_object();
    AUTO(buf_done) struct buf text = {0};

    for (size_t i = 0; i < release->compose->service_count; i++) {
        const struct release_service *made = &release->services[i];
        (void)json_object_set_new(services, made->service->name,
                                  json_pack("{s:s, s:s, s:s?, s:o}", "config_hash",
                                            made->config_hash, "hash", made->hash, "tree",
                                            made->tree, "files", files_json(made)));
    }
    json_format(services, false, &text);
    return state_add_release(state, system, str_of(release->text), buf_str(&text), note,
                             &release->number, err);
}

struct release *release_read(struct state *state, const char *system, const char *directory,
                             uint32_t number, struct runtime *runtime, struct err *err)
{
    AUTO(buf_done) struct buf config = {0}, text = {0};
    AUTO(json_unref) json_t *services = NULL;

    if (!state_read_release(state, system, number, &config, &text, err) ||
        !json_parse(buf_str(&text), COMPOSE_RESOLVED_BYTES, &services, err))
        return NULL;
    struct release *release = make_release(buf_str(&config), directory, runtime, true, err);
    if (release == NULL) {
        err_prefix(err, "release %u of '%s'", number, system);
        return NULL;
    }
    release->number = number;
    for (size_t i = 0; i < release->compose->service_count; i++) {
        struct release_service *made = &release->services[i];
        const json_t *row = json_object_get(services, made->service->name);
        const char *tree = json_find_text(row, "tree", NULL);
        str_format(made->config_hash, sizeof made->config_hash, "%s",
                   json_find_text(row, "config_hash", ""));
        str_format(made->hash, sizeof made->hash, "%s", json_find_text(row, "hash", ""));
        made->tree = tree == NULL ? NULL : arena_text(&release->arena, tree);
        read_files(release, made, json_object_get(row, "files"));
    }
    return release;
}
