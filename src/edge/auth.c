/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <pthread.h>
#include <sys/random.h>

#include "base/mem.h"
#include "edge/auth.h"
#include "edge/exchange.h"
#include "edge/head.h"
#include "edge/rules.h"
#include "edge/worker.h"
#include "tls/hasher.h"

/* The worker's until it is pushed and again once its letter came; between, a thread reads
 * <password> and <hash>, which are copies, and writes <verdict>. */
struct auth_job {
    struct auth_job *next;
    struct worker *worker;
    struct exchange *exchange; /* the worker's; NULL: gone */
    bool known;                /* the name is one of the route's */
    enum auth_verdict verdict;
    char key[HASHER_TEXT_BYTES];
    char password[RULES_PASSWORD_BYTES + 1];
    char hash[RULES_HASH_BYTES + 1];
};

/* ---- what was checked before ---- */

struct remembered {
    char key[HASHER_TEXT_BYTES];
    bool right;
    uint64_t until_ns;
};

struct auth_memory {
    unsigned char secret[32];
    struct remembered rows[AUTH_MEMORY_ROWS][AUTH_MEMORY_WAYS];
};

static struct auth_memory *memory_of(struct worker *worker)
{
    if (worker->auth_memory == NULL) {
        worker->auth_memory = NEW(struct auth_memory);
        ssize_t n = getrandom(worker->auth_memory->secret, 32, 0);
        assert(n == 32);
    }
    return worker->auth_memory;
}

void auth_memory_free(struct auth_memory *memory)
{
    if (memory != NULL)
        explicit_bzero(memory->secret, sizeof memory->secret);
    free(memory);
}

/* An unknown name is checked against somebody's hash: that it is unknown is part of the key. */
static void make_key(struct worker *worker, struct str user, struct str password, struct str hash,
                     bool known, char ret[HASHER_TEXT_BYTES])
{
    AUTO(hasher_done) struct hasher hasher = {0};

    hasher_init(&hasher);
    hasher_add(&hasher, str_from(memory_of(worker)->secret, 32));
    hasher_add(&hasher, known ? STR("known") : STR("unknown"));
    hasher_add(&hasher, user);
    hasher_add(&hasher, password);
    hasher_add(&hasher, hash);
    hasher_end(&hasher, ret);
}

static struct remembered *row_of(struct worker *worker, const char *key)
{
    unsigned row = 0;

    for (size_t i = 0; i < 4; i++)
        row = row * 16 + (unsigned)(key[i] <= '9' ? key[i] - '0' : key[i] - 'a' + 10);
    return memory_of(worker)->rows[row % AUTH_MEMORY_ROWS];
}

static const struct remembered *recall(struct worker *worker, const char *key)
{
    const struct remembered *row = row_of(worker, key);
    uint64_t now_ns = loop_now_ns(worker->loop);

    for (size_t i = 0; i < AUTH_MEMORY_WAYS; i++)
        if (row[i].until_ns > now_ns && memcmp(row[i].key, key, HASHER_TEXT_BYTES) == 0)
            return &row[i];
    return NULL;
}

/* In the place of whatever ends first. */
static void remember(struct worker *worker, const struct auth_job *job)
{
    struct remembered *row = row_of(worker, job->key), *place = row;
    bool right = job->verdict == AUTH_RIGHT;
    uint64_t ms = right ? AUTH_GOOD_MS : AUTH_BAD_MS;

    for (size_t i = 1; i < AUTH_MEMORY_WAYS; i++)
        if (row[i].until_ns < place->until_ns)
            place = &row[i];
    memcpy(place->key, job->key, HASHER_TEXT_BYTES);
    place->right = right;
    place->until_ns = loop_now_ns(worker->loop) + ms * NS_PER_MS;
}

/* ---- the threads ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct auth_job *first;
    struct auth_job **end;
    size_t waiting;
    size_t threads;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* Before each as well as behind it: what failed behind the last one may succeed by now. */
static void refill(void)
{
    if (mem_is_short())
        (void)mem_reserve_refill();
}

static void *check_passwords(void *arg)
{
    (void)arg;
    mem_reserve(AUTH_RESERVE_BYTES, NULL, NULL);
    for (;;) {
        (void)pthread_mutex_lock(&queue.lock);
        while (queue.first == NULL)
            (void)pthread_cond_wait(&queue.wake, &queue.lock);
        struct auth_job *job = queue.first;
        queue.first = job->next;
        queue.waiting--;
        (void)pthread_mutex_unlock(&queue.lock);
        refill();
        job->verdict = auth_check_password(job->password, job->hash);
        if (job->verdict == AUTH_RIGHT && !job->known)
            job->verdict = AUTH_WRONG;
        mailbox_send(&job->worker->inbox,
                     &(struct letter){.kind = LETTER_VERIFIED, .fd = -1, .job = job});
        refill();
    }
    return NULL;
}

/* With the lock held. */
static bool has_threads(void)
{
    pthread_t thread;

    while (queue.threads < AUTH_THREADS &&
           pthread_create(&thread, NULL, check_passwords, NULL) == 0) {
        (void)pthread_detach(thread);
        queue.threads++;
    }
    return queue.threads > 0;
}

static bool push(struct auth_job *job)
{
    (void)pthread_mutex_lock(&queue.lock);
    bool taken = queue.waiting < AUTH_QUEUE_MAX && has_threads();
    if (taken) {
        if (queue.first == NULL)
            queue.end = &queue.first;
        *queue.end = job;
        queue.end = &job->next;
        queue.waiting++;
        (void)pthread_cond_signal(&queue.wake);
    }
    (void)pthread_mutex_unlock(&queue.lock);
    return taken;
}

/* ---- requests ---- */

static void job_free(struct auth_job *job)
{
    explicit_bzero(job, sizeof *job);
    free(job);
}

static void refuse(struct exchange *exchange)
{
    const struct rules_auth *auth = exchange->route->rules->auth;
    char line[TABLE_MAX_NAME_BYTES + 64], *at;

    if (exchange->head == NULL)
        head_keep_texts(exchange);
    at = HEAD_PUT(line, "WWW-Authenticate: Basic realm=\"");
    at = head_put(at, auth->realm);
    at = HEAD_PUT(at, "\", charset=\"UTF-8\"\r\n");
    answer_error_with(exchange, 401, str_from(line, (size_t)(at - line)),
                      rules_page(exchange, 401));
}

static void refuse_unchecked(struct exchange *exchange)
{
    count_add(exchange->worker, COUNT_AUTH_QUEUE, 1);
    if (exchange->head == NULL)
        head_keep_texts(exchange);
    answer_error_with(exchange, 503, STR("Retry-After: 1\r\n"), rules_page(exchange, 503));
}

static void refuse_wrong(struct exchange *exchange)
{
    count_add(exchange->worker, COUNT_AUTH_FAILURES, 1);
    refuse(exchange);
}

/* From now on the name counts, for the log and for rules: before it is what somebody says. */
static void accept_user(struct rules_state *state)
{
    state->user_len = strnlen(state->user, sizeof state->user);
}

void auth_cancel(struct auth_job *job)
{
    if (job != NULL)
        job->exchange = NULL;
}

void auth_verified(struct auth_job *job)
{
    struct worker *worker = job->worker;
    struct exchange *exchange = job->exchange;
    enum auth_verdict verdict = job->verdict;

    if (verdict != AUTH_UNCHECKED)
        remember(worker, job);
    job_free(job);
    worker->auth_waiting--;
    if (exchange == NULL) {
        worker_forget_client(worker);
        return;
    }
    exchange->rules->job = NULL;
    struct str head = str_of(exchange->rules->saved);
    if (verdict == AUTH_RIGHT) {
        accept_user(exchange->rules);
        exchange_resume(exchange, head);
        return;
    }
    exchange_reread(exchange, head);
    if (verdict == AUTH_UNCHECKED)
        refuse_unchecked(exchange);
    else
        refuse_wrong(exchange);
}

/* Copies the head: the worker reads other requests while this one waits. */
static void save_head(struct exchange *exchange)
{
    const struct http1_head *head = &exchange->worker->head;
    const char *first = head->method_text.ptr;
    const struct http_header *last =
        head->header_count == 0 ? NULL : &head->headers[head->header_count - 1];
    const char *end =
        last == NULL ? head->target.ptr + head->target.len : last->value.ptr + last->value.len;

    end = strstr(end, "\r\n\r\n") + 4;
    size_t len = (size_t)(end - first);
    exchange->rules->saved = mem_new(len + 1);
    memcpy(exchange->rules->saved, first, len);
}

static bool begin(struct exchange *exchange, const char *key, const struct rules_user *known,
                  struct str password, struct str hash)
{
    struct worker *worker = exchange->worker;
    struct auth_job *job = NEW(struct auth_job);

    job->worker = worker;
    job->exchange = exchange;
    job->known = known != NULL;
    memcpy(job->key, key, HASHER_TEXT_BYTES);
    (void)head_put(job->password, password);
    (void)head_put(job->hash, hash);
    exchange->rules->job = job; /* from push() on, only its letter ends it */
    save_head(exchange);
    head_keep_texts(exchange); /* for the log, where the client does not wait */
    worker->auth_waiting++;
    if (push(job))
        return false;
    worker->auth_waiting--;
    exchange->rules->job = NULL;
    job_free(job);
    refuse_unchecked(exchange);
    return false;
}

static bool check(struct exchange *exchange, struct str user, struct str password)
{
    const struct rules_auth *auth = exchange->route->rules->auth;
    const struct rules_user *known = NULL;
    char key[HASHER_TEXT_BYTES];

    for (size_t i = 0; i < auth->user_count; i++)
        if (str_eq(auth->users[i].name, user))
            known = &auth->users[i];
    struct str hash = known != NULL ? known->hash : auth->users[0].hash;
    make_key(exchange->worker, user, password, hash, known != NULL, key);
    const struct remembered *before = recall(exchange->worker, key);
    (void)head_put(exchange->rules->user, user);
    if (before == NULL)
        return begin(exchange, key, known, password, hash);
    if (before->right) {
        accept_user(exchange->rules);
        return true;
    }
    refuse_wrong(exchange);
    return false;
}

bool auth_admit(struct exchange *exchange)
{
    struct str value = http1_header(&exchange->worker->head, HTTP_AUTHORIZATION);
    char text[RULES_USER_BYTES + RULES_PASSWORD_BYTES + 2];
    struct str user, password;

    if (value.len == 0) {
        refuse(exchange);
        return false;
    }
    if (!auth_read_credentials(value, text, sizeof text, &user, &password) ||
        user.len > RULES_USER_BYTES || password.len > RULES_PASSWORD_BYTES) {
        refuse_wrong(exchange);
        return false;
    }
    bool admitted = check(exchange, user, password);
    explicit_bzero(text, sizeof text);
    return admitted;
}
