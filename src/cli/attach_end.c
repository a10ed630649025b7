/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/attach.h"
#include "cli/attach_end.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "http/client.h"
#include "json/json.h"

enum { BACK_MS = 30000, ASK_AGAIN_MS = 200 }; /* a daemon that was killed is started again */

static bool on_line(void *arg, struct str raw)
{
    struct attach_end *end = arg;
    AUTO(json_unref) json_t *line = NULL;
    struct err ignored;

    if (!json_parse(raw, HTTP_CLIENT_MAX_LINE_BYTES, &line, &ignored) ||
        strcmp(json_find_text(line, "event", ""), "exited") != 0)
        return true;
    end->exit_status = (int)json_find_u64(line, "exit_status", 255);
    str_format(end->error, sizeof end->error, "%s", json_find_text(line, "error", ""));
    end->known = true;
    return false;
}

/* One stream from its start to its end. False: the daemon is not there. */
static bool ask(struct attach_end *end, const char *verb)
{
    AUTO(buf_done) struct buf target = {0}, json = {0}, body = {0};
    AUTO(json_unref) json_t *request = json_pack("{s:s}", "instance", end->attach->id);
    int status = 0;

    buf_add_text(&target, "/v1/systems/");
    cli_api_encode(end->attach->system, &target);
    buf_addf(&target, "/%s", verb);
    json_format(request, false, &json);
    struct http_call call = {.socket_path = end->cli->socket,
                             .method = "POST",
                             .target = buf_text(&target),
                             .json = buf_str(&json),
                             .stop_fd = end->stop_fd};
    if (!http_client_stream(&call, on_line, end, &status, &body, &end->err))
        return false;
    if (status >= 200 && status <= 299)
        return end->known; /* a stream that ended without the line was cut */
    AUTO(json_unref) json_t *answer = NULL;
    struct err ignored;
    bool parsed = json_parse(buf_str(&body), HTTP_CLIENT_MAX_LINE_BYTES, &answer, &ignored);
    err_set(&end->err, ERR_NOT_FOUND, "%s",
            parsed ? json_find_text(json_object_get(answer, "error"), "text", "it is gone")
                   : "the daemon's answer is not understood");
    end->failed = true;
    return true;
}

static bool is_stopped(const struct attach_end *end, int timeout_ms)
{
    struct pollfd fd = {.fd = end->stop_fd, .events = POLLIN};
    return poll(&fd, 1, timeout_ms) > 0;
}

static void *follow(void *arg)
{
    struct attach_end *end = arg;
    const uint64_t one = 1;
    uint64_t until_ns = clock_now_ns() + BACK_MS * NS_PER_MS;
    bool answered = ask(end, end->attach->begins ? "begin" : "wait");

    while (!answered && !is_stopped(end, ASK_AGAIN_MS) && clock_now_ns() < until_ns)
        answered = ask(end, "wait");
    if (!end->known && !end->failed) {
        err_set(&end->err, ERR_CLOSED,
                "the daemon went away, so nobody can tell how the instance ended");
        end->failed = true;
    }
    if (write(end->event_fd, &one, sizeof one) != (ssize_t)sizeof one)
        return NULL; /* nobody can be told */
    return NULL;
}

bool attach_end_start(struct attach_end *end, struct cli *cli, const struct attach *attach,
                      struct err *err)
{
    *end = (struct attach_end){.cli = cli,
                               .attach = attach,
                               .event_fd = eventfd(0, EFD_CLOEXEC),
                               .stop_fd = eventfd(0, EFD_CLOEXEC)};
    if (end->event_fd < 0 || end->stop_fd < 0)
        return err_sys(err, "cannot make descriptors");
    if (pthread_create(&end->thread, NULL, follow, end) != 0)
        return err_set(err, ERR_SYSTEM, "cannot start a thread");
    end->runs = true;
    return true;
}

bool attach_end_take(struct attach_end *end, struct err *err)
{
    (void)pthread_join(end->thread, NULL);
    end->runs = false;
    if (end->known)
        return true;
    *err = end->err;
    return false;
}

void attach_end_stop(struct attach_end *end)
{
    const uint64_t one = 1;

    if (end->runs && write(end->stop_fd, &one, sizeof one) == (ssize_t)sizeof one)
        (void)pthread_join(end->thread, NULL);
    end->runs = false;
    fd_close(end->event_fd);
    fd_close(end->stop_fd);
    end->event_fd = end->stop_fd = -1;
}
