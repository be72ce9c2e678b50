/* queue_int.h - what ranks and the coordinator say to each other; see queue.h. */
#ifndef SWEEP_QUEUE_INT_H
#define SWEEP_QUEUE_INT_H

#include "sweep/queue.h"

enum { TAG_REPORT = 1, TAG_ORDER = 2 };

/*
 * From a worker: what it finished, and that it wants more, leaves, or, while it waits, heard of a stop.
 * What it was given and does not name it has not done. After the order to leave comes its last report,
 * so that none is left on the way.
 */
struct report {
    enum { WANTS_MORE, LEAVES, HEARD_OF_A_STOP, IS_GONE } then;
    uint32_t n;
    uint64_t peak_bytes;
    struct ended {
        uint32_t item;
        uint8_t how; /* enum sched_end */
        uint8_t
            is_told; /* this rank's account of it counts: it works alone, leads, or failed by itself */
        double begin, end; /* seconds since 1970 */
        uint64_t bytes;
    } ended[SCHED_BATCH]; /* [n] only as many as there are go on the way */
    char why[512];        /* the last one failed: its message; goes on the way only then */
};

/* To a worker. */
struct order {
    uint32_t kind; /* enum sched_kind */
    uint32_t n_items, n_members;
    uint8_t is_again;
    uint8_t has_failed; /* with SCHED_LEAVE: an item failed for good, */
    uint8_t is_cut;     /* and: not all items have ended */
    uint32_t item[SCHED_BATCH];
    uint32_t member[SCHED_MOST_GANG]; /* only as many as there are go on the way */
};

/* Rank 0's account. */
struct coordinator;

/* Begin on rank 0: makes the schedule, and a thread that answers other ranks and tells the progress. */
int coordinator_begin(struct coordinator **out, struct comm *comm, const struct queue *queue);

/* Wait until all other ranks have left, and release. */
void coordinator_end(struct coordinator **coordinator);

/* Rank 0's own report, and its answer. */
void coordinator_report(struct coordinator *c, const struct report *report);
void coordinator_wait(struct coordinator *c, struct order *out);

/* Rest between two looks for a message: shortly at first, then `longest`. *turn counts them, from 0. */
void queue_rest(unsigned *turn, double longest);

#endif /* SWEEP_QUEUE_INT_H */
