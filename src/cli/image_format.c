/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "base/map.h"
#include "cli/looking_format.h"
#include "cli/ps_format.h"
#include "cli/text_table.h"
#include "json/json.h"

enum { ID_SHOWN = 12 };

#if defined(__aarch64__)
static const char platform[] = "linux/arm64";
#elif defined(__x86_64__)
static const char platform[] = "linux/amd64";
#else
static const char platform[] = "linux";
#endif

/* clang-format off */
static const struct text_table_column columns[] = {
    {.header = "CONTAINER", .shrinks = true},
    {.header = "REPOSITORY", .shrinks = true},
    {.header = "TAG", .shrinks = true},
    {.header = "PLATFORM", .drops = 3},
    {.header = "IMAGE ID", .drops = 2},
    {.header = "SIZE"},
    {.header = "CREATED", .drops = 1},
    {.header = "RUN BY", .shrinks = true},
};
/* clang-format on */

/* What is printed about one image. */
struct image {
    const char *repository;
    const char *tag;
    const char *id; /* key of the tree, or "PostgreSQL-15" */
    bool is_key;
    const char *run_by; /* what takes its place */
    uint64_t bytes;
    int64_t made_ms;
};

/* "registry:5000/team/shop:1.2@sha256:..." is "registry:5000/team/shop" and "1.2". */
static void split_name(const char *text, struct arena *arena, struct image *ret)
{
    struct str name = str_of(text);

    name = str_sub(name, 0, str_find(name, '@'));
    size_t slash = str_find_last(name, '/');
    size_t colon = str_find_last(name, ':');
    bool has_tag = colon < name.len && (slash == name.len || colon > slash);
    ret->repository = arena_str(arena, str_sub(name, 0, has_tag ? colon : name.len));
    ret->tag = has_tag ? arena_str(arena, str_sub(name, colon + 1, name.len)) : "latest";
}

static void fill_tree(const struct images_view *view, const char *tree, struct image *ret)
{
    const char *slash = strrchr(tree, '/');
    struct stat st;

    ret->id = slash == NULL ? tree : slash + 1;
    ret->is_key = true;
    ret->run_by = "built tree";
    ret->bytes = view->tree_bytes(tree);
    if (stat(tree, &st) == 0)
        ret->made_ms = (int64_t)st.st_mtim.tv_sec * 1000;
}

static struct image describe(const struct images_view *view, const json_t *row, struct arena *arena)
{
    struct image image = {.made_ms = (int64_t)json_find_u64(row, "created_ms", 0)};
    const char *name = json_find_text(row, "image", NULL);
    const char *recipe = json_find_text(row, "stand_in", NULL);
    const char *version = json_find_text(row, "version", "");
    const char *tree = json_find_text(row, "tree", NULL);

    if (name == NULL)
        name = arena_printf(arena, "%s-%s", view->system, json_find_text(row, "service", "?"));
    split_name(name, arena, &image);
    if (tree != NULL) {
        fill_tree(view, tree, &image);
    } else if (recipe != NULL) {
        image.id = version[0] == '\0' ? recipe : arena_printf(arena, "%s-%s", recipe, version);
        image.run_by = arena_printf(arena, "%s%s%s (%s)", recipe, version[0] == '\0' ? "" : " ",
                                    version, json_find_text(row, "package", "?"));
    } else {
        image.id = "machine";
        image.run_by = "the machine's programs";
    }
    return image;
}

static const json_t *rows_of(const struct images_view *view)
{
    return json_object_get(view->images, "images");
}

void images_format_table(const struct images_view *view, const struct term *term,
                         struct arena *arena, struct buf *ret)
{
    AUTO(text_table_done) struct text_table table = {0};
    size_t i;
    const json_t *row;

    text_table_init(&table, columns, ARRAY_LEN(columns));
    json_array_foreach(rows_of(view), i, row)
    {
        struct image image = describe(view, row, arena);
        AUTO(buf_done) struct buf size = {0};
        AUTO(buf_done) struct buf age = {0};

        size_format_decimal(image.bytes, &size);
        ps_format_age(view->now_ms > image.made_ms ? (uint64_t)(view->now_ms - image.made_ms) : 0,
                      &age);
        buf_add_text(&age, " ago");
        looking_add_cell(&table, arena, json_find_text(row, "name", "?"));
        looking_add_cell(&table, arena, image.repository);
        looking_add_cell(&table, arena, image.tag);
        looking_add_cell(&table, arena, platform);
        looking_add_cell(&table, arena,
                         image.is_key ? arena_printf(arena, "%.*s", ID_SHOWN, image.id) : image.id);
        looking_add_cell(&table, arena, buf_text(&size));
        looking_add_cell(&table, arena, buf_text(&age));
        looking_add_cell(&table, arena, image.run_by);
    }
    text_table_format(&table, term, ret);
}

void images_format_json(const struct images_view *view, struct arena *arena, struct buf *ret)
{
    AUTO(json_unref) json_t *list = json_array();
    size_t i;
    const json_t *row;

    json_array_foreach(rows_of(view), i, row)
    {
        struct image image = describe(view, row, arena);
        char made[CLOCK_TEXT_BYTES];

        clock_format_rfc3339(image.made_ms, made);
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s}", "ID", image.id,
                            "ContainerName", json_find_text(row, "name", ""), "Repository",
                            image.repository, "Tag", image.tag, "Platform", platform, "Size",
                            (json_int_t)image.bytes, "LastTagTime", made, "RunBy", image.run_by));
    }
    json_format(list, false, ret);
    buf_add_char(ret, '\n');
}

void images_format_ids(const struct images_view *view, struct arena *arena, struct buf *ret)
{
    AUTO(map_done) struct map seen = {0};
    static char mark;
    size_t i;
    const json_t *row;

    json_array_foreach(rows_of(view), i, row)
    {
        struct image image = describe(view, row, arena);
        if (map_set(&seen, str_of(image.id), &mark) == NULL)
            buf_addf(ret, "%s\n", image.id);
    }
}
