/* SPDX-License-Identifier: Apache-2.0
 *
 * What happened, counted: by kind, and by the version that answered.
 */
#include "base/base.h"

#include <stdio.h>

#include "load.h"
#include "json/json.h"

/* A version of the service, as its answers name it. */
struct version {
    char text[VERSION_BYTES];
    uint64_t answers;
    uint64_t failed;
    int64_t first_ms;        /* wall clock of the first answer */
    int64_t last_ms;         /* of the last one */
    int64_t last_started_ms; /* when the last request that it answered was due */
};

static const char *const kind_names[] = {[KIND_KEEPALIVE] = "keepalive",
                                         [KIND_FRESH] = "fresh",
                                         [KIND_HTTP2] = "http2",
                                         [KIND_UPLOAD] = "upload",
                                         [KIND_WEBSOCKET] = "websocket"};
static const char *const outcome_names[] = {
    [OUTCOME_OK] = "ok",         [OUTCOME_STATUS] = "status",   [OUTCOME_REFUSED] = "refused",
    [OUTCOME_CLOSED] = "closed", [OUTCOME_TIMEOUT] = "timeout", [OUTCOME_BAD] = "bad",
    [OUTCOME_CLIENT] = "client"};

const char *kind_name(enum kind_id id)
{
    return kind_names[id];
}

/* xorshift: who goes when, nothing secret. */
uint64_t load_random(struct load *load, uint64_t below)
{
    load->random ^= load->random << 13;
    load->random ^= load->random >> 7;
    load->random ^= load->random << 17;
    return load->random % below;
}

void version_copy(struct str text, char *ret)
{
    size_t len = MIN(text.len, (size_t)VERSION_BYTES - 1);

    memset(ret, 0, VERSION_BYTES);
    if (len > 0)
        memcpy(ret, text.ptr, len);
}

static void print_line(json_t *line)
{
    AUTO(buf_done) struct buf out = {0};

    json_format(line, false, &out);
    buf_add_char(&out, '\n');
    (void)fputs(buf_text(&out), stdout);
    (void)fflush(stdout);
    json_decref(line);
}

void load_begin(struct kind *kind, uint64_t due_ns)
{
    kind->started++;
    kind->open++;
    if (loop_now_ns(kind->load->loop) > due_ns + LATE_NS)
        kind->late++;
}

static struct version *version_get(struct load *load, const char *text)
{
    struct version *version = map_find(&load->versions, str_of(text));

    if (version != NULL || load->version_count >= VERSIONS_MAX)
        return version;
    version = mem_new(sizeof *version);
    version_copy(str_of(text), version->text);
    version->first_ms = clock_wall_ms();
    (void)map_set(&load->versions, str_of(text), version);
    load->version_count++;
    print_line(json_pack("{s:s, s:o, s:I}", "event", "version", "version",
                         json_from_bytes(str_of(text)), "time_ms", version->first_ms));
    return version;
}

static void note_version(struct kind *kind, const struct ending *ending, uint64_t took_ns)
{
    if (ending->version == NULL || ending->version[0] == '\0')
        return;
    struct version *version = version_get(kind->load, ending->version);
    if (version == NULL)
        return;
    version->answers++;
    version->failed += ending->outcome != OUTCOME_OK;
    version->last_ms = clock_wall_ms();
    if (kind->id == KIND_KEEPALIVE || kind->id == KIND_FRESH)
        version->last_started_ms =
            MAX(version->last_started_ms, version->last_ms - (int64_t)(took_ns / NS_PER_MS));
}

static void show_failure(struct kind *kind, const struct ending *ending, uint64_t took_ns)
{
    if (kind->load->failures_shown++ >= FAILURES_SHOWN)
        return;
    print_line(json_pack("{s:s, s:s, s:s, s:i, s:o, s:s, s:I, s:I}", "event", "failed", "kind",
                         kind_names[kind->id], "outcome", outcome_names[ending->outcome], "status",
                         ending->status, "version",
                         json_from_bytes(str_of(ending->version == NULL ? "" : ending->version)),
                         "why", ending->why == NULL ? "" : ending->why, "time_ms", clock_wall_ms(),
                         "took_ms", (json_int_t)(took_ns / NS_PER_MS)));
}

void load_end(struct kind *kind, const struct ending *ending)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t took_ns = now_ns > ending->due_ns ? now_ns - ending->due_ns : 0;
    struct ending own = *ending;

    /* Time that ran out while this process stood still says nothing about the server. */
    if (own.outcome == OUTCOME_TIMEOUT && kind->load->last_late_ns + NS_PER_SECOND > now_ns)
        own.outcome = OUTCOME_CLIENT;
    assert(kind->open > 0);
    kind->open--;
    kind->outcomes[own.outcome]++;
    note_version(kind, &own, took_ns);
    if (own.outcome != OUTCOME_OK) {
        show_failure(kind, &own, took_ns);
        return;
    }
    if (kind->id == KIND_WEBSOCKET)
        return; /* it lives as long as it is told to */
    kind->longest_ns = MAX(kind->longest_ns, took_ns);
    kind->latencies[MIN(took_ns / 100000, (uint64_t)LATENCY_SLOTS - 1)]++;
}

static double percentile_ms(const struct kind *kind, double share)
{
    uint64_t wanted = (uint64_t)((double)kind->outcomes[OUTCOME_OK] * share), seen = 0;

    for (size_t i = 0; i < LATENCY_SLOTS; i++) {
        seen += kind->latencies[i];
        if (seen > wanted)
            return (double)(i + 1) / 10;
    }
    return 0;
}

static json_t *kind_json(const struct kind *kind)
{
    json_t *root = json_pack(
        "{s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "started", (json_int_t)kind->started, "late",
        (json_int_t)kind->late, "messages", (json_int_t)kind->messages, "idle_closed",
        (json_int_t)kind->idle_closed, "p50_ms", percentile_ms(kind, 0.5), "p99_ms",
        percentile_ms(kind, 0.99), "longest_ms", (double)(kind->longest_ns / 100000) / 10);

    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        (void)json_object_set_new(root, outcome_names[i],
                                  json_integer((json_int_t)kind->outcomes[i]));
    return root;
}

void load_report(const struct load *load)
{
    json_t *kinds = json_object(), *versions = json_object();
    const struct map_entry *entry;

    for (size_t i = 0; i < KIND_COUNT; i++)
        if (load->kinds[i].started > 0)
            (void)json_object_set_new(kinds, kind_names[i], kind_json(&load->kinds[i]));
    for (size_t i = 0; (entry = map_next(&load->versions, &i)) != NULL;) {
        const struct version *version = entry->value;
        (void)json_object_set_new(
            versions, version->text,
            json_pack("{s:I, s:I, s:I, s:I, s:I}", "answers", (json_int_t)version->answers,
                      "failed", (json_int_t)version->failed, "first_ms", version->first_ms,
                      "last_ms", version->last_ms, "last_started_ms", version->last_started_ms));
    }
    print_line(json_pack("{s:s, s:o, s:o, s:f}", "event", "result", "kinds", kinds, "versions",
                         versions, "longest_stall_ms", (double)(load->stall_ns / 100000) / 10));
}

void load_done(struct load *load)
{
    const struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&load->versions, &i)) != NULL;)
        free(entry->value);
    map_done(&load->versions);
}
