/*
 * Unit tests of sweep/queue and par/: who gets which item, failing and stopping together, collectives.
 * Run alone it is one rank without MPI; tests/mpi/queue.sh runs the same program under mpirun.
 */
#include "check.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "par/comm.h"
#include "par/cores.h"
#include "par/gather.h"
#include "sweep/queue.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { N_ITEMS = 60 };

static struct comm *comm;

static int start(void **state)
{
    (void)state;
    return comm_start(&comm);
}

static int stop(void **state)
{
    comm_stop(&comm);
    return check_balance(state);
}

/* ---- queue ---- */

/* What this rank was given. */
struct record {
    size_t order[N_ITEMS];
    size_t n;
    int failing_rank; /* its first item fails; -1: none */
    size_t failures;  /* how many of its items fail */
    double pause;     /* seconds an item takes on this rank; below 0: its cost */
    size_t busy;      /* so many of its first items are being made by another run */
    const struct sched_graph *graph;
    size_t reports, ended, again, late, attempts, failed;
};

static int take(void *context, struct task *task)
{
    int rc = ERR_OK;
    struct record *r = context;
    size_t item = task->item;
    struct comm *gang = task->gang;
    int64_t first = comm_rank(gang) == 0 ? (int64_t)item : -1;
    assert_true(r->n < N_ITEMS);
    r->order[r->n++] = item;
    r->again += task->is_again;
    assert_true(comm_size(gang) <= r->graph->item[item].most);
    CHECK_OK(comm_max(gang, &first)); /* all members are here, for the same item */
    assert_int_equal(first, item);
    task->end = r->n <= r->busy ? SCHED_BUSY : SCHED_MADE;
    if (comm_rank(comm) == r->failing_rank && r->n <= r->failures)
        FAIL(ERR_FORMAT, "item is bad");
    if (r->pause < 0)
        clock_sleep(sched_shared_cost(&r->graph->item[item], (size_t)comm_size(gang)));
    else if (r->pause > 0)
        clock_sleep(r->pause);
out:
    return rc;
}

static void count_report(void *context, const struct sched *sched, size_t ended, size_t peak_bytes)
{
    struct record *r = context;
    assert_true(sched_count(sched, SIZE_MAX).done <= N_ITEMS);
    assert_true(peak_bytes > 0);
    r->reports++;
    r->ended += ended == 0;
}

static void count_attempt(void *context, const struct attempt *a)
{
    struct record *r = context;
    assert_true(a->item < r->graph->n_items && a->rank >= 0 && a->rank < comm_size(comm));
    assert_true(a->end >= a->begin && a->begin > 1.7e9);
    assert_string_equal(a->why, a->how == SCHED_FAILED ? "item is bad" : "");
    r->attempts++;
    r->failed += a->how == SCHED_FAILED;
    r->late += a->is_late;
}

static const char *const stage[] = {"test"};

static int run_graph(struct record *r, const struct sched_graph *graph,
                     struct sched_options options)
{
    r->graph = graph;
    if (options.max_attempts == 0)
        options.max_attempts = 1;
    return queue_run(comm, &(struct queue){.graph = graph,
                                           .stage = stage,
                                           .options = options,
                                           .work = take,
                                           .context = r,
                                           .on_progress = count_report,
                                           .on_attempt = count_attempt});
}

static int run_with(struct record *r, const double *cost, size_t n, struct sched_options options)
{
    int rc;
    struct sched_draft d = {.graph = {.n_stages = 1, .n_tools = 1}};
    for (size_t i = 0; i < n; i++)
        CHECK_OK(sched_add_item(&d, (struct sched_item){.cost = (float)cost[i], .most = 1}));
    CHECK_OK(sched_draft_finish(&d));
    r->failures = r->failures ? r->failures : 1;
    rc = run_graph(r, &d.graph, options);
    r->graph = NULL;
    sched_draft_release(&d);
    return rc;
}

static int run(struct record *r, const double *cost, size_t n)
{
    return run_with(r, cost, n, (struct sched_options){.overdue_s = 100});
}

/* How often each item was given, over all ranks. */
static void count_items(const struct record *r, size_t times[N_ITEMS])
{
    uint8_t mine[N_ITEMS] = {0};
    uint8_t *all = NULL;
    size_t size = (size_t)comm_size(comm);
    for (size_t i = 0; i < r->n; i++)
        mine[r->order[i]]++;
    CHECK_OK(MEM_NEW(all, size * N_ITEMS));
    CHECK_OK(comm_allgather(comm, mine, N_ITEMS, all));
    memset(times, 0, N_ITEMS * sizeof *times);
    for (size_t i = 0; i < size * N_ITEMS; i++)
        times[i % N_ITEMS] += all[i];
    MEM_FREE(all);
}

static size_t total(const size_t times[N_ITEMS])
{
    size_t sum = 0;
    for (size_t i = 0; i < N_ITEMS; i++)
        sum += times[i];
    return sum;
}

/* Costs with ties, neither rising nor falling. */
static void fill_costs(double cost[N_ITEMS])
{
    for (size_t i = 0; i < N_ITEMS; i++)
        cost[i] = (double)(i * 7 % 13);
}

static void every_item_once_the_longest_first(void **state)
{
    struct record r = {.failing_rank = -1};
    double cost[N_ITEMS];
    size_t times[N_ITEMS];
    (void)state;
    fill_costs(cost);
    CHECK_OK(run(&r, cost, N_ITEMS));
    count_items(&r, times);
    for (size_t i = 0; i < N_ITEMS; i++)
        assert_int_equal(times[i], 1);
    assert_true(comm_rank(comm) == 0 ? r.reports > 0 : r.reports == 0);
    assert_int_equal(r.ended, comm_rank(comm) == 0);
    assert_int_equal(r.attempts, comm_rank(comm) == 0 ? N_ITEMS : 0);
    assert_int_equal(r.again, 0);
    for (size_t i = 1; i < r.n; i++) {
        size_t a = r.order[i - 1];
        size_t b = r.order[i];
        assert_true(cost[a] > cost[b] || (!(cost[a] < cost[b]) && a < b));
    }
}

static void a_slow_rank_gets_less(void **state)
{
    struct record r = {.failing_rank = -1, .pause = comm_rank(comm) ? 1e-3 : 0.1};
    double cost[N_ITEMS];
    size_t times[N_ITEMS];
    (void)state;
    fill_costs(cost);
    if (comm_size(comm) == 1)
        r.pause = 0;
    CHECK_OK(run(&r, cost, N_ITEMS));
    count_items(&r, times);
    assert_int_equal(total(times), N_ITEMS);
    if (comm_size(comm) > 1 && comm_rank(comm) == 0)
        assert_true(r.n < N_ITEMS / 2);
}

static void fewer_items_than_ranks(void **state)
{
    double cost[N_ITEMS];
    size_t times[N_ITEMS];
    (void)state;
    fill_costs(cost);
    for (size_t n = 0; n < 3; n++) {
        struct record r = {.failing_rank = -1};
        CHECK_OK(run(&r, cost, n));
        count_items(&r, times);
        assert_int_equal(total(times), n);
    }
}

static void a_failure_ends_the_queue_on_all_ranks(void **state)
{
    double cost[N_ITEMS];
    size_t times[N_ITEMS];
    char wanted[64];
    (void)state;
    fill_costs(cost);
    for (int failing = 0; failing < comm_size(comm); failing++) {
        struct record r = {.failing_rank = failing, .pause = 20e-3};
        int rc = run(&r, cost, N_ITEMS);
        (void)snprintf(wanted, sizeof wanted, "rank %d: item is bad", failing);
        if (comm_rank(comm) == failing)
            CHECK_FAILS(rc, ERR_FORMAT, "item is bad");
        else
            CHECK_FAILS(rc, ERR_PEER, wanted);
        count_items(&r, times);
        assert_true(total(times) < N_ITEMS);
        if (comm_rank(comm) == failing)
            assert_int_equal(r.n, 1);
    }
}

static void one_rank_that_stops_stops_all(void **state)
{
    double cost[N_ITEMS];
    size_t times[N_ITEMS];
    (void)state;
    fill_costs(cost);
    for (int stopping = 0; stopping < comm_size(comm); stopping++) {
        struct record r = {.failing_rank = -1, .pause = 20e-3};
        int rc;
        if (comm_rank(comm) == stopping)
            stop_after(30e-3);
        rc = run(&r, cost, N_ITEMS);
        stop_after(0);
        CHECK_FAILS(rc, ERR_STOPPED, "stopped on request during test");
        count_items(&r, times);
        assert_true(total(times) < N_ITEMS);
        for (size_t i = 0; i < N_ITEMS; i++)
            assert_true(times[i] <= 1);
    }
}

/* An item that fails is tried again, by any rank; then the run goes well. */
static void what_fails_is_tried_again(void **state)
{
    double cost[N_ITEMS];
    size_t times[N_ITEMS];
    (void)state;
    fill_costs(cost);
    for (int failing = 0; failing < comm_size(comm); failing++) {
        struct record r = {.failing_rank = failing, .failures = 2, .pause = 1e-3};
        CHECK_OK(
            run_with(&r, cost, 20, (struct sched_options){.max_attempts = 3, .overdue_s = 100}));
        count_items(&r, times);
        assert_true(total(times) <= 22 && total(times) >= (comm_size(comm) == 1 ? 22 : 20));
        if (comm_rank(comm) == 0)
            assert_true(r.attempts == total(times) && r.failed == total(times) - 20);
    }
}

/* The rest is done, and then the failure is told. */
static void or_the_rest_goes_on(void **state)
{
    double cost[N_ITEMS];
    size_t times[N_ITEMS];
    struct record r = {.failing_rank = comm_size(comm) - 1, .pause = 5e-3};
    int rc;
    (void)state;
    fill_costs(cost);
    rc = run_with(&r, cost, N_ITEMS, (struct sched_options){.goes_on = true, .overdue_s = 100});
    if (comm_rank(comm) == r.failing_rank)
        CHECK_FAILS(rc, ERR_FORMAT, "item is bad");
    else
        CHECK_FAILS(rc, ERR_PEER, "item is bad");
    count_items(&r, times);
    assert_int_equal(total(times), N_ITEMS);
}

/* What another run makes is asked for again, and not counted as an attempt. */
static void what_is_busy_comes_again(void **state)
{
    double cost[N_ITEMS];
    size_t times[N_ITEMS];
    struct record r = {.failing_rank = -1, .busy = 3};
    (void)state;
    fill_costs(cost);
    CHECK_OK(run_with(&r, cost, 20, (struct sched_options){.put_off_s = 20e-3, .overdue_s = 100}));
    count_items(&r, times);
    assert_true(total(times) >= 20 && total(times) <= 20 + 3 * (size_t)comm_size(comm));
    if (comm_size(comm) == 1)
        assert_int_equal(total(times), 23);
    if (comm_rank(comm) == 0)
        assert_int_equal(r.attempts, 20);
}

/* Items that every rank can do in no time, and one that keeps a rank: it is given again. */
static void a_rank_that_hangs_is_overtaken(void **state)
{
    double cost[N_ITEMS];
    size_t times[N_ITEMS];
    struct record r = {.failing_rank = -1, .pause = comm_rank(comm) == 1 ? 0.4 : 1e-3};
    int64_t again, late;
    (void)state;
    if (comm_size(comm) == 1)
        return;
    for (size_t i = 0; i < N_ITEMS; i++)
        cost[i] = 1e-3;
    CHECK_OK(run_with(&r, cost, N_ITEMS, (struct sched_options){.overdue_s = 0.1}));
    count_items(&r, times);
    again = (int64_t)r.again;
    late = (int64_t)r.late;
    CHECK_OK(comm_max(comm, &again));
    CHECK_OK(comm_max(comm, &late));
    assert_true(total(times) > N_ITEMS && again > 0 && late > 0);
}

/*
 * Three chains of items and a gang in each, of sleeping items, so that ranks need no cores: the time is
 * near the lower bound.
 */
static void graph_of_chains(struct sched_draft *d, double unit)
{
    *d = (struct sched_draft){.graph = {.n_stages = 1, .n_tools = 1}};
    for (size_t chain = 0; chain < 3; chain++) {
        size_t begin = d->graph.n_items;
        for (size_t i = 0; i < 18; i++)
            CHECK_OK(sched_add_item(d, (struct sched_item){.cost = (float)unit, .most = 1}));
        CHECK_OK(sched_add_item(d, (struct sched_item){.cost = (float)(8 * unit), .most = 4}));
        for (size_t i = 0; i < 8; i++) {
            CHECK_OK(sched_add_edge(d, begin + i, begin + 18));
            CHECK_OK(sched_add_edge(d, begin + 18, begin + 10 + i));
        }
    }
    CHECK_OK(sched_draft_finish(d));
}

static void a_graph_with_gangs_takes_little_more_than_it_must(void **state)
{
    const double unit = 40e-3;
    struct sched_draft d;
    struct record r = {.failing_rank = -1, .pause = -1};
    double begin, took, bound;
    double ranks = (double)comm_size(comm);
    (void)state;
    graph_of_chains(&d, unit);
    CHECK_OK(comm_barrier(comm));
    begin = clock_now();
    CHECK_OK(run_graph(&r, &d.graph, (struct sched_options){.overdue_s = 100}));
    took = clock_now() - begin;
    bound = 3 * 26 * unit / ranks;
    assert_true(took >= bound * 0.99);
    if (comm_rank(comm) == 0)
        print_message("%.0f ranks: %.3f s, %.1f %% over the lower bound of %.3f s\n", ranks, took,
                      100 * (took / bound - 1), bound);
    sched_draft_release(&d);
}

/* ---- agreement and collectives ---- */

static int fail_as(int code)
{
    return code ? err_set((enum err)code, __FILE__, __LINE__, __func__, "rank %d says %d",
                          comm_rank(comm), code)
                : ERR_OK;
}

static void agreement(void **state)
{
    int last = comm_size(comm) - 1;
    int rank = comm_rank(comm);
    (void)state;
    CHECK_OK(comm_agree(comm, ERR_OK));
    CHECK_FAILS(comm_agree(comm, fail_as(ERR_IO)), ERR_IO, "says 3"); /* all: each keeps its own */
    if (last == 0)
        return;
    CHECK_FAILS(comm_agree(comm, fail_as(rank == last ? ERR_IO : ERR_OK)),
                rank == last ? ERR_IO : ERR_PEER, "says 3");
    /* a failure is worse than a stop, whichever rank has it */
    CHECK_FAILS(comm_agree(comm, fail_as(rank == last ? ERR_STOPPED
                                         : rank == 0  ? ERR_SHAPE
                                                      : 0)),
                rank == 0 ? ERR_SHAPE : ERR_PEER, "rank 0 says");
    CHECK_FAILS(comm_agree(comm, fail_as(rank == 0      ? ERR_STOPPED
                                         : rank == last ? ERR_SHAPE
                                                        : 0)),
                rank == last ? ERR_SHAPE : ERR_PEER, "says 5");
    CHECK_FAILS(comm_agree(comm, fail_as(rank == last ? ERR_STOPPED : 0)), ERR_STOPPED, "says 11");
}

/* Even and odd ranks apart: own numbers, own collectives; messages keep the number in the job. */
static void groups_of_ranks(void **state)
{
    enum { MOST = 64 };
    struct comm *group = NULL;
    uint32_t member[MOST];
    size_t n = 0;
    int rank = comm_rank(comm);
    int64_t value = rank;
    int last;
    (void)state;
    assert_true(comm_size(comm) <= MOST);
    for (int r = rank % 2; r < comm_size(comm); r += 2)
        member[n++] = (uint32_t)r;
    last = (int)member[n - 1];
    CHECK_OK(comm_group(&group, comm, member, n));
    assert_int_equal(comm_size(group), n);
    assert_int_equal(comm_rank(group), rank / 2);
    CHECK_OK(comm_max(group, &value));
    assert_int_equal(value, last);
    if (n > 1) {
        char wanted[32];
        int rc = comm_agree(group, fail_as(rank == last ? ERR_IO : ERR_OK));
        (void)snprintf(wanted, sizeof wanted, "rank %d: rank %d says 3", last, last);
        if (rank == last)
            CHECK_FAILS(rc, ERR_IO, "says 3");
        else
            CHECK_FAILS(rc, ERR_PEER, wanted);
    }
    comm_stop(&group);
}

/* More bytes than go out in one piece; at most two ranks, to spare memory. */
static void broadcast_in_pieces(void **state)
{
    size_t n = comm_size(comm) <= 2 ? ((size_t)1 << 28) + 17 : 4097;
    unsigned char *bytes = NULL;
    (void)state;
    CHECK_OK(MEM_NEW(bytes, n));
    if (comm_rank(comm) == comm_size(comm) - 1)
        for (size_t i = 0; i < n; i += 4096)
            bytes[i] = (unsigned char)(i / 4096 % 251 + 1);
    if (comm_rank(comm) == comm_size(comm) - 1)
        bytes[n - 1] = 77;
    CHECK_OK(comm_bcast(comm, bytes, n, comm_size(comm) - 1));
    for (size_t i = 0; i + 1 < n; i += 4096)
        assert_int_equal(bytes[i], i / 4096 % 251 + 1);
    assert_int_equal(bytes[n - 1], 77);
    MEM_FREE(bytes);
    CHECK_OK(comm_bcast(comm, NULL, 0, 0));
}

static void allgather_and_maximum(void **state)
{
    enum { LEN = 3 };
    size_t size = (size_t)comm_size(comm);
    int64_t value = comm_rank(comm) == 0 ? -5 : -7;
    unsigned char mine[LEN];
    unsigned char *all = NULL;
    (void)state;
    memset(mine, 10 + comm_rank(comm), sizeof mine);
    CHECK_OK(MEM_NEW(all, LEN * size));
    CHECK_OK(comm_allgather(comm, mine, LEN, all));
    for (size_t i = 0; i < LEN * size; i++)
        assert_int_equal(all[i], 10 + i / LEN);
    MEM_FREE(all);
    CHECK_OK(comm_max(comm, &value));
    assert_int_equal(value, -5);
    CHECK_OK(comm_barrier(comm));
}

/* Rank r gives rows(r) rows of ROW bytes that name rank, row and place. */
static void gather_shares(size_t (*rows)(int rank))
{
    enum { ROW = 5, MOST = 4 };
    const struct gather_method *method;
    size_t *n_rows = NULL;
    char mine[MOST * ROW];
    char *all = NULL;
    size_t sum = 0;
    size_t at = 0;
    CHECK_OK(MEM_NEW(n_rows, (size_t)comm_size(comm)));
    for (int r = 0; r < comm_size(comm); r++)
        sum += n_rows[r] = rows(r);
    CHECK_OK(MEM_NEW(all, sum * ROW + 1));
    memset(all, 'x', sum * ROW + 1);
    for (size_t i = 0; i < sizeof mine; i++)
        mine[i] = (char)(20 * comm_rank(comm) + (int)i);
    CHECK_OK(gather_find(&method, "mpi"));
    CHECK_OK(method->rows(comm, n_rows[comm_rank(comm)] ? mine : NULL, n_rows, ROW, all));
    for (int r = 0; r < comm_size(comm); r++)
        for (size_t i = 0; i < n_rows[r] * ROW; i++)
            assert_int_equal(all[at++], 20 * r + (int)i);
    assert_int_equal(all[at], 'x');
    MEM_FREE(n_rows);
    MEM_FREE(all);
}

static size_t even_give_none(int rank)
{
    return rank % 2 ? 3 : 0;
}

static size_t only_first(int rank)
{
    return rank ? 0 : 4;
}

static size_t none(int rank)
{
    (void)rank;
    return 0;
}

static size_t rising(int rank)
{
    return (size_t)(rank % 4) + 1;
}

static void gathering_with_empty_shares(void **state)
{
    const struct gather_method *method;
    (void)state;
    gather_shares(rising);
    gather_shares(even_give_none);
    gather_shares(only_first);
    gather_shares(none);
    CHECK_FAILS(gather_find(&method, "mpl"), ERR_CONFIG, "known: mpi");
}

/* ---- threads per rank ---- */

static void cores_are_shared_unless_bound(void **state)
{
    cpu_set_t before, one;
    int threads = 0;
    int cores;
    size_t first = 0;
    int others = comm_size(comm) - 1;
    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    cores = CPU_COUNT(&before);
    while (!CPU_ISSET(first, &before))
        first++;
    CHECK_OK(cores_per_rank(comm, 7, &threads));
    assert_int_equal(threads, 7);

    /* as mpirun --bind-to none: all ranks share all cores */
    CHECK_OK(cores_per_rank(comm, 0, &threads));
    assert_int_equal(threads, cores / comm_size(comm) > 1 ? cores / comm_size(comm) : 1);

    /* rank 0 bound to a core of its own; the others share the rest of the count */
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    if (comm_rank(comm) == 0)
        assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    CHECK_OK(cores_per_rank(comm, 0, &threads));
    if (comm_rank(comm) == 0 || cores == 1)
        assert_int_equal(threads, 1);
    else
        assert_int_equal(threads, cores / others > 1 ? cores / others : 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_once_the_longest_first),
        cmocka_unit_test(a_slow_rank_gets_less),
        cmocka_unit_test(fewer_items_than_ranks),
        cmocka_unit_test(a_failure_ends_the_queue_on_all_ranks),
        cmocka_unit_test(one_rank_that_stops_stops_all),
        cmocka_unit_test(what_fails_is_tried_again),
        cmocka_unit_test(or_the_rest_goes_on),
        cmocka_unit_test(what_is_busy_comes_again),
        cmocka_unit_test(a_rank_that_hangs_is_overtaken),
        cmocka_unit_test(a_graph_with_gangs_takes_little_more_than_it_must),
        cmocka_unit_test(groups_of_ranks),
        cmocka_unit_test(agreement),
        cmocka_unit_test(broadcast_in_pieces),
        cmocka_unit_test(allgather_and_maximum),
        cmocka_unit_test(gathering_with_empty_shares),
        cmocka_unit_test(cores_are_shared_unless_bound),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
