/* comm.c - see comm.h. */
#include "par/comm.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "par/comm_int.h"
#include "par/slurm.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int comm_mpi_error(int code, const char *file, int line, const char *func)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int n = 0;
    (void)MPI_Error_string(code, text, &n);
    return err_set(ERR_MPI, file, line, func, "MPI: %s", text);
}

/* Did an MPI launcher start this process? Each launcher leaves its mark in the environment. */
static bool is_launched(void)
{
    static const char *const marks[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (getenv(marks[i]))
            return true;
    return false;
}

int comm_solo(struct comm **out)
{
    int rc = ERR_OK;
    *out = NULL;
    TRY(MEM_NEW(*out, 1));
    **out =
        (struct comm){.world = MPI_COMM_NULL, .groups = MPI_COMM_NULL, .size = 1, .local_size = 1};
    if (gethostname((*out)->host, sizeof(*out)->host - 1))
        (void)snprintf((*out)->host, sizeof(*out)->host, "localhost");
out:
    return rc;
}

static int join_world(struct comm *comm)
{
    int rc = ERR_OK;
    int n = 0;
    MPI_Comm node = MPI_COMM_NULL;
    TRY_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm->world));
    TRY_MPI(MPI_Comm_set_errhandler(comm->world, MPI_ERRORS_RETURN));
    TRY_MPI(MPI_Comm_dup(comm->world, &comm->groups));
    TRY_MPI(MPI_Comm_rank(comm->world, &comm->rank));
    TRY_MPI(MPI_Comm_size(comm->world, &comm->size));
    comm->number = comm->rank;
    TRY_MPI(
        MPI_Comm_split_type(comm->world, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &node));
    TRY_MPI(MPI_Comm_rank(node, &comm->local_rank));
    TRY_MPI(MPI_Comm_size(node, &comm->local_size));
    TRY_MPI(MPI_Get_processor_name(comm->host, &n));
out:
    if (node != MPI_COMM_NULL)
        (void)MPI_Comm_free(&node);
    return rc;
}

int comm_start(struct comm **out)
{
    int rc = ERR_OK;
    int level = MPI_THREAD_SINGLE;
    TRY(comm_solo(out));
    if (!is_launched()) {
        TRY(slurm_check_alone());
        return ERR_OK;
    }
    TRY_MPI(MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &level));
    (*out)->is_mpi = true;
    TRY_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    if (level < MPI_THREAD_MULTIPLE)
        FAIL(ERR_MPI, "this MPI library has no MPI_THREAD_MULTIPLE, which the coordinator needs");
    TRY(join_world(*out));
out:
    if (rc)
        comm_stop(out);
    return rc;
}

void comm_stop(struct comm **comm)
{
    if (!*comm)
        return;
    if ((*comm)->world != MPI_COMM_NULL)
        (void)MPI_Comm_free(&(*comm)->world);
    if ((*comm)->groups != MPI_COMM_NULL)
        (void)MPI_Comm_free(&(*comm)->groups);
    if ((*comm)->is_mpi)
        (void)MPI_Finalize();
    MEM_FREE(*comm);
}

/* The communicator of a group; all of its ranks call this and no others. */
static int join_group(struct comm *comm, struct comm *whole, const uint32_t *member, int n)
{
    int rc = ERR_OK;
    int *list = NULL;
    MPI_Group all = MPI_GROUP_NULL;
    MPI_Group some = MPI_GROUP_NULL;
    TRY(MEM_NEW(list, (size_t)n));
    for (int i = 0; i < n; i++)
        list[i] = (int)member[i];
    TRY_MPI(MPI_Comm_group(whole->world, &all));
    TRY_MPI(MPI_Group_incl(all, n, list, &some));
    TRY_MPI(MPI_Comm_create_group(whole->groups, some, list[0], &comm->world));
    TRY_MPI(MPI_Comm_set_errhandler(comm->world, MPI_ERRORS_RETURN));
    TRY_MPI(MPI_Comm_rank(comm->world, &comm->rank));
    TRY_MPI(MPI_Comm_size(comm->world, &comm->size));
out:
    if (some != MPI_GROUP_NULL)
        (void)MPI_Group_free(&some);
    if (all != MPI_GROUP_NULL)
        (void)MPI_Group_free(&all);
    MEM_FREE(list);
    return rc;
}

int comm_group(struct comm **out, struct comm *comm, const uint32_t *member, size_t n)
{
    int rc = ERR_OK;
    TRY(comm_solo(out));
    (*out)->number = comm->number;
    BUG_ON(n == 0 || n > (size_t)comm->size);
    if (n > 1)
        TRY(join_group(*out, comm, member, (int)n));
out:
    if (rc)
        comm_stop(out);
    return rc;
}

int comm_rank(const struct comm *comm)
{
    return comm->rank;
}

int comm_size(const struct comm *comm)
{
    return comm->size;
}

int comm_local_rank(const struct comm *comm)
{
    return comm->local_rank;
}

int comm_local_size(const struct comm *comm)
{
    return comm->local_size;
}

const char *comm_host(const struct comm *comm)
{
    return comm->host;
}

int comm_wait(MPI_Request *request)
{
    int rc = ERR_OK;
    int done = 0;
    double pause = 20e-6;
    for (int turn = 0;; turn++) {
        TRY_MPI(MPI_Test(request, &done, MPI_STATUS_IGNORE));
        if (done)
            break;
        if (turn < 100)
            continue;
        if (turn < 200) {
            (void)sched_yield();
            continue;
        }
        clock_sleep(pause);
        pause = pause < 0.5e-3 ? pause * 2 : 1e-3;
    }
out:
    return rc;
}

int comm_agree(struct comm *comm, int own)
{
    int rc = ERR_OK;
    char message[1024];
    MPI_Request request;
    struct {
        int code; /* ERR_STOPPED counts as less than any real failure */
        int rank;
    } mine = {own == ERR_STOPPED ? 1 : own != ERR_OK ? 2 : 0, comm->rank}, worst;
    if (comm->size == 1)
        return own;
    TRY_MPI(MPI_Iallreduce(&mine, &worst, 1, MPI_2INT, MPI_MAXLOC, comm->world, &request));
    TRY(comm_wait(&request));
    if (worst.code == 0)
        return ERR_OK;
    (void)snprintf(message, sizeof message, "rank %d: %s", comm->number, err_message());
    TRY(comm_bcast(comm, message, sizeof message, worst.rank));
    if (own != ERR_OK && mine.code == worst.code)
        return own;
    FAIL(worst.code == 1 ? ERR_STOPPED : ERR_PEER, "%s", message);
out:
    return rc;
}

int comm_barrier(struct comm *comm)
{
    int rc = ERR_OK;
    MPI_Request request;
    if (comm->size == 1)
        return ERR_OK;
    TRY_MPI(MPI_Ibarrier(comm->world, &request));
    TRY(comm_wait(&request));
out:
    return rc;
}

int comm_bcast(struct comm *comm, void *bytes, size_t n, int root)
{
    int rc = ERR_OK;
    char *at = bytes;
    MPI_Request request;
    if (comm->size == 1)
        return ERR_OK;
    while (n > 0) {
        int part = n > (1 << 28) ? 1 << 28 : (int)n; /* MPI counts are int */
        TRY_MPI(MPI_Ibcast(at, part, MPI_BYTE, root, comm->world, &request));
        TRY(comm_wait(&request));
        at += part;
        n -= (size_t)part;
    }
out:
    return rc;
}

int comm_allgather(struct comm *comm, const void *mine, size_t n, void *all)
{
    int rc = ERR_OK;
    MPI_Request request;
    if (n > INT_MAX)
        FAIL(ERR_MPI, "%zu bytes a rank are too many for one allgather", n);
    if (comm->size == 1) {
        memcpy(all, mine, n);
        return ERR_OK;
    }
    TRY_MPI(MPI_Iallgather(mine, (int)n, MPI_BYTE, all, (int)n, MPI_BYTE, comm->world, &request));
    TRY(comm_wait(&request));
out:
    return rc;
}

int comm_max(struct comm *comm, int64_t *value)
{
    int rc = ERR_OK;
    MPI_Request request;
    if (comm->size == 1)
        return ERR_OK;
    TRY_MPI(MPI_Iallreduce(MPI_IN_PLACE, value, 1, MPI_INT64_T, MPI_MAX, comm->world, &request));
    TRY(comm_wait(&request));
out:
    return rc;
}

int comm_send(struct comm *comm, int to, int tag, const void *bytes, size_t n)
{
    int rc = ERR_OK;
    MPI_Request request;
    BUG_ON(n > sizeof((struct message *)0)->bytes);
    TRY_MPI(MPI_Isend(bytes, (int)n, MPI_BYTE, to, tag, comm->world, &request));
    TRY(comm_wait(&request));
out:
    return rc;
}

int comm_poll(struct comm *comm, int tag, struct message *out, bool *found)
{
    int rc = ERR_OK;
    int flag = 0;
    int count = 0;
    MPI_Status status;
    MPI_Message message;
    *found = false;
    TRY_MPI(MPI_Improbe(MPI_ANY_SOURCE, tag, comm->world, &flag, &message, &status));
    if (!flag)
        goto out;
    TRY_MPI(MPI_Get_count(&status, MPI_BYTE, &count));
    if ((size_t)count > sizeof out->bytes)
        FAIL(ERR_MPI, "a message of %d bytes came from rank %d, at most %zu wanted", count,
             status.MPI_SOURCE, sizeof out->bytes);
    TRY_MPI(MPI_Mrecv(out->bytes, count, MPI_BYTE, &message, MPI_STATUS_IGNORE));
    out->n = (size_t)count;
    out->source = status.MPI_SOURCE;
    *found = true;
out:
    return rc;
}

_Noreturn void comm_abort(struct comm *comm, int status)
{
    if (comm && comm->is_mpi)
        (void)MPI_Abort(comm->world, status);
    exit(status);
}

const char *comm_library(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int n = 0;
    if (MPI_Get_library_version(text, &n) != MPI_SUCCESS)
        return "unknown";
    for (char *p = text; *p; p++)
        if (*p == ',' || *p == '\n')
            *p = '\0';
    return text;
}
