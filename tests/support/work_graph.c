/* work_graph.c - see work_graph.h. */
#include "work_graph.h"

#include "check.h"

void graph_begin(struct sched_draft *d, size_t n_stages, size_t n_tools)
{
    *d = (struct sched_draft){.graph = {.n_stages = n_stages, .n_tools = n_tools}};
}

void graph_add(struct sched_draft *d, double cost, unsigned most)
{
    CHECK_OK(sched_add_item(d, (struct sched_item){.cost = (float)cost, .most = (uint16_t)most}));
}

void graph_add_with_tool(struct sched_draft *d, double cost, uint32_t tool)
{
    CHECK_OK(sched_add_item(d, (struct sched_item){.cost = (float)cost, .most = 1, .tool = tool}));
}

void graph_edge(struct sched_draft *d, size_t before, size_t after)
{
    CHECK_OK(sched_add_edge(d, before, after));
}

struct sched *graph_start(struct sched_draft *d, struct sched_options options)
{
    struct sched *s = NULL;
    CHECK_OK(sched_draft_finish(d));
    if (!options.max_attempts)
        options.max_attempts = 1;
    CHECK_OK(sched_new(&s, &d->graph, &options));
    return s;
}

void graph_end(struct sched_draft *d, struct sched **s)
{
    sched_free(s);
    sched_draft_release(d);
}

void wants_item(struct sched *s, double now, size_t worker, uint32_t item)
{
    struct sched_grant g;
    assert_true(sched_grant(s, now, &g));
    assert_int_equal(g.kind, SCHED_ITEMS);
    assert_int_equal(g.worker, worker);
    assert_int_equal(g.n_items, 1);
    assert_int_equal(g.item[0], item);
}

void wants_nothing(struct sched *s, double now)
{
    struct sched_grant g;
    assert_false(sched_grant(s, now, &g));
}
