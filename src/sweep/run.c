/* run.c - a run's account, and a piece as its task: claimed from other runs, made, or found made. */
#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/process.h"
#include "par/cores.h"
#include "sweep/journal.h"
#include "sweep/sweep_int.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- one piece ---- */

/*
 * Take a piece's lock, and look whether it is there by now. Of a rank of the same run that has it and is
 * overdue the lock stays, and the piece is made beside it.
 */
static int claim(struct sweep *s, const struct piece *p, const char *path, enum sched_end *end)
{
    int rc = ERR_OK;
    enum lock_outcome outcome;
    *end = SCHED_MADE;
    TRY(lock_take(s->locks, path, &outcome));
    if (outcome == LOCK_BUSY)
        *end = SCHED_BUSY;
    else if (stage_is_made(s, p))
        *end = SCHED_FOUND;
    if (outcome == LOCK_TAKEN && *end != SCHED_MADE)
        lock_drop(s->locks, path);
out:
    return rc;
}

int piece_run(struct sweep *s, const struct piece *p, struct task *task)
{
    int rc = ERR_OK;
    bool leads = comm_rank(task->gang) == 0;
    char *path = NULL;
    int64_t unused;
    TRY(stage_path(&path, s, p));
    TRY_ALL(task->gang, leads ? claim(s, p, path, &task->end) : ERR_OK);
    TRY(comm_bcast(task->gang, &task->end, sizeof task->end, 0));
    if (task->end != SCHED_MADE)
        goto out;
    rc = stage_work(s, p, task->gang);
    if (leads)
        lock_drop(s->locks, path);
    TRY(rc);
    if (path_stat(path, &task->bytes, &unused)) /* joined and used up, if it was overdue */
        err_clear();
out:
    MEM_FREE(path);
    return rc;
}

/* ---- the whole run ---- */

/* Only one run writes status, journal and results of a folder. One that was just killed may still be dying. */
static int claim_folder(struct sweep *s)
{
    enum { HERE_S = 5, ELSEWHERE_S = 75 };
    int rc = ERR_OK;
    char *path = NULL;
    char holder[256];
    enum lock_outcome outcome;
    double begin = clock_now();
    bool has_told = false, is_here;
    TRY(path_join(&path, s->status_dir, "sweep"));
    for (;;) {
        TRY(lock_take(s->locks, path, &outcome));
        if (outcome == LOCK_TAKEN)
            break;
        (void)lock_holder(holder, sizeof holder, path, &is_here);
        if (stop_requested() || clock_now() - begin > (is_here ? HERE_S : ELSEWHERE_S))
            FAIL(
                ERR_IO,
                "%s: another sweep writes there (%s); wait for it, or choose another folder with --out",
                s->status_dir, holder);
        if (!has_told)
            log_root("sweep", "%s: another sweep wrote there (%s); waiting for a sign of life",
                     s->status_dir, holder);
        has_told = true;
        clock_sleep(0.2);
    }
out:
    MEM_FREE(path);
    return rc;
}

static int begin_account(struct sweep *s)
{
    int rc = ERR_OK;
    if (!s->status_dir)
        return ERR_OK;
    TRY(claim_folder(s));
    TRY(status_new(&s->status, s->status_dir, s->comm));
out:
    return rc;
}

int sweep_claim(struct sweep *s, const char *status_dir)
{
    int rc = ERR_OK;
    char host[64];
    s->status_dir = status_dir;
    process_host(host, sizeof host);
    (void)snprintf(s->run, sizeof s->run, "%s.%ld.%.0f", host, (long)getpid(), clock_unix() * 1e3);
    TRY(comm_bcast(s->comm, s->run, sizeof s->run, 0));
    TRY_ALL(s->comm, locks_open(&s->locks, s->run));
    TRY_ALL(s->comm, comm_rank(s->comm) == 0 ? begin_account(s) : ERR_OK);
    if (status_dir)
        TRY(journal_open(&s->journal, status_dir, s->config->store, s->run, s->comm));
out:
    return rc;
}

void run_end(struct sweep *s, int rc)
{
    const char *outcome = rc == ERR_OK ? "done" : rc == ERR_STOPPED ? "stopped" : "failed";
    const char *why = rc ? err_message() : "";
    status_end(s->status, outcome, why);
    journal_close(&s->journal, outcome, why);
}
