/* cmd_sweep.c - mrad sweep, plan and status: the whole grid. */
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cmd/about.h"
#include "par/slurm.h"
#include "sweep/sweep.h"

/* Before results.json, whose presence says that the run is done. */
static int write_comparison(const struct config *c, const struct results *r)
{
    int rc = ERR_OK;
    struct comparison *comparison = NULL;
    if (!c->compare)
        return ERR_OK;
    TRY(comparison_new(&comparison, r, c, c->compare, c->compare_tolerance));
    TRY(comparison_write(comparison, c->out));
    log_root("sweep", "beside published numbers: %s/comparison.md", c->out);
out:
    comparison_free(&comparison);
    return rc;
}

static int finish(const struct args *a, const struct config *c, const struct sweep *sweep)
{
    int rc = ERR_OK;
    struct results results = {0};
    if (comm_rank(a->comm) != 0)
        return ERR_OK;
    TRY(sweep_results(sweep, &results));
    TRY(write_comparison(c, &results));
    (void)fault_stage("results");
    TRY(results_write(&results, c->out));
    TRY(cmd_print_results(a, &results));
    log_root("sweep", "report: %s/results.md", c->out);
out:
    (void)fault_stage(NULL);
    results_free(&results);
    return rc;
}

/* A part writes into a folder of its own below the job's: parts run at the same time. */
static int divide_out(struct config *c)
{
    int rc = ERR_OK;
    char *text = NULL;
    size_t index;
    size_t count;
    TRY(sweep_part(&index, &count, c->part));
    TRY(str_make(&text, "%s/part-%zu-of-%zu", c->out, index, count));
    MEM_FREE(c->out);
    c->out = text;
out:
    return rc;
}

/* The job with --out in its place. */
static int read_job(const struct args *a, struct config **out)
{
    int rc = ERR_OK;
    char *text = NULL;
    TRY(args_operands(a, 1, 1, "one job file"));
    TRY(args_config(a, args_operand(a, 0), out));
    if (a->out) {
        TRY(str_dup(&text, a->out));
        MEM_FREE((*out)->out);
        (*out)->out = text;
    }
    if ((*out)->part)
        TRY(divide_out(*out));
    TRY(slurm_stop_in_time((*out)->time_left, (*out)->time_margin));
out:
    return rc;
}

int cmd_sweep(struct args *a)
{
    int rc = ERR_OK;
    struct config *c = NULL;
    struct sweep *sweep = NULL;
    struct provenance *provenance = NULL;
    char start[CLOCK_STAMP];
    clock_stamp(start);
    TRY(comm_agree(a->comm, read_job(a, &c)));
    TRY_ALL(a->comm, c->compare && comm_rank(a->comm) == 0 ? published_check(c->compare) : ERR_OK);
    TRY(sweep_open(&sweep, a->comm, c, SWEEP_ALL));
    if (a->retry_failed) {
        TRY(sweep_retry_skipped(sweep));
        sweep_close(&sweep);
        TRY(sweep_open(&sweep, a->comm, c, SWEEP_ALL));
    }
    TRY(provenance_begin(&provenance, a, c, sweep, start));
    TRY(sweep_run(sweep, c->out));
    TRY_ALL(a->comm, finish(a, c, sweep));
out:
    provenance_end(&provenance, rc);
    sweep_close(&sweep);
    config_free(&c);
    return rc;
}

static int plan_grid(struct args *a)
{
    int rc = ERR_OK;
    struct config *c = NULL;
    char *text = NULL;
    TRY(args_operands(a, 0, 0, "no job beside --grid"));
    TRY(args_config(a, NULL, &c));
    if (!a->simulate)
        FAIL(ERR_USAGE, "plan: --grid wants --simulate ranks=N beside it");
    if (comm_rank(a->comm) == 0)
        TRY(sweep_simulate_grid(&text, a->grid, a->simulate, c));
    TRY(cmd_print(a, text));
out:
    MEM_FREE(text);
    config_free(&c);
    return rc;
}

int cmd_plan(struct args *a)
{
    int rc = ERR_OK;
    struct config *c = NULL;
    struct sweep *sweep = NULL;
    char *text = NULL;
    if (a->grid)
        return comm_agree(a->comm, plan_grid(a));
    TRY(comm_agree(a->comm, read_job(a, &c)));
    TRY(sweep_open(&sweep, a->comm, c, SWEEP_ALL));
    if (a->simulate)
        TRY(sweep_simulate(&text, sweep, a->simulate));
    else if (comm_rank(a->comm) == 0)
        TRY(sweep_describe(&text, sweep));
    TRY(cmd_print(a, text));
out:
    MEM_FREE(text);
    sweep_close(&sweep);
    config_free(&c);
    return rc;
}

int cmd_status(struct args *a)
{
    int rc = ERR_OK;
    char *text = NULL;
    char *path = NULL;
    size_t n;
    TRY(args_operands(a, 1, 1, "the folder of a sweep's results"));
    if (a->json) {
        TRY(path_join(&path, a->operand[0], "status.json"));
        TRY(file_read(path, 1 << 20, &text, &n));
    } else {
        TRY(sweep_status_text(&text, a->operand[0]));
    }
    TRY(cmd_print(a, text));
out:
    MEM_FREE(text);
    MEM_FREE(path);
    return rc;
}
