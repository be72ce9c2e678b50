/*
 * tiny.h - a complete CLIP vision tower of a few kilobytes, and a data set of a few pictures with
 * its store, for tests that need real files.
 */
#ifndef SUPPORT_TINY_H
#define SUPPORT_TINY_H

#include "bank/bank.h"
#include "clip/clip.h"
#include "config/config.h"
#include "datasets/datasets.h"
#include "features/features.h"
#include "par/comm.h"
#include "scores/scores.h"
#include "tensor/tensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TINY_MAX_RANK = 9 };

/* Sizes of the tower, unless a test changes them. */
enum { TINY_WIDTH = 64, TINY_LAYERS = 2, TINY_PATCH = 2, TINY_GRID = 2, TINY_EMBED = 8 };
enum { TINY_HIDDEN = 32 };

struct tiny_model {
    bool is_hugging_face; /* names and layout of CLIPModel; else OpenAI's */
    const char *prefix;   /* before every name */
    enum dtype dtype;     /* F32, F16 or BF16 */
    size_t width, layers, patch, position_rows, embed, hidden;
    uint64_t seed;
    const char *leave_out; /* the tensor of this canonical name is not written; NULL: none */
    const char *bend;      /* this one gets one more column; NULL: none */
    const char *whole;     /* this one is stored as I32; NULL: none */
};

/* A good tower of the sizes above, OpenAI's names, float32, seed 1. */
struct tiny_model tiny_model(void);

/* Write it as a safetensors file. */
void tiny_model_write(const struct tiny_model *m, const char *path);

/* Element i of the tensor of that canonical name, as it is in a float32 file. */
float tiny_value(const struct tiny_model *m, const char *name, size_t i);

/* Write a safetensors file by hand: header as it stands, then n_data bytes (NULL: zeros). */
void tiny_raw_write(const char *path, const char *header, const uint8_t *data, size_t n_data);

/*
 * Six pictures of 10 x 12 pixels in two classes, item by item:
 *   0 a normal, 1 a anomalous with mask, 2 a anomalous with mask, 3 a normal,
 *   4 b anomalous without a mask file, 5 b normal
 * with the tower above at 8 x 8 pixels, so 4 x 4 patches, in feature shards of 4 items. The masks
 * leave patches that are all defect and patches that are all normal.
 */
enum { TINY_ITEMS = 6, TINY_SIDE = 8, TINY_SHARDS = 2, TINY_SHARD_ITEMS = 4, TINY_PATCHES = 16 };

struct tiny_store {
    char *dir; /* holds model.safetensors, data/ and store/ */
    struct comm *comm;
    struct ops *ops;
    struct config *config;
    struct model_info model;
    struct manifest *manifest;
    struct features *features;
    struct bank_place *bank;
    struct score_place *scores;
};

/* Write model and pictures and plan everything; set (may be NULL) holds more "key=value", NULL last. */
void tiny_store_open(struct tiny_store *s, const char *const *set);
void tiny_store_close(struct tiny_store *s);

/* Read the configuration, model and manifest anew and plan again: what a second run would do. */
void tiny_store_plan(struct tiny_store *s, const char *const *set);

/* DIR/name of the store, static storage, good until the next call. */
const char *tiny_path(const struct tiny_store *s, const char *name);

/* Write one picture (10 x 12, RGB) with pixels of that seed, with an old modification time. */
void tiny_picture(const char *path, uint64_t seed);

/* Set a file's modification time to a fixed day in 2020 plus some seconds. */
void tiny_age(const char *path, int64_t seconds);

/* Extract all shards; build all bank shards and gather; score all shards. */
void tiny_extract(struct tiny_store *s);
void tiny_build_bank(struct tiny_store *s);
void tiny_score(struct tiny_store *s);

#endif /* SUPPORT_TINY_H */
