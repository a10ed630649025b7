/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may use a route: other sites, and people with a password. */
#include "base/base.h"

#include "base/err.h"
#include "base/file.h"
#include "compose/decode_rules.h"
#include "compose/decode_value.h"
#include "compose/htpasswd.h"
#include "compose/model_rules.h"
#include "http/http_names.h"
#include "http/http_template.h"

enum { ORIGINS_MAX = 64, MAX_AGE_S = 86400 };

/* ---- other sites ---- */

static void check_tokens(struct load *load, const struct path *path, const struct yaml_node *map,
                         const char *key)
{
    const struct yaml_node *list = yaml_find(map, key);
    const struct path here = {path, key, 0};

    for (size_t i = 0; list != NULL && i < list->count; i++) {
        const char *text = list->items[i].node->text;
        for (const char *at = text; *at != '\0' || at == text; at++)
            if (!http_is(*at, HTTP_CLASS_TOKEN)) {
                load_error(load, list->items[i].node, &here, NULL, "'%.80s' is not a name", text);
                break;
            }
    }
}

static void check_origins(struct load *load, const struct path *path, const struct yaml_node *list,
                          bool credentials)
{
    const struct path here = {path, "origins", 0};

    if (list == NULL || list->count == 0 || list->count > ORIGINS_MAX)
        load_error(load, list, path, NULL, "needs 1 to %d origins", ORIGINS_MAX);
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        const struct yaml_node *node = list->items[i].node;
        if (!http_origin_is_sane(str_of(node->text)))
            load_error(load, node, &here, "write \"https://shop.example.com\", without a path",
                       "'%.80s' is not an origin", node->text);
        if (credentials && strcmp(node->text, "*") == 0)
            load_error(load, node, &here, "name the sites",
                       "every site may not come with credentials");
    }
}

const struct compose_cors *decode_cors(struct load *load, const struct path *path,
                                       const struct yaml_node *node)
{
    const struct yaml_node *map = yaml_find(node, "cors");
    const struct path here = {path, "cors", 0};

    if (yaml_is_null(map))
        return NULL;
    struct compose_cors *cors = ARENA_NEW(load->arena, struct compose_cors);
    cors->origins = value_texts(load->arena, map, "origins");
    cors->methods = value_texts(load->arena, map, "methods");
    cors->headers = value_texts(load->arena, map, "headers");
    cors->expose = value_texts(load->arena, map, "expose");
    cors->credentials = value_bool(map, "credentials", false);
    cors->max_age_s = value_ms(map, "max_age", 600000) / 1000;
    check_origins(load, &here, yaml_find(map, "origins"), cors->credentials);
    check_tokens(load, &here, map, "methods");
    check_tokens(load, &here, map, "headers");
    check_tokens(load, &here, map, "expose");
    if (cors->max_age_s > MAX_AGE_S)
        load_error(load, yaml_find(map, "max_age"), &here, NULL, "max_age is above a day");
    return cors;
}

/* ---- passwords ---- */

/* What is read later is looked at now, where a person is there to read the error. */
static void check_users_file(struct load *load, const struct path *path,
                             const struct yaml_node *node, const char *file)
{
    AUTO(buf_done) struct buf text = {0};
    struct htpasswd_user *users;
    size_t count;
    struct err err;

    if (load->warnings_off > 0)
        return;
    if (!file_read_regular(file, HTPASSWD_BYTES, &text, &err) ||
        !htpasswd_parse(buf_str(&text), load->arena, &users, &count, &err))
        load_error(load, node, path, NULL, "users_file '%s': %s", file, err.text);
}

static void check_users(struct load *load, const struct path *path, const struct yaml_node *users)
{
    const struct path here = {path, "users", 0};

    if (users != NULL && users->count > HTPASSWD_USERS)
        load_error(load, users, &here, "use users_file", "more than %d users", HTPASSWD_USERS);
    for (size_t i = 0; users != NULL && i < users->count; i++) {
        const struct yaml_item *item = &users->items[i];
        const char *hash = yaml_is_null(item->node) ? "" : item->node->text;
        const char *why = htpasswd_refusal(str_of(hash));
        if (!htpasswd_is_name(str_of(item->key)))
            load_error(load, item->node, &here, NULL, "'%.80s' is not a name", item->key);
        else if (why != NULL)
            load_error(load, item->node, &here, "in this file write $$ for each $",
                       "the hash of '%.80s' %s", item->key, why);
    }
}

const struct compose_auth *decode_auth(struct load *load, const struct path *path,
                                       const struct yaml_node *node)
{
    const struct yaml_node *map = yaml_find(node, "auth");
    const struct path here = {path, "auth", 0};

    if (yaml_is_null(map))
        return NULL;
    struct compose_auth *auth = ARENA_NEW(load->arena, struct compose_auth);
    const char *file = value_text(map, "users_file"), *realm = value_text(map, "realm");
    auth->realm = realm == NULL ? "restricted" : realm;
    auth->users = value_pairs(load->arena, map, "users");
    check_users(load, &here, yaml_find(map, "users"));
    if (file != NULL) {
        auth->users_file = path_absolute(load, load->project_dir, file);
        check_users_file(load, &here, yaml_find(map, "users_file"), auth->users_file);
    }
    if ((file != NULL) == (auth->users.count > 0))
        load_error(load, map, &here, NULL, "needs exactly one of 'users' and 'users_file'");
    if (auth->realm[0] == '\0' || strlen(auth->realm) > 200 || strpbrk(auth->realm, "\"\\") != NULL)
        load_error(load, yaml_find(map, "realm"), &here, NULL,
                   "realm must be 1 to 200 bytes without quotes and backslashes");
    return auth;
}
