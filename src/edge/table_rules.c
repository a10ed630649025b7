/* SPDX-License-Identifier: Apache-2.0
 *
 * The members of a route that edge/rules.h describes.
 */
#include "base/base.h"

#include "base/err.h"
#include "edge/rules.h"
#include "edge/table_reader.h"
#include "http/http_names.h"
#include "http/path.h"
#include "json/json.h"

enum { MAX_AGE_MAX = 86400, RETRY_AFTER_MAX = 86400 };

/* ---- headers ---- */

static bool read_pieces(struct reader *reader, struct str value, struct rule_header *ret,
                        size_t *room)
{
    struct rule_piece pieces[RULES_MAX_PIECES];
    enum http_variable variable;
    struct str text;

    for (;;) {
        enum http_template_result result = http_template_next(&value, &variable, &text);
        if (result == HTTP_TEMPLATE_END)
            break;
        if (result == HTTP_TEMPLATE_UNKNOWN || variable == HTTP_VARIABLE_PATH)
            return err_set(reader->err, ERR_INVALID, "unknown variable '{" STR_FMT "}'",
                           STR_ARG(text));
        if (ret->piece_count == RULES_MAX_PIECES)
            return err_set(reader->err, ERR_LIMIT, "a value has more than %d parts",
                           RULES_MAX_PIECES);
        pieces[ret->piece_count++] = (struct rule_piece){variable, text};
        *room += variable == HTTP_VARIABLE_TEXT ? text.len : HTTP_VARIABLE_BYTES;
    }
    struct rule_piece *kept =
        ARENA_ARRAY(&reader->table->arena, struct rule_piece, MAX(ret->piece_count, 1));
    memcpy(kept, pieces, ret->piece_count * sizeof *kept);
    ret->pieces = kept;
    return true;
}

static bool read_op(struct reader *reader, const json_t *item, enum rule_op *ret)
{
    static const char *const ops[] = {[RULE_SET] = "set",
                                      [RULE_ADD] = "add",
                                      [RULE_DEFAULT] = "default",
                                      [RULE_REMOVE] = "remove"};
    const char *text = json_find_text(item, "op", "");

    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (strcmp(text, ops[i]) == 0) {
            *ret = (enum rule_op)i;
            return true;
        }
    return err_set(reader->err, ERR_INVALID, "unknown op '%.20s'", text);
}

static bool read_header(struct reader *reader, const json_t *item, bool of_request,
                        struct rule_header *ret, size_t *room)
{
    struct str value;

    if (!read_op(reader, item, &ret->op) ||
        !reader_need_text(reader, item, "name", TABLE_MAX_NAME_BYTES, &ret->name) ||
        !reader_text(reader, item, "value", TABLE_MAX_VALUE_BYTES, &value))
        return false;
    const char *why = http_rule_refusal(ret->name, of_request);
    if (why != NULL)
        return err_set(reader->err, ERR_INVALID, "header '" STR_FMT "' %s", STR_ARG(ret->name),
                       why);
    ret->only_secure = http_name_find(ret->name) == HTTP_STRICT_TRANSPORT_SECURITY;
    *room += ret->name.len + 4;
    return read_pieces(reader, value, ret, room);
}

static bool read_headers(struct reader *reader, const json_t *rules, const char *key,
                         bool of_request, struct rule_headers *ret)
{
    const json_t *list = json_object_get(rules, key);
    size_t count = json_array_size(list);

    if (list != NULL && !json_is_array(list))
        return err_set(reader->err, ERR_INVALID, "'%s' is not a list", key);
    if (count > RULES_MAX_HEADERS)
        return err_set(reader->err, ERR_LIMIT, "'%s' has more than %d items", key,
                       RULES_MAX_HEADERS);
    struct rule_header *items =
        ARENA_ARRAY(&reader->table->arena, struct rule_header, MAX(count, 1));
    for (size_t i = 0; i < count; i++)
        if (!read_header(reader, json_array_get(list, i), of_request, &items[i], &ret->room))
            return err_prefix(reader->err, "%s[%zu]", key, i);
    ret->items = items;
    ret->count = count;
    return ret->room <= RULES_HEAD_BYTES ||
           err_set(reader->err, ERR_LIMIT, "'%s' may become more than %d bytes", key,
                   RULES_HEAD_BYTES);
}

/* ---- paths ---- */

static bool read_path(struct reader *reader, const json_t *item, const char *key, struct str *ret)
{
    const char *why = "does not start with '/'";
    size_t len;

    if (!reader_need_text(reader, item, key, TABLE_MAX_PATH_BYTES, ret))
        return false;
    char *text = (char *)arena_alloc(&reader->table->arena, ret->len + 1);
    if (ret->ptr[0] != '/' || !http_path_normalize(*ret, text, &len, &why))
        return err_set(reader->err, ERR_INVALID, "'%s': path '" STR_FMT "' %s", key, STR_ARG(*ret),
                       why);
    *ret = str_from(text, len);
    return true;
}

static bool read_rewrite(struct reader *reader, const json_t *rules, struct route_rules *ret)
{
    const json_t *rewrite = json_object_get(rules, "rewrite");

    if (rewrite == NULL)
        return true;
    ret->forward_prefix = json_find_bool(rewrite, "prefix", false);
    return read_path(reader, rewrite, "from", &ret->rewrite_from) &&
           read_path(reader, rewrite, "to", &ret->rewrite_to);
}

/* ---- other sites ---- */

static bool read_cors(struct reader *reader, const json_t *rules, struct route_rules *ret)
{
    const json_t *item = json_object_get(rules, "cors");
    struct rules_cors *cors = ARENA_NEW(&reader->table->arena, struct rules_cors);
    struct str *origins;
    uint64_t max_age;

    if (item == NULL)
        return true;
    if (!reader_texts(reader, item, "origins", RULES_MAX_ORIGINS, HTTP_VARIABLE_BYTES, &origins,
                      &cors->origin_count) ||
        !reader_need_text(reader, item, "methods", RULES_CORS_BYTES / 4, &cors->methods) ||
        !reader_text(reader, item, "headers", RULES_CORS_BYTES, &cors->headers) ||
        !reader_text(reader, item, "expose", RULES_CORS_BYTES, &cors->expose) ||
        !reader_number(reader, item, "max_age", MAX_AGE_MAX, 600, &max_age))
        return false;
    for (size_t i = 0; i < cors->origin_count; i++) {
        if (!http_origin_is_sane(origins[i]))
            return err_set(reader->err, ERR_INVALID, "'" STR_FMT "' is not an origin",
                           STR_ARG(origins[i]));
        cors->any = cors->any || str_is(origins[i], "*");
    }
    cors->origins = origins;
    cors->max_age = (uint32_t)max_age;
    cors->credentials = json_find_bool(item, "credentials", false);
    ret->cors = cors;
    return !(cors->any && cors->credentials) ||
           err_set(reader->err, ERR_INVALID, "every origin, and with credentials");
}

/* ---- passwords ---- */

static bool read_users(struct reader *reader, const json_t *list, struct rules_user *ret)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (!reader_need_text(reader, item, "name", RULES_USER_BYTES, &ret[i].name) ||
            !reader_need_text(reader, item, "hash", RULES_HASH_BYTES, &ret[i].hash))
            return err_prefix(reader->err, "users[%zu]", i);
    }
    return true;
}

static bool read_auth(struct reader *reader, const json_t *rules, struct route_rules *ret)
{
    const json_t *item = json_object_get(rules, "auth"), *list = json_object_get(item, "users");
    struct rules_auth *auth = ARENA_NEW(&reader->table->arena, struct rules_auth);
    size_t count = json_array_size(list);

    if (item == NULL)
        return true;
    if (count == 0 || count > RULES_MAX_USERS)
        return err_set(reader->err, ERR_LIMIT, "'users' is not a list of 1 to %d", RULES_MAX_USERS);
    struct rules_user *users = ARENA_ARRAY(&reader->table->arena, struct rules_user, count);
    if (!read_users(reader, list, users) ||
        !reader_need_text(reader, item, "realm", TABLE_MAX_NAME_BYTES, &auth->realm))
        return false;
    for (size_t i = 0; i < auth->realm.len; i++)
        if (auth->realm.ptr[i] == '"' || auth->realm.ptr[i] == '\\')
            return err_set(reader->err, ERR_INVALID, "'realm' holds a quote or a backslash");
    auth->users = users;
    auth->user_count = count;
    ret->auth = auth;
    return true;
}

/* ---- pages ---- */

/* Unlike other texts it may have lines. */
static bool read_body(struct reader *reader, const json_t *item, const char *key, struct str *ret)
{
    const json_t *value = json_object_get(item, key);
    struct str text = str_from(json_string_value(value), json_string_length(value));

    if (!json_is_string(value) || text.len > RULES_PAGE_BYTES)
        return err_set(reader->err, ERR_LIMIT, "'%s' is not a text of at most %d bytes", key,
                       RULES_PAGE_BYTES);
    *ret = str_from(arena_str(&reader->table->arena, text), text.len);
    return true;
}

static bool read_pages(struct reader *reader, const json_t *rules, struct route_rules *ret)
{
    const json_t *list = json_object_get(rules, "error_pages");
    size_t count = json_array_size(list);
    uint64_t status;

    if (count > RULES_MAX_PAGES)
        return err_set(reader->err, ERR_LIMIT, "more than %d error pages", RULES_MAX_PAGES);
    struct rules_page *pages = ARENA_ARRAY(&reader->table->arena, struct rules_page, MAX(count, 1));
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_get_u64(item, "status", 599, &status, reader->err) ||
            !read_body(reader, item, "body", &pages[i].body))
            return err_prefix(reader->err, "error_pages[%zu]", i);
        pages[i].status = (int)status;
    }
    ret->pages = pages;
    ret->page_count = count;
    return true;
}

/* ---- maintenance ---- */

static bool read_maintenance(struct reader *reader, const json_t *item, struct route_rules *ret)
{
    const json_t *maintenance = json_object_get(item, "maintenance");
    struct rules_maintenance *made = ARENA_NEW(&reader->table->arena, struct rules_maintenance);
    struct str *allow;
    uint64_t retry_after;

    if (maintenance == NULL || json_is_null(maintenance))
        return true;
    if (!json_is_object(maintenance))
        return err_set(reader->err, ERR_INVALID, "'maintenance' is not an object");
    if (!reader_number(reader, maintenance, "retry_after", RETRY_AFTER_MAX, 60, &retry_after) ||
        !reader_texts(reader, maintenance, "allow", RULES_MAX_NETS, 64, &allow, &made->allow_count))
        return false;
    if (json_is_string(json_object_get(maintenance, "page")) &&
        !read_body(reader, maintenance, "page", &made->page))
        return false;
    struct cidr *nets = ARENA_ARRAY(&reader->table->arena, struct cidr, MAX(made->allow_count, 1));
    for (size_t i = 0; i < made->allow_count; i++)
        if (!cidr_parse(allow[i], &nets[i], reader->err))
            return err_prefix(reader->err, "maintenance.allow[%zu]", i);
    made->allow = nets;
    made->retry_after = (uint32_t)retry_after;
    ret->maintenance = made;
    return true;
}

/* ---- the rest ---- */

static bool read_codings(struct reader *reader, const json_t *rules, struct route_rules *ret)
{
    struct str *names;
    size_t count;

    if (!reader_texts(reader, rules, "compress", HTTP_CODING_IDENTITY, 16, &names, &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        enum http_coding coding = HTTP_CODING_BR;
        while (coding < HTTP_CODING_IDENTITY && !str_is(names[i], http_coding_name(coding)))
            coding++;
        if (coding == HTTP_CODING_IDENTITY)
            return err_set(reader->err, ERR_INVALID, "unknown coding '" STR_FMT "'",
                           STR_ARG(names[i]));
        ret->codings[ret->coding_count++] = coding;
    }
    return true;
}

static bool read_files(struct reader *reader, const json_t *rules, struct route_rules *ret)
{
    struct str *index, *files;

    if (!reader_texts(reader, rules, "index", RULES_MAX_FILES, TABLE_MAX_NAME_BYTES, &index,
                      &ret->index_count) ||
        !reader_texts(reader, rules, "try_files", RULES_MAX_FILES, TABLE_MAX_PATH_BYTES, &files,
                      &ret->try_file_count))
        return false;
    for (size_t i = 0; i < ret->index_count; i++)
        if (str_find(index[i], '/') < index[i].len)
            return err_set(reader->err, ERR_INVALID, "index[%zu] is not a name", i);
    for (size_t i = 0; i < ret->try_file_count; i++)
        if (!http_template_is_path(files[i]))
            return err_set(reader->err, ERR_INVALID, "try_files[%zu] is not a path", i);
    if (ret->index_count == 0) {
        index = ARENA_NEW(&reader->table->arena, struct str);
        *index = STR("index.html");
        ret->index_count = 1;
    }
    ret->index = index;
    ret->try_files = files;
    return true;
}

static bool read_log(struct reader *reader, const json_t *rules, struct route_rules *ret)
{
    const json_t *log = json_object_get(rules, "log");
    uint64_t sample = 1000, trace = 0;

    if (!reader_number(reader, log, "sample", 1000, 1000, &sample) ||
        !reader_number(reader, rules, "trace", 1000, 0, &trace))
        return false;
    ret->samples_log = log != NULL;
    ret->log_permille = (uint16_t)sample;
    ret->log_errors = json_find_bool(log, "errors", true);
    ret->traces = json_object_get(rules, "trace") != NULL;
    ret->trace_permille = (uint16_t)trace;
    return true;
}

bool table_read_rules(struct reader *reader, const json_t *item, struct route *route)
{
    const json_t *rules = json_object_get(item, "rules");
    const json_t *maintenance = json_object_get(item, "maintenance");

    if (rules == NULL && (maintenance == NULL || json_is_null(maintenance)))
        return true;
    if (rules != NULL && !json_is_object(rules))
        return err_set(reader->err, ERR_INVALID, "'rules' is not an object");
    struct route_rules *ret = ARENA_NEW(&reader->table->arena, struct route_rules);
    ret->keep_path = json_find_bool(rules, "keep_path", false);
    if (!read_headers(reader, rules, "request_headers", true, &ret->request) ||
        !read_headers(reader, rules, "response_headers", false, &ret->response) ||
        !read_rewrite(reader, rules, ret) || !read_cors(reader, rules, ret) ||
        !read_auth(reader, rules, ret) || !read_files(reader, rules, ret) ||
        !read_pages(reader, rules, ret) || !read_codings(reader, rules, ret) ||
        !read_log(reader, rules, ret))
        return err_prefix(reader->err, "rules");
    if (!read_maintenance(reader, item, ret))
        return false;
    route->rules = ret;
    return true;
}
