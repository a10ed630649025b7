/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "runtime/build_environment.h"

enum { CALLER_MAX = 200 };

static const char *const taken[] = {
    "HTTP_PROXY",   "HTTPS_PROXY",    "NO_PROXY",          "ALL_PROXY",           "http_proxy",
    "https_proxy",  "no_proxy",       "all_proxy",         "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE",
    "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"};
static const char *const taken_prefixes[] = {"PIP_", "npm_config_", "NPM_CONFIG_"};

static bool is_taken(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        if (str_is(name, taken[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(taken_prefixes); i++)
        if (str_starts(name, str_of(taken_prefixes[i])))
            return true;
    return false;
}

static void add(struct compose_pairs *pairs, const char *key, const char *value)
{
    pairs->items[pairs->count++] = (struct compose_pair){key, value};
}

struct compose_pairs build_environment(const struct build_spec *spec, struct arena *arena)
{
    const struct compose_pairs *args = &spec->service->build.args;
    struct compose_pairs ret = {
        .items = ARENA_ARRAY(arena, struct compose_pair, args->count + CALLER_MAX + 8)};

    for (size_t i = 0; i < args->count; i++)
        if (args->items[i].value != NULL)
            add(&ret, arena_text(arena, args->items[i].key),
                arena_text(arena, args->items[i].value));
    for (size_t i = 0; spec->caller_environment != NULL && spec->caller_environment[i] != NULL &&
                       ret.count < args->count + CALLER_MAX;
         i++) {
        struct str value = str_of(spec->caller_environment[i]);
        struct str name = str_cut(&value, '=');
        if (value.ptr != NULL && is_taken(name))
            add(&ret, arena_str(arena, name), arena_str(arena, value));
    }
    add(&ret, "HOME", "/cache");
    add(&ret, "TMPDIR", "/cache/.tmp");
    add(&ret, "LANG", "C.UTF-8");
    return ret;
}
