/*
 * gather.h - bring rows that are spread over ranks to every rank.
 *
 * A method is an entry of a table and is chosen by name; "mpi" moves host memory. A device method
 * (NCCL) has the same contract with device memory.
 */
#ifndef PAR_GATHER_H
#define PAR_GATHER_H

#include "par/comm.h"

#include <stddef.h>

struct gather_method {
    const char *name;
    const char *meaning;
    /*
     * Every rank gives n_rows[rank] rows of row_bytes bytes; all receive all rows in rank order in
     * `all`. n_rows is the same on every rank. Collective. Required.
     */
    int (*rows)(struct comm *comm, const void *mine, const size_t *n_rows, size_t row_bytes,
                void *all);
};

/* Find a method by name; ERR_CONFIG lists the known ones. The result is static. */
int gather_find(const struct gather_method **out, const char *name);

#endif /* PAR_GATHER_H */
