/*
 * sched_sim.h - a run of the scheduler on a virtual clock: how long a graph would take on n ranks.
 *
 * The decisions are those of sched.c itself. Around it stands a model: a worker's report reaches the
 * coordinator after the latency, waits until the reports before it are served, and the grant goes back;
 * items take their cost times a random factor; a worker that changes its tool loads it first.
 */
#ifndef SWEEP_SCHED_SIM_H
#define SWEEP_SCHED_SIM_H

#include "sweep/sched.h"

/* An item that a worker had, as the coordinator hears of it. */
struct sim_run {
    size_t worker;
    uint32_t item;
    double begin, end;
    bool is_ok;
    bool is_done; /* the item is done with this report */
};

struct sim_options {
    struct sched_options sched;
    double grant_s;       /* the coordinator's time for one report and its answer */
    double latency_s;     /* of a message, one way */
    double noise;         /* an item takes its cost times 1 - noise to 1 + noise */
    size_t n_slow;        /* workers that take ten times as long */
    size_t n_lost;        /* workers that never answer after their first grant */
    double fail;          /* share of attempts that fail */
    uint64_t seed;        /* of noise and failures */
    const double *load_s; /* [n_tools] to load a tool; NULL: no time */
    void (*on_end)(void *context, const struct sim_run *run); /* optional */
    void *context;
};

struct sim_result {
    double makespan;     /* until the coordinator knows that all items have ended */
    double bound;        /* no schedule is shorter: total / ranks, or the longest path */
    double efficiency;   /* total / (ranks * makespan) */
    double load;         /* share of the makespan in which the coordinator serves messages */
    double longest_wait; /* of a report until it was served */
    size_t n_messages, n_gangs;
    size_t n_again; /* grants of items that were given before */
    struct sched_count count;
};

/* Local. ERR_SHAPE for a graph with a circle, ERR_MEMORY. */
int sched_simulate(struct sim_result *out, const struct sched_graph *graph,
                   const struct sim_options *options);

#endif /* SWEEP_SCHED_SIM_H */
