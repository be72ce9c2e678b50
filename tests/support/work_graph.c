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
