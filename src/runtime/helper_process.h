/* SPDX-License-Identifier: Apache-2.0
 *
 * A function that takes long, such as a copy of many files, in a process of its
 * own: a fork of this one that never returns from it.
 */
#pragma once

#include "base/base.h"
#include "io/loop.h"

struct err;

/* Runs in the other process; may only read what it was given and make system calls. */
typedef bool helper_process_fn(void *arg, struct err *err);
/* <err> is NULL on success. */
typedef void helper_process_done_fn(void *arg, const struct err *err);

/* Calls <done> later, once. */
MUST_CHECK bool helper_process_start(struct loop *loop, helper_process_fn *fn,
                                     helper_process_done_fn *done, void *arg, struct err *err);
