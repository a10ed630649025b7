/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"

struct piece {
    void *bytes;
    bool is_mapped; /* or else of the heap */
};

static _Thread_local struct {
    struct piece pieces[MEM_RESERVE_PIECES];
    size_t held;
    size_t piece_bytes; /* 0: there is no reserve */
    mem_short_fn *fn;
    void *arg;
    bool is_short;
    int quiet_refills;
} reserve;

/* ---- the reserve ---- */

static void *map_piece(void)
{
    void *bytes =
        mmap(NULL, reserve.piece_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return bytes == MAP_FAILED ? NULL : bytes;
}

static bool take_piece(bool is_mapped)
{
    void *bytes = is_mapped ? map_piece() : malloc(reserve.piece_bytes);

    if (bytes == NULL)
        return false;
    reserve.pieces[reserve.held++] = (struct piece){bytes, is_mapped};
    return true;
}

static void give_piece(void)
{
    struct piece piece = reserve.pieces[--reserve.held];

    if (piece.is_mapped)
        (void)munmap(piece.bytes, reserve.piece_bytes);
    else
        free(piece.bytes);
}

void mem_reserve(size_t bytes, mem_short_fn *fn, void *arg)
{
    assert(reserve.piece_bytes == 0 && bytes >= MEM_RESERVE_PIECES);
    reserve.piece_bytes = bytes / MEM_RESERVE_PIECES;
    reserve.fn = fn;
    reserve.arg = arg;
    while (reserve.held < MEM_RESERVE_PIECES && take_piece(true))
        ;
}

void mem_reserve_done(void)
{
    while (reserve.held > 0)
        give_piece();
    memset(&reserve, 0, sizeof reserve);
}

bool mem_is_short(void)
{
    return reserve.is_short;
}

/* What the heap has got back since is the heap's to give; what the kernel has may be all that
 * another thread can still get. */
bool mem_reserve_refill(void)
{
    while (reserve.held < MEM_RESERVE_PIECES && take_piece(false))
        ;
    if (reserve.held >= MEM_ENOUGH_PIECES)
        reserve.quiet_refills++;
    if (reserve.quiet_refills > MEM_QUIET_REFILLS)
        reserve.is_short = false;
    return reserve.is_short;
}

void mem_make_room(void)
{
    static const char text[] = "ishizue: out of memory, and the reserve is used up\n";

    if (reserve.held == 0) {
        (void)!write(STDERR_FILENO, text, sizeof text - 1);
        abort();
    }
    give_piece();
    reserve.quiet_refills = 0;
    if (reserve.is_short)
        return;
    reserve.is_short = true;
    if (reserve.fn != NULL)
        reserve.fn(reserve.arg);
}

/* ---- allocations ---- */

void *mem_try(void *ptr, size_t size)
{
    void *mem;

    while ((mem = realloc(ptr, size == 0 ? 1 : size)) == NULL &&
           reserve.held > MEM_RESERVE_PIECES / 2)
        mem_make_room();
    return mem;
}

void *mem_new(size_t size)
{
    void *mem;

    while ((mem = calloc(1, size == 0 ? 1 : size)) == NULL)
        mem_make_room();
    return mem;
}

void *mem_grow(void *ptr, size_t size)
{
    void *mem;

    while ((mem = realloc(ptr, size == 0 ? 1 : size)) == NULL)
        mem_make_room();
    return mem;
}

char *mem_copy_text(const char *text)
{
    size_t bytes = strlen(text) + 1;

    return memcpy(mem_grow(NULL, bytes), text, bytes);
}
