/* SPDX-License-Identifier: Apache-2.0
 *
 * SipHash-1-3 (Aumasson and Bernstein) with a key drawn once per process: a
 * table fed from outside cannot be made to collide. Not stable across runs.
 */
#pragma once

#include "base/base.h"

uint64_t hash_bytes(const void *bytes, size_t len);
