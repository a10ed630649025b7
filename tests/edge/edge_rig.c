/* SPDX-License-Identifier: Apache-2.0
 *
 * Drives the edge in tests, in the place of the daemon.
 *
 *     edge_rig run [-w workers] [-f folder] [-l log] -- program [arguments]
 *         opens a listener of each kind on free ports of 127.0.0.1, starts the edge,
 *         runs the program and ends with its exit status. In arguments and in
 *         the environment: {http} {http2} {https} {tcp} and {rig} stand for the
 *         ports and the path of the rig's socket (EDGE_HTTP, ... EDGE_RIG).
 *         1 = http, 2 = https, 3 = tcp, 4 = a second http listener.
 *     edge_rig table < table.json       waits until it is applied; 1 and the error when refused
 *     edge_rig app members port...      a table with one route to an application: <members>, JSON
 *         like '"body_limit_bytes":10', are added to the route "/"; each port of 127.0.0.1 is a
 *         target, t1 and so on, and one that is written "-8000" is draining. All four listeners
 *         lead there; the second http listener redirects to https port 8443. With EDGE_QUEUE_MS in
 *         the environment requests wait no longer than that for a target
 *     edge_rig restart                  the daemon goes away and a new one comes by the control
 *         socket; 1 when the edge does not return every listener
 *     edge_rig send '{"type":...}'      sends a message
 *     edge_rig meter N                  prints what meter N has counted, as JSON
 *     edge_rig await text               waits until an event holds the text, and prints it
 *
 * These find the rig by EDGE_RIG. A generation that is missing is counted up. A table may name a
 * pair of PEM files as "certificate_file" and "key_file"; the folder of -f is descriptor 0. With
 * EDGE_CERTIFICATE and EDGE_KEY set, `app` has them for *.localhost.
 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/vec.h"
#include "edge/edge.h"
#include "edge/folder.h"
#include "edge/meter.h"
#include "io/channel.h"
#include "io/socket.h"
#include "json/json.h"

enum { LISTENERS = 4, WAIT_MS = 10000, REQUEST_BYTES = 1024 * 1024, NOBODY = 65534 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER
#endif
#endif

#ifdef UNDER_SANITIZER
static const bool sanitized = true; /* the leak check and reports read /proc */
#else
static const bool sanitized = false;
#endif

static const char *const names[LISTENERS] = {"http", "https", "tcp", "http2"};
static const char *const variables[LISTENERS] = {"EDGE_HTTP", "EDGE_HTTPS", "EDGE_TCP",
                                                 "EDGE_HTTP2"};

struct waiter {
    int fd;
    char *text;
    uint64_t until_ns;
};

struct rig {
    int channel;
    int socket;
    char control[64]; /* path of the control socket */
    size_t returned;  /* sockets that the edge sent back */
    int folder;
    unsigned workers;
    uint16_t ports[LISTENERS];
    pid_t edge;
    uint64_t generation;
    pid_t program;
    struct meter_view meters;
    VEC(char *) events;
    VEC(struct waiter) waiters;
};

static void fail(const char *what, const struct err *err)
{
    (void)fprintf(stderr, "edge_rig: %s: %s\n", what, err == NULL ? strerror(errno) : err->text);
    exit(1);
}

static void send_text(struct rig *rig, struct str text, const int *fds, size_t count)
{
    struct err err;

    if (!channel_send(rig->channel, text, fds, count, &err))
        fail("send", &err);
}

/* One socket for each worker, on one port. */
static void open_listener(struct rig *rig, size_t i)
{
    AUTO(buf_done) struct buf text = {0};
    int fds[EDGE_MAX_WORKERS];
    struct err err;

    for (unsigned w = 0; w < rig->workers; w++) {
        union socket_address address;
        socklen_t len = sizeof address;
        if (!socket_address_parse("127.0.0.1", rig->ports[i], &address, &err) ||
            (fds[w] = socket_listen_tcp(&address, true, 1024, &err)) < 0)
            fail("listen", &err);
        if (getsockname(fds[w], &address.any, &len) != 0)
            fail("getsockname", NULL);
        rig->ports[i] = socket_address_port(&address);
    }
    buf_addf(&text, "{\"type\":\"listener\",\"id\":%zu}", i + 1);
    send_text(rig, buf_str(&text), fds, rig->workers);
    for (unsigned w = 0; w < rig->workers; w++)
        fd_close(fds[w]);
}

static void start_edge(struct rig *rig, const char *empty)
{
    int ends[2];
    struct err err;

    if (!channel_open(ends, &err))
        fail("channel", &err);
    rig->edge = fork();
    if (rig->edge < 0)
        fail("fork", NULL);
    if (rig->edge == 0) {
        uid_t uid = geteuid() == 0 ? NOBODY : 0;
        struct edge_options options = {.channel_fd = ends[1],
                                       .workers = rig->workers,
                                       .uid = uid,
                                       .gid = uid,
                                       .chroot_dir = uid == 0 || sanitized ? NULL : empty};
        fd_close(ends[0]);
        exit(edge_main(&options));
    }
    fd_close(ends[1]);
    rig->channel = ends[0];
}

static void start_program(struct rig *rig, char **argv)
{
    rig->program = fork();
    if (rig->program < 0)
        fail("fork", NULL);
    if (rig->program > 0)
        return;
    fd_close(rig->channel);
    (void)execvp(argv[0], argv);
    fail(argv[0], NULL);
}

/* Replaces {http} and so on. */
static char *expand(const struct rig *rig, const char *arg, const char *path)
{
    struct buf out = {0};

    while (*arg != '\0') {
        size_t skip = 0;
        for (size_t i = 0; i < LISTENERS && skip == 0; i++) {
            size_t len = strlen(names[i]);
            if (arg[0] == '{' && strncmp(arg + 1, names[i], len) == 0 && arg[len + 1] == '}') {
                buf_addf(&out, "%u", rig->ports[i]);
                skip = len + 2;
            }
        }
        if (skip == 0 && strncmp(arg, "{rig}", 5) == 0) {
            buf_add_text(&out, path);
            skip = 5;
        }
        if (skip == 0)
            buf_add_char(&out, *arg);
        arg += skip == 0 ? 1 : skip;
    }
    return buf_take(&out);
}

static void answer(int fd, bool good, const char *text)
{
    AUTO(buf_done) struct buf out = {0};
    struct err err;

    buf_addf(&out, "%c%s\n", good ? '+' : '-', text);
    if (!file_write_fd(fd, buf_str(&out), &err))
        (void)fprintf(stderr, "edge_rig: nobody reads the answer\n");
    fd_close(fd);
}

/* True: <waiter> was answered, with the newest event that has its text. */
static bool match(struct rig *rig, const struct waiter *waiter)
{
    for (size_t i = rig->events.len; i-- > 0;) {
        const char *event = rig->events.ptr[i];
        if (strstr(event, waiter->text) != NULL) {
            answer(waiter->fd, strstr(event, "\"refused\"") == NULL, event);
            return true;
        }
    }
    if (clock_now_ns() < waiter->until_ns)
        return false;
    answer(waiter->fd, false, "not seen in time");
    return true;
}

static void serve_waiters(struct rig *rig)
{
    for (size_t i = rig->waiters.len; i-- > 0;)
        if (match(rig, &rig->waiters.ptr[i])) {
            free(rig->waiters.ptr[i].text);
            VEC_REMOVE(&rig->waiters, i);
        }
}

static void await(struct rig *rig, int fd, const char *text)
{
    VEC_PUSH(&rig->waiters, (struct waiter){.fd = fd,
                                            .text = mem_copy_text(text),
                                            .until_ns = clock_now_ns() + WAIT_MS * NS_PER_MS});
}

static void inline_file(json_t *certificate, const char *from, const char *to)
{
    AUTO(buf_done) struct buf pem = {0};
    const char *path = json_find_text(certificate, from, NULL);
    struct err err;

    if (path == NULL)
        return;
    if (!file_read(path, 65536, &pem, &err))
        fail(from, &err);
    (void)json_object_set_new(certificate, to, json_string(buf_text(&pem)));
}

static void publish(struct rig *rig, int fd, struct str text)
{
    AUTO(json_unref) json_t *root = NULL;
    AUTO(buf_done) struct buf out = {0}, head = {0};
    struct err err;
    int fds[2] = {-1, rig->folder};

    if (!json_parse(text, REQUEST_BYTES, &root, &err)) {
        answer(fd, false, err.text);
        return;
    }
    json_t *list = json_object_get(root, "certificates");
    for (size_t i = 0; i < json_array_size(list); i++) {
        inline_file(json_array_get(list, i), "certificate_file", "certificate");
        inline_file(json_array_get(list, i), "key_file", "key");
    }
    rig->generation = json_find_u64(root, "generation", rig->generation + 1);
    (void)json_object_set_new(root, "generation", json_integer((json_int_t)rig->generation));
    unsigned long generation = rig->generation;
    json_format(root, false, &out);
    fds[0] = channel_memfd("table", buf_str(&out), &err);
    buf_addf(&head, "{\"type\":\"table\",\"generation\":%lu}", generation);
    send_text(rig, buf_str(&head), fds, rig->folder < 0 ? 1 : 2);
    fd_close(fds[0]);
    buf_clear(&head);
    buf_addf(&head, "\"generation\":%lu}", generation);
    await(rig, fd, buf_text(&head));
}

static int control_socket(const char *path, bool listens)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    const struct sockaddr *any = (const struct sockaddr *)&address;
    if (fd < 0 || (listens ? bind(fd, any, sizeof address) != 0 || listen(fd, 8) != 0
                           : connect(fd, any, sizeof address) != 0))
        fail(path, NULL);
    return fd;
}

static void send_control(struct rig *rig)
{
    AUTO(fd_close) int fd = control_socket(rig->control, true);

    send_text(rig, STR("{\"type\":\"control\"}"), &fd, 1);
}

static void take_meters(struct rig *rig, struct channel_message *message)
{
    struct err err;

    meter_view_close(&rig->meters);
    if (!meter_view_open(message->fds[0], &rig->meters, &err))
        fail("meters", &err);
    fd_close(message->fds[0]);
    message->fd_count = 0;
}

static void print_meter(struct rig *rig, int fd, struct str text)
{
    AUTO(json_unref) json_t *counts = json_array();
    AUTO(buf_done) struct buf out = {0};
    struct meter meter;
    uint64_t number;

    if (!str_to_u64(text, METER_SLOTS - 1, &number)) {
        answer(fd, false, "no such meter");
        return;
    }
    meter_view_read(&rig->meters, (uint32_t)number, &meter);
    for (size_t i = 0; i < METER_COUNTS; i++)
        (void)json_array_append_new(counts, json_integer((json_int_t)meter.counts[i]));
    AUTO(json_unref)
    json_t *all = json_pack("{s:O, s:I, s:I, s:I}", "counts", counts, "first_bytes",
                            (json_int_t)meter_total(meter.first_byte), "p50_us",
                            (json_int_t)meter_quantile_us(meter.first_byte, 500), "p99_us",
                            (json_int_t)meter_quantile_us(meter.first_byte, 990));
    json_format(all, false, &out);
    answer(fd, true, buf_text(&out));
}

/* False: the edge is gone. */
static bool take_event(struct rig *rig)
{
    static struct channel_message message;
    struct err err;

    switch (channel_receive(rig->channel, &message, &err)) {
    case CHANNEL_MESSAGE:
        message.bytes[MIN(message.len, sizeof message.bytes - 1)] = '\0';
        VEC_PUSH(&rig->events, mem_copy_text(message.bytes));
        if (strstr(message.bytes, "\"meters\"") != NULL && message.fd_count == 1)
            take_meters(rig, &message);
        rig->returned += message.fd_count;
        while (message.fd_count > 0)
            fd_close(message.fds[--message.fd_count]);
        return true;
    case CHANNEL_EMPTY:
        return true;
    case CHANNEL_END:
    case CHANNEL_FAILED:
        break;
    }
    return false;
}

static void restart(struct rig *rig, int fd)
{
    size_t wanted = rig->workers * LISTENERS;
    uint64_t until_ns = clock_now_ns() + WAIT_MS * NS_PER_MS;

    fd_close(rig->channel);
    rig->channel = control_socket(rig->control, false);
    rig->returned = 0;
    while (rig->returned < wanted && clock_now_ns() < until_ns) {
        struct pollfd waits = {.fd = rig->channel, .events = POLLIN};
        (void)poll(&waits, 1, 100);
        if (waits.revents != 0 && !take_event(rig))
            break;
    }
    answer(fd, rig->returned == wanted, "restarted");
}

static void take_request(struct rig *rig)
{
    AUTO(buf_done) struct buf text = {0};
    struct err err;
    int fd = accept4(rig->socket, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return;
    if (!file_read_fd(fd, REQUEST_BYTES, &text, &err) || text.len < 2) {
        answer(fd, false, "bad request");
        return;
    }
    struct str rest = str_sub(buf_str(&text), 1, SIZE_MAX);
    switch (text.ptr[0]) {
    case 't':
        publish(rig, fd, rest);
        break;
    case 's':
        send_text(rig, rest, NULL, 0);
        answer(fd, true, "sent");
        break;
    case 'r':
        restart(rig, fd);
        break;
    case 'm':
        print_meter(rig, fd, rest);
        break;
    default:
        await(rig, fd, rest.ptr);
    }
}

static int loop(struct rig *rig)
{
    int status;

    for (bool edge_lives = true;;) {
        struct pollfd fds[2] = {{.fd = rig->socket, .events = POLLIN},
                                {.fd = edge_lives ? rig->channel : -1, .events = POLLIN}};
        (void)poll(fds, 2, 20);
        if (fds[0].revents != 0)
            take_request(rig);
        if (fds[1].revents != 0)
            edge_lives = take_event(rig);
        serve_waiters(rig);
        if (waitpid(rig->program, &status, WNOHANG) == rig->program)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
}

/* The edge must end by itself, and well. */
static int end_edge(struct rig *rig, int status)
{
    int edge_status = 0;
    struct err err;

    if (waitpid(rig->edge, &edge_status, WNOHANG) == rig->edge) /* the program had it stopped */
        return edge_status != 0 ? 1 : status;
    if (!channel_send(rig->channel, STR("{\"type\":\"stop\"}"), NULL, 0, &err))
        (void)fprintf(stderr, "edge_rig: %s\n", err.text);
    for (int i = 0; i < 500; i++) {
        (void)poll(NULL, 0, 10);
        if (waitpid(rig->edge, &edge_status, WNOHANG) == rig->edge) {
            if (edge_status != 0)
                (void)fprintf(stderr, "edge_rig: the edge ended with status %#x\n",
                              (unsigned)edge_status);
            return edge_status != 0 ? 1 : status;
        }
    }
    (void)fprintf(stderr, "edge_rig: the edge did not stop\n");
    (void)kill(rig->edge, SIGKILL);
    (void)waitpid(rig->edge, NULL, 0);
    return 1;
}

static void send_log(struct rig *rig, const char *path)
{
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (fd < 0)
        fail(path, NULL);
    send_text(rig, STR("{\"type\":\"access_log\"}"), &fd, 1);
}

static int run(int argc, char **argv)
{
    struct rig rig = {.workers = 2, .folder = -1};
    char folder[] = "/tmp/edge_rig.XXXXXX", path[64], empty[64], port[16];
    const char *log = NULL;
    struct err err;
    int option;

    while ((option = getopt(argc, argv, "+w:f:l:")) != -1) {
        uint64_t workers = 0;
        if (option == 'w' && str_to_u64(str_of(optarg), EDGE_MAX_WORKERS, &workers))
            rig.workers = (unsigned)workers;
        if (option == 'f' && (rig.folder = folder_open(optarg, &err)) < 0)
            fail("folder", &err);
        if (option == 'l')
            log = optarg;
    }
    if (mkdtemp(folder) == NULL)
        fail("mkdtemp", NULL);
    (void)snprintf(path, sizeof path, "%s/rig", folder);
    (void)snprintf(empty, sizeof empty, "%s/empty", folder);
    if (mkdir(empty, 0755) != 0)
        fail(empty, NULL);
    start_edge(&rig, empty);
    rig.socket = socket_listen_unix(path, &err);
    if (rig.socket < 0)
        fail("listen", &err);
    for (size_t i = 0; i < LISTENERS; i++) {
        open_listener(&rig, i);
        (void)snprintf(port, sizeof port, "%u", rig.ports[i]);
        (void)setenv(variables[i], port, 1);
    }
    (void)setenv("EDGE_RIG", path, 1);
    (void)snprintf(port, sizeof port, "%d", (int)rig.edge);
    (void)setenv("EDGE_PID", port, 1);
    if (log != NULL)
        send_log(&rig, log);
    (void)snprintf(rig.control, sizeof rig.control, "%s/control", folder);
    send_control(&rig);
    for (int i = optind; i < argc; i++)
        argv[i] = expand(&rig, argv[i], path);
    start_program(&rig, argv + optind);
    int status = end_edge(&rig, loop(&rig));
    (void)unlink(path);
    (void)unlink(rig.control);
    (void)rmdir(empty);
    (void)rmdir(folder);
    for (size_t i = 0; i < rig.events.len; i++)
        free(rig.events.ptr[i]);
    meter_view_close(&rig.meters);
    VEC_DONE(&rig.events);
    VEC_DONE(&rig.waiters);
    for (int i = optind; i < argc; i++)
        free(argv[i]);
    fd_close(rig.channel);
    fd_close(rig.socket);
    fd_close(rig.folder);
    return status;
}

static int ask(char letter, struct str text)
{
    const char *path = getenv("EDGE_RIG");
    AUTO(buf_done) struct buf out = {0}, in = {0};
    struct err err;

    AUTO(fd_close) int fd = path == NULL ? -1 : socket_connect_unix(path, &err);
    if (fd < 0)
        fail("EDGE_RIG", path == NULL ? NULL : &err);
    buf_add_char(&out, letter);
    buf_add_str(&out, text);
    if (!file_write_fd(fd, buf_str(&out), &err) || shutdown(fd, SHUT_WR) != 0 ||
        !file_read_fd(fd, REQUEST_BYTES, &in, &err))
        fail("rig", &err);
    (void)printf("%s", in.len > 0 ? in.ptr + 1 : "");
    return in.len > 0 && in.ptr[0] == '+' ? 0 : 1;
}

static void add_certificate(struct buf *table)
{
    const char *certificate = getenv("EDGE_CERTIFICATE"), *key = getenv("EDGE_KEY");

    if (certificate != NULL && key != NULL)
        buf_addf(table,
                 "\"certificates\":[{\"names\":[\"*.localhost\"],\"certificate_file\":\"%s\","
                 "\"key_file\":\"%s\"}],\"listeners\":[{\"id\":2,\"kind\":\"https\"},",
                 certificate, key);
    else
        buf_add_text(table, "\"listeners\":[");
}

static int app(char **argv)
{
    AUTO(buf_done) struct buf table = {0};

    buf_add_char(&table, '{');
    add_certificate(&table);
    buf_addf(&table,
             "{\"id\":1,\"kind\":\"http\"},{\"id\":3,\"kind\":\"tcp\",\"upstream\":0},"
             "{\"id\":4,\"kind\":\"http\",\"https_port\":8443}],"
             "\"routes\":[{\"system\":\"test\",\"path\":\"/\",\"upstream\":0%s%s}],"
             "\"upstreams\":[{\"name\":\"test/app\",\"targets\":[",
             argv[0][0] == '\0' ? "" : ",", argv[0]);
    for (int i = 1; argv[i] != NULL; i++) {
        bool draining = argv[i][0] == '-';
        buf_addf(&table, "%s{\"id\":\"t%d\",\"address\":\"127.0.0.1:%s\",\"draining\":%s}",
                 i == 1 ? "" : ",", i, argv[i] + draining, draining ? "true" : "false");
    }
    buf_add_char(&table, ']');
    if (getenv("EDGE_QUEUE_MS") != NULL)
        buf_addf(&table, ",\"queue\":{\"timeout_ms\":%s}", getenv("EDGE_QUEUE_MS"));
    buf_add_text(&table, "}]}");
    return ask('t', buf_str(&table));
}

int main(int argc, char **argv)
{
    AUTO(buf_done) struct buf table = {0};
    struct err err;

    if (argc >= 2 && strcmp(argv[1], "run") == 0)
        return run(argc - 1, argv + 1);
    if (argc == 2 && strcmp(argv[1], "table") == 0) {
        if (!file_read_fd(STDIN_FILENO, REQUEST_BYTES, &table, &err))
            fail("table", &err);
        return ask('t', buf_str(&table));
    }
    if (argc >= 3 && strcmp(argv[1], "app") == 0)
        return app(argv + 2);
    if (argc == 2 && strcmp(argv[1], "restart") == 0)
        return ask('r', STR("-"));
    if (argc == 3 && strcmp(argv[1], "send") == 0)
        return ask('s', str_of(argv[2]));
    if (argc == 3 && strcmp(argv[1], "meter") == 0)
        return ask('m', str_of(argv[2]));
    if (argc == 3 && strcmp(argv[1], "await") == 0)
        return ask('a', str_of(argv[2]));
    (void)fprintf(stderr, "usage: edge_rig run|table|app|restart|send|meter|await ...\n");
    return 2;
}
