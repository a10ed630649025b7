/* SPDX-License-Identifier: Apache-2.0
 *
 * What the libraries that are loaded before libc have in common: the memory that they share with
 * the test (lib/shim.py), which is the file FAULTS. A program other than FAULTS_IN is left alone.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The first <bytes> of it; NULL: this program is left alone. */
static inline void *shim_map(size_t bytes)
{
    const char *path = getenv("FAULTS"), *program = getenv("FAULTS_IN");
    int fd;

    if (path == NULL || program == NULL || strcmp(program, program_invocation_short_name) != 0 ||
        (fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
        return NULL;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return memory == MAP_FAILED ? NULL : memory;
}
