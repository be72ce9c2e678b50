/* gather.c - see gather.h. */
#include "par/gather.h"

#include "base/err.h"
#include "base/mem.h"
#include "par/comm_int.h"

#include <limits.h>
#include <string.h>

/* Counts of MPI_Allgatherv are int, so the unit is a whole row, not a byte. */
static int rows_by_mpi(struct comm *comm, const void *mine, const size_t *n_rows, size_t row_bytes,
                       void *all)
{
    int rc = ERR_OK;
    int *count = NULL;
    int *start = NULL;
    size_t total = 0;
    MPI_Datatype row = MPI_DATATYPE_NULL;
    MPI_Request request;
    if (comm->size == 1) {
        if (n_rows[0])
            memcpy(all, mine, n_rows[0] * row_bytes);
        return ERR_OK;
    }
    TRY(MEM_NEW(count, (size_t)comm->size));
    TRY(MEM_NEW(start, (size_t)comm->size));
    for (int r = 0; r < comm->size; r++) {
        count[r] = (int)n_rows[r];
        start[r] = (int)total;
        total += n_rows[r];
        if (total > INT_MAX || row_bytes > INT_MAX)
            FAIL(ERR_MPI, "%zu rows of %zu bytes are too many for one gather", total, row_bytes);
    }
    TRY_MPI(MPI_Type_contiguous((int)row_bytes, MPI_BYTE, &row));
    TRY_MPI(MPI_Type_commit(&row));
    TRY_MPI(MPI_Iallgatherv(mine, count[comm->rank], row, all, count, start, row, comm->world,
                            &request));
    TRY(comm_wait(&request));
out:
    if (row != MPI_DATATYPE_NULL)
        (void)MPI_Type_free(&row);
    MEM_FREE(count);
    MEM_FREE(start);
    return rc;
}

static const struct gather_method methods[] = {
    {.name = "mpi", .meaning = "MPI_Allgatherv between host memories", .rows = rows_by_mpi},
};

int gather_find(const struct gather_method **out, const char *name)
{
    int rc = ERR_OK;
    *out = NULL;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(methods[i].name, name) == 0)
            *out = &methods[i];
    if (!*out)
        FAIL(ERR_CONFIG, "no gather method '%s'; known: mpi", name);
out:
    return rc;
}
