/* SPDX-License-Identifier: Apache-2.0
 *
 * The certificates in the edge's table. Files that a system names are read
 * again each time: they are renewed under our feet, one after the other, and
 * may be unusable for a moment or for good. Then the pair that was good last is
 * used; without one that system has no https. The others must not suffer.
 */
#include "base/base.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "compose/model_limits.h"
#include "control/certificates_beside.h"
#include "control/daemon_priv.h"
#include "control/edge_rollout.h"
#include "control/edge_sources.h"
#include "control/edge_tickets.h"
#include "guard/local_ca.h"
#include "tls/tls.h"

enum { CERTIFICATE_FILE_LIMIT = 1 << 20, COMPLAINT_BYTES = 400 };

/* The last good files of a system: daemon.given_certificates, by system and path. */
struct given {
    bool used;              /* by the table that is being made */
    struct buf certificate; /* empty: none was good */
    struct buf key;
    struct beside beside;
    char complaint[COMPLAINT_BYTES]; /* why the newest cannot be used; empty: they can */
    char beside_complaint[COMPLAINT_BYTES];
};

static void given_free(void *value)
{
    struct given *given = value;

    if (given->key.ptr != NULL)
        explicit_bzero(given->key.ptr, given->key.cap);
    buf_done(&given->certificate);
    buf_done(&given->key);
    beside_done(&given->beside);
    free(given);
}

static struct map_entry *find_unused(const struct daemon *daemon)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->given_certificates, &i)) != NULL;)
        if (!((struct given *)entry->value)->used)
            return entry;
    return NULL;
}

void certificates_sweep(struct daemon *daemon)
{
    struct map_entry *entry;

    while ((entry = find_unused(daemon)) != NULL)
        given_free(map_remove(&daemon->given_certificates, str_from(entry->key, entry->key_len)));
    for (size_t i = 0; (entry = map_next(&daemon->given_certificates, &i)) != NULL;)
        ((struct given *)entry->value)->used = false;
}

void certificates_done(struct daemon *daemon)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->given_certificates, &i)) != NULL;)
        given_free(entry->value);
    map_done(&daemon->given_certificates);
    edge_tickets_free(daemon->tickets);
    edge_sources_free(daemon->sources);
}

/* ---- names ---- */

struct host_names {
    const char *items[LOCAL_CA_NAMES_MAX];
    bool asks[LOCAL_CA_NAMES_MAX]; /* clients of it are asked for a certificate */
    size_t count;
};

/* By a route of that host; one without a host is of the domain. */
static bool asks_clients(const struct compose *compose, const char *name)
{
    for (size_t i = 0; i < compose->x.route_count; i++) {
        const struct compose_route *route = &compose->x.routes[i];
        const char *host = compose_route_host(compose, route);
        if (route->limits != NULL && route->limits->client_certificate != NULL &&
            (host == NULL || strcmp(host, name) == 0))
            return true;
    }
    return false;
}

static void add_name(struct host_names *names, const struct compose *compose, const char *name)
{
    size_t i = 0;

    while (name != NULL && i < names->count && strcmp(names->items[i], name) != 0)
        i++;
    if (name == NULL || i == ARRAY_LEN(names->items))
        return;
    names->items[i] = name;
    names->asks[i] = names->asks[i] || asks_clients(compose, name);
    names->count = MAX(names->count, i + 1);
}

static void add_names(struct host_names *names, const struct compose *compose)
{
    add_name(names, compose, compose->x.domain);
    for (size_t i = 0; i < compose->x.route_count; i++)
        add_name(names, compose, compose->x.routes[i].host);
    if (names->count == 0)
        add_name(names, compose, "localhost");
}

/* A copy of <compose> whose files are those of its certificates[<index>]. */
static struct compose compose_of(const struct compose *compose, size_t index)
{
    const struct compose_certificate *own = &compose->x.certificates[index];
    struct compose copy = *compose;

    copy.x.tls = TLS_FILES;
    copy.x.tls_certificate = own->certificate;
    copy.x.tls_key = own->key;
    copy.x.tls_ocsp = own->ocsp;
    return copy;
}

/* Moves those of <from> that <hosts> names to the result. */
static struct host_names take_names(struct host_names *from, struct compose_texts hosts)
{
    struct host_names taken = {.count = 0}, left = {.count = 0};

    for (size_t i = 0; i < from->count; i++) {
        bool named = false;
        for (size_t k = 0; k < hosts.count && !named; k++)
            named = str_eq_nocase(str_of(hosts.items[k]), str_of(from->items[i]));
        struct host_names *to = named ? &taken : &left;
        to->items[to->count] = from->items[i];
        to->asks[to->count++] = from->asks[i];
    }
    *from = left;
    return taken;
}

/* Names that ask clients for a certificate, and those that do not, are entries of their own: nobody
 * is asked where it does not matter. */
static void push_part(json_t *list, const struct host_names *names, bool asks,
                      const struct str pair[2], const struct beside *beside)
{
    json_t *texts = json_array();

    for (size_t i = 0; i < names->count; i++)
        if (names->asks[i] == asks)
            (void)json_array_append_new(texts, json_string(names->items[i]));
    if (json_array_size(texts) == 0) {
        json_decref(texts);
        return;
    }
    json_t *entry = json_pack("{s:o, s:s%, s:s%}", "names", texts, "certificate", pair[0].ptr,
                              pair[0].len, "key", pair[1].ptr, pair[1].len);
    if (beside->ocsp.len > 0)
        (void)json_object_set_new(entry, "ocsp", json_string(buf_text(&beside->ocsp)));
    if (asks && beside->client_ca.len > 0)
        (void)json_object_set_new(entry, "client_ca", json_string(buf_text(&beside->client_ca)));
    (void)json_array_append_new(list, entry);
}

static void push(json_t *list, const struct host_names *names, struct str certificate,
                 struct str key, const struct beside *beside)
{
    const struct str pair[2] = {certificate, key};

    push_part(list, names, false, pair, beside);
    push_part(list, names, true, pair, beside);
}

/* ---- our own ---- */

/* <compose> names the authority of clients. */
static bool add_own(struct daemon *daemon, const struct compose *compose,
                    const struct host_names *names, json_t *list, struct err *err)
{
    AUTO(beside_done) struct beside beside = {0};
    struct local_ca_request request = {
        .id = compose->name, .names = names->items, .name_count = names->count};
    AUTO(local_ca_leaf_done) struct local_ca_leaf leaf = {0};

    for (size_t i = 0; i < names->count; i++)
        if (!local_ca_covers(str_of(names->items[i])))
            return err_set(err, ERR_INVALID,
                           "there is no certificate for '%s': write x-ishizue.tls: {certificate, "
                           "key}; only names below localhost, test and internal get one made",
                           names->items[i]);
    if (!local_ca_issue(daemon->ca, &request, clock_wall_ms(), &leaf, err))
        return false;
    struct str certificate = str_from(leaf.certificate_pem.ptr, leaf.certificate_pem.len);
    struct str key = str_from(leaf.key_pem.ptr, leaf.key_pem.len);
    bool good = beside_read(&beside, compose, certificate, key, err);
    push(list, names, certificate, key, &beside);
    return good;
}

/* ---- given ones ---- */

/* Reads them as the edge will. */
static bool read_files(const struct compose *compose, const struct host_names *names,
                       struct buf *certificate, struct buf *key, struct err *err)
{
    struct str list[LOCAL_CA_NAMES_MAX];
    AUTO(tls_context_free) struct tls_context *context = NULL;

    for (size_t i = 0; i < names->count; i++)
        list[i] = str_of(names->items[i]);
    if (!file_read_regular(compose->x.tls_certificate, CERTIFICATE_FILE_LIMIT, certificate, err) ||
        !file_read_regular(compose->x.tls_key, CERTIFICATE_FILE_LIMIT, key, err))
        return false;
    if (memchr(certificate->ptr, '\0', certificate->len) != NULL ||
        memchr(key->ptr, '\0', key->len) != NULL)
        return err_set(err, ERR_INVALID, "'%s' or '%s' is not PEM", compose->x.tls_certificate,
                       compose->x.tls_key);
    context = tls_context_new(err);
    return context != NULL &&
           tls_context_add(context,
                           &(struct tls_certificate){.names = list,
                                                     .name_count = names->count,
                                                     .chain = buf_str(certificate),
                                                     .key = buf_str(key)},
                           err);
}

/* Tells of a change for the worse, and of the end of it, once. */
static void complain(struct system *system, struct given *given, const char *complaint)
{
    if (strcmp(given->complaint, complaint) == 0)
        return;
    str_format(given->complaint, sizeof given->complaint, "%s", complaint);
    if (complaint[0] == '\0') {
        log_info("daemon", "%s: x-ishizue.tls: the files can be used again", system->name);
        return;
    }
    AUTO(buf_done) struct buf text = {0};
    buf_addf(&text, "x-ishizue.tls: %s; %s", complaint,
             given->certificate.len > 0 ? "the certificate before goes on being used"
                                        : "there is no https until they are good");
    log_warn("daemon", "%s: %s", system->name, buf_text(&text));
    operation_warn(system, buf_text(&text));
}

/* The same for what stands beside them. */
static void complain_beside(struct system *system, struct given *given, const char *complaint)
{
    if (strcmp(given->beside_complaint, complaint) == 0)
        return;
    str_format(given->beside_complaint, sizeof given->beside_complaint, "%s", complaint);
    if (complaint[0] == '\0')
        return;
    AUTO(buf_done) struct buf text = {0};
    buf_addf(&text, "x-ishizue.tls: %s; the certificate is used without it", complaint);
    log_warn("daemon", "%s: %s", system->name, buf_text(&text));
    operation_warn(system, buf_text(&text));
}

static void swap(struct buf *a, struct buf *b)
{
    struct buf kept = *a;
    *a = *b;
    *b = kept;
}

static struct given *get_given(const struct system *system, const struct compose *compose)
{
    struct map *all = &system->daemon->given_certificates;
    AUTO(buf_done) struct buf key = {0};

    buf_addf(&key, "%s %s", system->name, compose->x.tls_certificate);
    struct given *given = map_find(all, buf_str(&key));
    if (given == NULL) {
        given = NEW(struct given);
        (void)map_set(all, buf_str(&key), given);
    }
    given->used = true;
    return given;
}

static bool add_given(struct system *system, const struct compose *compose,
                      const struct host_names *names, json_t *list)
{
    struct given *given = get_given(system, compose);
    AUTO(buf_done) struct buf certificate = {0}, key = {0};
    struct err err;

    bool good = read_files(compose, names, &certificate, &key, &err);
    if (good) {
        swap(&given->certificate, &certificate);
        swap(&given->key, &key);
    }
    complain(system, given, good ? "" : err.text);
    if (key.ptr != NULL)
        explicit_bzero(key.ptr, key.cap);
    if (given->certificate.len == 0)
        return false;
    good = beside_read(&given->beside, compose, buf_str(&given->certificate), buf_str(&given->key),
                       &err);
    complain_beside(system, given, good ? "" : err.text);
    push(list, names, buf_str(&given->certificate), buf_str(&given->key), &given->beside);
    return true;
}

/* ---- a system ---- */

/* Files of a release that is not there yet. */
static bool check_given(const struct compose *compose, const struct host_names *names, json_t *list,
                        struct err *err)
{
    AUTO(buf_done) struct buf certificate = {0}, key = {0};
    AUTO(beside_done) struct beside beside = {0};

    bool good = read_files(compose, names, &certificate, &key, err) &&
                beside_read(&beside, compose, buf_str(&certificate), buf_str(&key), err);
    if (good)
        push(list, names, buf_str(&certificate), buf_str(&key), &beside);
    if (key.ptr != NULL)
        explicit_bzero(key.ptr, key.cap);
    return good;
}

bool certificates_check(struct daemon *daemon, const struct compose *compose, json_t *list,
                        struct err *err)
{
    struct host_names names = {.count = 0};

    if (compose->x.tls == TLS_OFF)
        return true;
    add_names(&names, compose);
    for (size_t i = 0; i < compose->x.certificate_count; i++) {
        const struct compose copy = compose_of(compose, i);
        struct host_names own = take_names(&names, compose->x.certificates[i].hosts);
        if (own.count > 0 && !check_given(&copy, &own, list, err))
            return err_prefix(err, "x-ishizue.certificates[%zu]", i);
    }
    if (names.count == 0)
        return true;
    bool good = compose->x.tls == TLS_FILES ? check_given(compose, &names, list, err)
                                            : add_own(daemon, compose, &names, list, err);
    return good || err_prefix(err, "x-ishizue.tls");
}

bool certificates_add(struct system *system, const struct release *const releases[2], json_t *list)
{
    struct host_names own = {.count = 0};
    const struct compose *own_compose = NULL;
    const struct release *next;
    bool added = true;
    struct err err;

    for (size_t r = 0; r < 2; r++) {
        const struct compose *compose = releases[r] == NULL ? NULL : releases[r]->compose;
        struct host_names names = {.count = 0};
        if (compose == NULL || compose->x.tls == TLS_OFF)
            continue;
        add_names(&names, compose);
        for (size_t i = 0; i < compose->x.certificate_count; i++) {
            const struct compose copy = compose_of(compose, i);
            struct host_names taken = take_names(&names, compose->x.certificates[i].hosts);
            if (taken.count > 0)
                added = add_given(system, &copy, &taken, list) && added;
        }
        if (compose->x.tls == TLS_FILES && names.count > 0)
            added = add_given(system, compose, &names, list) && added;
        if (compose->x.tls == TLS_FILES)
            continue;
        for (size_t i = 0; i < names.count; i++)
            add_name(&own, compose, names.items[i]);
        if (own_compose == NULL || own_compose->x.tls_client_ca == NULL)
            own_compose = compose;
    }
    const char *test_host = edge_rollout_test_host(system, &next);
    if (own.count > 0 && test_host != NULL && local_ca_covers(str_of(test_host)))
        add_name(&own, own_compose, test_host);
    if (own.count > 0 && !add_own(system->daemon, own_compose, &own, list, &err)) {
        log_error("daemon", "%s: no https: x-ishizue.tls: %s", system->name, err.text);
        added = false;
    }
    return added;
}
