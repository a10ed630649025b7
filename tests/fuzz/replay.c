/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a fuzzer over the files of a folder: replay_NAME FOLDER. A file that
 * breaks a property ends the process by assert(), as under the fuzzer.
 */
#include "base/base.h"

#include <dirent.h>

#include "base/err.h"
#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const char *folder, const char *name)
{
    AUTO(buf_done) struct buf path = {0};
    AUTO(buf_done) struct buf bytes = {0};
    struct err err;

    buf_addf(&path, "%s/%s", folder, name);
    if (!file_read(buf_text(&path), 64U << 20, &bytes, &err)) {
        (void)fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    (void)LLVMFuzzerTestOneInput((const uint8_t *)buf_text(&bytes), bytes.len);
}

int main(int argc, char **argv)
{
    int files = 0;
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;

    if (dir == NULL) {
        (void)fprintf(stderr, "usage: %s FOLDER (of inputs)\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.') {
            replay(argv[1], entry->d_name);
            files++;
        }
    (void)closedir(dir);
    (void)printf("%d inputs replayed\n", files);
    return files > 0 ? 0 : 1;
}
