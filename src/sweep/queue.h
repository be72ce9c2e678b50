/*
 * queue.h - a graph of work (sched.h) done by the ranks of a job.
 *
 * Rank 0 coordinates in a thread beside its own work: a worker reports what it finished, asks, and gets
 * the next items, or is called into a gang of ranks that do one item together. Which rank did an item
 * never shows in its product.
 */
#ifndef SWEEP_QUEUE_H
#define SWEEP_QUEUE_H

#include "par/comm.h"
#include "sweep/sched.h"

#include <stddef.h>

/* One attempt at an item, on a rank. */
struct task {
    size_t item;
    struct comm *gang; /* ranks that do it together: more than one only where the graph allows it */
    bool is_again;     /* another rank had it before, and may have made it */
    /* what the work tells when it went well: */
    enum sched_end end; /* SCHED_MADE unless it says otherwise; the same on all ranks of the gang */
    uint64_t bytes;     /* that were made */
};

/* How an attempt ended, as rank 0 hears of it. */
struct attempt {
    size_t item;
    int rank;
    unsigned number;   /* from 1; those before it failed */
    double begin, end; /* seconds since 1970 */
    enum sched_end how;
    bool is_late; /* another rank had made it before */
    uint64_t bytes;
    const char *why; /* of a failure; valid during the call */
};

struct queue {
    const struct sched_graph *graph; /* the same on every rank */
    const char *const *stage;        /* [n_stages] names, for messages */
    struct sched_options options;    /* without n_workers */
    /* Do an item. ERR_STOPPED: left undone because of a stop. */
    int (*work)(void *context, struct task *task);
    /*
     * Called on rank 0 when a stage has ended (its number), and once a second (SIZE_MAX). peak_bytes:
     * the most memory that a rank has had. Optional.
     */
    void (*on_progress)(void *context, const struct sched *sched, size_t ended, size_t peak_bytes);
    /*
     * Called on rank 0 for every attempt but those at items which another run makes; of a gang once,
     * and for each member that failed by itself. Optional.
     */
    void (*on_attempt)(void *context, const struct attempt *attempt);
    void *context;
};

/*
 * Run all items. Collective: every rank calls it with the same graph. Returns this rank's failure,
 * ERR_PEER for another's, ERR_STOPPED when a stop was requested before all items were done.
 */
int queue_run(struct comm *comm, const struct queue *queue);

/*
 * For tests of stopping and killing: the environment variable MRAD_PAUSE=STAGE[:SECONDS] makes a rank
 * rest so long (60 s) after each item of that stage, until a stop is requested of it. Local.
 */
void queue_pause(const char *stage);

#endif /* SWEEP_QUEUE_H */
