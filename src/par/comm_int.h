/* comm_int.h - what the files of par/ share. */
#ifndef PAR_COMM_INT_H
#define PAR_COMM_INT_H

#include <mpi.h>
#include <stdbool.h>

struct comm {
    MPI_Comm world; /* own duplicate; MPI_COMM_NULL in a job of one */
    /*
     * Another duplicate, of the whole job only. Open MPI forms groups by plain messages with the caller's
     * tag, which comm_poll on `world` could take for its own.
     */
    MPI_Comm groups;
    bool is_mpi; /* finalise MPI in the end */
    int rank, size;
    int number; /* of this rank in the whole job, for messages */
    int local_rank, local_size;
    char host[MPI_MAX_PROCESSOR_NAME];
};

/* Turn an MPI return code into ERR_MPI with the library's text. Needs `int rc`. */
#define TRY_MPI(call)                                                     \
    do {                                                                  \
        int mpi_code_ = (call);                                           \
        if (mpi_code_ != MPI_SUCCESS) {                                   \
            rc = comm_mpi_error(mpi_code_, __FILE__, __LINE__, __func__); \
            goto out;                                                     \
        }                                                                 \
    } while (0)

int comm_mpi_error(int code, const char *file, int line, const char *func);

/* Wait for a request, first spinning, then yielding, then sleeping up to 1 ms at a time. */
int comm_wait(MPI_Request *request);

#endif /* PAR_COMM_INT_H */
