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

/* Finish the graph and begin; max_attempts 0 stands for 1. */
struct sched *graph_start(struct sched_draft *d, struct sched_options options);

/* Release both. */
void graph_end(struct sched_draft *d, struct sched **s);

/* The next grant must be this one item for this worker; there must be none. */
void wants_item(struct sched *s, double now, size_t worker, uint32_t item);
void wants_nothing(struct sched *s, double now);

#endif /* SUPPORT_WORK_GRAPH_H */
