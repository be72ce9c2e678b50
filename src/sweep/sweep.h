/*
 * sweep.h - the grid: train on A, test on B, for every variant, pair, setting and seed.
 *
 * The settings are the job's own configuration and its ablations. They share what they have in common;
 * a setting that makes no difference to a cell has no rows there.
 *
 * A sweep is nothing but the stages called for each cell: extract, bank, gather, train, score, join,
 * measure; as one graph, in which a piece of work waits for those that it reads and for no other.
 * What is done is decided by the artefacts in the store; a restart is the artefacts that are missing.
 * Results do not depend on the number of ranks.
 *
 *     struct sweep *sweep = NULL;
 *     TRY(sweep_open(&sweep, comm, config, SWEEP_ALL));
 *     TRY(sweep_run(sweep));
 *     TRY(sweep_results(sweep, &results));      (rank 0)
 */
#ifndef SWEEP_SWEEP_H
#define SWEEP_SWEEP_H

#include "base/path.h"
#include "config/config.h"
#include "par/comm.h"
#include "report/report.h"

#include <stddef.h>

struct cJSON;
struct sweep;

/* How far a run goes. */
enum sweep_goal {
    SWEEP_FEATURES, /* features of all data sets of the configuration, or of config->auxiliary */
    SWEEP_BANKS,    /* and banks of all of them, under every setting */
    SWEEP_HEADS,    /* and MRAD-FT heads of all of them, under every setting and seed */
    SWEEP_PROMPTS,  /* and MRAD-CLIP heads on top of these */
    SWEEP_ALL,      /* every cell of the pairs */
};

/*
 * Load manifests, hash inputs, find every artefact's place and see which are missing. Collective.
 * Free with sweep_close. ERR_CONFIG for pairs or variants that do not exist, and for more parts than pairs.
 */
int sweep_open(struct sweep **out, struct comm *comm, const struct config *config,
               enum sweep_goal goal);
void sweep_close(struct sweep **sweep);

/*
 * Read run.part, "I/N" with 0 <= I < N: which of N jobs that share a grid this is. Its pairs are numbers
 * I, I + N, I + 2 N, ... of the list. Local. ERR_CONFIG for anything else.
 */
int sweep_part(size_t *index, size_t *count, const char *text);

/*
 * Remove the shards with items that were skipped (run.on_bad_item) and what this sweep made without
 * them; afterwards it must be opened again. Products of other jobs keep naming what they skipped. No other
 * sweep may use the store meanwhile. Collective.
 */
int sweep_retry_skipped(struct sweep *sweep);

/*
 * Begin the account of a run in a folder: from now on no other sweep writes there. sweep_run does it
 * where this was not called. Collective. ERR_IO names the run that has it.
 */
int sweep_claim(struct sweep *sweep, const char *status_dir);

/* Make what is missing. status_dir: folder for status.json, or NULL. Collective. */
int sweep_run(struct sweep *sweep, const char *status_dir);

/*
 * What is there and what would be made, as lines for people, and what of it differs from products that
 * the store has from other inputs; free with MEM_FREE. On rank 0.
 */
int sweep_describe(char **out, const struct sweep *sweep);

/*
 * Append every place of the store that the sweep refers to, there or not: folders of features, banks,
 * heads, scores and rows, files of reduced banks and of remembered hashes; relative to the store, and
 * sort the list. A place may be listed several times. Local.
 */
int sweep_places(struct path_list *out, const struct sweep *sweep);

/*
 * Append the files that the settings name in the place of what would be made or drawn: weights, banks,
 * heads, start values, orders, token ids, tokenizer. Local.
 */
int sweep_files(struct path_list *out, const struct sweep *sweep);

/*
 * Add to a JSON object what the sweep reads: "weights", for each {file, hash, about}, and "datasets", for each
 * {name, root and meta, or merge, manifest (hash), classes, images, anomalous, masks}. Local.
 */
int sweep_put_inputs(struct cJSON *object, const struct sweep *sweep);

/*
 * How long what is missing would take on so many ranks, and how near that is to what must be, as a
 * table; free with MEM_FREE. text: "ranks=8,64[,grant_us=50][,latency_us=20][,noise=0.1][,slow=N][,lost=N]":
 * the coordinator's time for a report and its answer, a message's time one way, how far items stray
 * from their cost, ranks that take ten times as long, ranks that fall silent after their first grant.
 * Collective. ERR_USAGE says what is wrong with the text.
 */
int sweep_simulate(char **out, const struct sweep *sweep, const char *text);

/*
 * The same of a built-in grid, of which nothing exists: "benchmark", 16 data sets of the published sizes,
 * three variants on all pairs; shards, batches and epochs of the configuration. Local.
 */
int sweep_simulate_grid(char **out, const char *name, const char *text,
                        const struct config *config);

/* The queue that hands out a sweep's work, measured without that work. */
struct queue_bench {
    double together_per_s; /* items of no cost, given many at a time */
    double single_per_s;   /* given one by one: two messages each */
    double makespan_s;     /* of items that sleep, with a gang in each of three chains */
    double simulated_s;    /* what the simulator says of them */
    double bound_s;        /* the larger of total / ranks and the longest path */
};

/* Collective. */
int queue_bench(struct queue_bench *out, struct comm *comm);

/*
 * Write the only bank that is a goal (SWEEP_BANKS, config->auxiliary or one data set, no ablations) to a
 * file that "bank" of a data set can name. On rank 0, after sweep_run.
 */
int sweep_save_bank(const struct sweep *sweep, const char *path);

/* All rows, in the order of the grid. On rank 0, after sweep_run. Release with results_free. */
int sweep_results(const struct sweep *sweep, struct results *out);

/*
 * Write y_cls (n), score (n), map (n, S, S), mask (n, S, S), label, class and has_mask of the only
 * cell to an HDF5 file that `mrad metrics` reads. On rank 0.
 */
int sweep_dump(struct sweep *sweep, const char *path);

/* Whose files a run writes, for base/fault.h: the stages in order and what else. NULL past the end. */
const char *sweep_writer(size_t i);

/* What a run looks like from outside: printed from DIR/status.json. Free with MEM_FREE. */
int sweep_status_text(char **out, const char *dir);

#endif /* SWEEP_SWEEP_H */
