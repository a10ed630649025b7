/* SPDX-License-Identifier: Apache-2.0
 *
 * What a Dockerfile says about how a program is built and run, as far as it can
 * be read without running it: its steps in the order of their lines, and folder
 * and command of the last stage. Only `check` reads it, to propose a start.
 */
#pragma once

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "compose/model.h"

enum { DOCKERFILE_BYTES_MAX = 256 * 1024, DOCKERFILE_STEPS_MAX = 100 };

struct dockerfile {
    const char *from;           /* image of the last stage; NULL: there is no stage */
    const char *workdir;        /* absolute; NULL: none given */
    const char *command;        /* a line of shell: entry point and command; NULL: none */
    struct compose_texts steps; /* RUN, of all stages, as lines of shell */
};

/* Texts belong to <arena>. Takes what it understands and leaves out the rest. */
void dockerfile_parse(struct str text, struct arena *arena, struct dockerfile *ret);
