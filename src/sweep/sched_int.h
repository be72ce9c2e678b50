/* sched_int.h - what the files of the scheduler share; see sched.h. */
#ifndef SWEEP_SCHED_INT_H
#define SWEEP_SCHED_INT_H

#include "sweep/sched.h"

#define SCHED_NONE UINT32_MAX

enum item_state { BLOCKED, READY, PUT_OFF, FORMING, RUNNING, DONE, FAILED, SKIPPED };

enum worker_state { AWAY, IDLE, IN_FORMING, BUSY, LOST, LEFT };

struct worker {
    enum worker_state state;
    uint32_t tool;              /* that it used last */
    uint32_t item[SCHED_BATCH]; /* [n_items] given and not yet reported */
    size_t n_items;
    double since;    /* when it began the first of them */
    size_t gang;     /* index into sched.gang; SIZE_MAX: works alone */
    uint64_t serial; /* of its gang */
    bool is_overdue; /* its items were offered to others */
};

/* A gang at work. */
struct gang {
    uint64_t serial; /* 0: none, or one that lost a member */
    size_t n_members, n_left;
    enum sched_end end; /* of its members so far */
    bool is_again;
    double since;
};

/* How fast a stage goes: seconds for a second of expected cost. */
struct speed {
    double cost, seconds;
    size_t samples;
};

/* Items that can be given, the most urgent first: a heap for each tool, and a heap of tools. */
struct ready {
    uint32_t *item;  /* [n_items] the heap of tool t begins at begin[t] */
    uint32_t *begin; /* [n_tools + 1] */
    uint32_t *n;     /* [n_tools] its length; items that ended meanwhile are among them */
    uint32_t *tool;  /* [n_listed] tools with items, by their first item */
    uint32_t *place; /* [n_tools] in that heap, or SCHED_NONE */
    size_t n_listed;
    size_t n_live; /* items that can be given */
};

struct sched {
    const struct sched_graph *graph; /* borrowed */
    struct sched_options options;

    /* of each item */
    float *path;     /* seconds from its beginning to the end of the longest path that it begins */
    uint32_t *needs; /* unfinished items that it waits for; of one put off, the next such */
    uint8_t *state;  /* enum item_state */
    uint8_t *attempts; /* that failed */
    uint8_t *copies;   /* workers that have it, IN_HEAP, GIVEN */
    struct ready ready;

    struct worker *worker; /* [n_workers] */
    uint32_t *idle;        /* stack of workers that asked; some may be lost */
    size_t n_idle, n_alive;
    struct speed *speed;       /* [n_stages] */
    struct sched_count *count; /* [n_stages + 1], the last of all */
    size_t n_left;             /* items that have not ended */
    double left_s, total_s, critical_s;
    bool is_closed;
    double overdue_wake; /* when the next item may be overdue */
    uint32_t put_off;    /* the last item that was put off; SCHED_NONE: there is none */
    size_t n_put_off;
    double put_off_wake; /* when all of them are ready again */

    uint32_t *gang_item; /* [n_gangs] items that want a gang, rising */
    uint32_t *closed;    /* [n_gangs] items before it that can not yet be given */
    size_t n_gangs, n_near;
    struct gang *gang; /* [n_workers] */
    uint64_t serials;
    uint32_t *member; /* [n_members] of the gang that forms, or is being told */
    size_t n_members, n_told;
    uint32_t forming; /* its item; SCHED_NONE: none forms */
    size_t size_wanted;
    double forming_since;
};

/* In sched.copies, beside the number of workers that have the item (at most 2). */
enum { IN_HEAP = 0x80, GIVEN = 0x40 };

/* Is item a more urgent than b? */
bool sched_precedes(const struct sched *s, uint32_t a, uint32_t b);

/* Seconds a second of cost takes in a stage: measured, or 1 as long as too little is known. */
double sched_rate(const struct sched *s, size_t stage);

int ready_new(struct ready *r, const struct sched_graph *graph);
void ready_free(struct ready *r);

/* Add an item; it must not be in the heap. */
void ready_push(struct sched *s, uint32_t item);

/* An item in the heap ended elsewhere. */
void ready_forget(struct sched *s, uint32_t item);

/* The most urgent item of a tool, or of all; SCHED_NONE: there is none. */
uint32_t ready_of_tool(struct sched *s, uint32_t tool);
uint32_t ready_first(struct sched *s);

/* Take the item that ready_of_tool gave last for this tool. */
void ready_pop(struct sched *s, uint32_t tool);

/* ---- gangs: sched_gang.c ---- */

int gangs_new(struct sched *s);
void gangs_free(struct sched *s);

/* An item can be given now, or (a gang's) is done: what waits for it comes nearer. */
void gangs_item_opened(struct sched *s, uint32_t item);

/* An item ended in any way: it is not near any more. */
void gangs_item_ended(struct sched *s, uint32_t item);

/* Begin to form a gang for an item, and add a worker to the gang that forms. */
void gang_begin(struct sched *s, uint32_t item, double now);
void gang_add(struct sched *s, size_t worker);

/* Is the gang that forms complete, or did its members wait long enough? Then it starts. */
bool gang_start_if_due(struct sched *s, double now);
double gang_deadline(const struct sched *s);

/* Take a member out of the gang that forms, or give up forming: its members are idle again. */
void gang_remove(struct sched *s, size_t worker);
void gang_dissolve(struct sched *s);

/* A grant for the next member of a gang that has started; false when all were told. */
bool gang_tell(struct sched *s, struct sched_grant *out);

/* ---- ends: sched.c ---- */

void sched_add_idle(struct sched *s, size_t worker);
void item_succeeded(struct sched *s, uint32_t item);
void item_failed(struct sched *s, uint32_t item);
void item_returned(struct sched *s, uint32_t item);
void item_put_off(struct sched *s, uint32_t item, double now);
void speed_add(struct sched *s, size_t stage, double cost, double seconds);

#endif /* SWEEP_SCHED_INT_H */
