/* sched_draft.c - putting a graph of work together; see sched.h. */
#include "base/err.h"
#include "base/mem.h"
#include "sweep/sched.h"

int sched_add_item(struct sched_draft *d, struct sched_item item)
{
    int rc = ERR_OK;
    if (d->graph.n_items + 1 >= UINT32_MAX)
        FAIL(ERR_MEMORY, "more than %u items of work", UINT32_MAX - 1);
    TRY(MEM_GROW(d->graph.item, &d->cap_items, d->graph.n_items + 1));
    d->graph.item[d->graph.n_items++] = item;
out:
    return rc;
}

int sched_add_edge(struct sched_draft *d, size_t before, size_t after)
{
    int rc = ERR_OK;
    BUG_ON(before >= UINT32_MAX || after >= UINT32_MAX || before == after);
    TRY(MEM_GROW(d->edge, &d->cap_edges, d->n_edges + 1));
    d->edge[d->n_edges++] = (struct sched_edge){(uint32_t)before, (uint32_t)after};
out:
    return rc;
}

int sched_draft_finish(struct sched_draft *d)
{
    int rc = ERR_OK;
    struct sched_graph *g = &d->graph;
    if (d->n_edges >= UINT32_MAX)
        FAIL(ERR_MEMORY, "more than %u edges between items of work", UINT32_MAX - 1);
    TRY(MEM_NEW(g->first, g->n_items + 2));
    TRY(MEM_NEW(g->after, d->n_edges));
    /* first[i + 2] counts, then first[i + 1] is where the next edge of i goes, in the end its end */
    for (size_t e = 0; e < d->n_edges; e++) {
        BUG_ON(d->edge[e].before >= g->n_items || d->edge[e].after >= g->n_items);
        g->first[d->edge[e].before + 2]++;
    }
    for (size_t i = 2; i < g->n_items + 2; i++)
        g->first[i] += g->first[i - 1];
    for (size_t e = 0; e < d->n_edges; e++)
        g->after[g->first[d->edge[e].before + 1]++] = d->edge[e].after;
    MEM_FREE(d->edge);
    d->n_edges = d->cap_edges = 0;
out:
    return rc;
}

void sched_draft_release(struct sched_draft *d)
{
    MEM_FREE(d->graph.item);
    MEM_FREE(d->graph.first);
    MEM_FREE(d->graph.after);
    MEM_FREE(d->edge);
}
