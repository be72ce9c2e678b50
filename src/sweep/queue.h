/*
 * queue.h - work items given out to ranks one by one, the longest first.
 *
 * Rank 0 coordinates in a thread beside its own work: a worker asks, gets the next item, and reports
 * it done with its next question. When an item fails, nothing more is given out and all ranks leave
 * together. Which rank did an item never shows in its product.
 */
#ifndef SWEEP_QUEUE_H
#define SWEEP_QUEUE_H

#include "par/comm.h"

#include <stddef.h>

struct queue {
    const char *stage; /* borrowed, for messages */
    const char *unit;  /* borrowed: "shards", "rows" */
    size_t n;
    const double *cost; /* [n], in any unit, the same on every rank */
    int (*work)(void *context, size_t item);
    void *context;
    /* Called on rank 0 as items finish, at most a few times a second. Optional. */
    void (*on_progress)(void *context, size_t done);
};

/*
 * Run all items. Collective: every rank calls it with the same items. Returns this rank's failure,
 * ERR_PEER for another's, ERR_STOPPED when a stop was requested before all items were done.
 */
int queue_run(struct comm *comm, const struct queue *queue);

/*
 * For tests of stopping and killing: the environment variable MRAD_PAUSE=STAGE[:SECONDS] makes a rank
 * rest so long (60 s) after each item of that stage, until a stop is requested of it. Local.
 */
void queue_pause(const char *stage);

#endif /* SWEEP_QUEUE_H */
