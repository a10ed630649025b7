/* SPDX-License-Identifier: Apache-2.0
 *
 * The small languages inside compose values: durations, sizes, ports, command
 * lines, volume shorthand. Text in, numbers out; nothing here reads a file.
 */
#pragma once

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

/* "1m30s", "1.5s", "500ms", "2h", units w d h m s ms us ns; "0" needs none. Not negative, at most
 * 100 years. Appends as Compose prints: "1m30s", "500ms", "0s". */
MUST_CHECK bool units_parse_duration(struct str text, uint64_t *ret_ns, struct err *err);
void units_format_duration(uint64_t ns, struct buf *ret);

/* "512m", "1.5gb", "64k", "1024", "20MiB": powers of 1024, at most 2^60 bytes. */
MUST_CHECK bool units_parse_bytes(struct str text, uint64_t *ret, struct err *err);

struct units_port {
    struct str host_ip;       /* empty: none */
    uint16_t published_first; /* 0: none given */
    uint16_t published_last;
    uint16_t target_first;
    uint16_t target_last;
    bool is_udp;
    bool is_sctp; /* neither: TCP */
};

/* "80", "8080:80", "127.0.0.1:9000-9001:90-91/udp", "[::1]:80:80". Both ranges are equally long,
 * unless one target is published on any port of a range. */
MUST_CHECK bool units_parse_port(struct str text, struct units_port *ret, struct err *err);

/* "80" or "80-90": ports 1 to 65535, in order. */
MUST_CHECK bool units_parse_port_range(struct str text, uint16_t *ret_first, uint16_t *ret_last,
                                       struct err *err);

/* Words as Compose splits a command: quotes and backslashes as in a shell but without any
 * expansion,
 * `...` and $(...) stay as they are, and the first of ; & | < > outside of quotes ends the command.
 * At most UNITS_WORDS_MAX. Texts and array belong to <arena>. */
enum { UNITS_WORDS_MAX = 1024 };
MUST_CHECK bool units_split_words(struct str text, struct arena *arena, const char ***ret,
                                  size_t *ret_count, struct err *err);

/* The same; <ret_rest> is what was left out, from that sign on, or empty. */
MUST_CHECK bool units_cut_words(struct str text, struct arena *arena, const char ***ret,
                                size_t *ret_count, struct str *ret_rest, struct err *err);
