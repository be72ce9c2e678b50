/*
 * scores.h - queries against a memory bank: anomaly maps and image scores.
 *
 * In:  a bank (bank/) and the features of a test set (features/).
 * Out: store/scores/<variant>/<train>/<test>/<key>/scores.h5, built from shard-NNNNN.h5 parts that are
 *      cut like the feature shards and removed once the whole exists.
 * What is stored per item is the score, the image-level retrieval and the patch-level mass on the
 * grid; score_map makes the full-size map from the latter.
 */
#ifndef SCORES_SCORES_H
#define SCORES_SCORES_H

#include "bank/bank.h"
#include "config/config.h"
#include "features/features.h"
#include "head/head.h"
#include "ops/ops.h"

#include <stdbool.h>
#include <stddef.h>

/* A bank in the layout of the kernels. */
struct retriever;

/*
 * Pack a bank, seen through the head of a place when there is one (NULL: MRAD-TF); for MRAD-CLIP also
 * the text tower. The bank may be freed afterwards. ERR_SHAPE when the bank has no entries.
 */
int retriever_new(struct retriever **out, struct ops *ops, const struct bank *bank,
                  const struct head_place *place);
void retriever_free(struct retriever **retriever);

/* Options of one cell, from the configuration. */
struct score_options {
    float tau;
    int by;       /* enum retrieve_by */
    double top;   /* share of pixels */
    double k;     /* weight of the image level */
    bool is_sum;  /* plain sum instead of the weighted one */
    double sigma; /* of the smoothing, in pixels */
    bool pools;
};

/* Where the scores of one (variant, train, test) lie. */
struct score_place {
    const char *variant;            /* borrowed */
    const struct bank_place *train; /* borrowed */
    const struct head_place *head;  /* borrowed; NULL for mrad-tf */
    const struct features *test;    /* borrowed */
    struct score_options options;
    char *dir;
    char key[HASH_HEX];
    char *options_text; /* JSON */
};

/* head: the trained head whose metric is used, NULL for mrad-tf. Free with score_place_free. */
int scores_plan(struct score_place **out, const struct config *config,
                const struct bank_place *train, const struct head_place *head,
                const struct features *test);
void score_place_free(struct score_place **place);

/* Path of the whole or of a part; free with MEM_FREE. */
int scores_path(char **out, const struct score_place *place);
int scores_shard_path(char **out, const struct score_place *place, size_t shard);

/* Is a readable file of this key there? Local. */
bool scores_is_whole(const struct score_place *place);
bool scores_has_shard(const struct score_place *place, size_t shard);

/*
 * Score the items of one feature shard and write the part. Local. Eq.: patch mass and Y_cls are
 * softmax(q K^T / tau) V on unit, neighbour-pooled queries, through the head's maps if there is one, over all
 * entries or the nearest of each label (retrieval.by); the map is the mass upsampled bilinearly and smoothed;
 * score = (1-k) mean of the top share of the map + k Y_cls. The regions that mrad-clip's priors are
 * formed over are always found by the mass on all entries, as in training.
 */
int scores_build_shard(const struct score_place *place, size_t shard, struct retriever *retriever);

/* Join the parts into scores.h5 and remove them. Local, by one rank. */
int scores_join(const struct score_place *place);

/* Remove what a killed run left: half-written files, and parts where the whole is there. Local, by one rank. */
int scores_tidy(const struct score_place *place);

/* Scores in memory. */
struct scores {
    size_t n;         /* items */
    size_t n_patch;   /* N */
    float *y_cls;     /* [n] image-level retrieval: mass on anomalous entries */
    float *score;     /* [n] */
    float *mass;      /* [n, N] patch-level mass on anomalous entries; mrad-clip: text map */
    uint8_t *skipped; /* [n] */
};

/* Read the whole. Free with scores_free. Local. */
int scores_open(struct scores **out, const struct score_place *place);
void scores_free(struct scores **scores);

/* The anomaly map [S, S] of one item from its mass [G, G]. */
int score_map(struct ops *ops, const float *mass, size_t grid, size_t side, double sigma,
              float *map);

/* Score of one image from its retrieval and its map of n pixels. scratch [n] is overwritten. */
float score_image(const struct score_options *options, float y_cls, const float *map, size_t n,
                  float *scratch);

#endif /* SCORES_SCORES_H */
