/* Unit tests of sweep/sched: items that another run makes, and what the status says of those at work. */
#include "check.h"
#include "work_graph.h"

#include "sweep/sched.h"

#include <math.h>

/* 0 (urgent) -> 1, 2, 3 */
static void a_busy_item_comes_again_later(void **state)
{
    struct sched_draft d;
    struct sched *s;
    (void)state;
    graph_begin(&d, 1, 1);
    for (size_t i = 0; i < 4; i++)
        graph_add(&d, i ? 1 : 5, 1);
    graph_edge(&d, 0, 1);
    s = graph_start(&d, (struct sched_options){.n_workers = 1, .put_off_s = 10});
    sched_ask(s, 0);
    wants_item(s, 0, 0, 0);
    assert_false(sched_done(s, 0, 0, SCHED_BUSY, 1));
    assert_int_equal(sched_put_off(s), 1);
    assert_true(fabs(sched_wake(s) - 11) < 1e-9);
    sched_ask(s, 0);
    wants_item(s, 1, 0, 2); /* meanwhile the rest */
    assert_false(sched_done(s, 0, 2, SCHED_BUSY, 4));
    sched_ask(s, 0);
    wants_item(s, 4, 0, 3);
    assert_true(sched_done(s, 0, 3, SCHED_MADE, 5));
    sched_ask(s, 0);
    wants_nothing(s, 10.9);
    wants_item(s, 11, 0, 0);
    assert_int_equal(sched_put_off(s), 0);
    assert_true(sched_done(s, 0, 0, SCHED_FOUND, 11));
    sched_ask(s, 0);
    wants_item(s, 11, 0, 1); /* which waited for the item that was found */
    assert_true(sched_done(s, 0, 1, SCHED_MADE, 12));
    sched_ask(s, 0);
    wants_item(s, 12, 0, 2);
    assert_true(sched_done(s, 0, 2, SCHED_FOUND, 12));
    assert_true(sched_is_finished(s));
    assert_int_equal(sched_count(s, 0).failed, 0);
    assert_int_equal(sched_failures(s, 0), 0);
    graph_end(&d, &s);
}

static void a_gang_may_find_its_item_busy(void **state)
{
    struct sched_draft d;
    struct sched *s;
    struct sched_grant g;
    (void)state;
    graph_begin(&d, 1, 1);
    graph_add(&d, 8, 2);
    s = graph_start(&d, (struct sched_options){.n_workers = 2, .put_off_s = 1});
    for (int round = 0; round < 2; round++) {
        sched_ask(s, 0);
        sched_ask(s, 1);
        for (int member = 0; member < 2; member++) {
            assert_true(sched_grant(s, 2 * round, &g));
            assert_int_equal(g.kind, SCHED_GANG);
        }
        assert_false(sched_done(s, 1, 0, round ? SCHED_FOUND : SCHED_BUSY, 2 * round));
        assert_int_equal(sched_done(s, 0, 0, round ? SCHED_FOUND : SCHED_BUSY, 2 * round), round);
        assert_int_equal(sched_put_off(s), !round);
    }
    assert_true(sched_is_finished(s));
    graph_end(&d, &s);
}

/* What is found takes no time: it says nothing of a stage's speed. */
static void found_items_do_not_count_as_fast(void **state)
{
    struct sched_draft d;
    struct sched *s;
    struct sched_stint stint;
    (void)state;
    graph_begin(&d, 1, 1);
    for (uint32_t i = 0; i < 3 * SCHED_SAMPLES; i++)
        graph_add(&d, 1, 1);
    s = graph_start(&d, (struct sched_options){.n_workers = 1, .overdue_s = 1e6});
    assert_false(sched_working(s, 0, 0, &stint));
    for (uint32_t i = 0; i < 2 * SCHED_SAMPLES; i++) {
        sched_ask(s, 0);
        wants_item(s, i, 0, i);
        assert_true(sched_working(s, 0, i + 100, &stint));
        assert_int_equal(stint.item, i);
        assert_false(stint.is_slow); /* the speed is not known yet */
        assert_true(sched_done(s, 0, i, i % 2 ? SCHED_MADE : SCHED_FOUND, i + 1));
    }
    sched_ask(s, 0);
    wants_item(s, 100, 0, 2 * SCHED_SAMPLES);
    assert_true(sched_working(s, 0, 102, &stint));
    assert_true(fabs(stint.expected_s - 1) < 1e-9 && fabs(stint.since - 100) < 1e-9);
    assert_false(stint.is_slow);
    assert_true(sched_working(s, 0, 103.5, &stint) && stint.is_slow);
    graph_end(&d, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_busy_item_comes_again_later),
        cmocka_unit_test(a_gang_may_find_its_item_busy),
        cmocka_unit_test(found_items_do_not_count_as_fast),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
