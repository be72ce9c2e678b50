/* sched_sim.c - see sched_sim.h. */
#include "sweep/sched_sim.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

enum event_kind { REPORT, LOSS, WAKE };

/* What happens at a time; equal times in the order in which they were planned. */
struct event {
    double time;
    uint64_t number;
    enum event_kind kind;
    size_t worker;
};

/* A worker's present grant. */
struct stint {
    struct sim_run run[SCHED_BATCH]; /* [n] */
    size_t n;
    size_t n_grants;
    uint32_t tool;
};

struct sim {
    const struct sched_graph *graph;
    const struct sim_options *options;
    struct sched *sched;
    struct event *event; /* [n_events] heap, the earliest first */
    size_t n_events, cap_events;
    uint64_t numbers;
    struct stint *stint; /* [n_workers] */
    uint8_t *given;      /* [n_items] */
    double busy_until;   /* of the coordinator */
    double busy_s;
    double wake_planned; /* INFINITY: no wake is planned */
    uint64_t draws;      /* random numbers used */
    struct sim_result *result;
};

/* ---- events ---- */

static bool is_before(const struct event *a, const struct event *b)
{
    if (a->time < b->time || a->time > b->time)
        return a->time < b->time;
    return a->number < b->number;
}

static int plan(struct sim *m, double time, enum event_kind kind, size_t worker)
{
    int rc = ERR_OK;
    struct event e = {time, m->numbers++, kind, worker};
    size_t at = m->n_events;
    TRY(MEM_GROW(m->event, &m->cap_events, m->n_events + 1));
    m->n_events++;
    while (at > 0 && is_before(&e, &m->event[(at - 1) / 2])) {
        m->event[at] = m->event[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    m->event[at] = e;
out:
    return rc;
}

static struct event next_event(struct sim *m)
{
    struct event first = m->event[0];
    struct event last = m->event[--m->n_events];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < m->n_events && is_before(&m->event[child + 1], &m->event[child]))
            child++;
        if (child >= m->n_events || !is_before(&m->event[child], &last))
            break;
        m->event[at] = m->event[child];
        at = child;
    }
    m->event[at] = last;
    return first;
}

/* ---- workers ---- */

static double draw(struct sim *m)
{
    return (double)rng_uniform(m->options->seed, m->draws++);
}

static bool is_slow(const struct sim *m, size_t worker)
{
    return worker < m->options->n_slow;
}

static bool is_mortal(const struct sim *m, size_t worker)
{
    return worker >= m->options->sched.n_workers - m->options->n_lost;
}

/* Seconds of an item for n workers of which this is one. */
static double duration(struct sim *m, size_t worker, uint32_t item, size_t n)
{
    return sched_shared_cost(&m->graph->item[item], n) * (1 + m->options->noise * draw(m)) *
           (is_slow(m, worker) ? 10 : 1);
}

/* Note down an item of a worker's grant; returns when it ends. */
static double note(struct sim *m, size_t worker, uint32_t item, double begin, double seconds)
{
    struct stint *w = &m->stint[worker];
    m->result->n_again += m->given[item];
    m->given[item] = 1;
    w->run[w->n++] = (struct sim_run){.worker = worker,
                                      .item = item,
                                      .begin = begin,
                                      .end = begin + seconds,
                                      .is_ok = (draw(m) + 1) / 2 >= m->options->fail};
    return begin + seconds;
}

/* When a worker that got a grant at `time` has what it needs for the item. */
static double load_tool(struct sim *m, size_t worker, uint32_t item, double time)
{
    uint32_t tool = m->graph->item[item].tool;
    struct stint *w = &m->stint[worker];
    if (tool == 0 || tool == w->tool || !m->options->load_s)
        return time;
    w->tool = tool;
    return time + m->options->load_s[tool];
}

static int plan_end(struct sim *m, size_t worker, double end)
{
    struct stint *w = &m->stint[worker];
    w->n_grants++;
    if (is_mortal(m, worker))
        return plan(m, end + 60, LOSS, worker); /* its silence is noticed a minute later */
    return plan(m, end + m->options->latency_s, REPORT, worker);
}

static int run_items(struct sim *m, const struct sched_grant *g, double time)
{
    time = load_tool(m, g->worker, g->item[0], time);
    for (size_t i = 0; i < g->n_items; i++)
        time = note(m, g->worker, g->item[i], time, duration(m, g->worker, g->item[i], 1));
    return plan_end(m, g->worker, time);
}

/* A gang begins when its last member has heard of it, and goes as slowly as its slowest member. */
static int run_gang(struct sim *m, const struct sched_grant *g, double time)
{
    int rc = ERR_OK;
    double seconds = duration(m, g->member[0], g->item[0], g->n_members);
    for (size_t i = 0; i < g->n_members; i++)
        if (is_slow(m, g->member[i]) && !is_slow(m, g->member[0]))
            seconds *= 10;
    m->result->n_gangs++;
    for (size_t i = 0; i < g->n_members; i++) {
        m->given[g->item[0]] =
            i > 0 ? 0 : m->given[g->item[0]]; /* one grant, however many members */
        TRY(plan_end(m, g->member[i], note(m, g->member[i], g->item[0], time, seconds)));
    }
out:
    return rc;
}

/* ---- the coordinator ---- */

/* Send what can be given, from `now` on; half of grant_s is for a report, half for a grant. */
static int send_grants(struct sim *m, double now)
{
    int rc = ERR_OK;
    struct sched_grant g;
    size_t n_told = 0;
    while (sched_grant(m->sched, now, &g)) {
        now += m->options->grant_s / 2;
        m->busy_s += m->options->grant_s / 2;
        m->result->n_messages++;
        if (g.kind == SCHED_ITEMS)
            TRY(run_items(m, &g, now + m->options->latency_s));
        n_told = g.kind == SCHED_GANG ? n_told + 1 : 0;
        if (g.kind == SCHED_GANG && n_told == g.n_members) {
            TRY(run_gang(m, &g, now + m->options->latency_s));
            n_told = 0;
        }
    }
    m->busy_until = now;
    if (sched_is_finished(m->sched) && !(m->result->makespan > 0))
        m->result->makespan = now;
    if (sched_wake(m->sched) < m->wake_planned) {
        m->wake_planned = sched_wake(m->sched);
        TRY(plan(m, fmax(m->wake_planned, now), WAKE, 0));
    }
out:
    return rc;
}

static void take_report(struct sim *m, size_t worker, double now)
{
    struct stint *w = &m->stint[worker];
    for (size_t i = 0; i < w->n; i++) {
        struct sim_run *run = &w->run[i];
        run->is_done =
            sched_done(m->sched, worker, run->item, run->is_ok ? SCHED_MADE : SCHED_FAILED, now);
        if (m->options->on_end)
            m->options->on_end(m->options->context, run);
    }
    w->n = 0;
    sched_ask(m->sched, worker);
}

static int serve(struct sim *m, const struct event *e)
{
    double now = fmax(e->time, m->busy_until);
    switch (e->kind) {
    case REPORT:
        m->result->longest_wait = fmax(m->result->longest_wait, now - e->time);
        now += m->options->grant_s / 2;
        m->busy_s += m->options->grant_s / 2;
        m->result->n_messages++;
        take_report(m, e->worker, now);
        break;
    case LOSS:
        sched_lost(m->sched, e->worker);
        break;
    case WAKE:
        if (e->time >= m->wake_planned)
            m->wake_planned = INFINITY;
        break;
    }
    return send_grants(m, now);
}

static void conclude(struct sim *m)
{
    struct sim_result *r = m->result;
    double ranks = (double)m->options->sched.n_workers;
    double total = sched_total(m->sched);
    r->bound = fmax(total / ranks, sched_critical(m->sched));
    r->efficiency = r->makespan > 0 ? total / (ranks * r->makespan) : 1;
    r->load = r->makespan > 0 ? fmin(m->busy_s / r->makespan, 1) : 0;
    r->count = sched_count(m->sched, SIZE_MAX);
}

int sched_simulate(struct sim_result *out, const struct sched_graph *graph,
                   const struct sim_options *options)
{
    int rc = ERR_OK;
    struct sim m = {.graph = graph, .options = options, .wake_planned = INFINITY, .result = out};
    *out = (struct sim_result){0};
    TRY(sched_new(&m.sched, graph, &options->sched));
    TRY(MEM_NEW(m.stint, options->sched.n_workers));
    TRY(MEM_NEW(m.given, graph->n_items));
    for (size_t i = 0; i < options->sched.n_workers; i++)
        TRY(plan(&m, options->latency_s, REPORT, i));
    while (m.n_events > 0) {
        struct event e = next_event(&m);
        TRY(serve(&m, &e));
    }
    conclude(&m);
out:
    sched_free(&m.sched);
    MEM_FREE(m.event);
    MEM_FREE(m.stint);
    MEM_FREE(m.given);
    return rc;
}
