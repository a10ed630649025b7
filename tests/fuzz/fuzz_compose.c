/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole way of a file: it goes through a pipe as standard input. What must hold:
 *     the project that was resolved resolves to itself, and so does what `config` prints of it;
 *     a file merged with itself gives the file, but for lists that append;
 *     a file takes at most SECONDS_MAX and MEMORY_BYTES_MAX. */
#include "base/base.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "compose/load.h"
#include "json/json.h"

/* A file of COMPOSE_FILE_BYTES whose aliases and variables grow to their limits; sanitizers and
 * a busy machine are in the time. */
enum { SECONDS_MAX = 10, MEMORY_BYTES_MAX = 512 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_on_stdin(struct str text)
{
    AUTO(fd_close) int fd = memfd_create("fuzz", MFD_CLOEXEC);

    assert(fd >= 0);
    ssize_t written = write(fd, text.ptr, text.len);
    assert(written == (ssize_t)text.len);
    off_t at = lseek(fd, 0, SEEK_SET);
    int moved = dup2(fd, STDIN_FILENO);
    assert(at == 0 && moved == STDIN_FILENO);
}

static bool load(struct str text, bool refuse, struct arena *arena, struct compose **ret,
                 json_t **ret_resolved, struct err *err)
{
    static struct compose_diags diags;
    static const char *const files[] = {"-"};
    static char variable[] = "A=1";
    static char home[] = "HOME=/home/x";
    static char *const environment[] = {variable, home, NULL};
    struct compose_uses uses = {0};
    const struct compose_options options = {.files = files,
                                            .file_count = 1,
                                            .project_name = "fuzz",
                                            .environment = environment,
                                            .working_dir = "/proc/self/fdinfo",
                                            .refuse = refuse,
                                            .uses = &uses};
    const uint64_t start = clock_now_ns();

    put_on_stdin(text);
    bool done = compose_load(&options, arena, ret, ret_resolved, &diags, err);
    assert(clock_now_ns() - start < SECONDS_MAX * 1000000000ULL);
    assert(arena->total_bytes < MEMORY_BYTES_MAX);
    assert(done ? diags.error_count == 0
                : err->code != ERR_NONE && err->text[0] != '\0' && diags.error_count > 0);
    for (size_t i = 0; i < uses.count; i++)
        assert(uses.items[i].path != NULL &&
               (uses.items[i].how != NULL || uses.items[i].support == SUPPORT_HONOURED));
    return done;
}

/* What a file resolved to resolves to itself. */
static void check_again(const struct compose *compose, const json_t *resolved, struct arena *arena)
{
    static struct compose_diags diags;
    AUTO(buf_done) struct buf text = {0};
    AUTO(json_unref) json_t *again = NULL;
    struct compose *model;
    struct err err;

    json_format(resolved, false, &text);
    bool done = compose_load_resolved(buf_str(&text), compose->working_dir, arena, &model, &again,
                                      &diags, &err);
    assert(done || err.code == ERR_LIMIT);
    assert(!done ||
           (json_equal(resolved, again) && model->service_count == compose->service_count));
}

/* What `config` prints, loaded, prints the same. The JSON of Compose has members (Path, Rate) that
 * no compose file may have, so that form is not read again where they are. */
static void check_printed(const json_t *resolved, enum compose_format format)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    AUTO(buf_done) struct buf text_again = {0};
    AUTO(json_unref) json_t *again = NULL;
    struct compose *model;
    struct err err = {0};

    compose_format(resolved, format, true, &text);
    if (text.len > COMPOSE_FILE_BYTES || strstr(buf_text(&text), "\"Path\"") != NULL)
        return;
    bool done = load(buf_str(&text), false, &arena, &model, &again, &err);
    assert(done);
    compose_format(again, format, true, &text_again);
    assert(str_eq(buf_str(&text), buf_str(&text_again)));
}

/* Everything but lists that append is as before; what is in a list stays in it. */
static void check_doubled(const json_t *once, const json_t *twice)
{
    const char *key;
    json_t *member;

    assert(json_typeof(once) == json_typeof(twice));
    if (json_is_array(once)) {
        assert(json_array_size(once) <= json_array_size(twice));
        return;
    }
    if (!json_is_object(once)) {
        assert(json_equal(once, twice));
        return;
    }
    assert(json_object_size(once) == json_object_size(twice));
    json_object_foreach((json_t *)(uintptr_t)once, key, member)
    {
        const json_t *other = json_object_get(twice, key);
        assert(other != NULL);
        check_doubled(member, other);
    }
}

/* The file twice, as two documents. */
static void check_merged(struct str text, const json_t *resolved)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf both = {0};
    AUTO(json_unref) json_t *again = NULL;
    struct compose *model;
    struct err err = {0};

    if (memchr(text.ptr, '!', text.len) != NULL || memmem(text.ptr, text.len, "---", 3) != NULL ||
        memmem(text.ptr, text.len, "...", 3) != NULL || text.ptr[0] == '%')
        return; /* tags and documents of its own are not merged with themselves */
    buf_add_str(&both, text);
    buf_add_text(&both, "\n---\n");
    buf_add_str(&both, text);
    if (load(buf_str(&both), false, &arena, &model, &again, &err))
        check_doubled(resolved, again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(arena_done) struct arena strict_arena = {0};
    AUTO(json_unref) json_t *resolved = NULL;
    AUTO(json_unref) json_t *strict = NULL;
    struct str text = str_from(data, size);
    struct compose *compose;
    struct err err = {0};

    if (load(text, true, &strict_arena, &compose, &strict, &err))
        check_again(compose, strict, &strict_arena);
    err = (struct err){0};
    if (!load(text, false, &arena, &compose, &resolved, &err)) {
        assert(strict == NULL);
        return 0;
    }
    assert(strict == NULL || json_equal(strict, resolved));
    check_printed(resolved, COMPOSE_FORMAT_YAML);
    check_printed(resolved, COMPOSE_FORMAT_JSON);
    if (size > 0)
        check_merged(text, resolved);
    return 0;
}
