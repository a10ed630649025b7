/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <getopt.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/err.h"
#include "io/signals.h"
#include "load.h"

static const char usage[] =
    "usage: deploy_load --address IP:PORT [--host NAME] [--path /] [--upload-path /upload]\n"
    "    [--upload-status 200] [--websocket-path /ws] [--keepalive N] [--fresh N] [--http2 N]\n"
    "    [--upload N] [--websockets N] [--timeout-ms N] [--upload-ms N] [--websocket-ms N] "
    "[--run-ms N]\n"
    "\n"
    "Asks at a constant rate, N a second of each kind, and keeps N WebSockets open, until a "
    "signal\n"
    "or --run-ms. Prints a line of JSON for each failure, each version that answered first, and\n"
    "the result at the end.\n";

enum option_id {
    OPTION_ADDRESS,
    OPTION_HOST,
    OPTION_PATH,
    OPTION_UPLOAD_PATH,
    OPTION_WEBSOCKET_PATH,
    OPTION_TIMEOUT,
    OPTION_UPLOAD_STATUS,
    OPTION_UPLOAD_MS,
    OPTION_WEBSOCKET_MS,
    OPTION_RUN_MS,
    OPTION_RATE, /* and one for each kind */
};

static const struct option long_options[] = {
    {"address", required_argument, NULL, OPTION_ADDRESS},
    {"host", required_argument, NULL, OPTION_HOST},
    {"path", required_argument, NULL, OPTION_PATH},
    {"upload-path", required_argument, NULL, OPTION_UPLOAD_PATH},
    {"websocket-path", required_argument, NULL, OPTION_WEBSOCKET_PATH},
    {"timeout-ms", required_argument, NULL, OPTION_TIMEOUT},
    {"upload-status", required_argument, NULL, OPTION_UPLOAD_STATUS},
    {"upload-ms", required_argument, NULL, OPTION_UPLOAD_MS},
    {"websocket-ms", required_argument, NULL, OPTION_WEBSOCKET_MS},
    {"run-ms", required_argument, NULL, OPTION_RUN_MS},
    {"keepalive", required_argument, NULL, OPTION_RATE + KIND_KEEPALIVE},
    {"fresh", required_argument, NULL, OPTION_RATE + KIND_FRESH},
    {"http2", required_argument, NULL, OPTION_RATE + KIND_HTTP2},
    {"upload", required_argument, NULL, OPTION_RATE + KIND_UPLOAD},
    {"websockets", required_argument, NULL, OPTION_RATE + KIND_WEBSOCKET},
    {0},
};

enum { NUMBER_MAX = 100000000, RATE_MAX = 5000, DRAIN_SECONDS = 20 };

static bool read_address(const char *text, union socket_address *ret, struct err *err)
{
    struct str whole = str_of(text);
    size_t colon = str_find_last(whole, ':');
    uint64_t port;
    char ip[SOCKET_TEXT_BYTES];

    if (!str_to_u64(str_sub(whole, colon + 1, whole.len), UINT16_MAX, &port))
        return err_set(err, ERR_INVALID, "'%s' is not IP:PORT", text);
    str_format(ip, sizeof ip, STR_FMT, STR_ARG(str_sub(whole, 0, colon)));
    return socket_address_parse(ip, (uint16_t)port, ret, err);
}

static bool read_number(const char *name, const char *text, uint64_t max, uint64_t *ret,
                        struct err *err)
{
    return str_to_u64(str_of(text), max, ret) ||
           err_set(err, ERR_INVALID, "--%s: '%s' is no number up to %llu", name, text,
                   (unsigned long long)max);
}

static bool read_option(struct load *load, int option, const char *name, struct err *err)
{
    struct load_options *options = &load->options;
    uint64_t *const times[] = {[OPTION_TIMEOUT] = &options->timeout_ns,
                               [OPTION_UPLOAD_MS] = &options->upload_ns,
                               [OPTION_WEBSOCKET_MS] = &options->websocket_ns,
                               [OPTION_RUN_MS] = &options->run_ns};
    const char **const texts[] = {[OPTION_HOST] = &options->host,
                                  [OPTION_PATH] = &options->path,
                                  [OPTION_UPLOAD_PATH] = &options->upload_path,
                                  [OPTION_WEBSOCKET_PATH] = &options->websocket_path};
    uint64_t number;

    if (option == OPTION_ADDRESS)
        return read_address(optarg, &options->address, err);
    if (option < OPTION_TIMEOUT) {
        *texts[option] = optarg;
        return true;
    }
    if (!read_number(name, optarg, option >= OPTION_RATE ? RATE_MAX : NUMBER_MAX, &number, err))
        return false;
    if (option >= OPTION_RATE)
        load->kinds[option - OPTION_RATE].per_second = (uint32_t)number;
    else if (option == OPTION_UPLOAD_STATUS)
        options->upload_status = number;
    else
        *times[option] = number * NS_PER_MS;
    return true;
}

static bool read_options(struct load *load, int argc, char **argv, struct err *err)
{
    int option, index = 0;

    while ((option = getopt_long(argc, argv, "", long_options, &index)) != -1) {
        if (option == '?')
            return err_set(err, ERR_INVALID, "see the usage");
        if (!read_option(load, option, long_options[index].name, err))
            return false;
    }
    if (load->options.address.any.sa_family == 0)
        return err_set(err, ERR_INVALID, "--address is missing");
    return true;
}

/* ---- the rates ---- */

static void begin_one(struct kind *kind, uint64_t due_ns)
{
    if (kind->id == KIND_HTTP2)
        http2_begin(kind, due_ns);
    else
        http1_begin(kind, due_ns);
}

/* All that are due: one that is late does not make the later ones late. */
static void on_due(struct timer *timer, uint64_t now_ns)
{
    struct kind *kind = CONTAINER_OF(timer, struct kind, timer);

    if (kind->load->stopping)
        return;
    for (; kind->next_ns <= now_ns; kind->next_ns += NS_PER_SECOND / kind->per_second)
        begin_one(kind, kind->next_ns);
    timer_set(kind->load->loop, timer, kind->next_ns, on_due);
}

static void on_beat(struct timer *timer, uint64_t now_ns)
{
    struct load *load = CONTAINER_OF(timer, struct load, beat);
    uint64_t late_ns = now_ns > load->beat_ns ? now_ns - load->beat_ns : 0;

    load->stall_ns = MAX(load->stall_ns, late_ns);
    if (late_ns > LATE_NS)
        load->last_late_ns = now_ns;
    load->beat_ns = now_ns + BEAT_NS;
    timer_set(load->loop, timer, load->beat_ns, on_beat);
    if (load->stopping) {
        uint64_t open = 0;
        for (size_t i = 0; i < KIND_COUNT; i++)
            open += load->kinds[i].open;
        if (open == 0)
            loop_stop(load->loop);
    }
}

static void on_last(struct timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    loop_stop(CONTAINER_OF(timer, struct load, end)->loop);
}

/* What has begun may end. */
static void stop(struct load *load)
{
    if (load->stopping)
        return;
    load->stopping = true;
    http1_close_idle(&load->kinds[KIND_KEEPALIVE]);
    timer_set(load->loop, &load->end, loop_now_ns(load->loop) + DRAIN_SECONDS * NS_PER_SECOND,
              on_last);
}

static void on_run_over(struct timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    stop(CONTAINER_OF(timer, struct load, end));
}

static void on_signal(void *arg, int signo)
{
    (void)signo;
    stop(arg);
}

static void start_kind(struct kind *kind, uint64_t now_ns)
{
    if (kind->per_second == 0)
        return;
    if (kind->id == KIND_WEBSOCKET) {
        for (uint32_t i = 0; i < kind->per_second; i++)
            websocket_begin(kind, now_ns);
        return;
    }
    kind->next_ns = now_ns + load_random(kind->load, NS_PER_SECOND / kind->per_second);
    timer_set(kind->load->loop, &kind->timer, kind->next_ns, on_due);
}

static bool run(struct load *load, struct err *err)
{
    static const int list[] = {SIGTERM, SIGINT, SIGHUP, 0};
    struct signals *signals = signals_open(load->loop, list, on_signal, load, err);
    uint64_t now_ns = clock_now_ns();

    if (signals == NULL)
        return false;
    for (size_t i = 0; i < KIND_COUNT; i++)
        start_kind(&load->kinds[i], now_ns);
    load->beat_ns = now_ns + BEAT_NS;
    timer_set(load->loop, &load->beat, load->beat_ns, on_beat);
    if (load->options.run_ns > 0)
        timer_set(load->loop, &load->end, now_ns + load->options.run_ns, on_run_over);
    loop_run(load->loop);
    http2_close_all(load);
    loop_round(load->loop, 0); /* what was put off to the end of a round */
    signals_close(signals);
    return true;
}

int main(int argc, char **argv)
{
    static struct load load = {
        .options = {.host = "localhost",
                    .path = "/",
                    .upload_path = "/upload",
                    .upload_status = 200,
                    .websocket_path = "/ws",
                    .timeout_ns = 10 * NS_PER_SECOND,
                    .upload_ns = 3 * NS_PER_SECOND,
                    .websocket_ns = 8 * NS_PER_SECOND},
    };
    const struct rlimit files = {65536, 65536};
    struct err err;

    load.random = clock_now_ns() | 1;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        load.kinds[i].load = &load;
        load.kinds[i].id = (enum kind_id)i;
        list_init(&load.kinds[i].idle);
    }
    if (!read_options(&load, argc, argv, &err)) {
        (void)fprintf(stderr, "deploy_load: %s\n%s", err.text, usage);
        return 2;
    }
    (void)setrlimit(RLIMIT_NOFILE, &files);
    load.loop = loop_new(NULL, &err);
    if (load.loop == NULL || !run(&load, &err)) {
        (void)fprintf(stderr, "deploy_load: %s\n", err.text);
        return 1;
    }
    load_report(&load);
    load_done(&load);
    loop_free(load.loop);
    return 0;
}
