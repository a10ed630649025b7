/* SPDX-License-Identifier: Apache-2.0
 *
 * The variables this process was started with.
 */
#pragma once

/* NULL when <name> is not set or empty. Belongs to the process. */
const char *environment_find(const char *name);
