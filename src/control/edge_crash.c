/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "control/edge_crash.h"
#include "control/edge_link_priv.h"
#include "control/state.h"
#include "edge/crash.h"

void edge_crash_send_page(struct edge_process *process)
{
    int fd = memfd_create("ishizue-crash", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, CRASH_PAGE_BYTES) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        log_warn("daemon", "edge: a crash of it will not be explained: no memory file");
        fd_close(fd);
        return;
    }
    process->page_fd = fd;
    (void)edge_process_send(process, json_pack("{s:s}", "type", "crash_page"), &fd, 1);
}

/* The edge wrote it, and in a bad moment: a text without an end, or not of text. */
static void take_text(char *ret, size_t cap, const char *from, size_t len)
{
    size_t n = 0;

    while (n < len && n + 1 < cap && from[n] > ' ' && from[n] < 127) {
        ret[n] = from[n];
        n++;
    }
    ret[n] = '\0';
}

static void add_to_history(struct daemon *daemon, const char *system, const char *text)
{
    struct system *of = daemon_find_system(daemon, system);
    const struct state_action action = {
        .system = system,
        .action = "edge crash",
        .services = "",
        .user = "ishizue",
        .time_ms = clock_wall_ms(),
        .release = of == NULL || of->wanted == NULL ? 0 : of->wanted->number,
        .error = text,
    };

    history_add(daemon, &action);
    if (of != NULL)
        operation_step(of, NULL, NULL, "edge crashed", text);
}

void edge_crash_report(const struct edge_process *process, int exit_status)
{
    struct crash_page page = {0};
    char system[sizeof page.system], route[sizeof page.route];
    char text[sizeof page.route + 100];

    if (exit_status == 0 || process->page_fd < 0 ||
        pread(process->page_fd, &page, sizeof page, 0) != (ssize_t)sizeof page ||
        page.magic != CRASH_MAGIC)
        return;
    take_text(system, sizeof system, page.system, sizeof page.system);
    take_text(route, sizeof route, page.route, sizeof page.route);
    str_format(text, sizeof text,
               "the edge crashed with signal %d at route '%s' and is started again", page.signo,
               route);
    log_error("daemon", "%s: worker %u of process %d: %s", system, page.worker, (int)process->pid,
              text);
    add_to_history(process->owner->daemon, system, text);
}
