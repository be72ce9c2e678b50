/* sched.c - see sched.h: the graph, what workers report, and what they are given. */
#include "sweep/sched.h"

#include "base/err.h"
#include "base/mem.h"
#include "sweep/sched_int.h"

#include <math.h>
#include <string.h>

/* ---- costs ---- */

double sched_shared_cost(const struct sched_item *item, size_t n)
{
    size_t most = item->most > 1 ? item->most : 1;
    n = n < 1 ? 1 : n < most ? n : most;
    return (double)item->cost * (double)((most + n - 1) / n) / (double)most;
}

double sched_rate(const struct sched *s, size_t stage)
{
    const struct speed *speed = &s->speed[stage];
    return speed->samples < SCHED_SAMPLES || speed->cost <= 0 ? 1 : speed->seconds / speed->cost;
}

void speed_add(struct sched *s, size_t stage, double cost, double seconds)
{
    struct speed *speed = &s->speed[stage];
    speed->cost += cost;
    speed->seconds += seconds;
    if (++speed->samples == SCHED_SAMPLES)
        s->overdue_wake = 0; /* what runs already may now be judged */
}

double sched_total(const struct sched *s)
{
    return s->total_s;
}

double sched_share(const struct sched *s)
{
    return s->total_s > 0 ? fmin(fmax(1 - s->left_s / s->total_s, 0), 1) : 1;
}

double sched_critical(const struct sched *s)
{
    return s->critical_s;
}

/* ---- the graph ---- */

static void count_needs(struct sched *s)
{
    const struct sched_graph *g = s->graph;
    for (uint32_t e = 0; e < g->first[g->n_items]; e++)
        s->needs[g->after[e]]++;
}

/* Every item after those that it waits for; fewer than all when there is a circle. Uses up `needs`. */
static size_t sort_items(struct sched *s, uint32_t *order)
{
    const struct sched_graph *g = s->graph;
    size_t n = 0;
    for (uint32_t i = 0; i < g->n_items; i++)
        if (s->needs[i] == 0)
            order[n++] = i;
    for (size_t at = 0; at < n; at++)
        for (uint32_t e = g->first[order[at]]; e < g->first[order[at] + 1]; e++)
            if (--s->needs[g->after[e]] == 0)
                order[n++] = g->after[e];
    return n;
}

static int find_paths(struct sched *s)
{
    int rc = ERR_OK;
    const struct sched_graph *g = s->graph;
    uint32_t *order = NULL;
    size_t n;
    TRY(MEM_NEW(order, g->n_items));
    count_needs(s);
    n = sort_items(s, order);
    if (n < g->n_items)
        FAIL(ERR_SHAPE, "%zu of %zu items wait for each other in a circle", g->n_items - n,
             g->n_items);
    while (n-- > 0) {
        uint32_t i = order[n];
        double path = 0;
        for (uint32_t e = g->first[i]; e < g->first[i + 1]; e++)
            path = fmax(path, (double)s->path[g->after[e]]);
        s->path[i] = (float)(path + sched_shared_cost(&g->item[i], s->options.n_workers));
        s->critical_s = fmax(s->critical_s, (double)s->path[i]);
        s->total_s += (double)g->item[i].cost;
    }
    s->left_s = s->total_s;
    count_needs(s);
out:
    MEM_FREE(order);
    return rc;
}

static void check_graph(const struct sched_graph *g, const struct sched_options *o)
{
    BUG_ON(g->n_items >= SCHED_NONE || g->n_tools == 0 || o->n_workers == 0);
    BUG_ON(o->max_attempts == 0 || o->max_attempts > UINT8_MAX);
    for (size_t i = 0; i < g->n_items; i++)
        BUG_ON(g->item[i].stage >= g->n_stages || g->item[i].tool >= g->n_tools ||
               !(g->item[i].cost >= 0));
}

static int make_room(struct sched *s)
{
    int rc = ERR_OK;
    size_t n = s->graph->n_items;
    TRY(MEM_NEW(s->path, n));
    TRY(MEM_NEW(s->needs, n));
    TRY(MEM_NEW(s->state, n));
    TRY(MEM_NEW(s->attempts, n));
    TRY(MEM_NEW(s->copies, n));
    TRY(MEM_NEW(s->worker, s->options.n_workers));
    TRY(MEM_NEW(s->idle, s->options.n_workers));
    TRY(MEM_NEW(s->speed, s->graph->n_stages));
    TRY(MEM_NEW(s->count, s->graph->n_stages + 1));
    TRY(ready_new(&s->ready, s->graph));
out:
    return rc;
}

/* ---- how items end ---- */

static void open_item(struct sched *s, uint32_t item)
{
    s->state[item] = READY;
    ready_push(s, item);
    if (s->graph->item[item].most <= 1)
        gangs_item_opened(s, item);
}

static struct sched_count *count_of(struct sched *s, uint32_t item)
{
    return &s->count[s->graph->item[item].stage];
}

static void end_item(struct sched *s, uint32_t item, enum item_state state)
{
    s->state[item] = (uint8_t)state;
    s->n_left--;
    s->left_s -= (double)s->graph->item[item].cost;
    if (s->copies[item] & IN_HEAP)
        ready_forget(s, item);
    gangs_item_ended(s, item);
}

void item_succeeded(struct sched *s, uint32_t item)
{
    const struct sched_graph *g = s->graph;
    end_item(s, item, DONE);
    count_of(s, item)->done++;
    s->count[g->n_stages].done++;
    if (g->item[item].most > 1)
        gangs_item_opened(s, item);
    for (uint32_t e = g->first[item]; e < g->first[item + 1]; e++)
        if (--s->needs[g->after[e]] == 0 && s->state[g->after[e]] == BLOCKED)
            open_item(s, g->after[e]);
}

/* What waits for a failed item, directly or not, is not run; `needs` links what is still to visit. */
static void skip_after(struct sched *s, uint32_t item)
{
    const struct sched_graph *g = s->graph;
    uint32_t visit = item;
    s->needs[item] = SCHED_NONE;
    while (visit != SCHED_NONE) {
        uint32_t from = visit;
        visit = s->needs[from];
        for (uint32_t e = g->first[from]; e < g->first[from + 1]; e++) {
            uint32_t next = g->after[e];
            if (s->state[next] != BLOCKED)
                continue;
            end_item(s, next, SKIPPED);
            count_of(s, next)->skipped++;
            s->count[g->n_stages].skipped++;
            s->needs[next] = visit;
            visit = next;
        }
        s->needs[from] = 1; /* never 0 again: nothing may open it */
    }
}

void item_returned(struct sched *s, uint32_t item)
{
    s->state[item] = READY;
    ready_push(s, item);
}

void item_put_off(struct sched *s, uint32_t item, double now)
{
    if (s->put_off == SCHED_NONE)
        s->put_off_wake = now + s->options.put_off_s;
    s->state[item] = PUT_OFF;
    s->needs[item] = s->put_off;
    s->put_off = item;
    s->n_put_off++;
}

/* What was put off is ready again. */
static void take_up(struct sched *s)
{
    while (s->put_off != SCHED_NONE) {
        uint32_t item = s->put_off;
        s->put_off = s->needs[item];
        s->needs[item] = 0;
        item_returned(s, item);
    }
    s->n_put_off = 0;
    s->put_off_wake = INFINITY;
}

void item_failed(struct sched *s, uint32_t item)
{
    if (++s->attempts[item] < s->options.max_attempts) {
        item_returned(s, item);
        return;
    }
    end_item(s, item, FAILED);
    count_of(s, item)->failed++;
    s->count[s->graph->n_stages].failed++;
    skip_after(s, item);
    if (!s->options.goes_on)
        s->is_closed = true;
}

/* ---- what workers say ---- */

void sched_add_idle(struct sched *s, size_t worker)
{
    s->worker[worker].state = IDLE;
    s->idle[s->n_idle++] = (uint32_t)worker;
}

void sched_ask(struct sched *s, size_t worker)
{
    struct worker *w = &s->worker[worker];
    BUG_ON(worker >= s->options.n_workers || w->n_items);
    if (w->state == AWAY || w->state == BUSY)
        sched_add_idle(s, worker);
}

/* A worker has no longer to do with an item. Was it alone with it, and has the item not ended? */
static bool let_go(struct sched *s, struct worker *w, uint32_t item)
{
    size_t at = 0;
    while (at < w->n_items && w->item[at] != item)
        at++;
    BUG_ON(at == w->n_items);
    w->n_items--;
    memmove(&w->item[at], &w->item[at + 1], (w->n_items - at) * sizeof *w->item);
    if (w->gang == SIZE_MAX)
        s->copies[item]--;
    return s->state[item] == RUNNING && (s->copies[item] & ~GIVEN) == 0;
}

/* What an item's end is when two of its members ended so: a failure counts most, then what is busy. */
static enum sched_end worse_end(enum sched_end a, enum sched_end b)
{
    static const int weight[] = {
        [SCHED_FAILED] = 3, [SCHED_BUSY] = 2, [SCHED_FOUND] = 1, [SCHED_MADE] = 0};
    return weight[a] > weight[b] ? a : b;
}

/* is_last: nobody else has the item. True when it is done. */
static bool end_attempt(struct sched *s, uint32_t item, enum sched_end end, bool is_last,
                        double now)
{
    if (end == SCHED_MADE || end == SCHED_FOUND) {
        item_succeeded(s, item);
        return true;
    }
    if (is_last && end == SCHED_BUSY)
        item_put_off(s, item, now);
    else if (is_last)
        item_failed(s, item);
    return false;
}

/* A member of a gang ended: the item ends with the last of them. */
static bool member_done(struct sched *s, struct worker *w, uint32_t item, enum sched_end end,
                        double now)
{
    struct gang *gang = &s->gang[w->gang];
    bool is_valid = gang->serial == w->serial; /* else a member was lost and the item given again */
    w->gang = SIZE_MAX;
    if (!is_valid)
        return false;
    gang->end = worse_end(gang->end, end);
    if (--gang->n_left > 0)
        return false;
    gang->serial = 0;
    if (gang->end == SCHED_MADE)
        speed_add(s, s->graph->item[item].stage,
                  sched_shared_cost(&s->graph->item[item], gang->n_members), now - gang->since);
    return end_attempt(s, item, gang->end, true, now);
}

bool sched_done(struct sched *s, size_t worker, uint32_t item, enum sched_end end, double now)
{
    struct worker *w = &s->worker[worker];
    bool is_last = let_go(s, w, item);
    if (w->gang != SIZE_MAX)
        return member_done(s, w, item, end, now);
    if (end == SCHED_MADE)
        speed_add(s, s->graph->item[item].stage, (double)s->graph->item[item].cost, now - w->since);
    w->since = now;
    return s->state[item] == RUNNING && end_attempt(s, item, end, is_last, now);
}

void sched_give_back(struct sched *s, size_t worker)
{
    struct worker *w = &s->worker[worker];
    bool in_gang = w->gang != SIZE_MAX;
    if (in_gang && s->gang[w->gang].serial == w->serial) {
        s->gang[w->gang].serial = 0; /* what the others report of it is ignored */
        item_returned(s, w->item[0]);
    }
    while (w->n_items > 0) {
        uint32_t item = w->item[w->n_items - 1];
        if (let_go(s, w, item) && !in_gang)
            item_returned(s, item);
    }
    w->gang = SIZE_MAX;
}

void sched_lost(struct sched *s, size_t worker)
{
    struct worker *w = &s->worker[worker];
    enum worker_state before = w->state;
    if (before == LOST || before == LEFT)
        return;
    w->state = LOST;
    s->n_alive--;
    if (before == IN_FORMING)
        gang_remove(s, worker);
    sched_give_back(s, worker);
}

void sched_close(struct sched *s)
{
    s->is_closed = true;
}

/* ---- what workers are given ---- */

static double expected(const struct sched *s, const struct worker *w)
{
    double sum = 0;
    for (size_t i = 0; i < w->n_items; i++) {
        const struct sched_item *item = &s->graph->item[w->item[i]];
        sum += (double)item->cost * sched_rate(s, item->stage);
    }
    return sum;
}

/* When what a worker does is overdue; INFINITY where it cannot be judged or was offered already. */
static double due(const struct sched *s, const struct worker *w)
{
    if (w->state != BUSY || w->gang != SIZE_MAX || w->n_items == 0 || w->is_overdue)
        return INFINITY;
    if (s->speed[s->graph->item[w->item[0]].stage].samples < SCHED_SAMPLES)
        return INFINITY;
    return w->since + fmax(3 * expected(s, w), s->options.overdue_s);
}

/* Offer what takes too long to others, once. */
static void offer_overdue(struct sched *s, double now)
{
    double next = INFINITY;
    for (size_t i = 0; i < s->options.n_workers; i++) {
        struct worker *w = &s->worker[i];
        double at = due(s, w);
        if (at > now) {
            next = fmin(next, at);
            continue;
        }
        w->is_overdue = true;
        for (size_t k = 0; k < w->n_items; k++)
            if (s->state[w->item[k]] == RUNNING && (s->copies[w->item[k]] & ~GIVEN) == 1)
                ready_push(s, w->item[k]);
    }
    s->overdue_wake = next;
}

/*
 * The tool whose first item this worker should do: the one it has, or none, unless there is an item
 * elsewhere that is clearly more urgent and whose path is so long that it may decide when all is
 * finished. A worker without a tool takes the most urgent item.
 */
static uint32_t choose_tool(struct sched *s, const struct worker *w)
{
    uint32_t first = ready_first(s);
    uint32_t own = ready_of_tool(s, w->tool);
    uint32_t plain = ready_of_tool(s, 0);
    if (w->tool == 0)
        return s->graph->item[first].tool;
    if (own == SCHED_NONE || (plain != SCHED_NONE && sched_precedes(s, plain, own)))
        own = plain;
    if (own == SCHED_NONE || ((double)s->path[first] > s->left_s / (double)s->n_alive / 2 &&
                              s->path[first] > 1.25F * s->path[own]))
        own = first;
    return s->graph->item[own].tool;
}

static void take_item(struct sched *s, struct worker *w, struct sched_grant *out, uint32_t tool)
{
    uint32_t item = ready_of_tool(s, tool);
    ready_pop(s, tool);
    s->state[item] = RUNNING;
    out->is_again = out->is_again || s->copies[item] & GIVEN;
    s->copies[item]++;
    s->copies[item] |= GIVEN;
    out->item[out->n_items++] = item;
    w->item[w->n_items++] = item;
}

/* Small items go together, as long as enough are left that no other worker goes without. */
static void fill_grant(struct sched *s, struct worker *w, struct sched_grant *out, uint32_t tool)
{
    uint32_t next = ready_of_tool(s, tool);
    uint16_t stage = s->graph->item[next].stage;
    double rate = sched_rate(s, stage);
    double sum = 0;
    do {
        sum += (double)s->graph->item[next].cost * rate;
        take_item(s, w, out, tool);
        next = ready_of_tool(s, tool);
    } while (next != SCHED_NONE && s->options.batch_s > 0 && out->n_items < SCHED_BATCH &&
             out->n_items * 2 * s->n_alive < s->ready.n_live && s->graph->item[next].most <= 1 &&
             s->graph->item[next].stage == stage &&
             sum + (double)s->graph->item[next].cost * rate <= s->options.batch_s);
}

/* What an idle worker gets; false: it joined a gang that forms, or nothing can be given. */
static bool give(struct sched *s, size_t worker, double now, struct sched_grant *out)
{
    struct worker *w = &s->worker[worker];
    uint32_t tool = choose_tool(s, w);
    uint32_t item = ready_of_tool(s, tool);
    if (s->graph->item[item].most > 1) {
        ready_pop(s, tool);
        gang_begin(s, item, now);
        gang_add(s, worker);
        return false;
    }
    *out = (struct sched_grant){.kind = SCHED_ITEMS, .worker = worker};
    fill_grant(s, w, out, tool);
    w->state = BUSY;
    w->since = now;
    w->is_overdue = false;
    if (tool)
        w->tool = tool;
    s->overdue_wake = fmin(s->overdue_wake, due(s, w));
    return true;
}

static bool is_over(const struct sched *s)
{
    return s->is_closed || s->n_left == 0;
}

bool sched_grant(struct sched *s, double now, struct sched_grant *out)
{
    if (gang_tell(s, out))
        return true;
    if (is_over(s))
        gang_dissolve(s);
    else if (now >= s->overdue_wake)
        offer_overdue(s, now);
    if (now >= s->put_off_wake)
        take_up(s);
    while (s->n_idle > 0) {
        uint32_t worker = s->idle[s->n_idle - 1];
        if (s->worker[worker].state != IDLE) { /* lost while it waited */
            s->n_idle--;
            continue;
        }
        if (is_over(s)) {
            s->n_idle--;
            s->worker[worker].state = LEFT;
            *out = (struct sched_grant){.kind = SCHED_LEAVE, .worker = worker};
            return true;
        }
        if (s->forming == SCHED_NONE && ready_first(s) == SCHED_NONE)
            break;
        s->n_idle--;
        if (s->forming != SCHED_NONE)
            gang_add(s, worker);
        else if (give(s, worker, now, out))
            return true;
        if (gang_start_if_due(s, now))
            return gang_tell(s, out);
    }
    return gang_start_if_due(s, now) && gang_tell(s, out);
}

double sched_wake(const struct sched *s)
{
    return is_over(s) ? INFINITY : fmin(fmin(s->overdue_wake, s->put_off_wake), gang_deadline(s));
}

/* ---- the whole ---- */

unsigned sched_failures(const struct sched *s, uint32_t item)
{
    return s->attempts[item];
}

bool sched_working(const struct sched *s, size_t worker, double now, struct sched_stint *out)
{
    const struct worker *w = &s->worker[worker];
    if (w->state != BUSY || w->n_items == 0)
        return false;
    *out =
        (struct sched_stint){.item = w->item[0], .since = w->since, .expected_s = expected(s, w)};
    if (w->gang != SIZE_MAX && s->gang[w->gang].serial == w->serial)
        out->expected_s =
            sched_rate(s, s->graph->item[w->item[0]].stage) *
            sched_shared_cost(&s->graph->item[w->item[0]], s->gang[w->gang].n_members);
    out->is_slow = s->speed[s->graph->item[w->item[0]].stage].samples >= SCHED_SAMPLES &&
                   now - w->since > 3 * out->expected_s;
    return true;
}

size_t sched_put_off(const struct sched *s)
{
    return s->n_put_off;
}

bool sched_is_finished(const struct sched *s)
{
    return s->n_left == 0;
}

struct sched_count sched_count(const struct sched *s, size_t stage)
{
    return s->count[stage < s->graph->n_stages ? stage : s->graph->n_stages];
}

static void begin(struct sched *s)
{
    s->n_alive = s->options.n_workers;
    s->n_left = s->graph->n_items;
    s->overdue_wake = s->put_off_wake = INFINITY;
    s->put_off = SCHED_NONE;
    for (size_t i = 0; i < s->options.n_workers; i++)
        s->worker[i].gang = SIZE_MAX;
    for (uint32_t i = 0; i < s->graph->n_items; i++) {
        count_of(s, i)->total++;
        s->count[s->graph->n_stages].total++;
    }
    for (uint32_t i = 0; i < s->graph->n_items; i++)
        if (s->needs[i] == 0)
            open_item(s, i);
}

int sched_new(struct sched **out, const struct sched_graph *graph,
              const struct sched_options *options)
{
    int rc = ERR_OK;
    struct sched *s = NULL;
    check_graph(graph, options);
    TRY(MEM_NEW(s, 1));
    *s = (struct sched){.graph = graph, .options = *options};
    TRY(make_room(s));
    TRY(find_paths(s));
    TRY(gangs_new(s));
    begin(s);
out:
    if (rc)
        sched_free(&s);
    *out = s;
    return rc;
}

void sched_free(struct sched **sched)
{
    struct sched *s = *sched;
    if (!s)
        return;
    MEM_FREE(s->path);
    MEM_FREE(s->needs);
    MEM_FREE(s->state);
    MEM_FREE(s->attempts);
    MEM_FREE(s->copies);
    MEM_FREE(s->worker);
    MEM_FREE(s->idle);
    MEM_FREE(s->speed);
    MEM_FREE(s->count);
    ready_free(&s->ready);
    gangs_free(s);
    MEM_FREE(*sched);
}
