/* queue.c - the worker's side of the queue; see queue.h. */
#include "sweep/queue.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "par/cores.h"
#include "sweep/queue_int.h"

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
        queue_rest(&turn);
        if (!has_told && stop_requested()) {
            has_told = true;
            TRY(comm_send(k->comm, 0, TAG_REPORT, &stop, sizeof stop));
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
        TRY(comm_send(k->comm, 0, TAG_REPORT, &k->report, sizeof k->report));
        TRY(await_order(k));
    }
    k->report = (struct report){.then = WANTS_MORE};
out:
    return rc;
}

/* ---- working ---- */

static void stop_here(struct rank *k)
{
    k->report.then = LEAVES;
    if (k->failed)
        return;
    k->failed = err_set(ERR_STOPPED, __FILE__, __LINE__, __func__, "stopped on request during %s",
                        k->queue->stage[k->stage]);
    (void)snprintf(k->why, sizeof k->why, "%s", err_message());
}

static bool gives_up(const struct queue *q)
{
    return !q->options.goes_on && q->options.max_attempts == 1;
}

static void note_failure(struct rank *k, int rc)
{
    if (!gives_up(k->queue))
        log_warn(k->queue->stage[k->stage], "%s", err_message());
    if (!k->failed) {
        k->failed = rc;
        (void)snprintf(k->why, sizeof k->why, "%s", err_message());
    }
    if (gives_up(k->queue))
        k->report.then = LEAVES;
}

/* Do one item and note how it went. */
static void run_item(struct rank *k, uint32_t item, struct comm *gang)
{
    const struct queue *q = k->queue;
    int rc;
    k->stage = q->graph->item[item].stage;
    rc = q->work(q->context, item, gang, k->order.is_again);
    if (rc == ERR_STOPPED) { /* the item is not reported: it did not fail */
        if (!k->failed) {
            k->failed = rc;
            (void)snprintf(k->why, sizeof k->why, "%s", err_message());
        }
        k->report.then = LEAVES;
        return;
    }
    if (rc)
        note_failure(k, rc);
    else
        queue_pause(q->stage[k->stage]);
    k->report.item[k->report.n] = item;
    k->report.is_ok[k->report.n++] = rc == ERR_OK;
}

/* All members are called into a gang, so each joins it, even when it is to stop. */
static int run_gang(struct rank *k)
{
    int rc = ERR_OK;
    struct comm *gang = NULL;
    TRY(comm_group(&gang, k->comm, k->order.member, k->order.n_members));
    run_item(k, k->order.item[0], gang);
out:
    comm_stop(&gang);
    return rc;
}

static int run_order(struct rank *k)
{
    if (k->order.kind == SCHED_GANG)
        return run_gang(k);
    for (uint32_t i = 0; i < k->order.n_items && k->report.then != LEAVES; i++) {
        if (stop_requested())
            stop_here(k);
        else
            run_item(k, k->order.item[i], k->solo);
    }
    return ERR_OK;
}

/* The error that this rank ends with: its own, unless what failed here was made elsewhere. */
static int conclude(const struct rank *k, bool has_left)
{
    if (!k->failed || (!has_left && !k->order.has_failed)) {
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
    bool has_left = false;
    struct rank *k = NULL;
    TRY(MEM_NEW(k, 1));
    *k = (struct rank){.comm = comm, .queue = queue, .coordinator = coordinator};
    TRY(MEM_NEW(k->message, 1));
    TRY(comm_solo(&k->solo));
    for (;;) {
        if (stop_requested())
            stop_here(k);
        has_left = k->report.then == LEAVES;
        TRY(ask(k));
        if (k->order.kind == SCHED_LEAVE)
            break;
        TRY(run_order(k));
    }
    rc = conclude(k, has_left);
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
