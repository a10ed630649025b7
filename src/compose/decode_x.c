/* SPDX-License-Identifier: Apache-2.0
 *
 * x-ishizue. The tree is checked as a copy: `config` prints x-* as written. */
#include "base/base.h"

#include "compose/canonical.h"
#include "compose/decode.h"
#include "compose/decode_deploy.h"
#include "compose/decode_edge.h"
#include "compose/decode_ports.h"
#include "compose/decode_releases.h"
#include "compose/decode_route.h"
#include "compose/decode_value.h"
#include "compose/model_limits.h"
#include "http/http_names.h"

enum {
    CHECKS_MAX = 1000, /* failures or successes in a row that are waited for */
    CERTIFICATES_MAX = 100,
};

static uint16_t decode_port(struct load *load, const struct path *path, const struct yaml_node *map,
                            const char *key, uint16_t otherwise)
{
    const struct path here = {path, key, 0};
    uint64_t port = value_u64(map, key, otherwise);

    if (port > 65535)
        load_error(load, yaml_find(map, key), &here, NULL, "port %llu is above 65535",
                   (unsigned long long)port);
    return port > 65535 ? otherwise : (uint16_t)port;
}

static struct yaml_node *checked_copy(struct load *load, const struct path *path,
                                      const struct schema *schema, const struct yaml_node *node)
{
    size_t errors = load->diags->error_count;

    if (yaml_is_null(node))
        return NULL;
    struct yaml_node *copy = canonical(load, path, schema, yaml_copy(load->arena, node));
    return load->diags->error_count > errors ? NULL : copy;
}

/* "204" or "200-299" */
static bool parse_statuses(const char *text, uint16_t *ret_from, uint16_t *ret_to)
{
    struct str rest = str_of(text);
    struct str first = str_cut(&rest, '-');
    uint64_t from, to;

    if (!str_to_u64(first, 599, &from) || from < 100)
        return false;
    to = from;
    if (rest.ptr != NULL && (!str_to_u64(rest, 599, &to) || to < from))
        return false;
    *ret_from = (uint16_t)from;
    *ret_to = (uint16_t)to;
    return true;
}

static bool is_path(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if (!http_is(*at, HTTP_CLASS_TARGET))
            return false;
    return text[0] == '/';
}

static void decode_statuses(struct load *load, const struct path *path, const struct yaml_node *map,
                            struct compose_x_service *ret)
{
    const char *text = value_text(map, "status");
    const struct path here = {path, "status", 0};

    ret->health.status_from = 200;
    ret->health.status_to = 399;
    if (text == NULL)
        return;
    if (!parse_statuses(text, &ret->health.status_from, &ret->health.status_to))
        load_error(load, yaml_find(map, "status"), &here, "write 204, or 200-299",
                   "'%.80s' is no status of HTTP", text);
    if (ret->health.path == NULL)
        load_error(load, yaml_find(map, "status"), &here, "add a path",
                   "without a path nothing is asked that could be answered");
}

static uint32_t decode_check_count(struct load *load, const struct path *path,
                                   const struct yaml_node *map, const char *key, uint64_t otherwise)
{
    const struct path here = {path, key, 0};
    uint64_t count = value_u64(map, key, otherwise);

    if (count > CHECKS_MAX)
        load_error(load, yaml_find(map, key), &here, NULL, "must be at most %d", CHECKS_MAX);
    return (uint32_t)MIN(count, (uint64_t)CHECKS_MAX);
}

static void decode_health(struct load *load, const struct path *parent, const struct yaml_node *map,
                          struct compose_x_service *ret)
{
    const struct path path = {parent, "health", 0};
    const struct path interval = {&path, "interval", 0};

    ret->health.present = !yaml_is_null(map);
    ret->health.path = value_text(map, "path");
    if (ret->health.path != NULL && !is_path(ret->health.path))
        load_error(load, yaml_find(map, "path"), &path, NULL,
                   ret->health.path[0] == '/'
                       ? "path has a space or another character that must be "
                         "written as %%20 and the like"
                       : "path must start with '/'");
    ret->health.port = decode_port(load, &path, map, "port", 0);
    ret->health.interval_ms = value_ms(map, "interval", 2000);
    if (ret->health.interval_ms == 0)
        load_error(load, yaml_find(map, "interval"), &interval, NULL, "must be above 0");
    ret->health.timeout_ms = value_ms(map, "timeout", 5000);
    ret->health.start_period_ms = value_ms(map, "start_period", 60000);
    ret->health.retries = decode_check_count(load, &path, map, "retries", 3);
    ret->health.rise = decode_check_count(load, &path, map, "rise", 1);
    decode_statuses(load, &path, map, ret);
}

struct compose_x_service decode_x_service(struct load *load, const struct path *path,
                                          const struct yaml_node *node,
                                          const struct compose_service *service)
{
    struct compose_x_service x = {0};
    const struct yaml_node *map = checked_copy(load, path, &schema_x_service, node);
    const struct yaml_node *host = yaml_find(map, "host");
    const struct path deploy_path = {path, "deploy", 0};

    x.provided_by_edge = value_text(map, "provided_by") != NULL;
    x.migrate = value_text(yaml_find(map, "migrate"), "command");
    x.migrate_irreversible = !value_bool(yaml_find(map, "migrate"), "reversible", true);
    x.deploy = decode_x_deploy(load, &deploy_path, yaml_find(map, "deploy"));
    if (value_text(map, "send_proxy") != NULL)
        x.send_proxy = strcmp(value_text(map, "send_proxy"), "v1") == 0 ? 1 : 2;
    x.keep_unhealthy = !value_bool(map, "restart_unhealthy", true);
    x.host.present = !yaml_is_null(host);
    x.host.workdir = value_text(host, "workdir");
    if (x.host.workdir == NULL)
        x.host.workdir = "/app";
    else if (x.host.workdir[0] != '/')
        load_error(load, yaml_find(host, "workdir"), path, NULL,
                   "host.workdir must start with '/'");
    x.host.build = value_texts(load->arena, host, "build");
    x.host.dependencies = value_texts(load->arena, host, "dependencies");
    x.host.cache_key = value_texts(load->arena, host, "cache_key");
    if (x.host.cache_key.count > 0 && x.host.dependencies.count == 0)
        load_warn(load, yaml_find(host, "cache_key"), path,
                  "move the steps that need only those files there",
                  "host.cache_key means nothing without host.dependencies");
    x.host.command = value_text(host, "command");
    decode_health(load, path, yaml_find(map, "health"), &x);
    decode_x_ports(load, path, map, service, &x);
    return x;
}

static const char *decode_file(struct load *load, const struct yaml_node *map, const char *key)
{
    const char *text = value_text(map, key);
    return text == NULL ? NULL : path_absolute(load, load->project_dir, text);
}

static void decode_tls(struct load *load, const struct yaml_node *map, struct compose_x *ret)
{
    const struct yaml_node *tls = yaml_find(map, "tls");

    if (yaml_is_null(tls))
        return;
    if (tls->kind == YAML_SCALAR) {
        ret->tls = strcmp(tls->text, "off") == 0 ? TLS_OFF : TLS_AUTO;
        return;
    }
    ret->tls_certificate = decode_file(load, tls, "certificate");
    ret->tls_key = decode_file(load, tls, "key");
    ret->tls_ocsp = decode_file(load, tls, "ocsp");
    ret->tls_client_ca = decode_file(load, tls, "client_ca");
    if (ret->tls_certificate != NULL)
        ret->tls = TLS_FILES;
}

static bool is_host_of(const struct compose_x *x, const char *name)
{
    bool found = x->domain != NULL && str_eq_nocase(str_of(x->domain), str_of(name));

    for (size_t i = 0; i < x->route_count && !found; i++)
        found = x->routes[i].host != NULL && str_eq_nocase(str_of(x->routes[i].host), str_of(name));
    return found;
}

static void check_certificate(struct load *load, const struct path *path,
                              const struct yaml_node *node, const struct compose_x *x,
                              const struct compose_certificate *made)
{
    const struct path hosts = {path, "hosts", 0};

    if (made->hosts.count == 0 || made->certificate == NULL || made->key == NULL)
        load_error(load, node, path, NULL, "needs 'hosts', 'certificate' and 'key'");
    for (size_t i = 0; i < made->hosts.count; i++) {
        const struct path here = {&hosts, NULL, i};
        if (!is_host_of(x, made->hosts.items[i]))
            load_error(load, yaml_find(node, "hosts")->items[i].node, &here,
                       "write it as the route does", "no route has the host '%.80s'",
                       made->hosts.items[i]);
    }
}

/* The routes are known. */
static void decode_certificates(struct load *load, const struct path *path,
                                const struct yaml_node *map, struct compose_x *ret)
{
    const struct yaml_node *list = yaml_find(map, "certificates");
    const struct path certificates = {path, "certificates", 0};

    if (yaml_is_null(list) || list->count == 0)
        return;
    if (list->count > CERTIFICATES_MAX) {
        load_error(load, list, &certificates, NULL, "more than %d of them", CERTIFICATES_MAX);
        return;
    }
    struct compose_certificate *made =
        ARENA_ARRAY(load->arena, struct compose_certificate, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct yaml_node *node = list->items[i].node;
        const struct path here = {&certificates, NULL, i};
        made[i] =
            (struct compose_certificate){.hosts = value_texts(load->arena, node, "hosts"),
                                         .certificate = decode_file(load, node, "certificate"),
                                         .key = decode_file(load, node, "key"),
                                         .ocsp = decode_file(load, node, "ocsp")};
        check_certificate(load, &here, node, ret, &made[i]);
    }
    ret->certificates = made;
    ret->certificate_count = list->count;
}

/* Nobody could ever show a certificate. */
static void check_client_ca(struct load *load, const struct path *path, const struct yaml_node *map,
                            const struct compose_x *x)
{
    const struct path routes = {path, "routes", 0};

    for (size_t i = 0; i < x->route_count && x->tls_client_ca == NULL; i++) {
        const struct path here = {&routes, NULL, i};
        const struct yaml_node *route = yaml_find(map, "routes")->items[i].node;
        if (x->routes[i].limits != NULL && x->routes[i].limits->client_certificate != NULL)
            load_error(load, yaml_find(route, "client_certificate"), &here,
                       "write x-ishizue.tls: {client_ca: FILE}",
                       "client_certificate needs the authority that signs them");
    }
}

/* One port speaks one of the two, and without any nobody comes in. */
static void check_listen(struct load *load, const struct path *path, const struct yaml_node *listen,
                         const struct compose_x *x)
{
    if (!x->has_listen || load->warnings_off > 0)
        return;
    if (x->http_port == x->https_port && x->http_port != 0)
        load_error(load, listen, path, "give each a port of its own; 0 is none",
                   "http and https are both port %u", (unsigned)x->http_port);
    else if (x->http_port == 0 && (x->https_port == 0 || x->tls == TLS_OFF))
        load_error(load, listen, path, "write http: 80 or https: 443", "there is no port left");
}

struct compose_x decode_x_top(struct load *load, const struct compose *compose,
                              const struct yaml_node *node)
{
    const struct path path = {NULL, "x-ishizue", 0};
    const struct path listen_path = {&path, "listen", 0};
    const struct path deploy_path = {&path, "deploy", 0};
    const struct yaml_node *map = checked_copy(load, &path, &schema_x_top, node);
    const struct yaml_node *listen = yaml_find(map, "listen");
    struct compose_x x = {.runtime = value_text(map, "runtime"),
                          .domain = value_text(map, "domain")};

    decode_domain(load, &path, map);
    if (x.runtime == NULL)
        x.runtime = "auto";
    x.has_listen = !yaml_is_null(listen);
    x.http_port = decode_port(load, &listen_path, listen, "http", 80);
    x.https_port = decode_port(load, &listen_path, listen, "https", 443);
    decode_tls(load, map, &x);
    check_listen(load, &listen_path, listen, &x);
    x.edge = decode_edge(load, &path, yaml_find(map, "edge"));
    x.releases = decode_releases(load, &path, yaml_find(map, "releases"));
    x.deploy = decode_x_deploy(load, &deploy_path, yaml_find(map, "deploy"));
    decode_routes(load, &path, compose, map, &x);
    check_client_ca(load, &path, map, &x);
    decode_certificates(load, &path, map, &x);
    return x;
}
