/*
 * sched.h - which worker does which item when: a graph of work, decided without a clock or messages.
 *
 * In:  items with their expected seconds, what each waits for, and what workers report.
 * Out: grants: these items for this worker, or this item for a gang of workers together.
 *
 * Time is passed in and nothing is sent from here, so that the coordinator of a real run (queue.c) and
 * the simulator (sched_sim.c) decide with the same code. The item with the longest path of work behind
 * it goes first; equal ones in item order. Nothing that an item makes depends on who makes it.
 *
 *     TRY(sched_new(&s, &graph, &options));
 *     on a worker's report:    sched_done(s, worker, item, end, now), for each item it had
 *     when it wants more:      sched_ask(s, worker)
 *     after every event, and at sched_wake(s):
 *                              while (sched_grant(s, now, &grant)) tell grant.worker
 *
 * Cost: an ask, a report or a grant takes O(log items) for each item; an item takes 31 bytes (those of
 * sched_graph included) and each of its edges 4.
 */
#ifndef SWEEP_SCHED_H
#define SWEEP_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One item of work. */
struct sched_item {
    float cost; /* expected seconds of one worker, from 0 */
    uint32_t
        tool; /* what a worker must have loaded for it, [0, n_tools); 0: nothing that matters */
    uint16_t stage; /* [0, n_stages): items whose costs are wrong by the same factor */
    uint16_t most;  /* workers it can be divided among; 1: no gang */
};

/* Items and their order; the same on every rank. */
struct sched_graph {
    size_t n_items, n_stages, n_tools;
    struct sched_item *item; /* [n_items] */
    uint32_t *first;         /* [n_items + 1] into after */
    uint32_t *after; /* items that wait for item i: after[first[i]] up to after[first[i + 1]] */
};

/*
 * A graph as it grows: items get rising numbers, edges may come in any order. Begins zeroed; set
 * n_stages and n_tools of the graph. sched_draft_finish makes first and after. Release the whole with
 * sched_draft_release.
 */
struct sched_draft {
    struct sched_graph graph;
    size_t cap_items;
    struct sched_edge {
        uint32_t before, after;
    } * edge; /* [n_edges] */
    size_t n_edges, cap_edges;
};

int sched_add_item(struct sched_draft *draft, struct sched_item item);
int sched_add_edge(struct sched_draft *draft, size_t before, size_t after);
int sched_draft_finish(struct sched_draft *draft);
void sched_draft_release(struct sched_draft *draft);

struct sched_options {
    size_t n_workers;
    unsigned max_attempts; /* at an item that fails, from 1 */
    bool goes_on;   /* after a failure: with all that does not wait for it; else nothing is given */
    double batch_s; /* small items are given together up to this time; 0: one by one */
    double
        overdue_s; /* an item is given again after three times its expected time, not before this */
    double put_off_s; /* an item that another run is making is looked at again after this */
};

/* How a worker's attempt at an item ended. */
enum sched_end {
    SCHED_FAILED,
    SCHED_MADE,
    SCHED_FOUND, /* it is there: another run has made it */
    SCHED_BUSY,  /* another run is making it */
};

enum {
    SCHED_BATCH = 64,     /* items of one grant, at most */
    SCHED_SAMPLES = 8,    /* reports after which a stage's speed counts as known */
    SCHED_MOST_GANG = 512 /* workers of one gang, at most */
};

enum sched_kind {
    SCHED_ITEMS, /* items for one worker, to do in this order */
    SCHED_GANG,  /* one item for several workers; each of them gets a grant */
    SCHED_LEAVE, /* nothing will be given any more */
};

struct sched_grant {
    enum sched_kind kind;
    size_t worker;
    size_t n_items; /* 1 for a gang */
    uint32_t item[SCHED_BATCH];
    bool is_again;          /* another worker has, or had, one of the items */
    size_t n_members;       /* of a gang */
    const uint32_t *member; /* [n_members] rising worker numbers; valid until the next call */
};

/* How far a stage, or everything, is. */
struct sched_count {
    size_t total, done, failed, skipped; /* skipped: waits for something that failed */
};

struct sched;

/*
 * Begin. The graph is borrowed. Free with sched_free. ERR_SHAPE when items wait for each other in a
 * circle; ERR_MEMORY.
 */
int sched_new(struct sched **out, const struct sched_graph *graph,
              const struct sched_options *options);
void sched_free(struct sched **s);

/* A worker has nothing to do. */
void sched_ask(struct sched *s, size_t worker);

/*
 * A worker ended an item that it was given. Of an item that two were given, the first success counts
 * and what comes later is ignored; a gang's item ends with its last member, and fails with any. A busy
 * item is given again later, and nothing is counted. True when the item is done with this report.
 */
bool sched_done(struct sched *s, size_t worker, uint32_t item, enum sched_end end, double now);

/* Attempts at an item that failed so far. */
unsigned sched_failures(const struct sched *s, uint32_t item);

/* What a worker is doing. */
struct sched_stint {
    uint32_t item;     /* the first it has not reported */
    double since;      /* when it began */
    double expected_s; /* of all items it has */
    bool is_slow;      /* takes three times as long, where the stage's speed is known */
};

/* False when it does nothing. */
bool sched_working(const struct sched *s, size_t worker, double now, struct sched_stint *out);

/* Items that wait for another run. */
size_t sched_put_off(const struct sched *s);

/* A worker did not do what it still has: others get it. It does not count as a failure. */
void sched_give_back(struct sched *s, size_t worker);

/* A worker will never answer again: what it had is given to others. It does not count as a failure. */
void sched_lost(struct sched *s, size_t worker);

/* Give nothing more: a stop was requested. */
void sched_close(struct sched *s);

/* The next grant; false when every worker is busy or has to wait. */
bool sched_grant(struct sched *s, double now, struct sched_grant *out);

/* When sched_grant should be called although nothing happened; INFINITY: not at all. */
double sched_wake(const struct sched *s);

/* Have all items ended: done, failed, or skipped? */
bool sched_is_finished(const struct sched *s);

/* Counts of a stage, or of all (stage >= n_stages). */
struct sched_count sched_count(const struct sched *s, size_t stage);

/* Share of all costs that has ended, from 0 to 1. */
double sched_share(const struct sched *s);

/* Sum of all costs, and the longest path by cost where every gang has all the workers it can use. */
double sched_total(const struct sched *s);
double sched_critical(const struct sched *s);

/* Seconds an item takes for n workers of cost-true speed: divided into `most` equal parts. */
double sched_shared_cost(const struct sched_item *item, size_t n);

#endif /* SWEEP_SCHED_H */
