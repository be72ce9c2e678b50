/* slurm.c - see slurm.h. */
#include "par/slurm.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "par/cores.h"

#include <stdlib.h>
#include <time.h>

/* A job that is past its end is stopped at once; 0 would mean no limit. */
static const double at_once = 1e-3;

/* A variable of the environment, NULL when it is not set or empty. */
static const char *variable(const char *name)
{
    const char *text = getenv(name);
    return text && text[0] ? text : NULL;
}

/* Seconds since 1970 at which Slurm ends the job; 0 when it does not say. */
static int job_end(double *out)
{
    int rc = ERR_OK;
    const char *text = variable("SLURM_JOB_END_TIME");
    char *rest = NULL;
    *out = 0;
    if (!text)
        return ERR_OK;
    *out = strtod(text, &rest);
    if (*rest || !(*out >= 1 && *out <= 1e11))
        FAIL(ERR_CONFIG,
             "SLURM_JOB_END_TIME: found \"%s\", wanted seconds since 1970; unset it, or give "
             "--time-left",
             text);
out:
    return rc;
}

/* "2026-01-31T23:59:59Z, in 3 min 07 s" */
static int add_end(struct str *s, double end)
{
    char stamp[CLOCK_STAMP];
    char left[32];
    double seconds = end - (double)time(NULL);
    clock_stamp_at(stamp, end);
    return str_addf(s, "%s, %s%s", stamp, seconds < 0 ? "over since " : "in ",
                    clock_text(left, sizeof left, seconds < 0 ? -seconds : seconds));
}

int slurm_stop_in_time(double time_left, double margin)
{
    int rc = ERR_OK;
    const char *id = variable("SLURM_JOB_ID");
    double end = 0;
    double left;
    struct str s = {0};
    stop_after(time_left);
    if (!id)
        return ERR_OK;
    if (time_left > 0) {
        log_root("slurm", "job %s: stops in %.1f s as told (run.time_left), whenever the job ends",
                 id, time_left);
        return ERR_OK;
    }
    TRY(job_end(&end));
    if (end <= 0) {
        log_root("slurm", "job %s: SLURM_JOB_END_TIME is not set: only a signal stops this run",
                 id);
        return ERR_OK;
    }
    TRY(add_end(&s, end));
    log_root("slurm", "job %s: ends %s; stops %.0f s before (run.time_margin)", id, s.text, margin);
    left = end - margin - (double)time(NULL);
    stop_after(left > at_once ? left : at_once);
out:
    str_free(&s);
    return rc;
}

/* Slurm's number of tasks: of the step if this is one, else of the job. */
static const char *task_count(void)
{
    const char *of_step = variable("SLURM_STEP_NUM_TASKS");
    return of_step ? of_step : variable("SLURM_NTASKS");
}

int slurm_job_text(char **out, const struct comm *comm)
{
    int rc = ERR_OK;
    struct str s = {0};
    const char *id = variable("SLURM_JOB_ID");
    const char *task = variable("SLURM_ARRAY_TASK_ID");
    const char *array = variable("SLURM_ARRAY_JOB_ID");
    const char *n_nodes = variable("SLURM_JOB_NUM_NODES");
    const char *nodes = variable("SLURM_JOB_NODELIST");
    const char *n_tasks = task_count();
    double end = 0;
    *out = NULL;
    if (!id)
        return ERR_OK;
    TRY(str_addf(&s, "job %s", id));
    if (array && task)
        TRY(str_addf(&s, " (task %s of array %s)", task, array));
    if (n_nodes && nodes)
        TRY(str_addf(&s, ", nodes %s (%s)", n_nodes, nodes));
    if (n_tasks)
        TRY(str_addf(&s, ", tasks %s", n_tasks));
    TRY(job_end(&end));
    if (end > 0) {
        TRY(str_add(&s, ", ends "));
        TRY(add_end(&s, end));
    } else {
        TRY(str_add(&s, ", end unknown (SLURM_JOB_END_TIME is not set)"));
    }
    if (n_tasks && strtol(n_tasks, NULL, 10) != comm_size(comm))
        TRY(str_addf(&s, "; but ranks %d: start it with srun --mpi=pmix", comm_size(comm)));
    *out = s.text;
    s.text = NULL;
out:
    str_free(&s);
    return rc;
}

int slurm_check_alone(void)
{
    int rc = ERR_OK;
    const char *step = variable("SLURM_STEP_ID");
    const char *n_tasks = variable("SLURM_STEP_NUM_TASKS");
    if (step && n_tasks && strtol(n_tasks, NULL, 10) > 1)
        FAIL(ERR_MPI,
             "srun started %s tasks, but not as ranks of one MPI job, so each would do all the "
             "work; say srun --mpi=pmix",
             n_tasks);
out:
    return rc;
}
