/*
 * comm.h - the ranks of a job, over MPI. The only folder that sees mpi.h.
 *
 * A job that was not started by an MPI launcher is one rank, and MPI is not even initialised: every
 * function below then does the obvious thing. Functions marked "collective" must be called by all
 * ranks in the same order; waiting ranks sleep instead of spinning, so that more ranks than cores
 * still make progress.
 */
#ifndef PAR_COMM_H
#define PAR_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct comm;

/*
 * Join the job: starts MPI (thread level MULTIPLE) when a launcher started this process.
 * Collective. Free with comm_stop.
 */
int comm_start(struct comm **out);

/* Leave the job and finalise MPI. Collective. */
void comm_stop(struct comm **comm);

/* A job of one rank without MPI, for tests and for verbs that never need others. */
int comm_solo(struct comm **out);

/*
 * Some ranks of a whole job as a job of their own: member [n] holds their numbers, rising. Collective
 * over these ranks only; messages on their way between the ranks are left alone. Free with comm_stop, which is collective over them too.
 */
int comm_group(struct comm **out, struct comm *comm, const uint32_t *member, size_t n);

int comm_rank(const struct comm *comm);
int comm_size(const struct comm *comm);

/* Number of this rank among the ranks on its node, and their count. */
int comm_local_rank(const struct comm *comm);
int comm_local_size(const struct comm *comm);

/* Name of this node; belongs to comm. */
const char *comm_host(const struct comm *comm);

/*
 * Agree after local work: returns own code if it failed here, ERR_PEER (with number and message of the
 * first rank that failed) if it failed elsewhere, ERR_STOPPED if a rank was asked to stop and none
 * failed, ERR_OK if it went well everywhere. Collective.
 */
int comm_agree(struct comm *comm, int own);

/* Run a rank-local step, then agree: all ranks go on, or all leave together. Needs `int rc`. */
#define TRY_ALL(comm, expr) TRY(comm_agree((comm), (expr)))

/* Wait for all ranks. Collective. */
int comm_barrier(struct comm *comm);

/* Copy n bytes from root to everyone. Collective. */
int comm_bcast(struct comm *comm, void *bytes, size_t n, int root);

/* Every rank gives n bytes; all receive them in rank order: all[size * n]. Collective. */
int comm_allgather(struct comm *comm, const void *mine, size_t n, void *all);

/* Largest value of any rank. Collective. */
int comm_max(struct comm *comm, int64_t *value);

/* Send a small message (at most 4096 bytes). Local: waits only until the bytes are on their way. */
int comm_send(struct comm *comm, int to, int tag, const void *bytes, size_t n);

/* A message that arrived. */
struct message {
    int source;
    size_t n; /* bytes */
    char bytes[4096];
};

/* Take a message with this tag from anyone if one has arrived; *found tells. Local, does not wait. */
int comm_poll(struct comm *comm, int tag, struct message *out, bool *found);

/* End all ranks at once, where agreement is impossible. The only call of MPI_Abort. */
_Noreturn void comm_abort(struct comm *comm, int status);

/* Text of the MPI library's version; static storage. */
const char *comm_library(void);

#endif /* PAR_COMM_H */
