/* SPDX-License-Identifier: Apache-2.0
 *
 * A route's rules in the edge's table (edge/rules.h). Password files and error
 * pages are read here, each time a table is made.
 */
#include "base/base.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "compose/htpasswd.h"
#include "compose/model_limits.h"
#include "compose/model_rules.h"
#include "control/edge_policy.h"
#include "edge/rules.h"
#include "json/json.h"

static void set_text(json_t *object, const char *key, const char *text)
{
    (void)json_object_set_new(object, key, json_string(text));
}

static void set_texts(json_t *object, const char *key, struct compose_texts texts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < texts.count; i++)
        (void)json_array_append_new(list, json_string(texts.items[i]));
    if (texts.count > 0)
        (void)json_object_set(object, key, list);
    json_decref(list);
}

static void set_headers(json_t *object, const char *key, struct compose_rule_list rules)
{
    json_t *list = json_array();

    for (size_t i = 0; i < rules.count; i++)
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:s, s:s*}", "op", rules.items[i].op, "name",
                                              rules.items[i].name, "value", rules.items[i].value));
    if (rules.count > 0)
        (void)json_object_set(object, key, list);
    json_decref(list);
}

/* "GET, PUT" */
static void set_joined(json_t *object, const char *key, struct compose_texts texts,
                       const char *otherwise)
{
    AUTO(buf_done) struct buf text = {0};

    for (size_t i = 0; i < texts.count; i++)
        buf_addf(&text, "%s%s", i > 0 ? ", " : "", texts.items[i]);
    if (texts.count > 0 || otherwise != NULL)
        set_text(object, key, texts.count > 0 ? buf_text(&text) : otherwise);
}

static void set_cors(json_t *rules, const struct compose_cors *cors)
{
    json_t *object = json_pack("{s:b, s:I}", "credentials", (int)cors->credentials, "max_age",
                               (json_int_t)cors->max_age_s);

    set_texts(object, "origins", cors->origins);
    set_joined(object, "methods", cors->methods, "GET, HEAD, POST, PUT, PATCH, DELETE");
    set_joined(object, "headers", cors->headers, NULL);
    set_joined(object, "expose", cors->expose, NULL);
    (void)json_object_set_new(rules, "cors", object);
}

static void add_users(json_t *list, const char *folder, const char *file)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    struct htpasswd_user *users;
    size_t count;
    struct err err;

    if (!file_read_beneath(folder, file, HTPASSWD_BYTES, &text, &err) ||
        !htpasswd_parse(buf_str(&text), &arena, &users, &count, &err)) {
        log_warn("daemon", "nobody is let in: users_file '%s': %s", file, err.text);
        return;
    }
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s}", "name", users[i].name, "hash", users[i].hash));
}

static void set_auth(json_t *rules, const char *folder, const struct compose_auth *auth)
{
    json_t *list = json_array();

    for (size_t i = 0; i < auth->users.count; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:s}", "name", auth->users.items[i].key,
                                                    "hash", auth->users.items[i].value));
    if (auth->users_file != NULL)
        add_users(list, folder, auth->users_file);
    if (json_array_size(list) == 0) /* a hash that nothing gives: the route stays closed */
        (void)json_array_append_new(list, json_pack("{s:s, s:s}", "name", "-", "hash", "*"));
    (void)json_object_set_new(rules, "auth",
                              json_pack("{s:s, s:o}", "realm", auth->realm, "users", list));
}

static void set_pages(json_t *rules, const char *folder, const struct compose_rules *given)
{
    json_t *list = json_array();

    for (size_t i = 0; i < given->page_count; i++) {
        AUTO(buf_done) struct buf text = {0};
        struct err err;
        if (!file_read_beneath(folder, given->pages[i].file, RULES_PAGE_BYTES, &text, &err)) {
            log_warn("daemon", "error page for %u: %s", given->pages[i].status, err.text);
            continue;
        }
        (void)json_array_append_new(list, json_pack("{s:I, s:o}", "status",
                                                    (json_int_t)given->pages[i].status, "body",
                                                    json_from_bytes(buf_str(&text))));
    }
    if (given->page_count > 0)
        (void)json_object_set(rules, "error_pages", list);
    json_decref(list);
}

static void set_rewrite(json_t *rules, const struct compose_route *route)
{
    const struct compose_rules *given = route->rules;

    if (given->strip_prefix && strcmp(route->path, "/") != 0)
        (void)json_object_set_new(
            rules, "rewrite",
            json_pack("{s:s, s:s, s:b}", "from", route->path, "to", "/", "prefix", 1));
    if (given->rewrite_from != NULL)
        (void)json_object_set_new(
            rules, "rewrite",
            json_pack("{s:s, s:s}", "from", given->rewrite_from, "to", given->rewrite_to));
}

void edge_policy_rules(json_t *row, const struct compose_route *route, const char *folder)
{
    const struct compose_rules *given = route->rules;
    json_t *rules = json_object();

    if (given->own_security_headers) {
        (void)json_object_set_new(row, "security_headers", json_false());
        (void)json_object_set_new(row, "hsts", json_false());
    }
    if (given->redirect_status != 0)
        (void)json_object_set_new(row, "status", json_integer(given->redirect_status));
    if (given->keep_path)
        (void)json_object_set_new(rules, "keep_path", json_true());
    set_headers(rules, "request_headers", given->request);
    set_headers(rules, "response_headers", given->response);
    set_rewrite(rules, route);
    if (given->cors != NULL)
        set_cors(rules, given->cors);
    if (given->auth != NULL)
        set_auth(rules, folder, given->auth);
    set_texts(rules, "index", given->index);
    set_texts(rules, "try_files", given->try_files);
    set_texts(rules, "compress", given->compress);
    set_pages(rules, folder, given);
    if (given->traces)
        (void)json_object_set_new(rules, "trace", json_integer(given->trace_permille));
    if (json_object_size(rules) > 0)
        (void)json_object_set(row, "rules", rules);
    json_decref(rules);
}

void edge_policy_log(json_t *row, const struct compose *compose)
{
    const struct compose_access_log *log =
        compose->x.edge == NULL ? NULL : compose->x.edge->access_log;
    json_t *rules = json_object_get(row, "rules");

    if (log == NULL)
        return;
    if (rules == NULL) {
        rules = json_object();
        (void)json_object_set_new(row, "rules", rules);
    }
    (void)json_object_set_new(
        rules, "log",
        json_pack("{s:I, s:b}", "sample", (json_int_t)log->permille, "errors", (int)log->errors));
}
