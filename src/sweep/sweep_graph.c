/*
 * sweep_graph.c - the missing pieces of all stages as one graph of work.
 *
 * extract -> bank -> gather -> train -> score -> join -> measure, each piece after exactly those that
 * it reads. What exists already is no item, and what reads it does not wait.
 */
#include "base/err.h"
#include "base/mem.h"
#include "sweep/sweep_int.h"

#include <string.h>

enum { EXTRACT, BANK, GATHER, TRAIN, SCORE, JOIN, MEASURE };

#define NO_ITEM SIZE_MAX

/* Items by stage, owner and part. */
struct lookup {
    size_t *begin[N_STAGES]; /* [owners] into item */
    size_t *item;            /* [all parts], NO_ITEM where nothing is to be made */
    size_t n;
};

static int lookup_new(struct lookup *l, const struct sweep *s)
{
    int rc = ERR_OK;
    for (size_t stage = 0; stage < N_STAGES; stage++) {
        TRY(MEM_NEW(l->begin[stage], stage_owners(s, stage)));
        for (size_t i = 0; i < stage_owners(s, stage); i++) {
            l->begin[stage][i] = l->n;
            l->n += stage_parts(s, stage, i);
        }
    }
    TRY(MEM_NEW(l->item, l->n));
out:
    return rc;
}

static void lookup_free(struct lookup *l)
{
    for (size_t stage = 0; stage < N_STAGES; stage++)
        MEM_FREE(l->begin[stage]);
    MEM_FREE(l->item);
}

static size_t item_of(const struct sweep *s, const struct lookup *l, size_t stage, size_t owner,
                      size_t part)
{
    return part < stage_parts(s, stage, owner) ? l->item[l->begin[stage][owner] + part] : NO_ITEM;
}

static int add_items(struct sweep_graph *g, struct lookup *l, const struct sweep *s,
                     const uint8_t *exists)
{
    int rc = ERR_OK;
    for (size_t stage = 0; stage < N_STAGES; stage++)
        for (size_t i = 0; i < stage_owners(s, stage); i++)
            for (size_t part = 0; part < stage_parts(s, stage, stage_owner(s, stage, i)); part++) {
                struct piece p = {stage, stage_owner(s, stage, i), part};
                size_t at = l->begin[stage][p.owner] + part;
                l->item[at] = NO_ITEM;
                if (exists[at])
                    continue;
                l->item[at] = g->draft.graph.n_items;
                TRY(MEM_GROW(g->piece, &g->cap_pieces, g->draft.graph.n_items + 1));
                g->piece[g->draft.graph.n_items] = p;
                TRY(sched_add_item(&g->draft, stage_item(s, &p)));
            }
out:
    return rc;
}

/* ---- what waits for what ---- */

static int wait_for(struct sweep_graph *g, size_t before, size_t after)
{
    if (before == NO_ITEM || after == NO_ITEM)
        return ERR_OK;
    return sched_add_edge(&g->draft, before, after);
}

static int wait_for_features(struct sweep_graph *g, const struct lookup *l, const struct sweep *s,
                             size_t member, size_t after)
{
    int rc = ERR_OK;
    const struct member *m = &s->member[member];
    for (size_t i = 0; i < m->n_parts; i++)
        TRY(wait_for_features(g, l, s, m->part[i], after));
    for (size_t part = 0; after != NO_ITEM && part < stage_parts(s, EXTRACT, member); part++)
        TRY(wait_for(g, item_of(s, l, EXTRACT, member, part), after));
out:
    return rc;
}

/*
 * A bank, or the parts that it is put together from. What reads the features as well need not wait for
 * them where a bank is made that has waited for all of them.
 */
static int wait_for_bank(struct sweep_graph *g, const struct lookup *l, const struct sweep *s,
                         size_t memory, bool reads_features, size_t after)
{
    int rc = ERR_OK;
    const struct memory *m = &s->memory[memory];
    size_t gather = item_of(s, l, GATHER, memory, 0);
    TRY(wait_for(g, gather, after));
    for (size_t i = 0; i < m->n_parts && (reads_features || gather == NO_ITEM); i++)
        TRY(wait_for_bank(g, l, s, m->part[i], reads_features, after));
    if (reads_features && gather == NO_ITEM && m->n_parts == 0)
        TRY(wait_for_features(g, l, s, m->member, after));
out:
    return rc;
}

/* A bank waits for its shards, those included that are built for an earlier bank as well. */
static int link_memory(struct sweep_graph *g, const struct lookup *l, const struct sweep *s,
                       size_t i)
{
    int rc = ERR_OK;
    const struct memory *m = &s->memory[i];
    size_t gather = item_of(s, l, GATHER, i, 0);
    for (size_t part = 0; part < stage_parts(s, BANK, i); part++)
        TRY(wait_for(g, item_of(s, l, EXTRACT, m->member, part), item_of(s, l, BANK, i, part)));
    for (size_t other = 0; other <= i && gather != NO_ITEM; other++) {
        if (s->memory[other].member != m->member || stage_parts(s, BANK, other) == 0 ||
            (other < i && !is_same_shard(s->memory[other].place, m->place, 0)))
            continue;
        for (size_t part = 0; part < stage_parts(s, BANK, other); part++)
            TRY(wait_for(g, item_of(s, l, BANK, other, part), gather));
    }
    for (size_t part = 0; part < m->n_parts; part++)
        TRY(wait_for_bank(g, l, s, m->part[part], false, gather));
out:
    return rc;
}

/* Training reads bank and features. */
static int link_trainee(struct sweep_graph *g, const struct lookup *l, const struct sweep *s,
                        size_t i)
{
    int rc = ERR_OK;
    const struct trainee *t = &s->trainee[i];
    size_t train = item_of(s, l, TRAIN, i, 0);
    TRY(wait_for_bank(g, l, s, t->memory, true, train));
    if (t->metric != NONE)
        TRY(wait_for(g, item_of(s, l, TRAIN, t->metric, 0), train));
out:
    return rc;
}

/* The cell whose joined scores this one reads: itself, or an earlier one with the same. */
static size_t scored_by(const struct sweep *s, size_t cell)
{
    const struct cell *own = &s->cell[cell];
    for (const struct cell *c = own; !own->wants_scores && c-- > s->cell;) {
        if (!is_same_pair(s, c, own))
            break;
        if (c->wants_scores && strcmp(c->place->dir, own->place->dir) == 0)
            return (size_t)(c - s->cell);
    }
    return cell;
}

static int link_scores(struct sweep_graph *g, const struct lookup *l, const struct sweep *s,
                       size_t i)
{
    int rc = ERR_OK;
    const struct cell *cell = &s->cell[i];
    for (size_t part = 0; part < stage_parts(s, SCORE, i); part++) {
        size_t score = item_of(s, l, SCORE, i, part);
        TRY(wait_for_bank(g, l, s, cell->memory, false, score));
        if (cell->trainee != NONE)
            TRY(wait_for(g, item_of(s, l, TRAIN, cell->trainee, 0), score));
        TRY(wait_for(g, item_of(s, l, EXTRACT, cell->test, part), score));
        TRY(wait_for(g, score, item_of(s, l, JOIN, i, 0)));
    }
out:
    return rc;
}

/* Rows read scores, masks, and, where items may be missing, what the bank lacks. */
static int link_rows(struct sweep_graph *g, const struct lookup *l, const struct sweep *s, size_t i)
{
    int rc = ERR_OK;
    const struct cell *cell = &s->cell[i];
    size_t join = item_of(s, l, JOIN, scored_by(s, i), 0);
    bool reads_bank = s->config->on_bad_item == BAD_ITEM_SKIP;
    for (size_t part = 0; part < stage_parts(s, MEASURE, i); part++) {
        size_t row = item_of(s, l, MEASURE, i, part);
        TRY(wait_for(g, join, row));
        if (join == NO_ITEM)
            TRY(wait_for_features(g, l, s, cell->test, row));
        if (reads_bank && (join == NO_ITEM || item_of(s, l, GATHER, cell->memory, 0) == NO_ITEM))
            TRY(wait_for_features(g, l, s, cell->train, row));
    }
out:
    return rc;
}

static int link_items(struct sweep_graph *g, const struct lookup *l, const struct sweep *s)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < s->n_memories; i++)
        TRY(link_memory(g, l, s, i));
    for (size_t i = 0; i < s->n_trainees; i++)
        TRY(link_trainee(g, l, s, i));
    for (size_t i = 0; i < s->n_cells; i++) {
        TRY(link_scores(g, l, s, i));
        TRY(link_rows(g, l, s, i));
    }
out:
    return rc;
}

static void find_existing(uint8_t *exists, const struct sweep *s)
{
    for (size_t stage = 0; stage < N_STAGES; stage++)
        for (size_t i = 0; i < stage_owners(s, stage); i++)
            for (size_t part = 0; part < stage_parts(s, stage, i); part++)
                *exists++ = stage_exists(s, &(struct piece){stage, i, part});
}

int sweep_graph_new(struct sweep_graph *g, const struct sweep *s)
{
    int rc = ERR_OK;
    struct lookup l = {0};
    uint8_t *exists = NULL;
    *g = (struct sweep_graph){.draft.graph = {.n_stages = N_STAGES, .n_tools = stage_tools(s)}};
    TRY(lookup_new(&l, s));
    TRY(MEM_NEW(exists, l.n));
    if (s->comm && comm_rank(s->comm) == 0)
        find_existing(exists, s);
    if (s->comm)
        TRY(comm_bcast(s->comm, exists, l.n, 0));
    TRY(add_items(g, &l, s, exists));
    TRY(link_items(g, &l, s));
    TRY(sched_draft_finish(&g->draft));
out:
    lookup_free(&l);
    MEM_FREE(exists);
    return rc;
}

void sweep_graph_release(struct sweep_graph *g)
{
    sched_draft_release(&g->draft);
    MEM_FREE(g->piece);
}
