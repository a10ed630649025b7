/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader of request heads beside llhttp, the one of Node.js: `llhttp_compare COUNT FILE...`
 * cuts, doubles, swaps and overwrites pieces of the FILEs COUNT times, always in the same way,
 * gives each result to both and prints, for each way in which they differ, a line
 *
 *     KIND<tab>NUMBER<tab>OURS<tab>THEIRS<tab>EXAMPLE
 *
 * KIND is "stricter" (only we refuse it: OURS is our reason), "laxer" (only they do: THEIRS is
 * their reason) or "different" (both take it, and read OURS something else in it). The last line is
 * "equal<tab>NUMBER".
 */
#include "base/base.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http1.h"
#include "llhttp_read.h"

enum {
    BYTES_MAX = 4096,
    SEEDS_MAX = 256,
    KINDS_MAX = 256,
    EXAMPLE_BYTES = 160,
};

struct bytes {
    char ptr[BYTES_MAX];
    size_t len;
};

static struct bytes seeds[SEEDS_MAX];
static size_t seed_count;
static struct {
    char key[300];
    char example[EXAMPLE_BYTES * 4 + 1];
    unsigned long count;
} kinds[KINDS_MAX];
static size_t kind_count;
static uint64_t random_state = 0x9E3779B97F4A7C15;

static uint64_t next_random(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

/* ---- ours ---- */

static const char *read_ours(const struct bytes *bytes, struct reading *ret)
{
    static struct http1_head head;
    const char *why = "more";
    char line[128];

    *ret = (struct reading){.len = 0};
    if (http1_parse_request(str_from(bytes->ptr, bytes->len), &head, &why) != HTTP1_DONE)
        return why;
    reading_add(ret, head.target.ptr, head.target.len);
    reading_add(ret, "\n", 1);
    for (size_t i = 0; i < head.header_count; i++) {
        reading_add(ret, head.headers[i].name.ptr, head.headers[i].name.len);
        reading_add(ret, "\n", 1);
        reading_add(ret, head.headers[i].value.ptr, head.headers[i].value.len);
        reading_add(ret, "\n", 1);
    }
    bool chunked = head.framing == HTTP_CHUNKED;
    int len = snprintf(line, sizeof line, STR_FMT " 1.%d %s %llu", STR_ARG(head.method_text),
                       head.minor_version, chunked ? "chunked" : "length",
                       chunked ? 0ULL : (unsigned long long)head.content_length);
    reading_add(ret, line, (size_t)len);
    return NULL;
}

/* ---- the differences ---- */

static void escape(const struct bytes *bytes, char *ret)
{
    for (size_t i = 0; i < MIN(bytes->len, (size_t)EXAMPLE_BYTES); i++) {
        unsigned char c = (unsigned char)bytes->ptr[i];
        if (c >= 0x20 && c < 0x7f && c != '\\')
            *ret++ = (char)c;
        else
            ret += snprintf(ret, 5, "\\x%02x", c);
    }
    *ret = '\0';
}

static void note(const char *kind, const char *ours, const char *theirs, const struct bytes *bytes)
{
    char key[300];
    size_t i = 0;

    snprintf(key, sizeof key, "%s\t%s\t%s", kind, ours, theirs);
    while (i < kind_count && strcmp(kinds[i].key, key) != 0)
        i++;
    if (i == KINDS_MAX)
        return;
    if (i == kind_count) {
        memcpy(kinds[i].key, key, sizeof key);
        escape(bytes, kinds[i].example);
        kind_count++;
    }
    kinds[i].count++;
}

/* True: they say the same. */
static bool compare(const struct bytes *bytes)
{
    static struct reading ours, theirs;
    const char *our_reason = read_ours(bytes, &ours),
               *their_reason = llhttp_read(bytes->ptr, bytes->len, &theirs);

    if (our_reason != NULL && their_reason != NULL)
        return true;
    if (our_reason != NULL)
        note("stricter", our_reason, "taken", bytes);
    else if (their_reason != NULL)
        note("laxer", "taken", their_reason, bytes);
    else if (ours.len == theirs.len && memcmp(ours.text, theirs.text, ours.len) == 0)
        return true;
    else
        note("different", "taken", "taken", bytes);
    return false;
}

/* ---- what they are given ---- */

static const char *const pieces[] = {
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    ":",
    ",",
    ";",
    "\0",
    "\x7f",
    "\xff",
    "\x0b",
    "%",
    "/",
    "*",
    "\r\n ",
    "\r\n\r\n",
    "chunked",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Host: b\r\n",
    "Connection: upgrade\r\nUpgrade: x\r\n",
    "HTTP/1.0",
    "HTTP/1.1",
    "HTTP/2.0",
    "0",
    "5",
    "+",
    "-",
    "identity",
    "gzip, ",
    "PUT",
    "http://c/",
    "Expect: 100-continue\r\n",
};

static void mutate(struct bytes *bytes)
{
    size_t at = next_random(bytes->len + 1), len = next_random(8);
    const char *piece = pieces[next_random(sizeof pieces / sizeof *pieces)];
    size_t piece_len = MAX(strlen(piece), 1);

    switch (next_random(5)) {
    case 0: /* one byte is another */
        if (at < bytes->len)
            bytes->ptr[at] = (char)next_random(256);
        break;
    case 1: /* some are missing */
        len = MIN(len, bytes->len - at);
        memmove(bytes->ptr + at, bytes->ptr + at + len, bytes->len - at - len);
        bytes->len -= len;
        break;
    case 2: /* a piece in the place of some */
        if (at + piece_len <= bytes->len)
            memcpy(bytes->ptr + at, piece, piece_len);
        break;
    default: /* a piece more */
        if (bytes->len + piece_len > BYTES_MAX)
            break;
        memmove(bytes->ptr + at + piece_len, bytes->ptr + at, bytes->len - at);
        memcpy(bytes->ptr + at, piece, piece_len);
        bytes->len += piece_len;
    }
}

static void read_seed(const char *path)
{
    FILE *file = fopen(path, "rb");

    if (file == NULL || seed_count == SEEDS_MAX) {
        fprintf(stderr, "llhttp_compare: cannot read '%s'\n", path);
        exit(2);
    }
    seeds[seed_count].len = fread(seeds[seed_count].ptr, 1, BYTES_MAX, file);
    seed_count++;
    fclose(file);
}

int main(int argc, char **argv)
{
    uint64_t count, equal = 0;

    if (argc < 3 || !str_to_u64(str_of(argv[1]), UINT32_MAX, &count)) {
        fputs("usage: llhttp_compare COUNT FILE...\n", stderr);
        return 2;
    }
    for (int i = 2; i < argc; i++)
        read_seed(argv[i]);
    for (uint64_t i = 0; i < count; i++) {
        static struct bytes bytes;
        bytes = seeds[i % seed_count];
        for (uint64_t times = i < seed_count ? 0 : 1 + next_random(3); times > 0; times--)
            mutate(&bytes);
        equal += compare(&bytes);
    }
    for (size_t i = 0; i < kind_count; i++) {
        const char *rest = strchr(kinds[i].key, '\t');
        printf("%.*s\t%lu%s\t%s\n", (int)(rest - kinds[i].key), kinds[i].key, kinds[i].count, rest,
               kinds[i].example);
    }
    printf("equal\t%lu\n", (unsigned long)equal);
    return 0;
}
