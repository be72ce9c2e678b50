/* Unit tests of sweep/sched: who gets what, and when. */
#include "check.h"
#include "work_graph.h"

#include "base/err.h"
#include "sweep/sched.h"

#include <math.h>
#include <string.h>

static void wants_leave(struct sched *s, size_t worker)
{
    struct sched_grant g;
    assert_true(sched_grant(s, 0, &g));
    assert_int_equal(g.kind, SCHED_LEAVE);
    assert_int_equal(g.worker, worker);
}

static void wants_gang(struct sched *s, double now, uint32_t item, size_t n, const uint32_t *member)
{
    for (size_t i = 0; i < n; i++) {
        struct sched_grant g;
        assert_true(sched_grant(s, now, &g));
        assert_int_equal(g.kind, SCHED_GANG);
        assert_int_equal(g.item[0], item);
        assert_int_equal(g.worker, member[i]);
        assert_int_equal(g.n_members, n);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(g.member[k], member[k]);
    }
}

static void done(struct sched *s, size_t worker, uint32_t item, double now)
{
    sched_done(s, worker, item, SCHED_MADE, now);
    sched_ask(s, worker);
}

static void failed(struct sched *s, size_t worker, uint32_t item)
{
    sched_done(s, worker, item, SCHED_FAILED, 0);
    sched_ask(s, worker);
}

/* ---- order ---- */

static void the_longest_path_goes_first(void **state)
{
    struct sched_draft d;
    struct sched *s;
    (void)state;
    graph_begin(&d, 1, 1);
    graph_add(&d, 3, 1); /* 0: path 3 */
    graph_add(&d, 1, 1); /* 1: path 1 + 5 */
    graph_add(&d, 5, 1); /* 2: after 1 */
    graph_add(&d, 3, 1); /* 3: as 0, and later */
    graph_add(&d, 4, 1); /* 4 */
    graph_edge(&d, 1, 2);
    s = graph_start(&d, (struct sched_options){.n_workers = 1});
    assert_true(fabs(sched_total(s) - 16) < 1e-9 && fabs(sched_critical(s) - 6) < 1e-9);
    sched_ask(s, 0);
    for (size_t i = 0; i < 5; i++) {
        wants_item(s, 0, 0, (uint32_t[]){1, 2, 4, 0, 3}[i]);
        wants_nothing(s, 0);
        assert_int_equal(sched_count(s, 0).done, i);
        done(s, 0, (uint32_t[]){1, 2, 4, 0, 3}[i], 0);
    }
    assert_true(sched_is_finished(s));
    wants_leave(s, 0);
    wants_nothing(s, 0);
    graph_end(&d, &s);
}

static void an_item_waits_for_all_before_it(void **state)
{
    struct sched_draft d;
    struct sched *s;
    (void)state;
    graph_begin(&d, 1, 1);
    for (size_t i = 0; i < 4; i++)
        graph_add(&d, 1, 1);
    graph_edge(&d, 0, 3);
    graph_edge(&d, 2, 3);
    graph_edge(&d, 1, 3);
    s = graph_start(&d, (struct sched_options){.n_workers = 4});
    for (size_t i = 0; i < 3; i++) {
        sched_ask(s, i);
        wants_item(s, 0, i, (uint32_t)i);
    }
    sched_ask(s, 3);
    wants_nothing(s, 0);
    done(s, 1, 1, 1);
    done(s, 0, 0, 1);
    wants_nothing(s, 1);
    sched_done(s, 2, 2, SCHED_MADE, 1);
    wants_item(s, 1, 0, 3); /* the one that asked last */
    sched_ask(s, 2);
    wants_nothing(s, 1);
    sched_done(s, 0, 3, SCHED_MADE, 2);
    for (size_t i = 0; i < 3; i++) {
        struct sched_grant g;
        assert_true(sched_grant(s, 2, &g));
        assert_int_equal(g.kind, SCHED_LEAVE);
    }
    wants_nothing(s, 2); /* 0 has not asked */
    sched_ask(s, 0);
    wants_leave(s, 0);
    graph_end(&d, &s);
}

static void a_circle_is_refused(void **state)
{
    struct sched_draft d;
    struct sched *s = NULL;
    (void)state;
    graph_begin(&d, 1, 1);
    for (size_t i = 0; i < 4; i++)
        graph_add(&d, 1, 1);
    graph_edge(&d, 0, 1);
    graph_edge(&d, 1, 2);
    graph_edge(&d, 2, 1);
    graph_edge(&d, 2, 3);
    CHECK_OK(sched_draft_finish(&d));
    CHECK_FAILS(sched_new(&s, &d.graph, &(struct sched_options){.n_workers = 1, .max_attempts = 1}),
                ERR_SHAPE, "3 of 4 items wait for each other");
    assert_null(s);
    sched_draft_release(&d);
}

static void a_worker_stays_with_its_tool_unless_the_rest_is_urgent(void **state)
{
    struct sched_draft d;
    struct sched *s;
    (void)state;
    graph_begin(&d, 1, 3);
    for (size_t i = 0; i < 40; i++)
        graph_add_with_tool(&d, i < 20 ? 2 : 1, i < 20 ? 1 : 2);
    graph_add_with_tool(&d, 1.5, 0);
    s = graph_start(&d, (struct sched_options){.n_workers = 2});
    sched_ask(s, 0);
    wants_item(s, 0, 0, 0);
    done(s, 0, 0, 1);
    wants_item(s, 1, 0, 1);
    done(s, 0, 1, 1);
    for (uint32_t i = 2; i < 20;
         i++) { /* 39.5 are left at i = 10: no item of 2 s decides the end */
        wants_item(s, 1, 0, i);
        done(s, 0, i, 1);
    }
    wants_item(s, 1, 0, 40); /* no tool is needed, and it is longer than those of tool 2 */
    done(s, 0, 40, 1);
    wants_item(s, 1, 0, 20);
    done(s, 0, 20, 1);
    wants_item(s, 1, 0, 21);
    graph_end(&d, &s);

    graph_begin(&d, 1, 3);
    for (size_t i = 0; i < 4; i++)
        graph_add_with_tool(&d, 1, 1);
    graph_add_with_tool(&d, 1, 2);
    graph_add(&d, 9, 1);
    graph_edge(&d, 4, 5); /* the path of 10 decides */
    s = graph_start(&d, (struct sched_options){.n_workers = 2});
    sched_ask(s, 0);
    wants_item(s, 0, 0, 4);
    sched_ask(s, 1);
    wants_item(s, 0, 1, 0);
    done(s, 1, 0, 1);
    wants_item(s, 1, 1, 1);
    graph_end(&d, &s);
}

static void small_items_are_given_together(void **state)
{
    struct sched_draft d;
    struct sched *s;
    struct sched_grant g;
    size_t sum = 0;
    (void)state;
    graph_begin(&d, 1, 1);
    for (size_t i = 0; i < 1000; i++)
        graph_add(&d, 0.001, 1);
    s = graph_start(&d, (struct sched_options){.n_workers = 2, .batch_s = 0.0105});
    sched_ask(s, 0);
    assert_true(sched_grant(s, 0, &g));
    assert_int_equal(g.n_items, 10);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(g.item[i], i);
        sched_done(s, 0, i, SCHED_MADE, 0.1 * (i + 1)); /* a hundred times slower than expected */
    }
    sched_ask(s, 0);
    assert_true(sched_grant(s, 1, &g));
    assert_int_equal(g.n_items, 1);
    graph_end(&d, &s);

    graph_begin(&d, 1, 1);
    for (size_t i = 0; i < 1000; i++)
        graph_add(&d, 0, 1);
    s = graph_start(&d, (struct sched_options){.n_workers = 2, .batch_s = 0.01});
    while (!sched_is_finished(s)) {
        sched_ask(s, 0);
        assert_true(sched_grant(s, 0, &g));
        assert_true(g.n_items <= SCHED_BATCH);
        /* the other worker must find as much */
        assert_true(g.n_items == 1 || (1000 - sum) >= 2 * g.n_items);
        sum += g.n_items;
        for (size_t i = 0; i < g.n_items; i++)
            sched_done(s, 0, g.item[i], SCHED_MADE, 0);
    }
    assert_int_equal(sum, 1000);
    graph_end(&d, &s);
}

/* ---- gangs ---- */

static void a_gang_forms_from_workers_that_become_free(void **state)
{
    struct sched_draft d;
    struct sched *s;
    (void)state;
    graph_begin(&d, 2, 1);
    graph_add(&d, 100, 4); /* 0: most urgent */
    for (size_t i = 0; i < 8; i++)
        graph_add(&d, 5, 1);
    graph_add(&d, 50, 4); /* 9: near, it waits for 1 only */
    graph_edge(&d, 1, 9);
    s = graph_start(&d, (struct sched_options){.n_workers = 5});
    sched_ask(s, 3);
    wants_nothing(s, 0); /* 5 workers, 2 gangs: it waits for one more */
    assert_true(fabs(sched_wake(s) - 12.5) < 1e-6);
    sched_ask(s, 1);
    wants_gang(s, 1, 0, 2, (uint32_t[]){1, 3});
    sched_ask(s, 0);
    wants_item(s, 1, 0, 1); /* path 5 + 50 / 4 */
    sched_ask(s, 2);
    wants_item(s, 1, 2, 2);
    done(s, 0, 1, 6);
    wants_nothing(s, 6); /* 9 forms: still two gangs, one at work */
    sched_ask(s, 4);
    wants_gang(s, 6, 9, 2, (uint32_t[]){0, 4});
    done(s, 3, 0, 7);
    wants_item(s, 7, 3, 3);
    assert_int_equal(sched_count(s, 0).done, 1);
    done(s, 1, 0, 8);
    assert_int_equal(sched_count(s, 0).done, 2);
    graph_end(&d, &s);
}

static void a_gang_does_not_wait_for_long(void **state)
{
    struct sched_draft d;
    struct sched *s;
    (void)state;
    graph_begin(&d, 1, 1);
    graph_add(&d, 80, 8);
    s = graph_start(&d, (struct sched_options){.n_workers = 8});
    for (size_t i = 0; i < 5; i++)
        sched_ask(s, i);
    wants_nothing(
        s, 1); /* five take as long as four, 20 s: an eighth of that is 2.5 s after the first */
    assert_true(fabs(sched_wake(s) - 3.5) < 1e-6);
    wants_nothing(s, 3.4);
    wants_gang(s, 3.5, 0, 4, (uint32_t[]){1, 2, 3, 4});
    wants_nothing(s, 3.5);
    graph_end(&d, &s);
}

static void a_gang_of_one(void **state)
{
    struct sched_draft d;
    struct sched *s;
    (void)state;
    graph_begin(&d, 1, 1);
    for (size_t i = 0; i < 4; i++)
        graph_add(&d, 10, 8);
    s = graph_start(&d, (struct sched_options){.n_workers = 4});
    for (uint32_t i = 0; i < 4; i++) {
        sched_ask(s, i);
        wants_gang(s, 0, i, 1, &i);
    }
    graph_end(&d, &s);
}

static void a_gang_fails_with_any_member(void **state)
{
    struct sched_draft d;
    struct sched *s;
    (void)state;
    graph_begin(&d, 1, 1);
    graph_add(&d, 10, 2);
    s = graph_start(&d, (struct sched_options){.n_workers = 2, .max_attempts = 2});
    sched_ask(s, 0);
    sched_ask(s, 1);
    wants_gang(s, 0, 0, 2, (uint32_t[]){0, 1});
    failed(s, 0, 0);
    wants_nothing(s, 0); /* the other member is still at it */
    done(s, 1, 0, 0);
    wants_gang(s, 0, 0, 2, (uint32_t[]){0, 1});
    sched_lost(s, 0);
    done(s, 1, 0, 1); /* ignored: its companion was lost */
    assert_int_equal(sched_count(s, 0).done, 0);
    wants_gang(s, 1, 0, 1, (uint32_t[]){1});
    failed(s, 1, 0);
    assert_int_equal(sched_count(s, 0).failed, 1);
    wants_leave(s, 1);
    graph_end(&d, &s);
}

static void a_stop_dissolves_a_gang_that_forms(void **state)
{
    struct sched_draft d;
    struct sched *s;
    (void)state;
    graph_begin(&d, 1, 1);
    graph_add(&d, 10, 2);
    s = graph_start(&d, (struct sched_options){.n_workers = 3});
    sched_ask(s, 2);
    wants_nothing(s, 0);
    sched_close(s);
    assert_true(isinf(sched_wake(s)));
    wants_leave(s, 2);
    sched_ask(s, 0);
    wants_leave(s, 0);
    assert_false(sched_is_finished(s));
    graph_end(&d, &s);
}

/* ---- slow, lost and failing workers ---- */

static void what_takes_too_long_is_given_again(void **state)
{
    struct sched_draft d;
    struct sched *s;
    double now = 0;
    (void)state;
    graph_begin(&d, 1, 1);
    for (uint32_t i = 0; i < 20; i++)
        graph_add(&d, 1, 1);
    s = graph_start(&d, (struct sched_options){.n_workers = 3});
    sched_ask(s, 0);
    sched_ask(s, 1);
    wants_item(s, 0, 1, 0);
    wants_item(s, 0, 0, 1);
    for (uint32_t i = 1; i < 1 + SCHED_SAMPLES; i++) { /* twice as slow as said */
        assert_true(isinf(sched_wake(s)));
        now += 2;
        done(s, 0, i, now);
        if (i < SCHED_SAMPLES)
            wants_item(s, now, 0, i + 1);
    }
    /* 16 s: item 0 was expected after 2 s, and is overdue since 6 s; it goes before 9 in item order */
    wants_item(s, now, 0, 0);
    wants_nothing(s, now);
    sched_ask(s, 2);
    wants_item(s, now, 2, 9);
    assert_true(fabs(sched_wake(s) - 22) < 1e-6);
    done(s, 0, 0, now + 2);
    assert_int_equal(sched_count(s, 0).done, 9);
    wants_item(s, now + 2, 0, 10);
    done(s, 1, 0, now + 3); /* the first finisher has won */
    assert_int_equal(sched_count(s, 0).done, 9);
    wants_item(s, now + 3, 1, 11);
    graph_end(&d, &s);
}

static void a_copy_that_is_not_needed_any_more_is_not_given(void **state)
{
    struct sched_draft d;
    struct sched *s;
    (void)state;
    graph_begin(&d, 1, 1);
    for (uint32_t i = 0; i < 2 + SCHED_SAMPLES; i++)
        graph_add(&d, 1, 1);
    s = graph_start(&d, (struct sched_options){.n_workers = 2, .overdue_s = 100});
    sched_ask(s, 1);
    wants_item(s, 0, 1, 0);
    sched_ask(s, 0);
    for (uint32_t i = 1; i <= SCHED_SAMPLES; i++) {
        wants_item(s, i, 0, i);
        done(s, 0, i, i + 1);
    }
    wants_item(s, 50, 0, 1 + SCHED_SAMPLES); /* not before 100 s */
    wants_nothing(s, 100);                   /* offered, nobody is free */
    sched_done(s, 1, 0, SCHED_MADE, 101);
    sched_ask(s, 1);
    wants_nothing(s, 101);
    done(s, 0, 1 + SCHED_SAMPLES, 102);
    assert_true(sched_is_finished(s));
    graph_end(&d, &s);
}

static void a_failure_of_one_of_two_is_none(void **state)
{
    struct sched_draft d;
    struct sched *s;
    (void)state;
    graph_begin(&d, 1, 1);
    for (uint32_t i = 0; i < 1 + SCHED_SAMPLES; i++)
        graph_add(&d, 1, 1);
    s = graph_start(&d, (struct sched_options){.n_workers = 2});
    sched_ask(s, 1);
    wants_item(s, 0, 1, 0);
    sched_ask(s, 0);
    for (uint32_t i = 1; i <= SCHED_SAMPLES; i++) {
        wants_item(s, i, 0, i);
        done(s, 0, i, i + 1);
    }
    wants_item(s, 50, 0, 0);
    failed(s, 1, 0);
    assert_int_equal(sched_count(s, 0).failed, 0);
    done(s, 0, 0, 51);
    assert_true(sched_is_finished(s));
    assert_int_equal(sched_count(s, SIZE_MAX).done, 1 + SCHED_SAMPLES);
    graph_end(&d, &s);
}

static void what_a_lost_worker_had_goes_to_others(void **state)
{
    struct sched_draft d;
    struct sched *s;
    (void)state;
    graph_begin(&d, 1, 1);
    graph_add(&d, 2, 1);
    graph_add(&d, 1, 1);
    s = graph_start(&d, (struct sched_options){.n_workers = 3});
    sched_ask(s, 2);
    wants_item(s, 0, 2, 0);
    sched_lost(s, 2);
    sched_lost(s, 2);
    sched_ask(s, 1);
    wants_item(s, 0, 1, 0);
    sched_ask(s, 0);
    sched_lost(s, 0); /* while it waits for an answer */
    wants_nothing(s, 0);
    done(s, 1, 0, 1);
    wants_item(s, 1, 1, 1);
    done(s, 1, 1, 1);
    assert_int_equal(sched_count(s, 0).failed, 0);
    wants_leave(s, 1);
    graph_end(&d, &s);
}

static void what_is_given_back_goes_to_others(void **state)
{
    struct sched_draft d;
    struct sched *s;
    struct sched_grant g;
    (void)state;
    graph_begin(&d, 1, 1);
    for (size_t i = 0; i < 100; i++)
        graph_add(&d, 0, 1);
    graph_add(&d, 1, 2);
    s = graph_start(&d, (struct sched_options){.n_workers = 2, .batch_s = 1});
    sched_ask(s, 0);
    sched_ask(s, 1);
    wants_gang(s, 0, 100, 2, (uint32_t[]){0, 1});
    sched_give_back(s, 0); /* one member does not do it: it is for all to do again */
    sched_ask(s, 0);
    wants_nothing(s, 0);
    assert_false(sched_done(s, 1, 100, SCHED_MADE, 0));
    sched_ask(s, 1);
    wants_gang(s, 0, 100, 2, (uint32_t[]){0, 1});
    done(s, 0, 100, 0);
    assert_true(sched_grant(s, 0, &g));
    assert_int_equal(g.n_items, 20); /* 80 are left: for each worker twice as many */
    sched_done(s, 0, g.item[0], SCHED_MADE, 0);
    sched_give_back(s, 0);
    sched_ask(s, 0);
    assert_int_equal(sched_count(s, 0).failed, 0);
    assert_true(sched_grant(s, 0, &g));
    assert_int_equal(g.item[0], 1);
    assert_true(g.is_again);
    graph_end(&d, &s);
}

/* 0 -> 1 -> 2, 3 -> 2, 4 */
static struct sched *start_failing(struct sched_draft *d, bool goes_on, unsigned attempts)
{
    graph_begin(d, 2, 1);
    for (size_t i = 0; i < 5; i++)
        CHECK_OK(sched_add_item(
            d, (struct sched_item){.cost = 1, .most = i == 1 ? 2 : 1, .stage = i == 2}));
    graph_edge(d, 0, 1);
    graph_edge(d, 1, 2);
    graph_edge(d, 3, 2);
    return graph_start(
        d, (struct sched_options){.n_workers = 1, .goes_on = goes_on, .max_attempts = attempts});
}

static void what_waits_for_a_failed_item_is_skipped(void **state)
{
    struct sched_draft d;
    struct sched *s = start_failing(&d, true, 2);
    (void)state;
    sched_ask(s, 0);
    wants_item(s, 0, 0, 0);
    failed(s, 0, 0);
    assert_int_equal(sched_count(s, 0).failed, 0);
    wants_item(s, 0, 0, 0);
    failed(s, 0, 0);
    assert_int_equal(sched_count(s, 0).failed, 1);
    assert_int_equal(sched_count(s, 0).skipped, 1);
    assert_int_equal(sched_count(s, 1).skipped, 1);
    wants_item(s, 0, 0, 3);
    done(s, 0, 3, 0);
    wants_item(s, 0, 0, 4);
    done(s, 0, 4, 0);
    wants_leave(s, 0);
    assert_true(sched_is_finished(s));
    assert_int_equal(sched_count(s, SIZE_MAX).total, 5);
    graph_end(&d, &s);
}

static void or_nothing_more_is_given(void **state)
{
    struct sched_draft d;
    struct sched *s = start_failing(&d, false, 1);
    (void)state;
    sched_ask(s, 0);
    wants_item(s, 0, 0, 0);
    failed(s, 0, 0);
    wants_leave(s, 0);
    assert_false(sched_is_finished(s));
    graph_end(&d, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_path_goes_first),
        cmocka_unit_test(an_item_waits_for_all_before_it),
        cmocka_unit_test(a_circle_is_refused),
        cmocka_unit_test(a_worker_stays_with_its_tool_unless_the_rest_is_urgent),
        cmocka_unit_test(small_items_are_given_together),
        cmocka_unit_test(a_gang_forms_from_workers_that_become_free),
        cmocka_unit_test(a_gang_does_not_wait_for_long),
        cmocka_unit_test(a_gang_of_one),
        cmocka_unit_test(a_gang_fails_with_any_member),
        cmocka_unit_test(a_stop_dissolves_a_gang_that_forms),
        cmocka_unit_test(what_takes_too_long_is_given_again),
        cmocka_unit_test(a_copy_that_is_not_needed_any_more_is_not_given),
        cmocka_unit_test(a_failure_of_one_of_two_is_none),
        cmocka_unit_test(what_a_lost_worker_had_goes_to_others),
        cmocka_unit_test(what_is_given_back_goes_to_others),
        cmocka_unit_test(what_waits_for_a_failed_item_is_skipped),
        cmocka_unit_test(or_nothing_more_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
