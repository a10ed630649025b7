/* SPDX-License-Identifier: Apache-2.0
 *
 * x-ishizue.routes[]: heads, paths, bodies, other sites, passwords; and
 * x-ishizue.edge.access_log. */
#include "base/base.h"

#include "compose/compose_priv.h"
#include "compose/schema_priv.h"

static const struct schema text = {.type = SCHEMA_TEXT};

#define TEXTS                                                                                      \
    {                                                                                              \
        .type = SCHEMA_LIST, .items = &text, .canonical = canonical_text_list                      \
    }
#define NAMED                                                                                      \
    {                                                                                              \
        .type = SCHEMA_PAIRS, .flags = SCHEMA_NO_LIST | SCHEMA_EMPTY_VALUE                         \
    }

/* ---- headers ---- */

#define TEST_HEADERS "test_header_rules_of_the_file_change_requests_and_answers"

static const struct schema_key change_keys[] = {
    {"set", SUPPORT_HONOURED, NAMED, "name: value, instead of what is there", NULL, TEST_HEADERS},
    {"add", SUPPORT_HONOURED, NAMED, "name: value, one more", NULL, TEST_HEADERS},
    {"default", SUPPORT_HONOURED, NAMED, "name: value, where there is none", NULL, TEST_HEADERS},
    {"remove", SUPPORT_HONOURED, TEXTS, "names", NULL, TEST_HEADERS},
    {0},
};
static const struct schema_key headers_keys[] = {
    {"request",
     SUPPORT_HONOURED,
     {.type = SCHEMA_OBJECT, .keys = change_keys},
     "to the service",
     NULL,
     TEST_HEADERS},
    {"response",
     SUPPORT_HONOURED,
     {.type = SCHEMA_OBJECT, .keys = change_keys},
     "to the client",
     NULL,
     TEST_HEADERS},
    {0},
};
const struct schema schema_headers = {.type = SCHEMA_OBJECT, .keys = headers_keys};

#define TEST_SECURITY "test_security_headers_can_be_changed_and_left_out"
#define VALUE                                                                                      \
    {                                                                                              \
        .type = SCHEMA_TEXT, .flags = SCHEMA_LOOSE                                                 \
    }

static const struct schema_key security_keys[] = {
    {"hsts", SUPPORT_HONOURED, VALUE, "Strict-Transport-Security, or off", NULL, TEST_SECURITY},
    {"frame_options", SUPPORT_HONOURED, VALUE, "X-Frame-Options, or off", NULL, TEST_SECURITY},
    {"content_type_options", SUPPORT_HONOURED, VALUE, "X-Content-Type-Options, or off", NULL,
     TEST_SECURITY},
    {"xss_protection", SUPPORT_HONOURED, VALUE, "X-XSS-Protection, or off", NULL, TEST_SECURITY},
    {"referrer_policy", SUPPORT_HONOURED, VALUE, "Referrer-Policy", NULL, TEST_SECURITY},
    {"content_security_policy", SUPPORT_HONOURED, VALUE, "Content-Security-Policy", NULL,
     TEST_SECURITY},
    {"permissions_policy", SUPPORT_HONOURED, VALUE, "Permissions-Policy", NULL, TEST_SECURITY},
    {0},
};
const struct schema schema_security_headers = {.type = SCHEMA_OBJECT, .keys = security_keys};

/* ---- paths ---- */

#define TEST_PATHS "test_paths_are_rewritten_and_redirects_keep_them"

static const struct schema_key rewrite_keys[] = {
    {"from", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "prefix of the path", NULL, TEST_PATHS},
    {"to", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "what takes its place", NULL, TEST_PATHS},
    {0},
};
const struct schema schema_rewrite = {.type = SCHEMA_OBJECT, .keys = rewrite_keys};

static const struct schema_key redirect_keys[] = {
    {"to", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "address to go to", NULL, TEST_PATHS},
    {"status",
     SUPPORT_HONOURED,
     {.type = SCHEMA_INT},
     "301, 302, 303, 307 or 308; 308 unless given",
     NULL,
     TEST_PATHS},
    {"keep_path",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BOOL},
     "appends the path behind the route's, and the query",
     NULL,
     TEST_PATHS},
    {0},
};
const struct schema schema_redirect = {.type = SCHEMA_OBJECT, .keys = redirect_keys};

/* ---- other sites, passwords ---- */

#define TEST_CORS "test_other_sites_may_do_what_cors_says"

static const struct schema_key cors_keys[] = {
    {"origins", SUPPORT_HONOURED, TEXTS, "https://a.example, https://*.a.example or *", NULL,
     TEST_CORS},
    {"methods", SUPPORT_HONOURED, TEXTS, "allowed methods", NULL, TEST_CORS},
    {"headers", SUPPORT_HONOURED, TEXTS, "allowed headers; those that are asked for unless given",
     NULL, TEST_CORS},
    {"expose", SUPPORT_HONOURED, TEXTS, "headers that the page may read", NULL, TEST_CORS},
    {"credentials",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BOOL},
     "cookies and passwords may come along",
     NULL,
     TEST_CORS},
    {"max_age",
     SUPPORT_HONOURED,
     {.type = SCHEMA_DURATION},
     "how long a browser need not ask again; 10m unless given",
     NULL,
     TEST_CORS},
    {0},
};
const struct schema schema_cors = {.type = SCHEMA_OBJECT, .keys = cors_keys};

#define TEST_AUTH "test_a_password_protects_a_route"

static const struct schema_key auth_keys[] = {
    {"realm", SUPPORT_HONOURED, {.type = SCHEMA_TEXT}, "what the browser shows", NULL, TEST_AUTH},
    {"users", SUPPORT_HONOURED, NAMED, "name: password hash", NULL, TEST_AUTH},
    {"users_file",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT},
     "file of them, as htpasswd writes it",
     NULL,
     TEST_AUTH},
    {0},
};
const struct schema schema_auth = {.type = SCHEMA_OBJECT, .keys = auth_keys};

/* ---- the access log ---- */

#define TEST_LOG "test_the_access_log_is_sampled"

static const struct schema_key access_log_keys[] = {
    {"sample",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT, .flags = SCHEMA_LOOSE},
     "how many of the requests are written, 10% or 0.5%",
     NULL,
     TEST_LOG},
    {"errors",
     SUPPORT_HONOURED,
     {.type = SCHEMA_TEXT, .flags = SCHEMA_LOOSE},
     "always (unless given): answers of 500 and above are written in any case; or sample",
     NULL,
     TEST_LOG},
    {0},
};
const struct schema schema_access_log = {.type = SCHEMA_OBJECT, .keys = access_log_keys};

/* ---- short forms ---- */

static struct yaml_node *one_member(struct load *load, const char *key, struct yaml_node *value,
                                    const struct yaml_node *like)
{
    struct yaml_node *map = yaml_new(load->arena, YAML_MAP, like);

    yaml_set(load->arena, map, key, value);
    return map;
}

struct yaml_node *canonical_redirect(struct load *load, const struct path *path,
                                     struct yaml_node *node)
{
    (void)path;
    return node->kind == YAML_SCALAR ? one_member(load, "to", node, node) : node;
}

struct yaml_node *canonical_cors(struct load *load, const struct path *path, struct yaml_node *node)
{
    (void)path;
    return node->kind == YAML_MAP ? node : one_member(load, "origins", node, node);
}

static bool is_word(const struct yaml_node *node, const char *word)
{
    return node->kind == YAML_SCALAR && strcmp(node->text, word) == 0;
}

/* false: none of them; true: those of the edge, as without the key. */
struct yaml_node *canonical_security_headers(struct load *load, const struct path *path,
                                             struct yaml_node *node)
{
    static const char *const own[] = {"hsts", "frame_options", "content_type_options",
                                      "xss_protection"};

    if (node->kind != YAML_SCALAR)
        return node;
    bool off = is_word(node, "false") || is_word(node, "off");
    if (!off && !is_word(node, "true")) {
        load_error(load, node, path, NULL, "must be true, false or a map of headers");
        return NULL;
    }
    struct yaml_node *map = yaml_new(load->arena, YAML_MAP, node);
    for (size_t i = 0; off && i < ARRAY_LEN(own); i++)
        yaml_set(load->arena, map, own[i], yaml_new_text(load->arena, "off", node));
    return map;
}

struct yaml_node *canonical_compress(struct load *load, const struct path *path,
                                     struct yaml_node *node)
{
    static const char *const all[] = {"zstd", "br", "gzip"};

    if (!is_word(node, "true") && !is_word(node, "false"))
        return canonical_text_list(load, path, node);
    struct yaml_node *list = yaml_new(load->arena, YAML_LIST, node);
    for (size_t i = 0; is_word(node, "true") && i < ARRAY_LEN(all); i++)
        yaml_push(load->arena, list, yaml_new_text(load->arena, all[i], node));
    return list;
}

/* off, on, "10%" */
struct yaml_node *canonical_access_log(struct load *load, const struct path *path,
                                       struct yaml_node *node)
{
    (void)path;
    if (node->kind != YAML_SCALAR)
        return node;
    if (!is_word(node, "false") && !is_word(node, "off"))
        return one_member(load, "sample", node, node);
    struct yaml_node *map =
        one_member(load, "sample", yaml_new_text(load->arena, "0%", node), node);
    yaml_set(load->arena, map, "errors", yaml_new_text(load->arena, "sample", node));
    return map;
}
