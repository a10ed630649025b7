/* SPDX-License-Identifier: Apache-2.0
 *
 * Making and reading releases. A candidate is made from the resolved project
 * that a caller sent; once its trees are built it is sealed (hashes) and stored,
 * and from then on it never changes.
 */
#pragma once

#include "control/system.h"

struct err;
struct runtime;
struct state;

/* A candidate with one reference: decoded, each service matched with what can
 * run it. */
MUST_CHECK struct release *release_new(struct str config, const char *directory,
                                       struct runtime *runtime, struct err *err);

/* Gives <release>, which was made of the same text, the trees and contents of <former>. */
void release_take_over(struct release *release, const struct release *former);
/* The same for one service. */
void release_take_service(struct release *release, size_t service,
                          const struct release_service *from);

/* Computes the hashes. A service whose configuration is that of <former> (NULL: none) keeps its
 * hash and so its instances; one in <fresh>, or any when <all_fresh>, gets a hash that no instance
 * has. */
void release_seal(struct release *release, const struct release *former, uid_t uid,
                  const struct compose_texts *fresh, bool all_fresh);

/* Would running <a> and <b> differ in nothing? */
bool release_is_same(const struct release *a, const struct release *b);

MUST_CHECK bool release_store(struct release *release, struct state *state, const char *system,
                              const char *note, struct err *err);

/* Reads release <number> of <system> back. */
MUST_CHECK struct release *release_read(struct state *state, const char *system,
                                        const char *directory, uint32_t number,
                                        struct runtime *runtime, struct err *err);
