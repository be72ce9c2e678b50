/* sweep_int.h - what the files of sweep/ share. */
#ifndef SWEEP_SWEEP_INT_H
#define SWEEP_SWEEP_INT_H

#include "bank/bank.h"
#include "features/features.h"
#include "head/head.h"
#include "scores/scores.h"
#include "sweep/sweep.h"

#include <stdbool.h>
#include <stdint.h>

/* One data set of the sweep. */
struct member {
    const struct dataset_entry *entry; /* borrowed from the configuration */
    struct manifest *manifest;
    struct features *features;
    struct bank_place *bank_place; /* NULL unless it is trained on */
    struct bank *bank;             /* in memory once gathered or read */
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

    const char *status_dir;
    struct status *status;
};

/* One piece of work of a stage: of a member or a cell, and which part of it. */
struct piece {
    size_t owner;
    size_t part;
    double cost;
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

/* Pieces of a stage that are missing, agreed by all ranks. Collective. MEM_FREE(*out). */
int stage_pieces(struct sweep *sweep, size_t stage, struct piece **out, size_t *n);

/* Is this a stage that all ranks do together? Its pieces are run by stage_together, in order. */
bool stage_is_collective(size_t stage);
int stage_together(struct sweep *sweep, size_t stage, const struct piece *piece);

/* Run one piece of any other stage. Local. */
int stage_work(struct sweep *sweep, size_t stage, const struct piece *piece);

/* The kernels of this rank. */
int sweep_ops(struct sweep *sweep);

/* Status of a run, kept on rank 0 and written to DIR/status.json. Local, errors are logged only. */
int status_new(struct status **out, const char *dir, const struct comm *comm);
void status_free(struct status **status);
void status_stage(struct status *status, size_t stage, size_t done, size_t total);
void status_end(struct status *status, const char *state, const char *message);

#endif /* SWEEP_SWEEP_INT_H */
