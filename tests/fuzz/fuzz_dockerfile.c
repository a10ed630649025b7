/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/dockerfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every text is one line, steps stay in their limit, and nothing is there before a stage begins
 * but its steps. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_done) struct arena arena = {0};
    struct dockerfile file;

    dockerfile_parse(str_from(data, size), &arena, &file);
    assert(file.steps.count <= DOCKERFILE_STEPS_MAX);
    for (size_t i = 0; i < file.steps.count; i++)
        assert(file.steps.items[i][0] != '\0' && strncmp(file.steps.items[i], "<<", 2) != 0);
    assert(file.command == NULL || file.command[0] != '\0');
    assert(file.workdir == NULL || file.workdir[0] == '/');
    return 0;
}
