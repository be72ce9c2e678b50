/* queue_bench.c - the queue alone: items without work, and items that sleep. See sweep.h. */
#include "base/clock.h"
#include "base/err.h"
#include "sweep/queue.h"
#include "sweep/sched_sim.h"
#include "sweep/sweep.h"

#include <math.h>

/* Items without work: enough for a second or so. */
enum { N_EMPTY = 1000000, N_EMPTY_SINGLE = 50000 };

/* Chains of sleeping items around one that a gang shares, and items that wait for nothing. */
enum { N_CHAINS = 3, N_SIDE = 40, GANG_UNITS = 16, MOST = 4, N_FREE = 120 };
static const double unit_s = 20e-3;

static const char *const stage[] = {"bench"};

/* Rank 0, which needs no messages for itself, leaves the work to the others if there are any. */
static int do_nothing(void *context, struct task *task)
{
    const struct comm *comm = context;
    (void)task;
    if (comm_size(comm) > 1 && comm_rank(comm) == 0)
        clock_sleep(10e-3);
    return ERR_OK;
}

static int sleep_its_cost(void *context, struct task *task)
{
    const struct sched_graph *graph = context;
    clock_sleep(sched_shared_cost(&graph->item[task->item], (size_t)comm_size(task->gang)));
    return ERR_OK;
}

static int add_items(struct sched_draft *d, size_t n, double cost, unsigned most)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < n; i++)
        TRY(sched_add_item(d, (struct sched_item){.cost = (float)cost, .most = (uint16_t)most}));
out:
    return rc;
}

/* Seconds from the first question to the last report, on this rank. */
static int time_run(double *out, struct comm *comm, struct queue queue)
{
    int rc = ERR_OK;
    double begin;
    queue.stage = stage;
    queue.options.max_attempts = 1;
    queue.options.overdue_s = 1e3;
    TRY(comm_barrier(comm));
    begin = clock_now();
    TRY(queue_run(comm, &queue));
    *out = clock_now() - begin;
out:
    return rc;
}

static int run_empty(double *per_s, struct comm *comm, size_t n, double batch_s)
{
    int rc = ERR_OK;
    double seconds = 0;
    struct sched_draft d = {.graph = {.n_stages = 1, .n_tools = 1}};
    TRY(add_items(&d, n, 0, 1));
    TRY(sched_draft_finish(&d));
    TRY(time_run(&seconds, comm,
                 (struct queue){.graph = &d.graph,
                                .options = {.batch_s = batch_s},
                                .work = do_nothing,
                                .context = comm}));
    *per_s = (double)n / seconds;
out:
    sched_draft_release(&d);
    return rc;
}

static int make_chains(struct sched_draft *d)
{
    int rc = ERR_OK;
    for (size_t chain = 0; chain < N_CHAINS; chain++) {
        size_t first = d->graph.n_items;
        TRY(add_items(d, N_SIDE, unit_s, 1));
        TRY(add_items(d, 1, GANG_UNITS * unit_s, MOST));
        TRY(add_items(d, N_SIDE, unit_s, 1));
        for (size_t i = 0; i < N_SIDE; i++) {
            TRY(sched_add_edge(d, first + i, first + N_SIDE));
            TRY(sched_add_edge(d, first + N_SIDE, first + N_SIDE + 1 + i));
        }
    }
    TRY(add_items(d, N_FREE, unit_s, 1));
    TRY(sched_draft_finish(d));
out:
    return rc;
}

static int run_sleeping(struct queue_bench *out, struct comm *comm)
{
    int rc = ERR_OK;
    struct sim_result r;
    struct sim_options o = {
        .sched = {.n_workers = (size_t)comm_size(comm), .max_attempts = 1, .overdue_s = 1e3}};
    struct sched_draft d = {.graph = {.n_stages = 1, .n_tools = 1}};
    TRY(make_chains(&d));
    TRY(sched_simulate(&r, &d.graph, &o));
    out->bound_s = r.bound;
    out->simulated_s = r.makespan;
    TRY(time_run(&out->makespan_s, comm,
                 (struct queue){.graph = &d.graph, .work = sleep_its_cost, .context = &d.graph}));
out:
    sched_draft_release(&d);
    return rc;
}

int queue_bench(struct queue_bench *out, struct comm *comm)
{
    int rc = ERR_OK;
    TRY(run_empty(&out->together_per_s, comm, N_EMPTY, 1e-3));
    TRY(run_empty(&out->single_per_s, comm, N_EMPTY_SINGLE, 0));
    TRY(run_sleeping(out, comm));
out:
    return rc;
}
