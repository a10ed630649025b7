/* SPDX-License-Identifier: Apache-2.0
 *
 * The clients of bench/slow/run, on 127.0.0.1:
 *
 *     clients honest PORT HOST PATH RATE SECONDS FILE
 *     clients attack PORT HOST PATH KIND COUNT SECONDS RENEWS
 *     clients watch SECONDS FILE
 *
 * Honest ones ask RATE times a second, whatever the server does (an open loop), on connections
 * that stay. One that is closed while a client takes it up again is its server's right: the request
 * is repeated on another, as browsers do, and its time goes on. To FILE goes a pair of numbers of
 * 64 bits for each answer: when it was due, of CLOCK_MONOTONIC, and how long it took from then on,
 * in nanoseconds. One that failed took UINT64_MAX.
 *
 * Attackers hold COUNT connections of a KIND: "heads" that get a line longer each second, "bodies"
 * by a byte each second, "readers" that take 64 bytes each second of an answer. They come within
 * the first second; what the server closes is opened again when RENEWS is 1. At the end a line of
 * JSON says what became of them.
 *
 * A watch sees when its core stands still: it is due each 200 us, at a real-time priority above all
 * of the bench. Where it is later than 200 us nothing of this machine was in its way, save the
 * kernel's own work: the core was taken away by the host of a virtual machine. To FILE goes a pair
 * of numbers for each such stall, its begin and its end.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 4096, EVENTS = 256, ANSWER_MAX = 16384, PIECE = 64, HOLDS = 4096 };

static const uint64_t second_ns = 1000000000;

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "clients: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_one(int port, int holds)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        fail("socket");
    if (holds > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &holds, sizeof holds);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* ---- honest ---- */

struct honest {
    int fd;
    bool was_used;
    uint64_t due_ns; /* 0: idle */
    size_t len;
    char answer[ANSWER_MAX];
};

static struct honest *idle[CONNECTIONS_MAX];
static size_t idle_count, client_count;
static int poll_fd, server_port;
static char request[1024];
static FILE *out;

static void note(uint64_t due_ns, uint64_t took_ns)
{
    uint64_t pair[2] = {due_ns, took_ns};

    if (fwrite(pair, sizeof pair, 1, out) != 1)
        fail("write");
}

static struct honest *take(void)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (idle_count > 0)
        return idle[--idle_count];
    if (client_count == CONNECTIONS_MAX)
        return NULL;
    struct honest *honest = calloc(1, sizeof *honest);
    if (honest == NULL || (honest->fd = open_one(server_port, 0)) < 0) {
        free(honest);
        return NULL;
    }
    event.data.ptr = honest;
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, honest->fd, &event) != 0)
        fail("epoll_ctl");
    client_count++;
    return honest;
}

static bool is_whole(struct honest *honest)
{
    honest->answer[honest->len] = '\0';
    char *end = strstr(honest->answer, "\r\n\r\n");
    char *length = strcasestr(honest->answer, "\r\nContent-Length:");

    if (end == NULL || length == NULL || strncmp(honest->answer, "HTTP/1.1 200", 12) != 0)
        return false;
    return honest->len == (size_t)(end + 4 - honest->answer) + strtoul(length + 17, NULL, 10);
}

static void ask(uint64_t due_ns)
{
    struct honest *honest = take();
    size_t len = strlen(request);

    if (honest == NULL) {
        note(due_ns, UINT64_MAX);
        return;
    }
    honest->due_ns = due_ns;
    ssize_t n = send(honest->fd, request, len, MSG_NOSIGNAL);
    if (n != (ssize_t)len && !(n < 0 && (errno == EPIPE || errno == ECONNRESET)))
        fail("send"); /* of a closed one it hears when it reads */
}

/* Closed: while it waited for a request, or before anything of an answer came, or within one. */
static void forget(struct honest *honest)
{
    uint64_t due_ns = honest->due_ns;
    bool repeats = honest->was_used && honest->len == 0;

    for (size_t i = 0; i < idle_count; i++)
        if (idle[i] == honest) {
            idle[i] = idle[--idle_count];
            break;
        }
    client_count--;
    close(honest->fd);
    free(honest);
    if (due_ns != 0 && repeats)
        ask(due_ns);
    else if (due_ns != 0)
        note(due_ns, UINT64_MAX);
}

static void receive(struct honest *honest)
{
    ssize_t n = recv(honest->fd, honest->answer + honest->len, ANSWER_MAX - 1 - honest->len, 0);

    if (n <= 0) {
        forget(honest);
        return;
    }
    honest->len += (size_t)n;
    if (!is_whole(honest))
        return;
    note(honest->due_ns, now_ns() - honest->due_ns);
    honest->was_used = true;
    honest->due_ns = 0;
    honest->len = 0;
    idle[idle_count++] = honest;
}

static int run_honest(char **args)
{
    uint64_t step_ns = second_ns / strtoul(args[3], NULL, 10), due_ns = now_ns() + step_ns;
    uint64_t end_ns = now_ns() + (uint64_t)(strtod(args[4], NULL) * 1e9);
    struct epoll_event events[EVENTS];

    server_port = (int)strtol(args[0], NULL, 10);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    out = fopen(args[5], "wb");
    if (poll_fd < 0 || out == NULL)
        fail(args[5]);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\n\r\n", args[2],
             args[1]);
    while (due_ns < end_ns) {
        uint64_t now = now_ns(), left = due_ns > now ? due_ns - now : 0;
        struct timespec wait = {.tv_sec = 0, .tv_nsec = (long)left};
        int count = epoll_pwait2(poll_fd, events, EVENTS, &wait, NULL);
        for (int i = 0; i < count; i++)
            receive(events[i].data.ptr);
        for (now = now_ns(); due_ns <= now; due_ns += step_ns)
            ask(due_ns);
    }
    return fclose(out) == 0 ? 0 : 1;
}

/* ---- attackers ---- */

struct attacker {
    int fd; /* -1: closed */
    uint64_t opened_ns;
};

struct attack {
    int port;
    const char *kind;
    char text[1024];
    bool renews;
    unsigned opened, refused, closed;
    uint64_t shortest_ns, longest_ns;
};

static void begin(struct attack *attack, struct attacker *attacker)
{
    bool reads = strcmp(attack->kind, "readers") == 0;

    attacker->fd = open_one(attack->port, reads ? HOLDS : 0);
    attacker->opened_ns = now_ns();
    if (attacker->fd < 0) {
        attack->refused++;
        return;
    }
    attack->opened++;
    (void)!send(attacker->fd, attack->text, strlen(attack->text), MSG_NOSIGNAL);
}

/* Looks for the end without waiting. A reader takes some of its answer, others all of what the
 * server may have said. */
static bool is_over(const struct attack *attack, const struct attacker *attacker)
{
    char bytes[4096];
    bool reads = strcmp(attack->kind, "readers") == 0;
    ssize_t n;

    while ((n = recv(attacker->fd, bytes, reads ? PIECE : sizeof bytes, MSG_DONTWAIT)) > 0)
        if (reads)
            return false;
    return n == 0 || errno != EAGAIN;
}

static void drip(const struct attack *attack, const struct attacker *attacker)
{
    if (strcmp(attack->kind, "heads") == 0)
        (void)!send(attacker->fd, "X-A: b\r\n", 8, MSG_NOSIGNAL | MSG_DONTWAIT);
    else if (strcmp(attack->kind, "bodies") == 0)
        (void)!send(attacker->fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void end(struct attack *attack, struct attacker *attacker)
{
    uint64_t lived_ns = now_ns() - attacker->opened_ns;

    close(attacker->fd);
    attacker->fd = -1;
    attack->closed++;
    attack->longest_ns = lived_ns > attack->longest_ns ? lived_ns : attack->longest_ns;
    if (attack->shortest_ns == 0 || lived_ns < attack->shortest_ns)
        attack->shortest_ns = lived_ns;
}

static void write_text(struct attack *attack, const char *host, const char *path)
{
    bool heads = strcmp(attack->kind, "heads") == 0, bodies = strcmp(attack->kind, "bodies") == 0;

    snprintf(attack->text, sizeof attack->text, "%s %s HTTP/1.1\r\nHost: %s\r\n%s",
             bodies ? "POST" : "GET", path, host,
             heads    ? ""
             : bodies ? "Content-Length: 100000\r\n\r\n"
                      : "\r\n");
}

/* Looks at all ten times a second; each tenth of them drips then. */
static void run_rounds(struct attack *attack, struct attacker *all, unsigned count, uint64_t end_ns)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    unsigned at = 0;

    while (now_ns() < end_ns) {
        for (unsigned i = 0; i < count / 50 + 1; i++, at = (at + 1) % (10 * count)) {
            struct attacker *one = &all[at % count];
            if (one->fd >= 0 && is_over(attack, one))
                end(attack, one);
            if (one->fd < 0 && attack->renews)
                begin(attack, one);
            else if (one->fd >= 0 && at % 10 == at / count)
                drip(attack, one);
        }
        nanosleep(&pause, NULL);
    }
}

static int run_attack(char **args)
{
    struct attack attack = {.port = (int)strtol(args[0], NULL, 10), .kind = args[3]};
    static struct attacker all[CONNECTIONS_MAX];
    unsigned count = (unsigned)strtoul(args[4], NULL, 10), alive = 0;
    uint64_t end_ns = now_ns() + (uint64_t)(strtod(args[5], NULL) * 1e9);

    if (count == 0 || count > CONNECTIONS_MAX)
        fail("count");
    write_text(&attack, args[1], args[2]);
    const struct timespec pause = {.tv_nsec = (long)(second_ns / count)};
    for (unsigned i = 0; i < count; i++) {
        begin(&attack, &all[i]);
        nanosleep(&pause, NULL);
    }
    attack.renews = args[6][0] == '1';
    run_rounds(&attack, all, count, end_ns);
    for (unsigned i = 0; i < count; i++)
        alive += all[i].fd >= 0 && !is_over(&attack, &all[i]);
    printf("{\"opened\":%u,\"refused\":%u,\"closed\":%u,\"alive\":%u,\"shortest_s\":%.3f,"
           "\"longest_s\":%.3f}\n",
           attack.opened, attack.refused, attack.closed, alive, (double)attack.shortest_ns / 1e9,
           (double)attack.longest_ns / 1e9);
    return 0;
}

/* ---- the watch ---- */

static int run_watch(char **args)
{
    const uint64_t period_ns = 200000, late_ns = 200000;
    const struct sched_param priority = {.sched_priority = 50};
    uint64_t due_ns = now_ns(), end_ns = due_ns + (uint64_t)(strtod(args[0], NULL) * 1e9), at_ns;

    out = fopen(args[1], "wb");
    if (out == NULL)
        fail("open");
    if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0)
        fail("sched_setscheduler");
    while (due_ns < end_ns) {
        const struct timespec due = {.tv_sec = (time_t)(due_ns / second_ns),
                                     .tv_nsec = (long)(due_ns % second_ns)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        if ((at_ns = now_ns()) > due_ns + late_ns)
            note(due_ns, at_ns);
        due_ns = at_ns + period_ns;
    }
    return fclose(out) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 8 && strcmp(argv[1], "honest") == 0)
        return run_honest(argv + 2);
    if (argc == 9 && strcmp(argv[1], "attack") == 0)
        return run_attack(argv + 2);
    if (argc == 4 && strcmp(argv[1], "watch") == 0)
        return run_watch(argv + 2);
    fprintf(stderr, "usage: clients honest PORT HOST PATH RATE SECONDS FILE\n"
                    "       clients attack PORT HOST PATH KIND COUNT SECONDS RENEWS\n"
                    "       clients watch SECONDS FILE\n");
    return 2;
}
