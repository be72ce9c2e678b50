/*
 * head.h - what is trained on top of a memory bank: the metric of MRAD-FT.
 *
 * In:  a bank (bank/), the features it was built from (features/), options and a seed.
 * Out: store/head/<variant>/<dataset>/<key>/head.h5: parameters, loss and learning rate per step,
 *      optimiser state.
 *
 * MRAD-FT: two linear maps per level, query and key, replace the plain similarity q k by
 * (Wq q + bq)(Wk k + bk); patches D -> E, images E -> E. They are trained on the auxiliary set itself
 * with similarity dropout, which hides each image from itself. docs/METHOD.md has equations and gradients.
 *
 * Training is data-parallel over the items of a batch; gradients are summed in item order, so that any
 * number of ranks gives the same bytes.
 */
#ifndef HEAD_HEAD_H
#define HEAD_HEAD_H

#include "bank/bank.h"
#include "config/config.h"
#include "ops/ops.h"
#include "par/comm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The tensors of MRAD-FT, in the order of files: w weight, b bias; q query, k key; i image level. */
enum ft_tensor { FT_WQ, FT_BQ, FT_WK, FT_BK, FT_IQ, FT_IBQ, FT_IK, FT_IBK, FT_TENSORS };

/* Trained parameters. A bias has one column. */
struct head {
    size_t n_tensors;
    const char *const *name;    /* [n_tensors], static */
    size_t rows[FT_TENSORS];    /* of each tensor */
    size_t columns[FT_TENSORS]; /* of each tensor */
    float *tensor[FT_TENSORS];  /* inside values */
    size_t n_values;
    float *values; /* all tensors, one after another */
};

/* What training is told; the configuration and two optional files. */
struct train_options {
    size_t batch;
    size_t epochs;
    double lr;
    bool is_cosine;                      /* to 1e-6 over all steps; else constant */
    double dropout_image, dropout_pixel; /* quantiles; 1: off */
    bool is_binary;   /* class loss: binary cross-entropy instead of the published softmax one */
    double class_tau; /* temperature of the softmax class loss */
    size_t checkpoint_steps;
};

/* Where a head lies and what it depends on. */
struct head_place {
    const char *variant;           /* borrowed */
    const struct bank_place *bank; /* borrowed */
    size_t seed;
    struct train_options options;
    char *options_text; /* JSON */
    struct head *init;  /* start values from a file, or NULL: drawn from the seed */
    int64_t *order; /* [n_steps, order_batch] items, from a file, or NULL: shuffled by the seed */
    size_t n_steps, order_batch;
    char *dir;
    char key[HASH_HEX];
};

/*
 * Find the place of MRAD-FT's head. "FILE:/group" and "FILE:/dataset" of the configuration are read here
 * and their content is part of the key. Local. Free with head_place_free.
 */
int head_plan(struct head_place **out, const struct config *config, const struct bank_place *bank,
              size_t seed);
void head_place_free(struct head_place **place);

/* Path of head.h5; free with MEM_FREE. */
int head_path(char **out, const struct head_place *place);

/* Is a whole head of this key there? Local. */
bool head_exists(const struct head_place *place);

/*
 * Train and write head.h5; goes on from the last checkpoint when there is one. Collective. bank is the
 * whole bank. NaN or Inf stops with the step, the items of the batch and the tensor. ERR_STOPPED when
 * a stop was requested: the checkpoint is written first.
 */
int head_train(const struct head_place *place, const struct bank *bank, struct ops *ops,
               struct comm *comm);

/* Read a head and check that it belongs to this place (both hashes are named if not). Local. */
int head_open(struct head **out, const struct head_place *place);

/* A head of these sizes, all zero. Free with head_free. */
int head_new(struct head **out, size_t width, size_t embed);
void head_free(struct head **head);

#endif /* HEAD_HEAD_H */
