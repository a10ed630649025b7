/* SPDX-License-Identifier: Apache-2.0
 *
 * The files that the edge's table was made of: certificates, passwords, pages,
 * folders. They change under our feet, so they are looked at now and then, and
 * when one has become another the table is made again. One that is missing
 * changes nothing: it may be about to be replaced. While a folder is missing
 * the table stays as it is.
 */
#pragma once

#include "base/base.h"

struct compose;
struct daemon;
struct edge_sources;

/* A new table is being made: forgets those of the one before. */
void edge_sources_begin(struct daemon *daemon);
/* Notes what <compose> names, before it is read. */
void edge_sources_note(struct daemon *daemon, const struct compose *compose);
bool edge_sources_changed(const struct daemon *daemon);
void edge_sources_free(struct edge_sources *sources); /* takes NULL */
