/* cores.c - see cores.h. */
#include "par/cores.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"

#include <sched.h>
#include <signal.h>
#include <string.h>

struct place {
    struct hash host;
    cpu_set_t cores;
};

int cores_per_rank(struct comm *comm, int wanted, int *out)
{
    int rc = ERR_OK;
    struct place *all = NULL;
    struct place mine;
    int sharers = 0;
    int cores;
    memset(&mine, 0, sizeof mine);
    mine.host = hash_bytes(comm_host(comm), strlen(comm_host(comm)));
    if (sched_getaffinity(0, sizeof mine.cores, &mine.cores))
        CPU_SET(0, &mine.cores);
    TRY(MEM_NEW(all, (size_t)comm_size(comm)));
    TRY(comm_allgather(comm, &mine, sizeof mine, all));
    for (int r = 0; r < comm_size(comm); r++)
        sharers += hash_equal(all[r].host, mine.host) && CPU_EQUAL(&all[r].cores, &mine.cores);
    cores = CPU_COUNT(&mine.cores) / (sharers ? sharers : 1);
    *out = wanted > 0 ? wanted : cores > 1 ? cores : 1;
out:
    MEM_FREE(all);
    return rc;
}

/* Written by the handler, read between items: the one flag a signal handler may set. */
static volatile sig_atomic_t stop_signal;
static double stop_time; /* set before workers start */

static void remember(int number)
{
    stop_signal = number;
}

void stop_watch(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = remember;
    action.sa_flags = SA_RESTART;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        (void)sigaction(numbers[i], &action, NULL);
    (void)signal(SIGXFSZ, SIG_IGN);
}

void stop_after(double seconds)
{
    stop_time = seconds > 0 ? clock_now() + seconds : 0;
}

bool stop_requested(void)
{
    return stop_signal != 0 || (stop_time > 0 && clock_now() >= stop_time);
}
