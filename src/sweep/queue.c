/* queue.c - see queue.h. */
#include "sweep/queue.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "par/cores.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_ASK = 1, TAG_GIVE = 2, NOTHING = -1 };

/* A worker's question: what it finished (NOTHING at first) and how that went. */
struct question {
    int64_t finished;
    int64_t rc;
};

struct entry {
    double cost;
    size_t item;
};

/* Rank 0's account of the items. */
struct account {
    const struct queue *queue;
    struct comm *comm;
    pthread_mutex_t lock;
    struct entry *order; /* [n] longest first */
    size_t next;         /* index into order */
    size_t done;
    int is_closed; /* an item failed or a stop was requested: give nothing more */
    int rc;        /* of the coordinator itself */
    struct progress progress;
    double last_report;
};

static int longest_first(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;
    if (x->cost > y->cost || x->cost < y->cost)
        return x->cost > y->cost ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

static void sort_items(struct account *a)
{
    for (size_t i = 0; i < a->queue->n; i++)
        a->order[i] = (struct entry){a->queue->cost[i], i};
    qsort(a->order, a->queue->n, sizeof *a->order, longest_first);
}

/* Take a report, give the next item or NOTHING. */
static int64_t answer(struct account *a, const struct question *q)
{
    int64_t item = NOTHING;
    double now = clock_now();
    (void)pthread_mutex_lock(&a->lock);
    if (q->rc)
        a->is_closed = 1;
    else if (q->finished != NOTHING)
        a->done++;
    if (!a->is_closed && a->next < a->queue->n)
        item = (int64_t)a->order[a->next++].item;
    progress_step(&a->progress, a->done);
    if (a->queue->on_progress && now - a->last_report > 1.0) {
        a->last_report = now;
        a->queue->on_progress(a->queue->context, a->done);
    }
    (void)pthread_mutex_unlock(&a->lock);
    return item;
}

/* The coordinator: answers other ranks until each has been told that nothing is left. */
static void *coordinate(void *argument)
{
    struct account *a = argument;
    int left = comm_size(a->comm) - 1;
    double pause = 0;
    struct message *message = NULL;
    a->rc = MEM_NEW(message, 1);
    while (left > 0 && a->rc == ERR_OK) {
        bool found = false;
        int64_t item;
        struct question q;
        a->rc = comm_poll(a->comm, TAG_ASK, message, &found);
        if (a->rc)
            break;
        if (!found) {
            pause = pause < 1e-3 ? pause + 2e-5 : 1e-3;
            clock_sleep(pause);
            continue;
        }
        pause = 0;
        memcpy(&q, message->bytes, sizeof q);
        item = answer(a, &q);
        a->rc = comm_send(a->comm, message->source, TAG_GIVE, &item, sizeof item);
        left -= item == NOTHING;
    }
    MEM_FREE(message);
    if (a->rc) {
        log_error();
        comm_abort(a->comm, 1); /* workers wait for answers that will never come */
    }
    return NULL;
}

/* Ask the coordinator across ranks. */
static int ask(struct comm *comm, const struct question *q, int64_t *item, struct message *message)
{
    int rc = ERR_OK;
    bool found = false;
    double pause = 0;
    TRY(comm_send(comm, 0, TAG_ASK, q, sizeof *q));
    for (;;) {
        TRY(comm_poll(comm, TAG_GIVE, message, &found));
        if (found)
            break;
        pause = pause < 1e-3 ? pause + 2e-5 : 1e-3;
        clock_sleep(pause);
    }
    memcpy(item, message->bytes, sizeof *item);
out:
    return rc;
}

void queue_pause(const char *stage)
{
    const char *wanted = getenv("MRAD_PAUSE");
    size_t n = strlen(stage);
    double end;
    if (!wanted || strncmp(wanted, stage, n) != 0 || (wanted[n] && wanted[n] != ':'))
        return;
    end = clock_now() + (wanted[n] ? strtod(wanted + n + 1, NULL) : 60);
    while (!stop_requested() && clock_now() < end)
        clock_sleep(1e-2);
}

/* The worker's loop; account is NULL on ranks other than 0. */
static int work(struct comm *comm, const struct queue *queue, struct account *account)
{
    int rc = ERR_OK;
    int failed = ERR_OK;
    struct question q = {.finished = NOTHING};
    struct message *message = NULL;
    int64_t item = NOTHING;
    TRY(MEM_NEW(message, 1));
    for (;;) {
        if (stop_requested() && failed == ERR_OK)
            failed = err_set(ERR_STOPPED, __FILE__, __LINE__, __func__,
                             "stopped on request during %s", queue->stage);
        q.rc = failed;
        if (account)
            item = answer(account, &q);
        else
            TRY(ask(comm, &q, &item, message));
        if (item == NOTHING)
            break;
        if (failed == ERR_OK)
            failed = queue->work(queue->context, (size_t)item);
        if (failed == ERR_OK)
            queue_pause(queue->stage);
        q.finished = item;
    }
    rc = failed;
out:
    MEM_FREE(message);
    return rc;
}

static int lead(struct comm *comm, const struct queue *queue)
{
    int rc = ERR_OK;
    int has_thread = 0;
    pthread_t thread;
    struct account a = {.queue = queue, .comm = comm, .lock = PTHREAD_MUTEX_INITIALIZER};
    TRY(MEM_NEW(a.order, queue->n));
    sort_items(&a);
    progress_begin(&a.progress, queue->stage, queue->unit, 0, queue->n);
    if (comm_size(comm) > 1) {
        if (pthread_create(&thread, NULL, coordinate, &a))
            FAIL(ERR_MEMORY, "cannot start the coordinator's thread");
        has_thread = 1;
    }
    rc = work(comm, queue, &a);
    if (has_thread)
        (void)pthread_join(thread, NULL);
    progress_end(&a.progress, a.done);
out:
    MEM_FREE(a.order);
    return rc;
}

int queue_run(struct comm *comm, const struct queue *queue)
{
    int rc;
    if (queue->n == 0)
        return ERR_OK;
    rc = comm_rank(comm) == 0 ? lead(comm, queue) : work(comm, queue, NULL);
    return comm_agree(comm, rc);
}
