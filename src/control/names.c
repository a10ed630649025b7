/* SPDX-License-Identifier: Apache-2.0
 *
 * The names an instance resolves: those of the services it shares a network
 * with, of its own system before those of others, after what the file says
 * itself (extra_hosts). They lead to stable addresses, so they change only when
 * a release or a system comes or goes; then running instances are told.
 */
#include "base/base.h"

#include "base/err.h"
#include "base/log.h"
#include "base/vec.h"
#include "control/daemon_priv.h"

enum { NAME_MAX_BYTES = 253 };

/* Who says a name; an earlier one wins. */
enum source { OF_FILE = 1, OF_SYSTEM, OF_OTHERS };

struct names {
    struct arena *arena;
    const struct compose *compose; /* of the asking service */
    const struct compose_service *asking;
    struct map sources; /* name -> enum source */
    VEC(struct runtime_host) items;
};

static void names_done(struct names *names)
{
    map_done(&names->sources);
    VEC_DONE(&names->items);
}
AUTO_VALUE(struct names, names_done)

/* It becomes a word of a line of /etc/hosts. */
static bool is_word(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] > '~' || name[i] == '#')
            return false;
    return len > 0 && len <= NAME_MAX_BYTES;
}

/* A name may have several addresses when they are of the same source. */
static void add(struct names *names, enum source source, const char *name, const char *address)
{
    uintptr_t known = (uintptr_t)map_find(&names->sources, str_of(name));

    if (!is_word(name) || (known != 0 && known != source))
        return;
    for (size_t i = 0; known != 0 && i < names->items.len; i++)
        if (strcmp(names->items.ptr[i].name, name) == 0 &&
            strcmp(names->items.ptr[i].address, address) == 0)
            return;
    (void)map_set(&names->sources, str_of(name), (void *)(uintptr_t)source);
    VEC_PUSH(&names->items, (struct runtime_host){.name = arena_text(names->arena, name),
                                                  .address = arena_text(names->arena, address)});
}

/* ---- one service ---- */

struct named {
    struct system *system;
    const struct compose *compose;
    const struct compose_service *service;
    enum source source;
    char address[STATE_ADDRESS_BYTES];
};

static void add_aliases(struct names *names, const struct named *named)
{
    for (size_t i = 0; i < named->service->network_count; i++) {
        const struct compose_service_network *theirs = &named->service->networks[i];
        bool common = false;
        for (size_t k = 0; !common && k < names->asking->network_count; k++)
            common = network_is_common(named->compose, theirs->network, names->compose,
                                       names->asking->networks[k].network);
        for (size_t k = 0; common && k < theirs->aliases.count; k++)
            add(names, named->source, theirs->aliases.items[k], named->address);
    }
}

/* "shop-web-2": an address of its own when the service has several instances. */
static bool add_numbers(struct names *names, const struct named *named, struct err *err)
{
    char address[STATE_ADDRESS_BYTES];
    char name[2 * NAME_MAX_BYTES];

    for (uint32_t number = 1; number <= named->service->replicas; number++) {
        if (named->service->replicas > 1 &&
            !network_service_address(named->system, named->service->name, number, address, err))
            return false;
        str_format(name, sizeof name, "%s-%s-%u", named->system->name, named->service->name,
                   number);
        add(names, named->source, name, named->service->replicas > 1 ? address : named->address);
    }
    return true;
}

static bool add_service(struct names *names, struct named *named, struct err *err)
{
    const struct compose_service *service = named->service;

    if (service->x.provided_by_edge ||
        !network_is_shared(named->compose, service, names->compose, names->asking))
        return true;
    if (!network_service_address(named->system, service->name, 0, named->address, err))
        return false;
    add(names, named->source, service->name, named->address);
    if (service->container_name != NULL)
        add(names, named->source, service->container_name, named->address);
    add_aliases(names, named);
    return add_numbers(names, named, err);
}

static bool add_release(struct names *names, struct system *system, const struct release *release,
                        enum source source, struct err *err)
{
    for (size_t i = 0; release != NULL && i < release->compose->service_count; i++) {
        struct named named = {.system = system,
                              .compose = release->compose,
                              .service = &release->compose->services[i],
                              .source = source};
        if (!add_service(names, &named, err))
            return false;
    }
    return true;
}

/* ---- all of them ---- */

static void add_extra_hosts(struct names *names, const struct instance *instance)
{
    const struct compose_service *service = instance->made_of->service;
    const char *address = network_address(instance);
    bool own_network = address == NULL || strcmp(address, "127.0.0.1") != 0;

    for (size_t i = 0; i < service->extra_host_count; i++) {
        const struct compose_extra_host *host = &service->extra_hosts[i];
        const char *machine = own_network ? RUNTIME_GATEWAY : "127.0.0.1";
        add(names, OF_FILE, host->name,
            strcmp(host->address, "host-gateway") == 0 ? machine : host->address);
    }
}

static bool add_links(struct names *names, const struct instance *instance, struct err *err)
{
    const struct compose_pairs *links = &instance->made_of->service->links;

    for (size_t i = 0; i < links->count; i++) {
        char address[STATE_ADDRESS_BYTES];
        const struct compose_service *other =
            compose_find_service(instance->release->compose, links->items[i].value);
        if (other == NULL ||
            !network_is_shared(instance->release->compose, other, names->compose, names->asking))
            continue;
        if (!network_service_address(instance->system, other->name, 0, address, err))
            return false;
        add(names, OF_SYSTEM, links->items[i].key, address);
    }
    return true;
}

static bool add_neighbours(struct names *names, const struct system *own, struct err *err)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&own->daemon->systems, &i)) != NULL;) {
        struct system *system = entry->value;
        const struct release *release = system->wanted != NULL ? system->wanted : system->current;
        if (system == own || release == NULL ||
            !network_joins_files(release->compose, names->compose))
            continue;
        if (!add_release(names, system, release, OF_OTHERS, err))
            return false;
    }
    return true;
}

/* What another system's container is known by leads there by one more name. */
static void add_external_links(struct names *names, const struct compose_service *service)
{
    size_t count = names->items.len;

    for (size_t i = 0; i < service->external_links.count; i++) {
        const struct compose_pair *link = &service->external_links.items[i];
        for (size_t k = 0; k < count; k++)
            if (strcmp(names->items.ptr[k].name, link->value) == 0)
                add(names, OF_OTHERS, link->key, names->items.ptr[k].address);
    }
}

static bool collect(struct names *names, const struct instance *instance, struct err *err)
{
    struct system *system = instance->system;
    const struct instance *owner = network_joined(instance);

    if (owner == NULL)
        owner = instance;
    names->compose = owner->release->compose;
    names->asking = owner->made_of->service;
    add_extra_hosts(names, instance);
    if (!add_links(names, instance, err) ||
        !add_release(names, system, owner->release, OF_SYSTEM, err) ||
        (system->wanted != owner->release &&
         !add_release(names, system, system->wanted, OF_SYSTEM, err)) ||
        (system->current != owner->release && system->current != system->wanted &&
         !add_release(names, system, system->current, OF_SYSTEM, err)) ||
        !add_neighbours(names, system, err))
        return false;
    add_external_links(names, instance->made_of->service);
    return true;
}

bool names_make(const struct instance *instance, struct arena *arena, struct runtime_host **ret,
                size_t *ret_count, struct err *err)
{
    AUTO(names_done) struct names names = {.arena = arena};

    if (!collect(&names, instance, err))
        return false;
    *ret = ARENA_ARRAY(arena, struct runtime_host, names.items.len + 1);
    for (size_t i = 0; i < names.items.len; i++)
        (*ret)[i] = names.items.ptr[i];
    *ret_count = names.items.len;
    return true;
}

/* ---- checks ---- */

static bool has_container(const struct compose *compose, const struct compose_service *service,
                          const char *name)
{
    struct str rest = str_of(name);
    uint64_t number;

    if (strcmp(service->name, name) == 0 ||
        (service->container_name != NULL && strcmp(service->container_name, name) == 0))
        return true;
    if (!str_starts(rest, str_of(compose->name)) || rest.ptr[strlen(compose->name)] != '-')
        return false;
    rest = str_sub(rest, strlen(compose->name) + 1, rest.len);
    if (!str_starts(rest, str_of(service->name)) || rest.ptr[strlen(service->name)] != '-')
        return false;
    rest = str_sub(rest, strlen(service->name) + 1, rest.len);
    return str_to_u64(rest, service->replicas, &number) && number > 0;
}

static bool is_linked(const struct daemon *daemon, const struct compose *compose,
                      const struct compose_service *service, const char *name)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;) {
        const struct system *system = entry->value;
        const struct release *release = system->wanted != NULL ? system->wanted : system->current;
        for (size_t k = 0; release != NULL && k < release->compose->service_count; k++) {
            const struct compose_service *other = &release->compose->services[k];
            if (has_container(release->compose, other, name) &&
                network_is_shared(release->compose, other, compose, service))
                return true;
        }
    }
    return false;
}

bool names_check(const struct daemon *daemon, const struct compose *compose,
                 const struct compose_service *service, struct err *err)
{
    for (size_t i = 0; i < service->external_links.count; i++) {
        const char *name = service->external_links.items[i].value;
        if (!is_linked(daemon, compose, service, name))
            return err_set(err, ERR_NOT_FOUND,
                           "external_links: no system that is up has a container '%.80s' in a "
                           "network of this service; bring that one up, and give both files the "
                           "same network",
                           name);
    }
    return true;
}

/* ---- telling those that run ---- */

/* FNV-1a: only to see that something is not as before. */
static uint64_t mix(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL;
    return (hash ^ '\n') * 0x100000001b3ULL;
}

/* Changes whenever names may have changed; never 0. */
static uint64_t round_of(struct daemon *daemon)
{
    uint64_t round = 0xcbf29ce484222325ULL;
    struct map_entry *entry;
    char numbers[32];

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;) {
        const struct system *system = entry->value;
        str_format(numbers, sizeof numbers, "%u %u",
                   system->wanted == NULL ? 0 : system->wanted->number,
                   system->current == NULL ? 0 : system->current->number);
        round = mix(mix(round, system->name), numbers);
    }
    return round | 1;
}

static uint64_t hash_of(const struct instance_spec *spec)
{
    uint64_t hash = 0xcbf29ce484222325ULL;

    for (size_t i = 0; i < spec->host_count; i++)
        hash = mix(mix(hash, spec->hosts[i].name), spec->hosts[i].address);
    return hash;
}

static void update(struct instance *instance)
{
    struct runtime *runtime = instance->system->daemon->runtime;
    AUTO(arena_done) struct arena arena = {0};
    struct instance_spec spec;
    struct err err;

    if (!spec_describe(instance, &arena, &spec, &err)) {
        log_warn("daemon", "%s: its names: %s", instance->id, err.text);
        return;
    }
    uint64_t hash = hash_of(&spec);
    if (hash != instance->names_hash && !runtime->ops->names_apply(runtime, &spec, &err))
        log_warn("daemon", "%s: its names: %s", instance->id, err.text);
    instance->names_hash = hash;
}

void names_publish(struct daemon *daemon)
{
    uint64_t round = round_of(daemon);
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;) {
        const struct system *system = entry->value;
        LIST_FOR_EACH (node, &system->instances) {
            struct instance *instance = CONTAINER_OF(node, struct instance, link);
            if (instance->names_round == round || instance->state == INSTANCE_STARTING ||
                !instance_state_is_live(instance->state))
                continue;
            update(instance);
            instance->names_round = round;
        }
    }
}

void names_told(struct instance *instance, const struct instance_spec *spec)
{
    instance->names_hash = hash_of(spec);
    instance->names_round = round_of(instance->system->daemon);
}
