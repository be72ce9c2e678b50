/* coordinator.c - rank 0's side of the queue: takes reports, asks the scheduler, gives orders. */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "par/cores.h"
#include "sweep/queue_int.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

struct coordinator {
    struct comm *comm;         /* borrowed */
    const struct queue *queue; /* borrowed */
    struct sched *sched;
    pthread_t thread;
    bool has_thread, has_lock;
    pthread_mutex_t lock;   /* for all below */
    pthread_cond_t arrived; /* an order for rank 0 */
    struct order own;
    bool has_own;
    int n_left; /* other ranks that are not gone */
    bool is_ending;
    int rc;
    uint64_t peak_bytes;
    struct progress progress;
    double last_report;
};

void queue_rest(unsigned *turn, double longest)
{
    if (*turn < 50)
        (void)sched_yield();
    else
        clock_sleep(*turn < 100 ? 50e-6 : longest);
    ++*turn;
}

static int send_order(struct coordinator *c, size_t worker, const struct order *order)
{
    size_t unused = (SCHED_MOST_GANG - order->n_members) * sizeof *order->member;
    if (worker != 0)
        return comm_send(c->comm, (int)worker, TAG_ORDER, order, sizeof *order - unused);
    c->own = *order;
    c->has_own = true;
    (void)pthread_cond_signal(&c->arrived);
    return ERR_OK;
}

static int send_leave(struct coordinator *c, size_t worker)
{
    struct order order = {.kind = SCHED_LEAVE,
                          .has_failed = sched_count(c->sched, SIZE_MAX).failed > 0,
                          .is_cut = !sched_is_finished(c->sched)};
    return send_order(c, worker, &order);
}

/* Tell workers what they can be given now. */
static int send_grants(struct coordinator *c)
{
    int rc = ERR_OK;
    struct sched_grant g;
    while (sched_grant(c->sched, clock_now(), &g)) {
        struct order order = {.kind = g.kind,
                              .n_items = (uint32_t)g.n_items,
                              .n_members = (uint32_t)g.n_members,
                              .is_again = g.is_again};
        if (g.kind == SCHED_LEAVE) {
            TRY(send_leave(c, g.worker));
            continue;
        }
        memcpy(order.item, g.item, g.n_items * sizeof *g.item);
        if (g.n_members)
            memcpy(order.member, g.member, g.n_members * sizeof *g.member);
        TRY(send_order(c, g.worker, &order));
    }
out:
    return rc;
}

static void tell_attempt(const struct coordinator *c, size_t worker, const struct ended *e,
                         unsigned number, bool is_done, const char *why)
{
    const struct queue *q = c->queue;
    bool is_late = e->how != SCHED_FAILED && !is_done && q->graph->item[e->item].most <= 1;
    if (q->on_attempt && e->is_told && e->how != SCHED_BUSY)
        q->on_attempt(q->context, &(struct attempt){.item = e->item,
                                                    .rank = (int)worker,
                                                    .number = number,
                                                    .begin = e->begin,
                                                    .end = e->end,
                                                    .how = e->how,
                                                    .is_late = is_late,
                                                    .bytes = e->bytes,
                                                    .why = e->how == SCHED_FAILED ? why : ""});
}

/* Book an item; tells when it was the last of its stage. */
static void take_item(struct coordinator *c, size_t worker, const struct ended *e, const char *why)
{
    const struct queue *q = c->queue;
    const struct sched_item *what = &q->graph->item[e->item];
    struct sched_count count;
    unsigned number = sched_failures(c->sched, e->item) + 1;
    bool is_done = sched_done(c->sched, worker, e->item, (enum sched_end)e->how, clock_now());
    tell_attempt(c, worker, e, number, is_done, why);
    if (!is_done)
        return;
    count = sched_count(c->sched, what->stage);
    if (count.done == count.total && q->on_progress)
        q->on_progress(q->context, c->sched, what->stage, c->peak_bytes);
}

/* Once a second, also while nobody reports. */
static void tell_progress(struct coordinator *c)
{
    double now = clock_now();
    c->progress.share = sched_share(c->sched);
    progress_step(&c->progress, sched_count(c->sched, SIZE_MAX).done);
    if (!c->queue->on_progress || now - c->last_report < 1.0)
        return;
    c->last_report = now;
    c->queue->on_progress(c->queue->context, c->sched, SIZE_MAX, c->peak_bytes);
}

static int take_report(struct coordinator *c, size_t worker, const struct report *r)
{
    int rc = ERR_OK;
    if (r->then == IS_GONE) {
        c->n_left--;
        return ERR_OK;
    }
    c->peak_bytes = r->peak_bytes > c->peak_bytes ? r->peak_bytes : c->peak_bytes;
    for (uint32_t i = 0; i < r->n; i++)
        take_item(c, worker, &r->ended[i], r->why);
    if (r->then != WANTS_MORE)
        sched_close(c->sched);
    if (r->then != HEARD_OF_A_STOP)
        sched_give_back(c->sched, worker);
    if (r->then == WANTS_MORE)
        sched_ask(c->sched, worker);
    if (r->then == LEAVES) {
        sched_lost(c->sched, worker);
        TRY(send_leave(c, worker));
    }
    TRY(send_grants(c));
    tell_progress(c);
out:
    return rc;
}

/* Take a message that arrived, if any, and what time brings. False: everyone has left. */
static bool step(struct coordinator *c, const struct message *message, bool found, int *rc)
{
    struct report report; /* only as much of it is set as came */
    bool goes_on;
    (void)pthread_mutex_lock(&c->lock);
    if (found) {
        memcpy(&report, message->bytes, message->n);
        *rc = take_report(c, (size_t)message->source, &report);
    } else if (clock_now() >= sched_wake(c->sched)) {
        *rc = send_grants(c);
    }
    if (!c->is_ending)
        tell_progress(c);
    goes_on = c->n_left > 0 || !c->is_ending;
    (void)pthread_mutex_unlock(&c->lock);
    return goes_on && *rc == ERR_OK;
}

/* The thread: answers other ranks until each is gone, and rank 0 has ended. */
static void *coordinate(void *argument)
{
    int rc = ERR_OK;
    struct coordinator *c = argument;
    struct message *message = NULL;
    bool is_alone = comm_size(c->comm) == 1;
    unsigned turn = 0;
    bool found = false;
    TRY(MEM_NEW(message, 1));
    while (step(c, message, found, &rc)) {
        if (!is_alone)
            TRY(comm_poll(c->comm, TAG_REPORT, message, &found));
        if (found)
            turn = 0;
        else
            queue_rest(&turn, is_alone ? 5e-3 : 0.2e-3);
    }
out:
    MEM_FREE(message);
    if (rc) {
        log_error();
        comm_abort(c->comm, 1); /* workers wait for answers that will never come */
    }
    return NULL;
}

void coordinator_report(struct coordinator *c, const struct report *report)
{
    int rc;
    (void)pthread_mutex_lock(&c->lock);
    rc = take_report(c, 0, report);
    (void)pthread_mutex_unlock(&c->lock);
    if (rc) {
        log_error();
        comm_abort(c->comm, 1);
    }
}

void coordinator_wait(struct coordinator *c, struct order *out)
{
    static const struct report stop = {.then = HEARD_OF_A_STOP};
    bool has_told = false;
    struct timespec end;
    (void)pthread_mutex_lock(&c->lock);
    while (!c->has_own && c->rc == ERR_OK) {
        (void)clock_gettime(CLOCK_REALTIME, &end);
        end.tv_nsec += 50 * 1000 * 1000;
        end.tv_sec += end.tv_nsec / 1000000000;
        end.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&c->arrived, &c->lock, &end);
        if (!c->has_own && !has_told && stop_requested()) {
            has_told = true;
            c->rc = take_report(c, 0, &stop);
        }
    }
    *out = c->own;
    c->has_own = false;
    (void)pthread_mutex_unlock(&c->lock);
    if (c->rc) {
        log_error();
        comm_abort(c->comm, 1);
    }
}

int coordinator_begin(struct coordinator **out, struct comm *comm, const struct queue *queue)
{
    int rc = ERR_OK;
    struct sched_options options = queue->options;
    struct coordinator *c = NULL;
    TRY(MEM_NEW(c, 1));
    *c = (struct coordinator){
        .comm = comm, .queue = queue, .n_left = comm_size(comm) - 1, .peak_bytes = mem_peak_rss()};
    options.n_workers = (size_t)comm_size(comm);
    TRY(sched_new(&c->sched, queue->graph, &options));
    if (pthread_mutex_init(&c->lock, NULL) || pthread_cond_init(&c->arrived, NULL))
        FAIL(ERR_MEMORY, "cannot make the coordinator's lock");
    c->has_lock = true;
    progress_begin(&c->progress, "sweep", "pieces", 0, queue->graph->n_items);
    if (pthread_create(&c->thread, NULL, coordinate, c))
        FAIL(ERR_MEMORY, "cannot start the coordinator's thread");
    c->has_thread = true;
out:
    if (rc)
        coordinator_end(&c);
    *out = c;
    return rc;
}

void coordinator_end(struct coordinator **coordinator)
{
    struct coordinator *c = *coordinator;
    if (!c)
        return;
    if (c->has_thread) {
        (void)pthread_mutex_lock(&c->lock);
        c->is_ending = true;
        (void)pthread_mutex_unlock(&c->lock);
        (void)pthread_join(c->thread, NULL);
    }
    if (c->has_lock) {
        progress_end(&c->progress, sched_count(c->sched, SIZE_MAX).done);
        (void)pthread_cond_destroy(&c->arrived);
        (void)pthread_mutex_destroy(&c->lock);
    }
    sched_free(&c->sched);
    MEM_FREE(*coordinator);
}
