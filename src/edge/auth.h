/* SPDX-License-Identifier: Apache-2.0
 *
 * Basic authentication (RFC 7617). Password hashes are made to be slow, so they
 * are computed by two threads of the process and never by a worker: the exchange
 * waits. What was right is remembered by the worker for five minutes, what was
 * wrong for ten seconds, as a keyed hash of name, password and stored hash. The
 * queue of the threads is short; when it is full the answer is 503.
 *
 * An unknown name costs the same as a known one. The header goes neither to the
 * target nor to a log.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

struct auth_job;
struct auth_memory;
struct letter;
struct worker;

enum {
    AUTH_THREADS = 2,
    AUTH_QUEUE_MAX = 64,
    AUTH_MEMORY_ROWS = 256, /* of each worker, AUTH_MEMORY_WAYS in each; made at the first use */
    AUTH_MEMORY_WAYS = 4,
    AUTH_GOOD_MS = 300000,
    AUTH_BAD_MS = 10000,
    AUTH_RESERVE_BYTES = 1024 * 1024, /* of each thread, of address space */
};

/* Its exchange does not wait any more. Takes NULL. */
void auth_cancel(struct auth_job *job);
/* LETTER_VERIFIED arrived at the worker of the job. */
void auth_verified(struct auth_job *job);
/* Takes NULL. */
void auth_memory_free(struct auth_memory *memory);

enum auth_verdict {
    AUTH_WRONG,
    AUTH_RIGHT,
    AUTH_UNCHECKED, /* there was not the memory that it takes */
};

/* Is <password> the one that <hash> was made of? Slow, for any thread; crypt(5), and the MD5 of
 * Apache's htpasswd. */
enum auth_verdict auth_check_password(const char *password, const char *hash);
/* "user:password" behind "Basic "; decodes base64 in place of <ret>, which has <room>. False: it is
 * none. */
bool auth_read_credentials(struct str value, char *ret, size_t room, struct str *ret_user,
                           struct str *ret_password);
