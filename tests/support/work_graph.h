/* work_graph.h - small graphs of work for tests of sweep/sched. */
#ifndef SUPPORT_WORK_GRAPH_H
#define SUPPORT_WORK_GRAPH_H

#include "sweep/sched.h"

/* An empty graph; release with sched_draft_release. */
void graph_begin(struct sched_draft *d, size_t n_stages, size_t n_tools);

/* Add an item of stage 0: for up to `most` workers, or for one with a tool. */
void graph_add(struct sched_draft *d, double cost, unsigned most);
void graph_add_with_tool(struct sched_draft *d, double cost, uint32_t tool);

/* `after` waits for `before`. */
void graph_edge(struct sched_draft *d, size_t before, size_t after);

#endif /* SUPPORT_WORK_GRAPH_H */
