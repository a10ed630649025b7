/* SPDX-License-Identifier: Apache-2.0
 *
 * Loaded before libc (LD_PRELOAD) into the edge: lets an allocation fail at the first place it has
 * not seen before, whenever the test asks for that. A place is a hash of the innermost return
 * addresses, so what a library does for one caller is told from what it does for another. FAULTS
 * names a file of struct plan, shared with the test that writes it; a program other than FAULTS_IN
 * is left alone. The main thread's allocations are not counted: it talks to the daemon.
 */
#include "base/base.h"

#include "shim.h"
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <unistd.h>

enum { PLACES = 8192, DEPTH_MAX = 16, OWN_FRAMES = 2 };

/* tests/edge/faults_memory.py knows this layout: 64-bit numbers. */
struct plan {
    uint64_t armed;    /* the next place that was not seen before fails; the edge clears it */
    uint64_t times;    /* this allocation and those that follow in the same thread */
    uint64_t depth;    /* of a place: that many return addresses */
    uint64_t count;    /* of places */
    uint64_t overflow; /* places for which there was no room */
    uint64_t places[PLACES];
};

#define THREAD_OWN static __thread __attribute__((tls_model("initial-exec")))

static struct plan *plan;
THREAD_OWN bool inside;       /* what the search for a place allocates is none */
THREAD_OWN uint64_t run_left; /* of plan->times */

__attribute__((constructor)) static void begin(void)
{
    void *frames[DEPTH_MAX];

    (void)backtrace(frames, DEPTH_MAX); /* loads a library the first time */
    plan = shim_map(sizeof *plan);
}

static uint64_t find_place(void)
{
    void *frames[DEPTH_MAX];
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    int count = backtrace(frames, (int)MIN(plan->depth + OWN_FRAMES, (uint64_t)DEPTH_MAX));
    for (int i = OWN_FRAMES; i < count; i++)
        hash = (hash ^ (uint64_t)(uintptr_t)frames[i]) * UINT64_C(0x100000001b3);
    return hash | 1;
}

/* True: nobody was here before. */
static bool note(uint64_t place)
{
    for (size_t i = 0; i < PLACES; i++) {
        uint64_t *at = &plan->places[(place / 2 + i) % PLACES], none = 0;
        if (__atomic_load_n(at, __ATOMIC_SEQ_CST) == place)
            return false;
        if (__atomic_compare_exchange_n(at, &none, place, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
            (void)__atomic_add_fetch(&plan->count, 1, __ATOMIC_SEQ_CST);
            return true;
        }
    }
    (void)__atomic_add_fetch(&plan->overflow, 1, __ATOMIC_SEQ_CST);
    return false;
}

static bool takes_turn(void)
{
    if (run_left == 0) {
        if (__atomic_load_n(&plan->armed, __ATOMIC_SEQ_CST) == 0 || !note(find_place()))
            return false;
        __atomic_store_n(&plan->armed, 0, __ATOMIC_SEQ_CST);
        run_left = plan->times;
    }
    run_left--;
    return true;
}

/* True: this allocation fails. */
static __attribute__((noinline)) bool fault(void)
{
    bool fails = false;

    if (plan == NULL || inside || gettid() == getpid())
        return false;
    inside = true;
    fails = takes_turn();
    inside = false;
    if (fails)
        errno = ENOMEM;
    return fails;
}

/* The next library's, which is libc or a sanitizer's. */
#define NEXT(type, name, parameters)                                                               \
    static type(*next) parameters;                                                                 \
    if (next == NULL)                                                                              \
    next = (type(*) parameters)dlsym(RTLD_NEXT, #name)

void *malloc(size_t size)
{
    NEXT(void *, malloc, (size_t));
    return fault() ? NULL : next(size);
}

void *calloc(size_t count, size_t size)
{
    NEXT(void *, calloc, (size_t, size_t));
    return fault() ? NULL : next(count, size);
}

void *realloc(void *ptr, size_t size)
{
    NEXT(void *, realloc, (void *, size_t));
    return fault() ? NULL : next(ptr, size);
}

void *aligned_alloc(size_t align, size_t size)
{
    NEXT(void *, aligned_alloc, (size_t, size_t));
    return fault() ? NULL : next(align, size);
}

void *memalign(size_t align, size_t size)
{
    NEXT(void *, memalign, (size_t, size_t));
    return fault() ? NULL : next(align, size);
}

int posix_memalign(void **ret, size_t align, size_t size)
{
    NEXT(int, posix_memalign, (void **, size_t, size_t));
    return fault() ? ENOMEM : next(ret, align, size);
}

char *strdup(const char *text)
{
    NEXT(char *, strdup, (const char *));
    return fault() ? NULL : next(text);
}
