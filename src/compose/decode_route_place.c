/* SPDX-License-Identifier: Apache-2.0
 *
 * Which requests a route is for, and the address that it may send them to. */
#include "base/base.h"

#include <sys/stat.h>

#include "base/mem.h"
#include "compose/decode_route.h"
#include "compose/decode_value.h"
#include "http/http_names.h"
#include "http/http_template.h"
#include "http/path.h"

enum { HOST_BYTES = 253, PATH_BYTES = 1024, REDIRECT_BYTES = 2048 };

/* ---- host ---- */

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* "shop.example.com", and an address of either kind; IPv6 in brackets. */
static bool is_host(struct str name)
{
    bool in_brackets = str_starts(name, STR("[")) && name.ptr[name.len - 1] == ']';

    if (in_brackets)
        name = str_sub(name, 1, name.len - 2);
    for (size_t i = 0; i < name.len; i++) {
        bool is_dot = name.ptr[i] == '.' && i > 0 && name.ptr[i - 1] != '.';
        if (!is_host_char(name.ptr[i]) && !is_dot && (!in_brackets || name.ptr[i] != ':'))
            return false;
    }
    return name.len > 0 && name.len <= HOST_BYTES;
}

static void check_host(struct load *load, const struct path *path, const struct yaml_node *node,
                       const char *key)
{
    const char *text = value_text(node, key);
    const struct path here = {path, key, 0};

    if (text == NULL)
        return;
    struct str name = str_of(text);
    if (str_starts(name, STR("*.")))
        name = str_sub(name, 2, SIZE_MAX);
    if (!is_host(name))
        load_error(
            load, yaml_find(node, key), &here,
            "write shop.example.com or \"*.example.com\", without http:// and without a port",
            "'%.80s' is not the name of a host", text);
}

void decode_domain(struct load *load, const struct path *path, const struct yaml_node *map)
{
    if (load->warnings_off == 0)
        check_host(load, path, map, "domain");
}

/* ---- path ---- */

static void check_path(struct load *load, const struct path *path, const struct yaml_node *node,
                       struct compose_route *ret)
{
    struct str text = str_of(ret->path);
    const struct path here = {path, "path", 0};
    AUTO(free) char *normal = mem_new(text.len + 1);
    const char *why = "is too long";
    size_t len;

    if (ret->path[0] != '/')
        load_error(load, yaml_find(node, "path"), path, NULL, "path '%.80s' must start with '/'",
                   ret->path);
    else if (strpbrk(ret->path, "?#*") != NULL)
        load_error(load, yaml_find(node, "path"), &here,
                   "write the start of the paths that are meant, such as /api/",
                   "'%.80s' is not a path", ret->path);
    else if (text.len > PATH_BYTES || !http_path_normalize(text, normal, &len, &why))
        load_error(load, yaml_find(node, "path"), &here, NULL, "'%.80s': %s", ret->path, why);
}

/* ---- where to ---- */

static bool is_address(struct str text)
{
    bool is_sane = text.len > 0 && text.len <= REDIRECT_BYTES;

    for (size_t i = 0; is_sane && i < text.len; i++)
        is_sane = http_is(text.ptr[i], HTTP_CLASS_TARGET) || text.ptr[i] == '#';
    if (!is_sane || text.ptr[0] == '/')
        return is_sane && (text.len == 1 || text.ptr[1] != '/'); /* that would be another host */
    size_t scheme = str_starts(text, STR("https://"))  ? 8
                    : str_starts(text, STR("http://")) ? 7
                                                       : 0;
    return scheme > 0 && text.len > scheme && text.ptr[scheme] != '/';
}

static void check_redirect(struct load *load, const struct path *path, const struct yaml_node *node)
{
    const struct yaml_node *map = yaml_find(node, "redirect");
    const struct path at = {path, "redirect", 0}, here = {&at, "to", 0};
    const char *text = value_text(map, "to");

    if (yaml_is_null(map))
        return;
    if (text == NULL)
        load_error(load, map, &at, NULL, "needs 'to'");
    else if (!is_address(str_of(text)))
        load_error(load, yaml_find(map, "to"), &here,
                   "write https://shop.example.com/, or /path on the same host",
                   "'%.80s' is not an address", text);
    else if (value_bool(map, "keep_path", false) && strpbrk(text, "?#") != NULL)
        load_error(load, yaml_find(map, "to"), &here, "leave out what begins with ? or #",
                   "'%.80s' is not an address that a path can be appended to", text);
}

static void check_folder(struct load *load, const struct path *path, const struct yaml_node *node)
{
    const char *text = value_text(node, "files");
    const struct path here = {path, "files", 0};
    struct stat status;

    if (text == NULL)
        return;
    if (stat(path_absolute(load, load->project_dir, text), &status) != 0)
        load_warn(load, yaml_find(node, "files"), &here, "make it, or the route answers 404",
                  "there is no folder '%.200s'", text);
    else if (!S_ISDIR(status.st_mode))
        load_error(load, yaml_find(node, "files"), &here, NULL, "'%.200s' is not a folder", text);
}

/* ---- both ---- */

void decode_route_place(struct load *load, const struct path *path, const struct yaml_node *node,
                        struct compose_route *ret)
{
    ret->host = value_text(node, "host");
    ret->path = value_text(node, "path");
    if (ret->path == NULL)
        ret->path = "/";
    ret->is_any_host = ret->host != NULL && strcmp(ret->host, "*") == 0;
    if (ret->is_any_host)
        ret->host = NULL;
    if (load->warnings_off > 0) /* stored: it was asked when it came */
        return;
    if (!ret->is_any_host)
        check_host(load, path, node, "host");
    check_path(load, path, node, ret);
    check_redirect(load, path, node);
    check_folder(load, path, node);
}

static bool is_same_host(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : str_eq_nocase(str_of(a), str_of(b));
}

/* The domain is known by now; <domain> NULL: there is none. */
static const char *host_of(const struct compose_route *route, const char *domain)
{
    return route->host == NULL && !route->is_any_host ? domain : route->host;
}

void decode_route_check_twin(struct load *load, const struct path *path,
                             const struct yaml_node *node, const struct compose_x *x, size_t index)
{
    const struct compose_route *route = &x->routes[index];

    for (size_t i = 0; i < index && load->warnings_off == 0; i++) {
        const struct compose_route *other = &x->routes[i];
        if (!is_same_host(host_of(route, x->domain), host_of(other, x->domain)) ||
            strcmp(route->path, other->path) != 0)
            continue;
        load_error(load, node, path, "give it another path or another host, or remove it",
                   "routes[%zu] is for '%.80s' of the same host already", i, route->path);
        return;
    }
}
