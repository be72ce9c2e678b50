/*
 * Forms groups while their members still look for messages, for groups.sh; any number of ranks from 2 on.
 * What another member says to form the group must not be taken for a message, whatever its tag, and a
 * message that is on its way must not be lost to the group.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "par/comm.h"

#include <stdio.h>

/* Look for messages of each tag that a group of these ranks could be formed with; none may be there. */
static int find_nothing(struct comm *comm, struct message *message)
{
    int rc = ERR_OK;
    double end = clock_now() + 0.2;
    while (clock_now() < end)
        for (int tag = 0; tag < comm_size(comm); tag++) {
            bool found = false;
            TRY(comm_poll(comm, tag, message, &found));
            if (found)
                FAIL(ERR_MPI, "rank %d took %zu bytes of rank %d for a message of tag %d",
                     comm_rank(comm), message->n, message->source, tag);
        }
out:
    return rc;
}

static int find_message(struct comm *comm, struct message *message, int tag)
{
    int rc = ERR_OK;
    double end = clock_now() + 30;
    for (bool found = false; !found;) {
        TRY(comm_poll(comm, tag, message, &found));
        if (!found && clock_now() > end)
            FAIL(ERR_MPI, "rank %d waits in vain for tag %d", comm_rank(comm), tag);
    }
    if (message->n != sizeof tag || *(const int *)(const void *)message->bytes != tag)
        FAIL(ERR_MPI, "rank %d got another message than was sent", comm_rank(comm));
out:
    return rc;
}

/* The group of ranks first to the last; its first one joins when the others wait for it. */
static int form(struct comm *comm, struct message *message, int first)
{
    int rc = ERR_OK;
    struct comm *group = NULL;
    uint32_t *member = NULL;
    size_t n = (size_t)(comm_size(comm) - first);
    int64_t most = comm_rank(comm);
    TRY(MEM_NEW(member, n));
    for (size_t i = 0; i < n; i++)
        member[i] = (uint32_t)first + (uint32_t)i;
    if (comm_rank(comm) == comm_size(comm) - 1)
        TRY(comm_send(comm, first, first, &first, sizeof first));
    if (comm_rank(comm) == first) {
        TRY(find_message(comm, message, first));
        TRY(find_nothing(comm, message));
    }
    TRY(comm_group(&group, comm, member, n));
    TRY(comm_max(group, &most));
    if (comm_size(group) != (int)n || most != comm_size(comm) - 1)
        FAIL(ERR_MPI, "the group from rank %d on has %d ranks, the last is %d", first,
             comm_size(group), (int)most);
out:
    comm_stop(&group);
    MEM_FREE(member);
    return rc;
}

int main(void)
{
    int rc = ERR_OK;
    struct comm *comm = NULL;
    struct message *message = NULL;
    TRY(comm_start(&comm));
    TRY(MEM_NEW(message, 1));
    for (int first = 0; first + 1 < comm_size(comm); first++) {
        if (comm_rank(comm) >= first)
            TRY(form(comm, message, first));
        TRY(comm_barrier(comm));
    }
out:
    MEM_FREE(message);
    if (rc) {
        log_error();
        comm_abort(comm, 1);
    }
    comm_stop(&comm);
    return 0;
}
