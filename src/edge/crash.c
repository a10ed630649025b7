/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "edge/crash.h"
#include "edge/table.h"

enum { STACK_BYTES = 16 * 1024 };

_Thread_local const struct route *crash_route;
static _Thread_local unsigned this_worker;
static _Thread_local void *handler_stack;
static struct crash_page *page; /* NULL: nobody wants to know */

static const int deadly[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

/* Printable ASCII without blanks, cut to what there is room for. */
static size_t put(char *to, size_t at, size_t cap, struct str text)
{
    for (size_t i = 0; i < text.len && at + 1 < cap; i++)
        to[at++] = text.ptr[i] > ' ' && text.ptr[i] < 127 ? text.ptr[i] : '?';
    return at;
}

/* In the thread that crashed. What it needs is put down before the route is looked at, which may
 * be what is broken: the second fault finds the default action and ends the process. */
static void on_crash(int signo)
{
    const struct route *route = crash_route;
    struct crash_page *to = page;

    if (to != NULL && to->magic != CRASH_MAGIC) {
        to->signo = signo;
        to->worker = this_worker;
        to->magic = CRASH_MAGIC;
        if (route != NULL) {
            (void)put(to->system, 0, sizeof to->system, route->system);
            size_t at = put(to->route, 0, sizeof to->route, route->host);
            (void)put(to->route, at, sizeof to->route, route->path);
        }
    }
    (void)raise(signo); /* SA_RESETHAND: the default action now */
}

bool crash_page_map(int fd, struct err *err)
{
    void *memory = mmap(NULL, CRASH_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    static_assert(sizeof(struct crash_page) <= CRASH_PAGE_BYTES, "it is one page");
    if (memory == MAP_FAILED)
        return err_sys(err, "cannot map the page for crashes");
    if (page != NULL)
        (void)munmap(page, CRASH_PAGE_BYTES);
    page = memory;
    return true;
}

void crash_watch(void)
{
    struct sigaction action = {.sa_handler = on_crash,
                               .sa_flags = (int)((unsigned)SA_RESETHAND | SA_NODEFER | SA_ONSTACK)};

    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(deadly); i++)
        (void)sigaction(deadly[i], &action, NULL);
}

void crash_watch_thread(unsigned worker)
{
    stack_t stack = {.ss_sp = handler_stack = mem_new(STACK_BYTES), .ss_size = STACK_BYTES};

    this_worker = worker;
    (void)sigaltstack(&stack, NULL);
}

void crash_forget_thread(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};

    (void)sigaltstack(&none, NULL);
    free(handler_stack);
}
