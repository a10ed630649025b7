/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/h2_guard.h"

enum frame_type {
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_PRIORITY = 2,
    FRAME_RST_STREAM = 3,
    FRAME_SETTINGS = 4,
    FRAME_PING = 6,
    FRAME_WINDOW_UPDATE = 8,
    FRAME_CONTINUATION = 9,
    FRAME_PRIORITY_UPDATE = 16,
};

enum {
    FLAG_END_STREAM = 1,
    FLAG_END_HEADERS = 4,
    FLAG_PADDED = 8,
    PRIORITY_BYTES = 5,
    KNOWN_STREAMS = 64
};

struct limit {
    uint32_t at_once;
    uint32_t a_second;
};

/* A browser that leaves a page resets a hundred streams. No minute can have a thousand resets. */
static const struct limit limits[H2_COSTS] = {
    [H2_COST_RESET] = {200, 10},
    [H2_COST_OWN_RESET] = {100, 5},
    [H2_COST_SETTINGS] = {50, 2},
    [H2_COST_PING] = {500, 20},
    [H2_COST_EMPTY] = {100, 10},
    [H2_COST_WINDOW] = {5000, 500},
    [H2_COST_SMALL] = {1000, 50},
    [H2_COST_OTHER] = {1000, 50},
    [H2_COST_CONTINUATION] = {H2_MAX_CONTINUATIONS, 0},
};

bool h2_guard_spend(struct h2_guard *guard, enum h2_cost kind, uint32_t now_ms)
{
    struct h2_bucket *bucket = &guard->buckets[kind];
    uint64_t leaked = (uint64_t)(now_ms - bucket->at_ms) * limits[kind].a_second;

    bucket->used -= (uint32_t)MIN(leaked, (uint64_t)bucket->used);
    bucket->at_ms = now_ms;
    if (bucket->used + 1000 > limits[kind].at_once * 1000)
        return false;
    bucket->used += 1000;
    return true;
}

void h2_guard_refund(struct h2_guard *guard, enum h2_cost kind, uint32_t count)
{
    struct h2_bucket *bucket = &guard->buckets[kind];

    bucket->used -= MIN(count * 1000, bucket->used);
}

static uint32_t payload_bytes(const struct h2_guard *guard)
{
    return (uint32_t)guard->head[0] << 16 | (uint32_t)guard->head[1] << 8 | guard->head[2];
}

/* How much of the frame is looked at. */
static uint8_t seen_bytes(const struct h2_guard *guard)
{
    uint8_t type = guard->head[3];

    if (guard->head_len < H2_FRAME_HEAD_BYTES)
        return H2_FRAME_HEAD_BYTES;
    if ((type == FRAME_PRIORITY && payload_bytes(guard) == PRIORITY_BYTES) ||
        (type == FRAME_PRIORITY_UPDATE && payload_bytes(guard) >= sizeof(uint32_t)))
        return H2_FRAME_SEEN_BYTES;
    if (type == FRAME_DATA && (guard->head[4] & FLAG_PADDED) != 0 && payload_bytes(guard) > 0)
        return H2_FRAME_HEAD_BYTES + 1; /* how much of it is padding */
    return H2_FRAME_HEAD_BYTES;
}

static enum h2_cost cost_of_block(struct h2_guard *guard, bool is_first)
{
    bool ended = (guard->head[4] & FLAG_END_HEADERS) != 0;

    guard->in_block = !ended;
    guard->continuations = is_first ? 0 : (uint8_t)(guard->continuations + 1);
    if (guard->continuations > H2_MAX_CONTINUATIONS)
        return H2_COST_CONTINUATION;
    return guard->left == 0 && !ended ? H2_COST_EMPTY : H2_COST_NONE;
}

static uint32_t read_id(const uint8_t *at)
{
    return (uint32_t)(at[0] & 0x7f) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void note_new_stream(struct h2_guard *guard, uint32_t id)
{
    uint32_t steps = (id - guard->last_id) / 2;
    bool all_new = guard->last_id == 0 || steps >= KNOWN_STREAMS;

    guard->opened = (all_new ? 0 : guard->opened << steps) | 1;
    guard->ended = all_new ? 0 : guard->ended << steps;
    guard->last_id = id;
}

/* DATA, HEADERS and RST_STREAM: may they be on their stream? */
static enum h2_cost check_stream(struct h2_guard *guard, uint8_t type)
{
    uint32_t id = read_id(guard->head + 5);

    if (id % 2 == 0)
        return H2_COST_NONE; /* the library knows what to do */
    if (type == FRAME_HEADERS && id > guard->last_id)
        note_new_stream(guard, id);
    uint32_t steps = (guard->last_id - id) / 2;
    if (id > guard->last_id || steps >= KNOWN_STREAMS)
        return H2_COST_NONE;
    uint64_t bit = UINT64_C(1) << steps;
    if (type == FRAME_RST_STREAM) {
        guard->ended |= bit;
        return H2_COST_NONE;
    }
    if ((guard->ended & bit) != 0)
        return H2_COST_CLOSED;
    if ((guard->opened & bit) == 0)
        return H2_COST_PROTOCOL;
    if ((guard->head[4] & FLAG_END_STREAM) != 0)
        guard->ended |= bit;
    return H2_COST_NONE;
}

/* The tree of RFC 7540 is not kept; what it forbade is still refused. */
static enum h2_cost check_priority(const struct h2_guard *guard)
{
    uint32_t id = read_id(guard->head + 5);
    bool on_itself =
        guard->head_len == H2_FRAME_SEEN_BYTES && id == read_id(guard->head + H2_FRAME_HEAD_BYTES);

    return id == 0 || on_itself ? H2_COST_PROTOCOL : H2_COST_NONE;
}

/* RFC 9218, 7.1. */
static enum h2_cost check_priority_update(const struct h2_guard *guard)
{
    bool of_none =
        guard->head_len == H2_FRAME_SEEN_BYTES && read_id(guard->head + H2_FRAME_HEAD_BYTES) == 0;

    return of_none ? H2_COST_PROTOCOL : H2_COST_NONE;
}

static enum h2_cost check_frame(struct h2_guard *guard)
{
    uint8_t type = guard->head[3];

    if (type == FRAME_PRIORITY)
        return check_priority(guard);
    if (type == FRAME_PRIORITY_UPDATE)
        return check_priority_update(guard);
    if (!guard->from_target &&
        (type == FRAME_DATA || type == FRAME_HEADERS || type == FRAME_RST_STREAM))
        return check_stream(guard, type);
    return H2_COST_NONE;
}

/* Nothing but padding is nothing. */
static enum h2_cost cost_of_data(const struct h2_guard *guard)
{
    bool padded = guard->head_len > H2_FRAME_HEAD_BYTES;
    uint32_t padding = padded ? guard->head[H2_FRAME_HEAD_BYTES] : 0;

    return guard->left <= padding && (guard->head[4] & FLAG_END_STREAM) == 0 ? H2_COST_EMPTY
                                                                             : H2_COST_NONE;
}

/* Of the frame whose header is complete. */
static enum h2_cost cost_of_frame(struct h2_guard *guard)
{
    switch (guard->head[3]) {
    case FRAME_DATA:
        return cost_of_data(guard);
    case FRAME_HEADERS:
        return cost_of_block(guard, true);
    case FRAME_CONTINUATION:
        return cost_of_block(guard, false);
    case FRAME_RST_STREAM:
        return H2_COST_RESET;
    case FRAME_SETTINGS:
        return H2_COST_SETTINGS;
    case FRAME_PING:
        return H2_COST_PING;
    case FRAME_WINDOW_UPDATE:
        return H2_COST_WINDOW;
    default:
        return H2_COST_OTHER;
    }
}

/* The header of a frame has come. A frame that is too long ends the connection in the library. */
static enum h2_cost begin_frame(struct h2_guard *guard, uint32_t now_ms)
{
    guard->left = payload_bytes(guard) - (uint32_t)(guard->head_len - H2_FRAME_HEAD_BYTES);
    enum h2_cost kind = check_frame(guard);

    if (kind == H2_COST_NONE)
        kind = cost_of_frame(guard);
    if (kind == H2_COST_CONTINUATION || kind >= H2_COSTS)
        return kind;
    return h2_guard_spend(guard, kind, now_ms) ? H2_COST_NONE : kind;
}

enum h2_cost h2_guard_read(struct h2_guard *guard, const void *bytes, size_t len, uint32_t now_ms)
{
    const uint8_t *at = bytes, *end = at + len;

    size_t skipped = MIN(len, (size_t)(H2_PREFACE_BYTES - guard->preface));
    guard->preface = (uint8_t)(guard->preface + skipped);
    at += skipped;
    while (at < end) {
        if (guard->head_len >= seen_bytes(guard)) {
            uint32_t used = (uint32_t)MIN((uint64_t)guard->left, (uint64_t)(end - at));
            at += used;
            guard->left -= used;
        } else {
            guard->head[guard->head_len++] = *at++;
            enum h2_cost verdict =
                guard->head_len < seen_bytes(guard) ? H2_COST_NONE : begin_frame(guard, now_ms);
            if (verdict != H2_COST_NONE)
                return verdict;
        }
        if (guard->head_len >= seen_bytes(guard) && guard->left == 0)
            guard->head_len = 0;
    }
    return H2_COST_NONE;
}

bool h2_guard_is_waiting(const struct h2_guard *guard)
{
    if (guard->preface < H2_PREFACE_BYTES || guard->in_block)
        return true;
    if (guard->head_len < H2_FRAME_HEAD_BYTES)
        return guard->head_len > 0;
    return guard->head[3] != FRAME_DATA;
}
