/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole way of a file: it goes through a pipe as standard input. */
#include "base/base.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "compose/load.h"
#include "json/json.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct compose_diags diags;
    static const char *const files[] = {"-"};
    static char variable[] = "A=1";
    static char home[] = "HOME=/home/x";
    static char *const environment[] = {variable, home, NULL};
    AUTO(arena_done) struct arena arena = {0};
    AUTO(json_unref) json_t *resolved = NULL;
    const struct compose_options options = {.files = files,
                                            .file_count = 1,
                                            .project_name = "fuzz",
                                            .environment = environment,
                                            .working_dir = "/proc/self/fdinfo"};
    struct compose *compose;
    struct err err = {0};

    put_on_stdin(str_from(data, size));
    if (compose_load(&options, &arena, &compose, &resolved, &diags, &err)) {
        assert(diags.error_count == 0);
        check_again(compose, resolved, &arena);
    } else {
        assert(err.code != ERR_NONE && err.text[0] != '\0' && diags.error_count > 0);
    }
    return 0;
}
