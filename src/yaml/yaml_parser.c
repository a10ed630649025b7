/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <libfyaml.h>

#include "base/err.h"
#include "base/map.h"
#include "yaml/yaml.h"
#include "yaml/yaml_priv.h"

/* libfyaml gives events; the tree, the aliases and the limits are ours, so that an alias bomb is
 * stopped while it grows. */
struct parser {
    struct fy_parser *events;
    struct fy_diag *diag;
    struct arena *arena;
    struct yaml_limits limits;
    const char *file;
    size_t nodes;
    struct fy_mark last; /* where the last event with a place began */
    struct map anchors;  /* name -> struct yaml_node * that is complete */
};

static void parser_done(struct parser *parser)
{
    if (parser->events != NULL)
        fy_parser_destroy(parser->events);
    if (parser->diag != NULL)
        fy_diag_destroy(parser->diag);
    map_done(&parser->anchors);
}
AUTO_VALUE(struct parser, parser_done)

struct event_scope {
    struct parser *parser;
    struct fy_event *event;
};

static void event_scope_done(struct event_scope *scope)
{
    if (scope->event != NULL)
        fy_parser_event_free(scope->parser->events, scope->event);
}
AUTO_VALUE(struct event_scope, event_scope_done)

static bool fail_at(const struct parser *parser, const struct yaml_node *node, struct err *err)
{
    return err_prefix(err, "%s:%u:%u", parser->file, node->line, node->column);
}

static bool syntax_error(const struct parser *parser, struct err *err)
{
    void *at = NULL;
    const struct fy_diag_error *error = fy_diag_errors_iterate(parser->diag, &at);

    if (error == NULL)
        return err_set(err, ERR_INVALID, "%s: not YAML", parser->file);
    return err_set(err, ERR_INVALID, "%s:%d:%d: not YAML: %s", parser->file, error->line,
                   error->column, yaml_message(parser->arena, error->msg));
}

/* Sets <scope>; its event is freed by whoever declared it. */
static bool next_event(struct parser *parser, struct event_scope *scope, struct err *err)
{
    scope->parser = parser;
    scope->event = fy_parser_parse(parser->events);
    return scope->event != NULL || syntax_error(parser, err);
}

/* A value that is not written has the place of its key. */
static void set_place(struct parser *parser, struct fy_event *event, struct yaml_node *node)
{
    const struct fy_mark *mark = fy_event_start_mark(event);

    if (mark != NULL)
        parser->last = *mark;
    node->file = parser->file;
    node->line = (uint32_t)parser->last.line + 1;
    node->column = (uint32_t)parser->last.column + 1;
}

static bool count_node(struct parser *parser, const struct yaml_node *node, struct err *err)
{
    if (++parser->nodes <= parser->limits.nodes)
        return true;
    (void)err_set(err, ERR_LIMIT,
                  "more than %zu values after aliases are resolved; make the file smaller",
                  parser->limits.nodes);
    return fail_at(parser, node, err);
}

static bool token_text(struct parser *parser, struct fy_token *token, const struct yaml_node *node,
                       const char **ret, struct err *err)
{
    size_t len = 0;
    const char *text = token == NULL ? NULL : fy_token_get_text(token, &len);

    if (text != NULL && memchr(text, '\0', len) != NULL) {
        (void)err_set(err, ERR_INVALID, "a text with a zero byte");
        return fail_at(parser, node, err);
    }
    *ret = arena_str(parser->arena, str_from(text, text == NULL ? 0 : len));
    return true;
}

static const char *tag_text(struct parser *parser, struct fy_token *token)
{
    size_t handle_len = 0;
    size_t suffix_len = 0;

    if (token == NULL)
        return NULL;
    struct str handle = str_from(fy_tag_token_handle(token, &handle_len), 0);
    struct str suffix = str_from(fy_tag_token_suffix(token, &suffix_len), 0);
    handle.len = handle_len;
    suffix.len = suffix_len;
    if (str_is(handle, "!!"))
        handle = STR("tag:yaml.org,2002:");
    return arena_printf(parser->arena, STR_FMT STR_FMT, STR_ARG(handle), STR_ARG(suffix));
}

static bool copy_alias(struct parser *parser, const struct yaml_node *from, size_t depth,
                       const struct yaml_node *place, struct yaml_node **ret, struct err *err)
{
    if (!count_node(parser, place, err))
        return false;
    if (depth > parser->limits.depth) {
        (void)err_set(err, ERR_LIMIT, "nested deeper than %zu levels", parser->limits.depth);
        return fail_at(parser, place, err);
    }
    struct yaml_node *copy = ARENA_NEW(parser->arena, struct yaml_node);
    *copy = *from;
    copy->items = NULL;
    copy->count = copy->cap = 0;
    for (size_t i = 0; i < from->count; i++) {
        struct yaml_item *item = yaml_add_item(parser->arena, copy, from->items[i]);
        if (!copy_alias(parser, from->items[i].node, depth + 1, place, &item->node, err))
            return false;
    }
    *ret = copy;
    return true;
}

static bool build_alias(struct parser *parser, struct fy_event *event, size_t depth,
                        struct yaml_node **ret, struct err *err)
{
    struct yaml_node place = {0};
    const char *name;

    set_place(parser, event, &place);
    place.column -= place.column > 1; /* libfyaml gives the place behind the '*' */
    if (!token_text(parser, event->alias.anchor, &place, &name, err))
        return false;
    const struct yaml_node *target = (struct yaml_node *)map_find(&parser->anchors, str_of(name));
    if (target == NULL) {
        (void)err_set(err, ERR_INVALID, "unknown anchor '%s'; '&%s' must stand above this line",
                      name, name);
        return fail_at(parser, &place, err);
    }
    return copy_alias(parser, target, depth, &place, ret, err);
}

static bool build_node(struct parser *parser, struct fy_event *event, size_t depth,
                       struct yaml_node **ret, struct err *err);

static bool build_list(struct parser *parser, struct yaml_node *list, size_t depth, struct err *err)
{
    for (;;) {
        AUTO(event_scope_done) struct event_scope next = {0};
        struct yaml_node *node;

        if (!next_event(parser, &next, err))
            return false;
        if (next.event->type == FYET_SEQUENCE_END)
            return true;
        if (!build_node(parser, next.event, depth + 1, &node, err))
            return false;
        yaml_push(parser->arena, list, node);
    }
}

static bool check_key(const struct parser *parser, const struct yaml_node *map,
                      const struct yaml_node *key, struct map *seen, struct err *err)
{
    if (map->count >= parser->limits.keys) {
        (void)err_set(err, ERR_LIMIT, "more than %zu keys in one map", parser->limits.keys);
        return fail_at(parser, key, err);
    }
    const struct yaml_node *first =
        (struct yaml_node *)map_set(seen, str_of(key->text), (void *)(uintptr_t)key);
    if (first == NULL)
        return true;
    bool is_merge = !key->quoted && strcmp(key->text, "<<") == 0;
    (void)err_set(err, ERR_INVALID, "key '%s' is there twice, first at line %u; %s", key->text,
                  first->line, is_merge ? "write one: <<: [*a, *b]" : "keep one");
    return fail_at(parser, key, err);
}

/* A key that is there as "!reset" takes away what an earlier file has, not what it merges itself:
 * together they replace the earlier one. */
static bool fill_reset(struct parser *parser, struct yaml_item *own, const struct yaml_node *from)
{
    if (own == NULL || own->node->tag == NULL || strcmp(own->node->tag, "!reset") != 0)
        return false;
    own->node = yaml_copy(parser->arena, from);
    own->node->tag = "!override";
    return true;
}

/* Adds the keys of <from> that <map> does not have. */
static bool merge_map(struct parser *parser, struct yaml_node *map, const struct yaml_node *from,
                      const struct yaml_node *key, struct err *err)
{
    if (from->kind != YAML_MAP) {
        (void)err_set(err, ERR_INVALID, "'<<' takes a map or a list of maps, and this is %s",
                      yaml_is_null(from)        ? "empty"
                      : from->kind == YAML_LIST ? "a list"
                                                : "a single value");
        return fail_at(parser, key, err);
    }
    for (size_t i = 0; i < from->count; i++) {
        struct yaml_item *own = yaml_find_item(map, from->items[i].key);
        if (fill_reset(parser, own, from->items[i].node) || own != NULL)
            continue;
        if (map->count >= parser->limits.keys) {
            (void)err_set(err, ERR_LIMIT, "more than %zu keys in one map", parser->limits.keys);
            return fail_at(parser, from, err);
        }
        yaml_add_item(parser->arena, map, from->items[i]);
    }
    return true;
}

static bool apply_merge_key(struct parser *parser, struct yaml_node *map,
                            const struct yaml_node *merge, const struct yaml_node *key,
                            struct err *err)
{
    if (merge->kind != YAML_LIST)
        return merge_map(parser, map, merge, key, err);
    for (size_t i = 0; i < merge->count; i++)
        if (!merge_map(parser, map, merge->items[i].node, key, err))
            return false;
    return true;
}

static bool build_key(struct parser *parser, struct fy_event *event, struct yaml_node **ret,
                      struct err *err)
{
    struct yaml_node place = {0};

    set_place(parser, event, &place);
    if (event->type != FYET_SCALAR) {
        (void)err_set(err, ERR_INVALID, "a key must be a text");
        return fail_at(parser, &place, err);
    }
    if (!build_node(parser, event, 1, ret, err))
        return false;
    if (yaml_value(*ret).type == YAML_TEXT)
        return true;
    (void)err_set(err, ERR_INVALID, "key '%.40s' is no text; put quotes around it", (*ret)->text);
    return fail_at(parser, *ret, err);
}

static bool build_entries(struct parser *parser, struct yaml_node *map, size_t depth,
                          struct map *seen, struct err *err)
{
    const struct yaml_node *merge = NULL;
    const struct yaml_node *merge_key = NULL;

    for (;;) {
        AUTO(event_scope_done) struct event_scope key_event = {0};
        AUTO(event_scope_done) struct event_scope value_event = {0};
        struct yaml_node *key;
        struct yaml_node *node;

        if (!next_event(parser, &key_event, err))
            return false;
        if (key_event.event->type == FYET_MAPPING_END)
            return merge == NULL || apply_merge_key(parser, map, merge, merge_key, err);
        if (!build_key(parser, key_event.event, &key, err) ||
            !check_key(parser, map, key, seen, err) || !next_event(parser, &value_event, err) ||
            !build_node(parser, value_event.event, depth + 1, &node, err))
            return false;
        if (!key->quoted && strcmp(key->text, "<<") == 0) {
            merge = node;
            merge_key = key;
            continue;
        }
        yaml_add_item(parser->arena, map,
                      (struct yaml_item){key->text, key->line, key->column, node});
    }
}

static bool build_map(struct parser *parser, struct yaml_node *map, size_t depth, struct err *err)
{
    AUTO(map_done) struct map seen = {0};

    return build_entries(parser, map, depth, &seen, err);
}

static bool build_scalar(struct parser *parser, struct fy_event *event, struct yaml_node *node,
                         struct err *err)
{
    struct fy_token *value = event->scalar.value;

    node->tag = tag_text(parser, event->scalar.tag);
    enum fy_scalar_style style = value == NULL ? FYSS_PLAIN : fy_scalar_token_get_style(value);
    node->quoted = style != FYSS_PLAIN;
    if ((style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) && node->column > 1)
        node->column--; /* libfyaml gives the place behind the quote */
    if (node->tag != NULL && strcmp(node->tag, "tag:yaml.org,2002:str") == 0)
        node->quoted = true;
    return token_text(parser, value, node, &node->text, err);
}

static bool set_anchor(struct parser *parser, struct fy_token *anchor, struct yaml_node *node,
                       struct err *err)
{
    const char *name;

    if (anchor == NULL)
        return true;
    if (!token_text(parser, anchor, node, &name, err))
        return false;
    (void)map_set(&parser->anchors, str_of(name), node);
    return true;
}

static bool build_node(struct parser *parser, struct fy_event *event, size_t depth,
                       struct yaml_node **ret, struct err *err)
{
    if (event->type == FYET_ALIAS)
        return build_alias(parser, event, depth, ret, err);

    struct yaml_node *node = ARENA_NEW(parser->arena, struct yaml_node);
    struct fy_token *anchor;
    set_place(parser, event, node);
    if (!count_node(parser, node, err))
        return false;
    if (depth > parser->limits.depth) {
        (void)err_set(err, ERR_LIMIT, "nested deeper than %zu levels", parser->limits.depth);
        return fail_at(parser, node, err);
    }
    if (event->type == FYET_SCALAR) {
        anchor = event->scalar.anchor;
        if (!build_scalar(parser, event, node, err))
            return false;
    } else if (event->type == FYET_SEQUENCE_START) {
        anchor = event->sequence_start.anchor;
        node->kind = YAML_LIST;
        node->tag = tag_text(parser, event->sequence_start.tag);
        if (!build_list(parser, node, depth, err))
            return false;
    } else {
        assert(event->type == FYET_MAPPING_START);
        anchor = event->mapping_start.anchor;
        node->kind = YAML_MAP;
        node->tag = tag_text(parser, event->mapping_start.tag);
        if (!build_map(parser, node, depth, err))
            return false;
    }
    if (!set_anchor(parser, anchor, node, err)) /* after the node: it cannot hold itself */
        return false;
    *ret = node;
    return true;
}

/* Documents count together against the limit of values; an anchor is its document's own. */
static bool build_stream(struct parser *parser, size_t max, struct yaml_node **ret,
                         size_t *ret_count, struct err *err)
{
    size_t count = 0;

    for (;;) {
        AUTO(event_scope_done) struct event_scope next = {0};

        if (!next_event(parser, &next, err))
            return false;
        enum fy_event_type type = next.event->type;
        if (type == FYET_STREAM_END)
            break;
        if (type == FYET_STREAM_START || type == FYET_DOCUMENT_START || type == FYET_DOCUMENT_END)
            continue;
        if (count == max) {
            struct yaml_node place = {0};
            set_place(parser, next.event, &place);
            (void)err_set(err, ERR_LIMIT,
                          max == 1 ? "a second document; give it as a file of its own"
                                   : "too many documents in one file");
            return fail_at(parser, &place, err);
        }
        map_done(&parser->anchors);
        parser->anchors = (struct map){0};
        if (!build_node(parser, next.event, 1, &ret[count], err))
            return false;
        count++;
    }
    if (count == 0)
        ret[count++] = yaml_new_plain(
            parser->arena, "", &(struct yaml_node){.file = parser->file, .line = 1, .column = 1});
    *ret_count = count;
    return true;
}

/* libfyaml would also take UTF-16 and stop in silence at a wrong byte. */
static bool check_utf8(struct str text, const char *file, struct err *err)
{
    uint32_t line = 1;

    while (text.len > 0) {
        size_t len = str_utf8_len(text);
        if (len == 0)
            return err_set(err, ERR_INVALID, "%s:%u: not UTF-8; save the file as UTF-8", file,
                           line);
        line += text.ptr[0] == '\n';
        text = str_sub(text, len, text.len);
    }
    return true;
}

static bool parse(struct str text, const char *file, const struct yaml_limits *limits,
                  struct arena *arena, size_t max, struct yaml_node **ret, size_t *ret_count,
                  struct err *err)
{
    AUTO(parser_done)
    struct parser parser = {.arena = arena, .limits = yaml_limits_or_default(limits)};

    parser.file = arena_text(arena, file);
    if (text.len > parser.limits.bytes)
        return err_set(err, ERR_LIMIT, "%s: larger than %zu KiB; a compose file is smaller", file,
                       parser.limits.bytes / 1024);
    if (!check_utf8(text, file, err))
        return false;
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    parser.diag = fy_diag_create(&diag_cfg);
    assert(parser.diag != NULL);
    fy_diag_set_collect_errors(parser.diag, true);
    const struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2,
                                     .diag = parser.diag};
    parser.events = fy_parser_create(&cfg);
    assert(parser.events != NULL);
    if (fy_parser_set_string(parser.events, text.len == 0 ? "" : text.ptr, text.len) != 0)
        return err_set(err, ERR_INVALID, "%s: not YAML", file);
    return build_stream(&parser, max, ret, ret_count, err);
}

bool yaml_parse(struct str text, const char *file, const struct yaml_limits *limits,
                struct arena *arena, struct yaml_node **ret, struct err *err)
{
    struct yaml_node *root;
    size_t count;

    if (!parse(text, file, limits, arena, 1, &root, &count, err))
        return false;
    *ret = root;
    return true;
}

bool yaml_parse_all(struct str text, const char *file, const struct yaml_limits *limits,
                    struct arena *arena, struct yaml_node ***ret, size_t *ret_count,
                    struct err *err)
{
    struct yaml_node **roots = ARENA_ARRAY(arena, struct yaml_node *, YAML_DOCUMENTS_MAX);

    if (!parse(text, file, limits, arena, YAML_DOCUMENTS_MAX, roots, ret_count, err))
        return false;
    *ret = roots;
    return true;
}
