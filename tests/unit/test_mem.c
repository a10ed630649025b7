/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

/* Allocations of this program that fail: calloc() and realloc() are what mem.c asks. Under a
 * sanitizer they are the sanitizer's, and there is nothing to test. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_WRAPPED false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_WRAPPED false
#endif
#endif
#ifndef IS_WRAPPED
#define IS_WRAPPED true
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);

static unsigned failures;

static bool fails(void)
{
    return failures > 0 && failures-- > 0;
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *ptr, size_t size)
{
    return fails() ? NULL : __libc_realloc(ptr, size);
}
#else
static unsigned failures;
#endif

enum { RESERVE_BYTES = 1024 * 1024 };

static unsigned told;

static void on_short(void *arg)
{
    assert_ptr_equal(arg, &told);
    told++;
}

static int begin(void **state)
{
    (void)state;
    told = failures = 0;
    mem_reserve(RESERVE_BYTES, on_short, &told);
    return 0;
}

static int end(void **state)
{
    (void)state;
    failures = 0;
    mem_reserve_done();
    assert_false(mem_is_short());
    return 0;
}

static void an_allocation_that_fails_is_made_from_the_reserve(void **state)
{
    (void)state;
    assert_false(mem_is_short());
    failures = 1;
    char *bytes = mem_new(100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(bytes[i], 0);
    assert_true(mem_is_short());
    assert_int_equal(told, 1);
    memcpy(bytes, "kept", 5);
    failures = 3;
    bytes = mem_grow(bytes, 200);
    assert_string_equal(bytes, "kept");
    assert_int_equal(told, 1); /* it was short already */
    free(bytes);
    failures = 1;
    char *copy = mem_copy_text("kept too");
    assert_string_equal(copy, "kept too");
    free(copy);
}

static void memory_is_not_short_any_more_once_the_reserve_is_back(void **state)
{
    (void)state;
    failures = MEM_RESERVE_PIECES;
    free(mem_new(1));
    assert_int_equal(failures, 0);
    for (int i = 0; i < MEM_QUIET_REFILLS; i++)
        assert_true(mem_reserve_refill());
    failures = 1; /* begins anew */
    free(mem_new(1));
    for (int i = 0; i < MEM_QUIET_REFILLS; i++)
        assert_true(mem_reserve_refill());
    assert_false(mem_reserve_refill());
    assert_int_equal(told, 1);
    failures = MEM_RESERVE_PIECES;
    free(mem_new(1));
    assert_int_equal(told, 2); /* another time */
}

static void a_library_uses_up_half_of_the_reserve_and_gets_nothing_then(void **state)
{
    (void)state;
    failures = MEM_RESERVE_PIECES / 2 + 1;
    assert_null(mem_try(NULL, 10));
    assert_int_equal(failures, 0);
    char *bytes = mem_try(NULL, 10); /* what does not fail is given */
    assert_non_null(bytes);
    failures = 1;
    assert_null(mem_try(bytes, 20)); /* and is still the caller's */
    failures = MEM_RESERVE_PIECES / 2;
    free(mem_new(1));
    assert_int_equal(failures, 0);
    free(bytes);
}

static void a_thread_without_a_reserve_is_never_short(void **state)
{
    (void)state;
    mem_reserve_done();
    failures = 1;
    assert_null(mem_try(NULL, 10));
    assert_false(mem_is_short());
    assert_true(!mem_reserve_refill());
}

/* What a child says whose memory fails <count> times, and the signal that ends it. */
static int die(unsigned count, char *text, size_t room)
{
    int ends[2], status;

    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        failures = count;
        free(mem_new(1));
        _exit(0);
    }
    (void)close(ends[1]);
    ssize_t n = read(ends[0], text, room - 1);
    text[MAX(n, 0)] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void the_process_ends_with_one_line_when_the_reserve_is_used_up_too(void **state)
{
    (void)state;
    char text[256];

    assert_int_equal(die(MEM_RESERVE_PIECES, text, sizeof text), 0);
    assert_string_equal(text, "");
    assert_int_equal(die(MEM_RESERVE_PIECES + 1, text, sizeof text), SIGABRT);
    assert_string_equal(text, "ishizue: out of memory, and the reserve is used up\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_allocation_that_fails_is_made_from_the_reserve, begin,
                                        end),
        cmocka_unit_test_setup_teardown(memory_is_not_short_any_more_once_the_reserve_is_back,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_library_uses_up_half_of_the_reserve_and_gets_nothing_then,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_thread_without_a_reserve_is_never_short, begin, end),
        cmocka_unit_test_setup_teardown(
            the_process_ends_with_one_line_when_the_reserve_is_used_up_too, begin, end),
    };

    if (!IS_WRAPPED) {
        puts("1..0 # SKIP the sanitizer's allocations cannot be made to fail");
        return 0;
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
