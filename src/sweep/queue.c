/* queue.c - the worker's side of the queue; see queue.h. */
#include "sweep/queue.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "par/cores.h"
#include "sweep/queue_int.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A rank at work. */
struct rank {
    struct comm *comm; /* borrowed */
    struct comm *solo; /* for items that it does alone */
    const struct queue *queue;
    struct coordinator *coordinator; /* on rank 0 */
    struct message *message;
    struct report report;
    struct order order;
    int failed;     /* of the first item that failed here */
    char why[2048]; /* its message */
    size_t stage;   /* of the last item */
};

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

/* ---- asking ---- */

static bool ends_in_failure(const struct report *r)
{
    return r->n > 0 && r->ended[r->n - 1].how == SCHED_FAILED;
}

static int send_report(struct rank *k, const struct report *r)
{
    size_t n =
        ends_in_failure(r) ? sizeof *r : offsetof(struct report, ended) + r->n * sizeof *r->ended;
    return comm_send(k->comm, 0, TAG_REPORT, r, n);
}

static int await_order(struct rank *k)
{
    int rc = ERR_OK;
    static const struct report stop = {.then = HEARD_OF_A_STOP};
    unsigned turn = 0;
    bool has_told = false;
    for (;;) {
        bool found = false;
        TRY(comm_poll(k->comm, TAG_ORDER, k->message, &found));
        if (found)
            break;
        queue_rest(&turn, 1e-3);
        if (!has_told && stop_requested()) {
            has_told = true;
            TRY(send_report(k, &stop));
        }
    }
    memcpy(&k->order, k->message->bytes, k->message->n);
out:
    return rc;
}

/* Report what was done since the last time, and get an order. */
static int ask(struct rank *k)
{
    int rc = ERR_OK;
    k->report.peak_bytes = mem_peak_rss();
    if (k->coordinator) {
        coordinator_report(k->coordinator, &k->report);
        coordinator_wait(k->coordinator, &k->order);
    } else {
        TRY(send_report(k, &k->report));
        TRY(await_order(k));
    }
    k->report.then = WANTS_MORE;
    k->report.n = 0;
out:
    return rc;
}

/* ---- working ---- */

static void keep_failure(struct rank *k, int rc)
{
    if (k->failed)
        return;
    k->failed = rc;
    (void)snprintf(k->why, sizeof k->why, "%s", err_message());
}

static int make_stop_error(const struct rank *k)
{
    return err_set(ERR_STOPPED, __FILE__, __LINE__, __func__, "stopped on request during %s",
                   k->queue->stage[k->stage]);
}

/* Does the first failure end the run? */
static bool gives_up(const struct queue *q)
{
    return !q->options.goes_on && q->options.max_attempts == 1;
}

/* How an attempt went, for the report. */
static void note(struct rank *k, const struct task *task, int rc, double begin)
{
    struct ended *e = &k->report.ended[k->report.n++];
    *e = (struct ended){.item = (uint32_t)task->item,
                        .how = (uint8_t)(rc ? SCHED_FAILED : task->end),
                        .is_told = comm_rank(task->gang) == 0 || (rc && rc != ERR_PEER),
                        .begin = begin,
                        .end = clock_unix(),
                        .bytes = task->bytes};
    if (rc)
        (void)snprintf(k->report.why, sizeof k->report.why, "%s", err_message());
}

/* Do one item and note how it went. An item that a stop kept from being done is not reported. */
static int run_item(struct rank *k, uint32_t item, struct comm *gang)
{
    const struct queue *q = k->queue;
    struct task task = {
        .item = item, .gang = gang, .is_again = k->order.is_again, .end = SCHED_MADE};
    double begin = clock_unix();
    int rc;
    k->stage = q->graph->item[item].stage;
    if (stop_requested() && comm_size(gang) == 1)
        rc = make_stop_error(k);
    else /* the others of a gang agree to stop with this one */
        rc = q->work(q->context, &task);
    if (rc)
        keep_failure(k, rc);
    if (rc == ERR_STOPPED) {
        k->report.then = LEAVES;
        return rc;
    }
    if (rc == ERR_OK && task.end == SCHED_MADE)
        queue_pause(q->stage[k->stage]);
    else if (rc && !gives_up(q) && rc != ERR_PEER)
        log_warn(q->stage[k->stage], "%s", err_message());
    note(k, &task, rc, begin);
    return rc;
}

/* All members are called into a gang, so each joins it, even when it is to stop. */
static int run_gang(struct rank *k)
{
    int rc = ERR_OK;
    struct comm *gang = NULL;
    TRY(comm_group(&gang, k->comm, k->order.member, k->order.n_members));
    (void)run_item(k, k->order.item[0], gang);
out:
    comm_stop(&gang);
    return rc;
}

static int run_order(struct rank *k)
{
    if (k->order.kind == SCHED_GANG)
        return run_gang(k);
    /* what is left after a failure or a stop is given to others, or again */
    for (uint32_t i = 0; i < k->order.n_items; i++)
        if (run_item(k, k->order.item[i], k->solo))
            break;
    return ERR_OK;
}

/*
 * The error that this rank ends with: its own, unless what failed here was made elsewhere; a stop only
 * if something was left undone.
 */
static int conclude(struct rank *k)
{
    if (k->order.is_cut && !k->order.has_failed && stop_requested())
        keep_failure(k, make_stop_error(k));
    if (!k->failed || (!k->order.has_failed && !k->order.is_cut)) {
        err_clear();
        return ERR_OK;
    }
    if (strcmp(err_message(), k->why) == 0)
        return k->failed;
    return err_set((enum err)k->failed, __FILE__, __LINE__, __func__, "%s", k->why);
}

static int work(struct comm *comm, const struct queue *queue, struct coordinator *coordinator)
{
    int rc = ERR_OK;
    struct rank *k = NULL;
    TRY(MEM_NEW(k, 1));
    *k = (struct rank){.comm = comm, .queue = queue, .coordinator = coordinator};
    TRY(MEM_NEW(k->message, 1));
    TRY(comm_solo(&k->solo));
    for (;;) {
        if (stop_requested())
            k->report.then = LEAVES;
        TRY(ask(k));
        if (k->order.kind == SCHED_LEAVE)
            break;
        TRY(run_order(k));
    }
    k->report.then = IS_GONE;
    if (!coordinator)
        TRY(send_report(k, &k->report));
    rc = conclude(k);
out:
    if (k) {
        comm_stop(&k->solo);
        MEM_FREE(k->message);
    }
    MEM_FREE(k);
    return rc;
}

static int lead(struct comm *comm, const struct queue *queue)
{
    int rc = ERR_OK;
    struct coordinator *coordinator = NULL;
    TRY(coordinator_begin(&coordinator, comm, queue));
    rc = work(comm, queue, coordinator);
out:
    coordinator_end(&coordinator);
    return rc;
}

int queue_run(struct comm *comm, const struct queue *queue)
{
    int rc;
    if (queue->graph->n_items == 0)
        return ERR_OK;
    rc = comm_rank(comm) == 0 ? lead(comm, queue) : work(comm, queue, NULL);
    return comm_agree(comm, rc);
}
