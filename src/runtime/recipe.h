/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipes: what stands in for a well-known image when there is no image, one
 * YAML file each in images/. Read once, when the runtime is made; they live in
 * its arena. docs of the format: the comment at the head of images/postgres.yaml.
 */
#pragma once

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "runtime/runtime.h"

struct err;

enum { RECIPE_COUNT_MAX = 100, RECIPE_BYTES_MAX = 64 * 1024 };

/* Where the library of a script is inside. */
#define RECIPE_LIBRARIES "/usr/local/lib"

struct recipe {
    const char *name;
    struct compose_texts match;    /* image names without registry defaults and tag */
    const char *package;           /* Debian package that has the programs */
    const char *find;              /* "/usr/lib/postgresql/{version}/bin/postgres": the program
                                      whose being there makes the recipe usable */
    struct compose_texts versions; /* tags' first number that are served; empty: any, unless
                                      <find> has {version} */
    const char *user;
    struct compose_texts uids; /* its numbers, and its group's, in the image */
    const char *home;
    const char *working_dir;
    const char *script; /* file in images/, seen as <script_target> inside; NULL: none */
    const char *script_target;
    const char *library;       /* the same, seen in RECIPE_LIBRARIES; NULL: none */
    struct compose_texts path; /* before the usual PATH */
    struct compose_texts entrypoint;
    struct compose_texts command;
    struct compose_pairs environment;
    struct compose_texts folders; /* made in the root, owned by the instance's user */
    struct compose_pairs links;   /* made in the root: a path inside -> where it leads */
    struct runtime_image image;
};

struct recipes {
    struct recipe *items;
    size_t count;
};

/* Reads every *.yaml of <folder>, in the order of their names. */
MUST_CHECK bool recipes_load(const char *folder, struct arena *arena, struct recipes *ret,
                             struct err *err);

/* One recipe; <file> is its name in errors: "postgres.yaml:3:1: unknown key 'enviroment'". */
MUST_CHECK bool recipe_parse(struct str text, const char *file, struct arena *arena,
                             struct recipe *ret, struct err *err);

/* "docker.io/library/postgres:15-alpine@sha256:.." is name "postgres" and tag "15-alpine" (empty:
 * none). */
void recipe_split_image(struct str image, struct str *ret_name, struct str *ret_tag);

/* The recipe of <image>, or NULL. */
const struct recipe *recipes_find(const struct recipes *recipes, const char *image);

/* Which version of it this machine has for <image>'s tag: its text goes in place of {version} in
 * path, entrypoint and command; "" when the recipe has none. ERR_NOT_FOUND names the package,
 * ERR_INVALID the versions that are there. */
MUST_CHECK bool recipe_find_version(const struct recipe *recipe, const char *image,
                                    struct arena *arena, const char **ret, struct err *err);

/* What runs <service>: a recipe and its version, or, with <ret> NULL, its own build or command.
 * ERR_NOT_FOUND when nothing does. */
MUST_CHECK bool recipes_match(const struct recipes *recipes, const struct compose_service *service,
                              struct arena *arena, const struct recipe **ret,
                              const char **ret_version, struct err *err);

/* <text> with {version} replaced. */
const char *recipe_expand(struct arena *arena, const char *text, const char *version);
