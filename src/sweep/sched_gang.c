/*
 * sched_gang.c - items that several workers do together; see sched_int.h.
 *
 * One gang forms at a time: workers that ask join it until it has the wanted size, or until its members
 * have waited an eighth of the time that they alone would take for the item. So waiting never costs
 * more than an eighth of the item's own work, and gangs never wait for each other.
 */
#include "base/err.h"
#include "base/mem.h"
#include "sweep/sched_int.h"

#include <math.h>
#include <stdlib.h>

static bool is_gang(const struct sched *s, uint32_t item)
{
    return s->graph->item[item].most > 1;
}

int gangs_new(struct sched *s)
{
    int rc = ERR_OK;
    const struct sched_graph *g = s->graph;
    for (size_t i = 0; i < g->n_items; i++)
        s->n_gangs += is_gang(s, (uint32_t)i);
    TRY(MEM_NEW(s->gang_item, s->n_gangs));
    TRY(MEM_NEW(s->closed, s->n_gangs));
    TRY(MEM_NEW(s->gang, s->options.n_workers));
    TRY(MEM_NEW(s->member, s->options.n_workers));
    s->n_gangs = 0;
    for (size_t i = 0; i < g->n_items; i++)
        if (is_gang(s, (uint32_t)i)) {
            s->closed[s->n_gangs] = s->needs[i];
            s->n_near += s->needs[i] == 0;
            s->gang_item[s->n_gangs++] = (uint32_t)i;
        }
    s->forming = SCHED_NONE;
out:
    return rc;
}

void gangs_free(struct sched *s)
{
    MEM_FREE(s->gang_item);
    MEM_FREE(s->closed);
    MEM_FREE(s->gang);
    MEM_FREE(s->member);
}

/* ---- gangs to come ---- */

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static size_t gang_index(const struct sched *s, uint32_t item)
{
    const uint32_t *at = bsearch(&item, s->gang_item, s->n_gangs, sizeof *s->gang_item, by_number);
    BUG_ON(!at);
    return (size_t)(at - s->gang_item);
}

void gangs_item_opened(struct sched *s, uint32_t item)
{
    const struct sched_graph *g = s->graph;
    if (s->n_gangs == 0)
        return;
    for (uint32_t e = g->first[item]; e < g->first[item + 1]; e++)
        if (is_gang(s, g->after[e]) && s->state[g->after[e]] == BLOCKED)
            s->n_near += --s->closed[gang_index(s, g->after[e])] == 0;
}

void gangs_item_ended(struct sched *s, uint32_t item)
{
    if (is_gang(s, item))
        s->n_near -= s->closed[gang_index(s, item)] == 0;
}

/* ---- forming ---- */

static size_t ceiling(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* The least number of workers that is as good as n: 5 shares of 8 take as long as 4. */
static size_t useful_size(const struct sched_item *item, size_t n)
{
    n = n < item->most ? n : item->most;
    return ceiling(item->most, ceiling(item->most, n));
}

void gang_begin(struct sched *s, uint32_t item, double now)
{
    size_t near = s->n_near > 0 ? s->n_near : 1;
    size_t n = s->n_alive / near;
    n = n < 1 ? 1 : n > SCHED_MOST_GANG ? SCHED_MOST_GANG : n;
    BUG_ON(s->forming != SCHED_NONE || s->n_members);
    s->state[item] = FORMING;
    s->forming = item;
    s->size_wanted = useful_size(&s->graph->item[item], n);
    s->forming_since = now;
}

void gang_add(struct sched *s, size_t worker)
{
    s->worker[worker].state = IN_FORMING;
    s->member[s->n_members++] = (uint32_t)worker;
}

double gang_deadline(const struct sched *s)
{
    const struct sched_item *item;
    if (s->forming == SCHED_NONE || s->n_members == 0)
        return INFINITY;
    item = &s->graph->item[s->forming];
    return s->forming_since +
           sched_shared_cost(item, s->n_members) * sched_rate(s, item->stage) / 8;
}

/* A place in the list that no gang has: each at work has a member that has not reported yet. */
static size_t free_place(const struct sched *s)
{
    size_t at = 0;
    while (at < s->options.n_workers && s->gang[at].serial)
        at++;
    BUG_ON(at == s->options.n_workers);
    return at;
}

static void start(struct sched *s, double now)
{
    size_t n = useful_size(&s->graph->item[s->forming], s->n_members);
    size_t place = free_place(s);
    while (s->n_members > n)
        sched_add_idle(s, s->member[--s->n_members]);
    qsort(s->member, n, sizeof *s->member, by_number);
    s->gang[place] = (struct gang){
        .serial = ++s->serials,
        .n_members = n,
        .n_left = n,
        .since = now,
        .end = SCHED_MADE,
        .is_again = s->copies[s->forming] & GIVEN,
    };
    s->copies[s->forming] |= GIVEN;
    for (size_t i = 0; i < n; i++) {
        struct worker *w = &s->worker[s->member[i]];
        w->state = BUSY;
        w->item[0] = s->forming;
        w->n_items = 1;
        w->since = now;
        w->gang = place;
        w->serial = s->serials;
    }
    s->state[s->forming] = RUNNING;
    s->forming = SCHED_NONE;
    s->n_told = 0;
}

bool gang_start_if_due(struct sched *s, double now)
{
    if (s->forming == SCHED_NONE || s->n_members == 0)
        return false;
    if (s->n_members < s->size_wanted && s->n_members < s->n_alive && now < gang_deadline(s))
        return false;
    start(s, now);
    return true;
}

void gang_remove(struct sched *s, size_t worker)
{
    for (size_t i = 0; i < s->n_members; i++)
        if (s->member[i] == worker)
            s->member[i] = s->member[--s->n_members];
    if (s->n_members == 0)
        gang_dissolve(s);
}

void gang_dissolve(struct sched *s)
{
    uint32_t item = s->forming;
    if (item == SCHED_NONE)
        return;
    while (s->n_members > 0)
        sched_add_idle(s, s->member[--s->n_members]);
    s->forming = SCHED_NONE;
    item_returned(s, item);
}

bool gang_tell(struct sched *s, struct sched_grant *out)
{
    if (s->forming != SCHED_NONE || s->n_told == s->n_members) {
        if (s->forming == SCHED_NONE)
            s->n_members = s->n_told = 0;
        return false;
    }
    *out = (struct sched_grant){.kind = SCHED_GANG,
                                .worker = s->member[s->n_told++],
                                .n_items = 1,
                                .n_members = s->n_members,
                                .member = s->member};
    out->item[0] = s->worker[out->worker].item[0];
    out->is_again = s->gang[s->worker[out->worker].gang].is_again;
    return true;
}
