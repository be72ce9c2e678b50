/*
 * head.h - what is trained on top of a memory bank: the metric of MRAD-FT, the prompts of MRAD-CLIP.
 *
 * In:  a bank (bank/), the features it was built from (features/), options and a seed.
 * Out: store/head/<variant>/<dataset>/<key>/head.h5: parameters, loss and learning rate per step,
 *      optimiser state.
 *
 * MRAD-FT: two linear maps per level, query and key, replace the plain similarity q k by
 * (Wq q + bq)(Wk k + bk); patches D -> E, images E -> E. They are trained on the auxiliary set itself
 * with similarity dropout, which hides each image from itself. docs/METHOD.md has equations and gradients.
 *
 * MRAD-CLIP: the frozen metric of MRAD-FT splits an image's patches into normal and anomalous regions;
 * their mean features (regional priors), through two linear maps, bias the learnable context of the
 * prompts "object" and "damaged object". The map is the softmax of the patches' cosines to the two
 * text features. train.clip.bias takes something else, or nothing, in the place of the priors.
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

/*
 * The tensors of MRAD-CLIP: context tokens of the normal and the anomalous prompt, deep prompts, the two
 * prompt projections (n normal, a anomalous; b bias), and the queries of the attention over patches.
 * Those that the source of the prompts' bias does not train have no elements and are in no file.
 */
enum clip_tensor {
    CLIP_CTX,
    CLIP_DEEP,
    CLIP_PN,
    CLIP_PBN,
    CLIP_PA,
    CLIP_PBA,
    CLIP_QUERY,
    CLIP_TENSORS
};

enum { HEAD_MAX_TENSORS = 8, HEAD_MAX_RANK = 3 };

/* Names and sizes of what is trained together. */
struct head_form {
    const char *group; /* "ft" or "clip" */
    size_t n;
    const char *name[HEAD_MAX_TENSORS];
    int rank[HEAD_MAX_TENSORS];
    size_t dim[HEAD_MAX_TENSORS][HEAD_MAX_RANK];
    bool is_normal[HEAD_MAX_TENSORS]; /* drawn normal, deviation 0.02; else a map or its bias */
};

/* Trained parameters. */
struct head {
    struct head_form form;
    size_t count[HEAD_MAX_TENSORS];  /* elements of each tensor */
    float *tensor[HEAD_MAX_TENSORS]; /* inside values */
    size_t n_values;
    float *values; /* all tensors, one after another */
};

/* The form of MRAD-FT: D width, E embed. */
struct head_form head_form_ft(size_t width, size_t embed);

/* Sizes of the learnable prompts. */
struct prompt_sizes {
    size_t n_ctx;    /* context tokens of a prompt */
    size_t n_deep;   /* text layers with deep prompts */
    size_t deep_len; /* tokens of each */
};

/* Where the prompts' bias comes from, one of train.clip.bias. */
struct bias_source;

/* The form of MRAD-CLIP with a source of the prompts' bias: T text width, E embed. */
struct head_form head_form_clip(const struct bias_source *bias, size_t text_width, size_t embed,
                                const struct prompt_sizes *sizes);

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

/* The two prompts as token ids. */
struct prompt_tokens {
    int32_t *ids; /* [2, context]; the ids under the learnable context do not matter */
    size_t context;
    int32_t end[2]; /* position of the end token */
};

/* Where a head lies and what it depends on. */
struct head_place {
    const char *variant;             /* static */
    const struct bank_place *bank;   /* borrowed */
    const struct head_place *metric; /* mrad-clip: the head of MRAD-FT it builds on; borrowed */
    const struct config *model;      /* mrad-clip: names the file with the text tower; borrowed */
    struct head_form form;
    struct prompt_tokens tokens;    /* mrad-clip */
    const struct bias_source *bias; /* mrad-clip; static */
    double text_tau;                /* mrad-clip: temperature of the text map */
    size_t seed;
    struct train_options options;
    char *options_text;    /* JSON */
    struct head *init;     /* start values from a file, or NULL: drawn from the seed */
    bool is_given;         /* init is the trained head: there are no steps */
    char origin[HASH_HEX]; /* given: what a prompt file names as its metric; else empty */
    int64_t *order; /* [n_steps, order_batch] items, from a file, or NULL: shuffled by the seed */
    size_t n_steps, order_batch;
    char *dir;
    char key[HASH_HEX];
};

/*
 * Find the place of MRAD-FT's head. "FILE:/group" and "FILE:/dataset" of the configuration are read here
 * and their content is part of the key. A given head (head.ft) that belongs to another bank or other
 * weights is refused with both hashes. Local. Free with head_place_free.
 */
int head_plan_ft(struct head_place **out, const struct config *config,
                 const struct bank_place *bank, size_t seed);

/*
 * The same for MRAD-CLIP on top of a metric's place. Reads tokens, or the tokenizer's files. A given head
 * (head.clip) of another source of the prompts' bias is refused with both names.
 */
int head_plan_clip(struct head_place **out, const struct config *config,
                   const struct head_place *metric);
void head_place_free(struct head_place **place);

/* Path of head.h5; free with MEM_FREE. */
int head_path(char **out, const struct head_place *place);

/* Is a whole head of this key there, and can all of it be read? Local. */
bool head_exists(const struct head_place *place);

/*
 * Remove what a killed run left: half-written files, and the checkpoint where the head is there. Local,
 * by one rank.
 */
int head_tidy(const struct head_place *place);

/* Remove head and checkpoint, to train anew. Local, by one rank. */
int head_forget(const struct head_place *place);

/*
 * Train and write head.h5; goes on from the last checkpoint when there is one. Collective. bank is the
 * whole bank. NaN or Inf stops with the step, the items of the batch and the tensor. ERR_STOPPED when
 * a stop was requested: the checkpoint is written first.
 */
int head_train(const struct head_place *place, const struct bank *bank, struct ops *ops,
               struct comm *comm);

/* Read a head and check that it belongs to this place (both hashes are named if not). Local. */
int head_open(struct head **out, const struct head_place *place);

/* A head of this form, all zero. Free with head_free. */
int head_new(struct head **out, const struct head_form *form);
void head_free(struct head **head);

/* ---- checkpoints of the published program ---- */

/*
 * Read a checkpoint (mrad_ft_*.pth, mrad_clip_*.pth) and write its parameters for head.ft and head.clip:
 * groups ft and clip, and tokens. bank is the key of the bank it was trained on, which the file is then
 * bound to, or NULL. *report tells what was found and what was skipped; free with MEM_FREE. ERR_FORMAT
 * names file and entry of what is missing, has another shape or is not finite. Local.
 */
int head_import(const char *checkpoint, const char *bank, const char *out, char **report);

/*
 * Write the parameters of n files, heads or imported ones, as one checkpoint. Prompts need the metric
 * they were trained on; another one is refused with both hashes. ERR_USAGE for prompts whose bias is not
 * the published one, which a checkpoint has no place for. Local.
 */
int head_export(const char *const *path, size_t n, const char *out);

/* ---- MRAD-CLIP's map of one image ---- */

struct prompter;

/*
 * Get the text tower of place->model ready for up to max_images at a time; for training when `trains`.
 * Free with prompter_free before ops is closed.
 */
int prompter_new(struct prompter **out, const struct head_place *place, struct ops *ops,
                 size_t max_images, bool trains);
void prompter_free(struct prompter **prompter);

/* Does the prompts' bias depend on what MRAD-FT's metric retrieves? */
bool prompter_needs_mass(const struct prompter *prompter);

/* An image as the prompts see it. */
struct prompt_view {
    const float *query; /* [N, D] unit pooled patches */
    const float *mass;  /* [N] what MRAD-FT's metric retrieved for them; NULL where not needed */
    const float *image; /* [E] unit class token */
};

/* map [N]: each patch's probability of "damaged" by cosine to the dynamic prompts. Local. */
int prompter_map(struct prompter *prompter, const struct head *head, const struct prompt_view *view,
                 float *map);

/* ---- measuring ---- */

/* Training steps on made-up features, with the published bank (2162 and 3093 entries) and batch (8). */
struct head_bench;

/*
 * Make features, bank and start values for the sizes of the configuration's weights, in a temporary
 * folder: of MRAD-FT, or of MRAD-CLIP when `prompts`. Collective. Free with head_bench_free before ops
 * is closed.
 */
int head_bench_new(struct head_bench **out, const struct config *config, bool prompts,
                   struct ops *ops, struct comm *comm);
void head_bench_free(struct head_bench **bench);

/* One step: batch, loss, gradient, Adam. In the first epoch MRAD-CLIP finds the items' priors. Collective. */
int head_bench_step(struct head_bench *bench, bool first_epoch);

/* Operations in the matrix products of such a step. */
double head_bench_flop(const struct head_bench *bench, bool first_epoch);

#endif /* HEAD_HEAD_H */
