/* cores.h - which cores a rank may use, and stopping on request. */
#ifndef PAR_CORES_H
#define PAR_CORES_H

#include "par/comm.h"

#include <stdbool.h>

/*
 * Threads this rank should run: its own cores when the launcher bound ranks apart, else its share of
 * the node's cores; at least 1. `wanted` > 0 is taken as it is. Collective.
 */
int cores_per_rank(struct comm *comm, int wanted, int *out);

/*
 * Install handlers for SIGTERM, SIGINT and SIGUSR1 that only remember the request. A file that reaches
 * the limit of its size is an error that names it from now on, and no signal.
 */
void stop_watch(void);

/*
 * Has a signal asked this process to stop, or is the time left (seconds from the first call of
 * stop_watch; 0: no limit) used up?
 */
bool stop_requested(void);

/* Stop by the clock: `seconds` from now; 0 removes the limit. */
void stop_after(double seconds);

#endif /* PAR_CORES_H */
