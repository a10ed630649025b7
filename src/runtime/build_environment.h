/* SPDX-License-Identifier: Apache-2.0
 *
 * The environment of build steps: what package clients need to reach their
 * servers from this machine, and the build arguments.
 */
#pragma once

#include "base/arena.h"
#include "runtime/runtime.h"

/* The build arguments, then of the caller's environment proxies, certificates and package clients'
 * settings, then the cache folder as HOME. */
struct compose_pairs build_environment(const struct build_spec *spec, struct arena *arena);
