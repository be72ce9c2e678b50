/* sweep_int.h - what the files of sweep/ share. */
#ifndef SWEEP_SWEEP_INT_H
#define SWEEP_SWEEP_INT_H

#include "bank/bank.h"
#include "features/features.h"
#include "head/head.h"
#include "scores/scores.h"
#include "sweep/sched.h"
#include "sweep/sweep.h"

#include <stdbool.h>
#include <stdint.h>

/* One data set of the sweep. */
struct member {
    const struct dataset_entry *entry; /* borrowed from the configuration */
    struct manifest *manifest;
    struct features *features;
    struct bank_place *bank_place; /* NULL unless it is trained on */
    uint8_t wants_features, wants_bank;
};

/* One head to train: of a data set's bank, with a seed; the metric of MRAD-FT, or prompts on it. */
struct trainee {
    size_t member;
    size_t seed;
    size_t metric; /* trainee that prompts build on, listed before; NO_HEAD for a metric */
    struct head_place *place;
    uint8_t wants_head;
};

#define NO_HEAD SIZE_MAX

/* One (variant, train, test). */
struct cell {
    const char *variant; /* borrowed from the configuration */
    size_t train, test;  /* members */
    size_t trainee;      /* whose head is used, or NO_HEAD */
    size_t seed;
    struct score_place *place;
    char *row_dir; /* store/metrics/<variant>/<train>/<test>/<key> */
    char row_key[HASH_HEX];
    size_t first_row; /* its classes are rows [first_row, first_row + n_classes) */
    uint8_t wants_scores;
};

struct status; /* what status.json says; see status.c */

struct sweep {
    struct comm *comm;           /* borrowed */
    const struct config *config; /* borrowed */
    enum sweep_goal goal;
    struct model_info model;
    struct member *member; /* [n_members] */
    size_t n_members;
    struct trainee *trainee; /* [n_trainees] */
    size_t n_trainees;
    struct cell *cell; /* [n_cells] */
    size_t n_cells;
    size_t n_rows;
    uint8_t *wants_row; /* [n_rows] */
    int threads;

    /* a rank's tools, made when first needed */
    struct ops *ops;
    struct extractor *extractor;
    struct retriever *retriever;
    size_t retriever_of[2]; /* member and trainee */
    struct bank *bank;      /* of one member at a time */
    size_t bank_of;

    const char *status_dir;
    struct status *status;
};

/* One piece of work: of a member, a trainee or a cell, and which part of it. */
struct piece {
    size_t stage;
    size_t owner;
    size_t part;
};

/* Path of a row's artefact; free with MEM_FREE. */
int row_path(char **out, const struct cell *cell, size_t class_id);

/* Is a readable row of this key there? */
bool row_exists(const struct cell *cell, size_t class_id);

/* Compute and write one row. Local. */
int row_build(struct sweep *sweep, struct cell *cell, size_t class_id);

/* Read a row's artefact and append what it says to results. */
int row_collect(const struct cell *cell, size_t class_id, struct results *out);

/* The stages in order; see stages.c. */
enum { N_STAGES = 7 };
const char *stage_name(size_t stage);
const char *stage_unit(size_t stage);

/* Members, trainees or cells that a stage makes something for, and how many parts of one are wanted. */
size_t stage_owners(const struct sweep *sweep, size_t stage);
size_t stage_parts(const struct sweep *sweep, size_t stage, size_t owner);

/* Is this piece's artefact there? */
bool stage_exists(const struct sweep *sweep, const struct piece *piece);

/* A piece as the scheduler sees it, and how many tools its pieces name. */
struct sched_item stage_item(const struct sweep *sweep, const struct piece *piece);
size_t stage_tools(const struct sweep *sweep);

/* Seconds that a rank takes to load a tool, for planning. */
double stage_load_s(size_t tool);

/* Make a piece. Collective over gang, which has more than one rank only where stage_item allows it. */
int stage_work(struct sweep *sweep, const struct piece *piece, struct comm *gang);

/* A piece was made again after others had used it up: take it away. */
void stage_drop(const struct sweep *sweep, const struct piece *piece);

/* All pieces that are missing, as a graph. */
struct sweep_graph {
    struct sched_draft draft; /* draft.graph, once it is finished */
    struct piece *piece;      /* [n_items] */
    size_t cap_pieces;
};

/*
 * Find what is missing, on rank 0, and what waits for what. Collective. A sweep without a
 * communicator is taken to have nothing yet. Release with sweep_graph_release.
 */
int sweep_graph_new(struct sweep_graph *out, const struct sweep *sweep);
void sweep_graph_release(struct sweep_graph *graph);

/* The kernels of this rank. */
int sweep_ops(struct sweep *sweep);

/* Status of a run, kept on rank 0 and written to DIR/status.json. Local, errors are logged only. */
int status_new(struct status **out, const char *dir, const struct comm *comm);
void status_free(struct status **status);
void status_update(struct status *status, const struct sched *sched);
void status_end(struct status *status, const char *state, const char *message);

#endif /* SWEEP_SWEEP_INT_H */
