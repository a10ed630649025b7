/* SPDX-License-Identifier: Apache-2.0
 *
 * The body of POST .../up for `up` and `build`: the resolved file with what the
 * options change in it, and the options themselves.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "compose/model.h"

struct cli;
struct err;

/* --scale and --build-arg, in the model and in the resolved file. ERR_INVALID names what is wrong.
 */
MUST_CHECK bool up_request_apply(struct cli *cli, struct compose *compose, json_t *resolved,
                                 struct err *err);

/* The names of all services, in the file's order. */
const char *const *up_request_names(struct cli *cli, const struct compose *compose);

/* New reference. <only_build>: build, start nothing. */
json_t *up_request_make(const struct cli *cli, const struct compose *compose, json_t *resolved,
                        bool only_build) MUST_CHECK;
/* The same for what becomes a release: with the commit that the folder of the file is at. */
json_t *up_request_make_release(const struct cli *cli, const struct compose *compose,
                                json_t *resolved) MUST_CHECK;
