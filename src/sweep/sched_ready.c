/* sched_ready.c - the items that can be given, the most urgent first; see sched_int.h. */
#include "base/err.h"
#include "base/mem.h"
#include "sweep/sched_int.h"

bool sched_precedes(const struct sched *s, uint32_t a, uint32_t b)
{
    if (s->path[a] > s->path[b] || s->path[a] < s->path[b])
        return s->path[a] > s->path[b];
    return a < b;
}

int ready_new(struct ready *r, const struct sched_graph *graph)
{
    int rc = ERR_OK;
    TRY(MEM_NEW(r->item, graph->n_items));
    TRY(MEM_NEW(r->begin, graph->n_tools + 1));
    TRY(MEM_NEW(r->n, graph->n_tools));
    TRY(MEM_NEW(r->tool, graph->n_tools));
    TRY(MEM_NEW(r->place, graph->n_tools));
    for (size_t i = 0; i < graph->n_items; i++)
        r->begin[graph->item[i].tool + 1]++;
    for (size_t t = 0; t < graph->n_tools; t++) {
        r->begin[t + 1] += r->begin[t];
        r->place[t] = SCHED_NONE;
    }
out:
    return rc;
}

void ready_free(struct ready *r)
{
    MEM_FREE(r->item);
    MEM_FREE(r->begin);
    MEM_FREE(r->n);
    MEM_FREE(r->tool);
    MEM_FREE(r->place);
}

/* ---- the heap of one tool ---- */

static void items_up(struct sched *s, uint32_t *heap, uint32_t at)
{
    uint32_t item = heap[at];
    while (at > 0 && sched_precedes(s, item, heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = item;
}

static void items_down(struct sched *s, uint32_t *heap, uint32_t n)
{
    uint32_t item = heap[0];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < n && sched_precedes(s, heap[child + 1], heap[child]))
            child++;
        if (child >= n || !sched_precedes(s, heap[child], item))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = item;
}

/* ---- the heap of tools ---- */

static uint32_t top_of(const struct ready *r, uint32_t tool)
{
    return r->item[r->begin[tool]];
}

static bool tool_precedes(const struct sched *s, uint32_t a, uint32_t b)
{
    return sched_precedes(s, top_of(&s->ready, a), top_of(&s->ready, b));
}

static void put_tool(struct ready *r, size_t at, uint32_t tool)
{
    r->tool[at] = tool;
    r->place[tool] = (uint32_t)at;
}

/* A tool's first item changed: move the tool to where it belongs. */
static void settle_tool(struct sched *s, uint32_t tool)
{
    struct ready *r = &s->ready;
    size_t at = r->place[tool];
    while (at > 0 && tool_precedes(s, tool, r->tool[(at - 1) / 2])) {
        put_tool(r, at, r->tool[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < r->n_listed && tool_precedes(s, r->tool[child + 1], r->tool[child]))
            child++;
        if (child >= r->n_listed || !tool_precedes(s, r->tool[child], tool))
            break;
        put_tool(r, at, r->tool[child]);
        at = child;
    }
    put_tool(r, at, tool);
}

static void unlist_tool(struct sched *s, uint32_t tool)
{
    struct ready *r = &s->ready;
    size_t at = r->place[tool];
    uint32_t last = r->tool[--r->n_listed];
    r->place[tool] = SCHED_NONE;
    if (last == tool)
        return;
    put_tool(r, at, last);
    settle_tool(s, last);
}

/* ---- items ---- */

void ready_push(struct sched *s, uint32_t item)
{
    struct ready *r = &s->ready;
    uint32_t tool = s->graph->item[item].tool;
    uint32_t *heap = r->item + r->begin[tool];
    BUG_ON(s->copies[item] & IN_HEAP);
    s->copies[item] |= IN_HEAP;
    r->n_live++;
    heap[r->n[tool]++] = item;
    items_up(s, heap, r->n[tool] - 1);
    if (r->place[tool] == SCHED_NONE)
        put_tool(r, r->n_listed++, tool);
    settle_tool(s, tool);
}

void ready_forget(struct sched *s, uint32_t item)
{
    BUG_ON(!(s->copies[item] & IN_HEAP));
    s->ready.n_live--;
}

static void drop_top(struct sched *s, uint32_t tool)
{
    struct ready *r = &s->ready;
    uint32_t *heap = r->item + r->begin[tool];
    s->copies[heap[0]] &= (uint8_t)~IN_HEAP;
    heap[0] = heap[--r->n[tool]];
    if (r->n[tool] == 0) {
        unlist_tool(s, tool);
        return;
    }
    items_down(s, heap, r->n[tool]);
    settle_tool(s, tool);
}

uint32_t ready_of_tool(struct sched *s, uint32_t tool)
{
    while (s->ready.n[tool] > 0) {
        uint32_t item = top_of(&s->ready, tool);
        if (s->state[item] < DONE)
            return item;
        drop_top(s, tool);
    }
    return SCHED_NONE;
}

uint32_t ready_first(struct sched *s)
{
    while (s->ready.n_listed > 0) {
        uint32_t item = ready_of_tool(s, s->ready.tool[0]);
        /* tools whose first item has ended may have to give way */
        if (item != SCHED_NONE && s->graph->item[item].tool == s->ready.tool[0])
            return item;
    }
    return SCHED_NONE;
}

void ready_pop(struct sched *s, uint32_t tool)
{
    s->ready.n_live--;
    drop_top(s, tool);
}
