/*
 * Unit tests of sweep/sched_sim, and through it of sweep/sched: random graphs, with slow, lost and failing
 * workers, against what any schedule must keep.
 */
#include "check.h"
#include "work_graph.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "sweep/sched_sim.h"

#include <math.h>

/* ---- random graphs ---- */

/* What a simulated run did, checked as it goes. */
struct journal {
    const struct sched_graph *graph;
    uint8_t *is_done; /* [n_items] */
    double *ready_at; /* [n_items] when the last that it waits for had ended */
    uint32_t *needs;  /* [n_items] */
    size_t n_done;
};

static void keep(void *context, const struct sim_run *run)
{
    struct journal *j = context;
    const struct sched_graph *g = j->graph;
    assert_int_equal(j->needs[run->item], 0);
    assert_true(run->begin >= j->ready_at[run->item] - 1e-9);
    assert_true(run->end >= run->begin);
    if (!run->is_done)
        return;
    assert_true(run->is_ok);
    assert_false(j->is_done[run->item]);
    j->is_done[run->item] = 1;
    j->n_done++;
    for (uint32_t e = g->first[run->item]; e < g->first[run->item + 1]; e++) {
        j->needs[g->after[e]]--;
        j->ready_at[g->after[e]] = fmax(j->ready_at[g->after[e]], run->end);
    }
}

static void random_graph(struct sched_draft *d, uint64_t seed, bool has_gangs)
{
    uint64_t k = 0;
    size_t n = 1 + rng_below(seed, k++, 300);
    size_t edges = rng_below(seed, k++, 3 * n);
    graph_begin(d, 3, 4);
    for (size_t i = 0; i < n; i++) {
        uint64_t at = 4 * i + 10;
        CHECK_OK(sched_add_item(
            d, (struct sched_item){.cost = (float)rng_below(seed, at, 100) / 10,
                                   .tool = (uint32_t)rng_below(seed, at + 1, 4),
                                   .stage = (uint16_t)rng_below(seed, at + 2, 3),
                                   .most = has_gangs && rng_below(seed, at + 3, 20) == 0 ? 8 : 1}));
    }
    k = 4 * n + 10;
    for (size_t e = 0; n > 1 && e < edges; e++) {
        size_t a = rng_below(seed, k++, n);
        size_t b = rng_below(seed, k++, n);
        if (a != b)
            graph_edge(d, a < b ? a : b, a < b ? b : a);
    }
    CHECK_OK(sched_draft_finish(d));
}

/* Simulate with a journal; returns how many items were done. */
static size_t simulate(struct sim_result *r, const struct sched_graph *g, struct sim_options o)
{
    struct journal j = {.graph = g};
    CHECK_OK(MEM_NEW(j.is_done, g->n_items));
    CHECK_OK(MEM_NEW(j.ready_at, g->n_items));
    CHECK_OK(MEM_NEW(j.needs, g->n_items));
    for (uint32_t e = 0; e < g->first[g->n_items]; e++)
        j.needs[g->after[e]]++;
    o.on_end = keep;
    o.context = &j;
    if (!o.sched.max_attempts)
        o.sched.max_attempts = 1;
    CHECK_OK(sched_simulate(r, g, &o));
    MEM_FREE(j.is_done);
    MEM_FREE(j.ready_at);
    MEM_FREE(j.needs);
    assert_int_equal(r->count.done, j.n_done);
    assert_int_equal(r->count.total, g->n_items);
    return j.n_done;
}

enum { N_GRAPHS = 300 };

/* Graham's bound for any schedule without idle workers beside work: total / m + (1 - 1 / m) path. */
static void without_gangs_no_worker_idles_beside_work(void **state)
{
    double worst = 0;
    (void)state;
    for (uint64_t seed = 0; seed < N_GRAPHS; seed++) {
        struct sched_draft d;
        struct sim_result r;
        size_t m = 1 + rng_below(seed, 1 << 20, 20);
        double path;
        random_graph(&d, seed, false);
        assert_int_equal(
            simulate(&r, &d.graph,
                     (struct sim_options){.sched = {.n_workers = m, .overdue_s = 1}, .seed = seed}),
            d.graph.n_items);
        path = r.efficiency > 0 ? r.makespan * r.efficiency : 0; /* total / m */
        assert_true(r.makespan >= r.bound * (1 - 1e-6));
        assert_true(r.makespan <= (path + (1 - 1.0 / (double)m) * r.bound) * (1 + 1e-6) + 1e-9);
        assert_int_equal(r.n_again, 0);
        worst = fmax(worst, r.bound > 0 ? r.makespan / r.bound : 1);
        sched_draft_release(&d);
    }
    print_message("worst makespan: %.3f of the lower bound\n", worst);
}

static void with_gangs_little_more_is_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < N_GRAPHS; seed++) {
        struct sched_draft d;
        struct sim_result r;
        size_t m = 1 + rng_below(seed, 1 << 20, 20);
        random_graph(&d, seed, true);
        assert_int_equal(simulate(&r, &d.graph,
                                  (struct sim_options){.sched = {.n_workers = m, .batch_s = 0.5},
                                                       .grant_s = 1e-5,
                                                       .latency_s = 1e-5,
                                                       .noise = 0.2,
                                                       .seed = seed}),
                         d.graph.n_items);
        /* a gang's item on one worker alone is the worst that can happen to a path */
        assert_true(r.makespan <= 1.3 * (r.bound * 8 + r.makespan * r.efficiency) + 1);
        sched_draft_release(&d);
    }
}

static void slow_lost_and_failing_workers(void **state)
{
    size_t again = 0;
    size_t failures = 0;
    size_t skips = 0;
    (void)state;
    for (uint64_t seed = 0; seed < N_GRAPHS; seed++) {
        struct sched_draft d;
        struct sim_result r;
        size_t m = 4 + rng_below(seed, 1 << 20, 20);
        random_graph(&d, seed, true);
        (void)simulate(&r, &d.graph,
                       (struct sim_options){.sched = {.n_workers = m,
                                                      .batch_s = seed % 2 ? 2 : 0,
                                                      .max_attempts = 1 + (unsigned)seed % 3,
                                                      .goes_on = true},
                                            .grant_s = 1e-3,
                                            .latency_s = 1e-3,
                                            .noise = 0.5,
                                            .n_slow = 2,
                                            .n_lost = 1,
                                            .fail = seed % 5 ? 0.02 : 0,
                                            .seed = seed});
        assert_int_equal(r.count.done + r.count.failed + r.count.skipped, d.graph.n_items);
        assert_true(seed % 5 || r.count.done == d.graph.n_items);
        again += r.n_again;
        failures += r.count.failed;
        skips += r.count.skipped;
        sched_draft_release(&d);
    }
    assert_true(again > 0 && failures > 0 && skips > 0);
}

/* ---- the simulator ---- */

/* m workers, n equal items of a second, a coordinator that takes long: what a pencil says. */
static void a_busy_coordinator_is_the_limit(void **state)
{
    struct sched_draft d;
    struct sim_result r;
    (void)state;
    graph_begin(&d, 1, 1);
    for (size_t i = 0; i < 1000; i++)
        graph_add(&d, 1, 1);
    CHECK_OK(sched_draft_finish(&d));
    simulate(&r, &d.graph, (struct sim_options){.sched = {.n_workers = 10}});
    assert_true(fabs(r.makespan - 100) < 1e-6 && fabs(r.efficiency - 1) < 1e-6);
    assert_true(fabs(r.bound - 100) < 1e-6 && r.load < 1e-9);
    assert_int_equal(r.n_messages, 10 + 1000 + 1000 + 10);
    /* a report and a grant cost 0.2 s together: 1000 items, one after the other, 200 s */
    simulate(&r, &d.graph, (struct sim_options){.sched = {.n_workers = 10}, .grant_s = 0.2});
    assert_true(r.makespan > 200 && r.makespan < 204);
    assert_true(r.load > 0.99 && r.longest_wait > 0.5);
    sched_draft_release(&d);
}

static void tools_take_time_to_load(void **state)
{
    const double load_s[] = {0, 5, 7};
    struct sched_draft d;
    struct sim_result r;
    (void)state;
    graph_begin(&d, 1, 3);
    for (size_t i = 0; i < 30; i++)
        graph_add_with_tool(&d, 1, i < 20 ? 1 : 2);
    CHECK_OK(sched_draft_finish(&d));
    simulate(&r, &d.graph, (struct sim_options){.sched = {.n_workers = 1}, .load_s = load_s});
    assert_true(fabs(r.makespan - 42) < 1e-6); /* each tool once */
    sched_draft_release(&d);
}

static void nothing_to_do(void **state)
{
    struct sched_draft d;
    struct sim_result r;
    (void)state;
    graph_begin(&d, 1, 1);
    CHECK_OK(sched_draft_finish(&d));
    simulate(&r, &d.graph, (struct sim_options){.sched = {.n_workers = 3}});
    assert_true(r.makespan <= 0 && r.bound <= 0);
    sched_draft_release(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_gangs_no_worker_idles_beside_work),
        cmocka_unit_test(with_gangs_little_more_is_lost),
        cmocka_unit_test(slow_lost_and_failing_workers),
        cmocka_unit_test(a_busy_coordinator_is_the_limit),
        cmocka_unit_test(tools_take_time_to_load),
        cmocka_unit_test(nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
