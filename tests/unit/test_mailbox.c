/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/file.h"
#include "edge/mailbox.h"
#include "edge/table.h"

struct fixture {
    struct loop *loop;
    struct mailbox mailbox;
    struct table *table;
    uint64_t numbers[4]; /* of the letters that came */
    size_t came;
    struct table *taken;
};

static struct fixture fixture;

static void on_letter(struct mailbox *mailbox, struct letter *letter)
{
    assert_ptr_equal(mailbox, &fixture.mailbox);
    assert_true(fixture.came < ARRAY_LEN(fixture.numbers));
    fixture.numbers[fixture.came++] = letter->number;
    if (letter->number == 7)
        fixture.taken = TAKE(letter->table);
}

static int set_up(void **state)
{
    struct err err;

    (void)state;
    fixture = (struct fixture){.loop = loop_new(NULL, &err)};
    assert_true(mailbox_open(&fixture.mailbox, fixture.loop, on_letter, &err));
    assert_true(table_read(STR("{\"generation\":1}"), NULL, 0, &fixture.table, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(fixture.table->refs, 1);
    table_unref(fixture.table);
    loop_free(fixture.loop);
    return 0;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

static int descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void send_table(uint64_t number)
{
    mailbox_send(&fixture.mailbox, &(struct letter){.kind = LETTER_TABLE,
                                                    .number = number,
                                                    .table = table_ref(fixture.table)});
}

static void letters_come_in_the_order_they_were_sent(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 3; i++)
        mailbox_send(&fixture.mailbox, &(struct letter){.kind = LETTER_ROOM, .number = i});
    loop_round(fixture.loop, 0);
    assert_int_equal(fixture.came, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(fixture.numbers[i], i + 1);
    mailbox_close(&fixture.mailbox, fixture.loop);
}

static void a_letter_that_comes_after_others_were_read_is_read_too(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 3; i++) {
        mailbox_send(&fixture.mailbox, &(struct letter){.kind = LETTER_ROOM, .number = i});
        loop_round(fixture.loop, 0);
        assert_int_equal(fixture.came, i);
    }
    mailbox_close(&fixture.mailbox, fixture.loop);
}

static void a_table_that_was_taken_is_the_receivers(void **state)
{
    (void)state;
    send_table(7);
    loop_round(fixture.loop, 0);
    assert_ptr_equal(fixture.taken, fixture.table);
    assert_int_equal(fixture.table->refs, 2);
    table_unref(fixture.taken);
    mailbox_close(&fixture.mailbox, fixture.loop);
}

static void what_a_letter_has_goes_with_it_when_nobody_takes_it(void **state)
{
    int fd = descriptor();

    (void)state;
    send_table(1);
    mailbox_send(&fixture.mailbox, &(struct letter){.kind = LETTER_LISTENER, .fd = fd});
    loop_round(fixture.loop, 0);
    assert_int_equal(fixture.came, 2);
    assert_false(is_open(fd));
    assert_int_equal(fixture.table->refs, 1);
    mailbox_close(&fixture.mailbox, fixture.loop);
}

static void what_letters_have_goes_with_a_mailbox_that_is_not_read_any_more(void **state)
{
    int fd = descriptor();

    (void)state;
    send_table(1);
    send_table(2);
    mailbox_send(&fixture.mailbox, &(struct letter){.kind = LETTER_LISTENER, .fd = fd});
    mailbox_send(&fixture.mailbox,
                 &(struct letter){.kind = LETTER_HEALTH, .text = mem_copy_text("a1")});
    assert_int_equal(fixture.table->refs, 3);
    mailbox_close(&fixture.mailbox, fixture.loop);
    assert_int_equal(fixture.came, 0);
    assert_false(is_open(fd));
    assert_int_equal(fixture.table->refs, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(letters_come_in_the_order_they_were_sent, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_letter_that_comes_after_others_were_read_is_read_too,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_table_that_was_taken_is_the_receivers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_letter_has_goes_with_it_when_nobody_takes_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            what_letters_have_goes_with_a_mailbox_that_is_not_read_any_more, set_up, tear_down),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
