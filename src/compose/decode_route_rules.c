/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "base/file.h"
#include "compose/decode_route.h"
#include "compose/decode_rules.h"
#include "compose/decode_value.h"
#include "compose/model_rules.h"
#include "http/http_template.h"

enum {
    RULES_MAX = 24,
    VALUE_BYTES = 2048,
    FILES_MAX = 8,
    PAGES_MAX = 16,
    PAGE_BYTES = 64 * 1024,
};

/* ---- headers ---- */

struct change {
    struct load *load;
    struct path path;
    bool of_request;
    struct compose_rule items[RULES_MAX];
    size_t count;
};

static void check_value(struct load *load, const struct yaml_node *node, const struct path *path,
                        const char *value)
{
    struct str rest = str_of(value), text;
    enum http_variable variable;
    enum http_template_result result;

    if (!http_value_is_sane(rest, VALUE_BYTES))
        load_error(load, node, path, NULL, "has a control character or is longer than %d bytes",
                   VALUE_BYTES);
    while ((result = http_template_next(&rest, &variable, &text)) != HTTP_TEMPLATE_END)
        if (result == HTTP_TEMPLATE_UNKNOWN || variable == HTTP_VARIABLE_PATH) {
            load_error(load, node, path,
                       "{client_ip}, {host}, {request_id}, {scheme} and {user} are known",
                       "unknown variable '{" STR_FMT "}'", STR_ARG(text));
            return;
        }
}

static void add_rule(struct change *change, const struct yaml_node *node, const char *op,
                     const char *name, const char *value)
{
    const struct path here = {&change->path, op, 0}, at = {&here, name, 0};
    const char *why = http_rule_refusal(str_of(name), change->of_request);

    if (why != NULL)
        load_error(change->load, node, &at, "remove it", "'%.100s' %s", name, why);
    if (change->count == RULES_MAX) {
        load_error(change->load, node, &here, NULL, "more than %d header rules", RULES_MAX);
        return;
    }
    if (value != NULL)
        check_value(change->load, node, &at, value);
    change->items[change->count++] = (struct compose_rule){op, name, value};
}

static void add_change(struct change *change, const struct yaml_node *map)
{
    static const char *const ops[] = {"set", "add", "default"};
    const struct yaml_node *removed = yaml_find(map, "remove");

    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        const struct yaml_node *pairs = yaml_find(map, ops[i]);
        for (size_t k = 0; pairs != NULL && k < pairs->count; k++)
            add_rule(change, pairs->items[k].node, ops[i], pairs->items[k].key,
                     yaml_is_null(pairs->items[k].node) ? "" : pairs->items[k].node->text);
    }
    for (size_t i = 0; removed != NULL && i < removed->count; i++)
        add_rule(change, removed->items[i].node, "remove", removed->items[i].node->text, NULL);
}

static struct compose_rule_list list_of(const struct change *change)
{
    struct compose_rule *items =
        ARENA_ARRAY(change->load->arena, struct compose_rule, MAX(change->count, 1));

    memcpy(items, change->items, change->count * sizeof *items);
    return (struct compose_rule_list){items, change->count};
}

/* ---- security headers ---- */

static void add_security_headers(struct change *change, const struct yaml_node *map,
                                 struct compose_rules *ret)
{
    static const struct {
        const char *key, *name, *value;
    } known[] = {
        {"hsts", "Strict-Transport-Security", "max-age=31536000; includeSubDomains"},
        {"frame_options", "X-Frame-Options", "DENY"},
        {"content_type_options", "X-Content-Type-Options", "nosniff"},
        {"xss_protection", "X-XSS-Protection", "1; mode=block"},
        {"referrer_policy", "Referrer-Policy", NULL},
        {"content_security_policy", "Content-Security-Policy", NULL},
        {"permissions_policy", "Permissions-Policy", NULL},
    };

    if (map == NULL)
        return;
    ret->own_security_headers = true;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        const char *given = value_text(map, known[i].key);
        const char *value = given != NULL ? given : known[i].value;
        bool off = value == NULL || strcmp(value, "off") == 0 || strcmp(value, "false") == 0;
        if (!off)
            add_rule(change, given == NULL ? map : yaml_find(map, known[i].key), "default",
                     known[i].name, value);
    }
}

static void decode_headers(struct load *load, const struct path *path, const struct yaml_node *node,
                           struct compose_rules *ret)
{
    const struct yaml_node *headers = yaml_find(node, "headers");
    const struct path here = {path, "headers", 0};
    struct change request = {.load = load, .path = {&here, "request", 0}, .of_request = true};
    struct change response = {.load = load, .path = {&here, "response", 0}};

    add_change(&request, yaml_find(headers, "request"));
    add_change(&response, yaml_find(headers, "response"));
    add_security_headers(&response, yaml_find(node, "security_headers"), ret);
    ret->request = list_of(&request);
    ret->response = list_of(&response);
}

/* ---- paths ---- */

static void need_with(struct load *load, const struct path *path, const struct yaml_node *node,
                      const char *key, const char *with)
{
    const struct path here = {path, key, 0};

    if (yaml_find(node, key) != NULL && yaml_find(node, with) == NULL)
        load_error(load, yaml_find(node, key), &here, NULL, "is only for routes with '%s'", with);
}

static const char *decode_path(struct load *load, const struct path *path,
                               const struct yaml_node *map, const char *key)
{
    const char *text = value_text(map, key);
    const struct path here = {path, key, 0};

    if (text == NULL || text[0] != '/')
        load_error(load, text == NULL ? map : yaml_find(map, key), &here, NULL,
                   "must start with '/'");
    return text;
}

static void decode_paths(struct load *load, const struct path *path, const struct yaml_node *node,
                         struct compose_rules *ret)
{
    const struct yaml_node *rewrite = yaml_find(node, "rewrite");
    const struct yaml_node *redirect = yaml_find(node, "redirect");
    const struct path here = {path, "rewrite", 0}, at = {path, "redirect", 0};

    need_with(load, path, node, "rewrite", "to");
    need_with(load, path, node, "strip_prefix", "to");
    ret->strip_prefix = value_bool(node, "strip_prefix", false);
    if (rewrite != NULL) {
        ret->rewrite_from = decode_path(load, &here, rewrite, "from");
        ret->rewrite_to = decode_path(load, &here, rewrite, "to");
    }
    if (rewrite != NULL && ret->strip_prefix)
        load_error(load, rewrite, &here, NULL, "means nothing beside 'strip_prefix'");
    ret->keep_path = value_bool(redirect, "keep_path", false);
    uint64_t status = value_u64(redirect, "status", 308);
    bool fits = (status >= 301 && status <= 303) || status == 307 || status == 308;
    if (!fits)
        load_error(load, yaml_find(redirect, "status"), &at, NULL,
                   "status must be 301, 302, 303, 307 or 308");
    ret->redirect_status = value_text(redirect, "status") == NULL ? 0 : (uint32_t)status;
}

/* ---- files and pages ---- */

static void decode_files(struct load *load, const struct path *path, const struct yaml_node *node,
                         struct compose_rules *ret)
{
    static const char *const spa[] = {"{path}", "/index.html"};
    const struct path here = {path, "try_files", 0};
    bool is_spa = value_bool(node, "spa", false);

    need_with(load, path, node, "index", "files");
    need_with(load, path, node, "spa", "files");
    need_with(load, path, node, "try_files", "files");
    ret->index = value_texts(load->arena, node, "index");
    ret->try_files = value_texts(load->arena, node, "try_files");
    if (is_spa && ret->try_files.count > 0)
        load_error(load, yaml_find(node, "spa"), path, NULL,
                   "'spa' and 'try_files' exclude each other");
    if (is_spa) {
        const char **items = ARENA_ARRAY(load->arena, const char *, ARRAY_LEN(spa));
        memcpy(items, spa, sizeof spa);
        ret->try_files = (struct compose_texts){items, ARRAY_LEN(spa)};
    }
    if (ret->try_files.count > FILES_MAX || ret->index.count > FILES_MAX)
        load_error(load, node, path, NULL, "more than %d names in 'index' or 'try_files'",
                   FILES_MAX);
    for (size_t i = 0; i < ret->try_files.count; i++)
        if (!http_template_is_path(str_of(ret->try_files.items[i])))
            load_error(load, yaml_find(node, "try_files"), &here, NULL,
                       "'%.80s' is not a path; write {path}, {path}.html or /index.html",
                       ret->try_files.items[i]);
    for (size_t i = 0; i < ret->index.count; i++)
        if (strchr(ret->index.items[i], '/') != NULL || ret->index.items[i][0] == '\0')
            load_error(load, yaml_find(node, "index"), path, NULL, "index '%.80s' is not a name",
                       ret->index.items[i]);
}

static void check_page(struct load *load, const struct path *path, const struct yaml_node *node,
                       const char *file)
{
    AUTO(buf_done) struct buf text = {0};
    struct err err;

    if (load->warnings_off == 0 && !file_read_regular(file, PAGE_BYTES, &text, &err))
        load_error(load, node, path, NULL, "%s", err.text);
}

static void decode_pages(struct load *load, const struct path *path, const struct yaml_node *node,
                         struct compose_rules *ret)
{
    const struct yaml_node *map = yaml_find(node, "error_pages");
    const struct path here = {path, "error_pages", 0};
    uint64_t status;

    if (yaml_is_null(map))
        return;
    if (map->count > PAGES_MAX) {
        load_error(load, map, &here, NULL, "more than %d pages", PAGES_MAX);
        return;
    }
    struct compose_error_page *pages =
        ARENA_ARRAY(load->arena, struct compose_error_page, MAX(map->count, 1));
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_item *item = &map->items[i];
        if (!str_to_u64(str_of(item->key), 599, &status) || status < 400) {
            load_error(load, item->node, &here, NULL, "'%.20s' is not a status from 400 to 599",
                       item->key);
            continue;
        }
        pages[i].status = (uint32_t)status;
        pages[i].file = path_absolute(load, load->project_dir,
                                      yaml_is_null(item->node) ? "" : item->node->text);
        check_page(load, &here, item->node, pages[i].file);
    }
    ret->pages = pages;
    ret->page_count = map->count;
}

/* ---- the rest ---- */

/* "10%" or "0.5%"; on and off. */
static bool parse_share(const char *text, uint32_t *ret_permille)
{
    struct str rest = str_of(text);
    uint64_t whole, tenth = 0;

    if (strcmp(text, "on") == 0 || strcmp(text, "true") == 0 || strcmp(text, "off") == 0 ||
        strcmp(text, "false") == 0) {
        *ret_permille = text[1] == 'n' || text[0] == 't' ? 1000 : 0;
        return true;
    }
    if (rest.len < 2 || rest.ptr[rest.len - 1] != '%')
        return false;
    rest.len--;
    struct str number = str_cut(&rest, '.');
    if (!str_to_u64(number, 100, &whole) || (rest.ptr != NULL && !str_to_u64(rest, 9, &tenth)))
        return false;
    *ret_permille = (uint32_t)(whole * 10 + tenth);
    return *ret_permille <= 1000;
}

static void decode_bodies(struct load *load, const struct path *path, const struct yaml_node *node,
                          struct compose_rules *ret)
{
    static const char *const codings[] = {"br", "zstd", "gzip", NULL};
    const struct path at = {path, "compress", 0}, trace_path = {path, "trace", 0};
    const char *trace = value_text(node, "trace");

    ret->compress = value_texts(load->arena, node, "compress");
    for (size_t i = 0; i < ret->compress.count; i++)
        if (!is_one_of(ret->compress.items[i], codings))
            load_error(load, yaml_find(node, "compress"), &at, "br, zstd and gzip are known",
                       "unknown coding '%.40s'", ret->compress.items[i]);
    if (ret->compress.count > ARRAY_LEN(codings) - 1)
        load_error(load, yaml_find(node, "compress"), &at, NULL, "a coding is there twice");
    ret->traces = trace != NULL;
    if (trace != NULL && !parse_share(trace, &ret->trace_permille))
        load_error(load, yaml_find(node, "trace"), &trace_path, NULL,
                   "'%.40s' is not a share; write 10%%, 0.5%%, on or off", trace);
}

const struct compose_rules *decode_route_rules(struct load *load, const struct path *path,
                                               const struct yaml_node *node)
{
    static const char *const keys[] = {"headers",     "security_headers",
                                       "rewrite",     "strip_prefix",
                                       "redirect",    "cors",
                                       "auth",        "index",
                                       "spa",         "try_files",
                                       "error_pages", "compress",
                                       "trace"};
    bool any = false;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        any = any || yaml_find(node, keys[i]) != NULL;
    if (!any)
        return NULL;
    struct compose_rules *ret = ARENA_NEW(load->arena, struct compose_rules);
    decode_headers(load, path, node, ret);
    decode_paths(load, path, node, ret);
    ret->cors = decode_cors(load, path, node);
    ret->auth = decode_auth(load, path, node);
    decode_files(load, path, node, ret);
    decode_pages(load, path, node, ret);
    decode_bodies(load, path, node, ret);
    return ret;
}

const struct compose_access_log *decode_access_log(struct load *load, const struct path *path,
                                                   const struct yaml_node *edge)
{
    const struct yaml_node *map = yaml_find(edge, "access_log");
    const struct path here = {path, "access_log", 0};
    struct compose_access_log *ret = ARENA_NEW(load->arena, struct compose_access_log);
    const char *sample = value_text(map, "sample"), *errors = value_text(map, "errors");

    if (yaml_is_null(map))
        return NULL;
    ret->permille = 1000;
    ret->errors = errors == NULL || strcmp(errors, "always") == 0;
    if (sample != NULL && !parse_share(sample, &ret->permille))
        load_error(load, yaml_find(map, "sample"), &here, NULL,
                   "'%.40s' is not a share; write 10%%, 0.5%%, on or off", sample);
    if (errors != NULL && !ret->errors && strcmp(errors, "sample") != 0)
        load_error(load, yaml_find(map, "errors"), &here, NULL,
                   "errors must be always or sample, not '%.40s'", errors);
    return ret;
}
