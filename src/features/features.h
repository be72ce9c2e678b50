/*
 * features.h - extraction and the feature store: every image goes through the encoder exactly once.
 *
 * In:  struct manifest (datasets/), struct weights (clip/), the configuration.
 * Out: store/features/<dataset>/<key>/shard-NNNNN.h5, each a fixed range of items.
 *
 * The key is a hash over the weights' bytes, the manifest with the content of every image and mask, and
 * the options that features depend on: equal keys mean equal features. Shards are cut by item index,
 * never by rank.
 */
#ifndef FEATURES_FEATURES_H
#define FEATURES_FEATURES_H

#include "base/hash.h"
#include "clip/clip.h"
#include "config/config.h"
#include "datasets/datasets.h"
#include "ops/ops.h"
#include "par/comm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a model contributes to keys and shapes; made once by model_info. */
struct model_info {
    struct clip_shape shape;
    char hash[HASH_HEX]; /* of the file's bytes */
    char about[256];     /* what the tensors do not tell and who says it, for people */
};

/* The features of one data set: where they lie and how they are cut. */
struct features {
    const struct manifest *manifest; /* borrowed */
    char *dir;                       /* store/features/<dataset>/<key>, owned */
    char key[HASH_HEX];
    char manifest_hash[HASH_HEX];
    struct model_info model;
    char *options;          /* the configuration behind the key, JSON, owned */
    struct hash *item_hash; /* [n_items] of image and mask content, owned */
    size_t shard_items;
    size_t n_shards;
    size_t image_size; /* S */
    size_t grid;       /* G */
    enum dtype dtype;
    bool skips; /* unreadable items are skipped, not fatal */

    /* of data sets that were merged: theirs, one after another; else none */
    const struct features **part; /* [n_parts], the list owned, its elements borrowed */
    size_t n_parts;
};

/* Open the weights of the configuration and hash them (on rank 0). Collective. */
int model_info(struct model_info *out, struct comm *comm, const struct config *config);

/*
 * Hash a data set's files (spread over ranks, remembered in store/hashes/ by size and time) and find
 * its place in the store. Collective. A missing file is ERR_IO, or a bad item when the configuration
 * skips those. Free with features_free.
 */
int features_plan(struct features **out, struct comm *comm, const struct config *config,
                  const struct model_info *model, const struct manifest *manifest);
void features_free(struct features **features);

/*
 * The features of several data sets as those of one, to train on: no shards of its own, items are
 * numbered through. manifest: the parts' manifests merged, borrowed as the parts are. All parts have one
 * model and the same options. The key is a hash of the parts' keys. Local. Free with features_free.
 */
int features_merge(struct features **out, const struct features *const *part, size_t n_parts,
                   const struct manifest *manifest);

/* Items [first, first + n) of a shard. */
void features_range(const struct features *f, size_t shard, size_t *first, size_t *n);

/* Where a shard lies; free with MEM_FREE. */
int features_shard_path(char **out, const struct features *f, size_t shard);

/*
 * Is a whole shard of this key there? One that does not open, has another key or other shapes, or
 * has skipped items when skipping is not allowed, counts as absent and *why (static text) says so. Its
 * numbers are checked when they are read. Local.
 */
bool features_has_shard(const struct features *f, size_t shard, const char **why);

/*
 * How the images, masks and labels of this data set differ from those that the features in another
 * folder of the store were made of, for people: "3 of 40 images or masks changed: a.png, ...". As far as
 * that folder's shards tell. Local. MEM_FREE(*out). ERR_IO or ERR_FORMAT when they cannot be read.
 */
int features_compare(char **out, const struct features *f, const char *dir);

/* Writes one shard item by item; nothing is there before the commit. Local. */
struct feature_writer;

/* Begin a shard. Free with feature_writer_free, which drops what was not committed. */
int feature_writer_open(struct feature_writer **out, const struct features *f, size_t shard);
void feature_writer_free(struct feature_writer **writer);

/* Write item `row` of the shard: cls [E], patch [N, D], mask [S, S] of 0 and 1. */
int feature_writer_add(struct feature_writer *writer, size_t row, const float *cls,
                       const float *patch, const uint8_t *mask);

/* Item `row` cannot be had: its rows stay zero and the reason is kept. */
int feature_writer_skip(struct feature_writer *writer, size_t row, const char *why);

/* Add what the manifest says of the items, and give the file its name, atomically. */
int feature_writer_commit(struct feature_writer *writer);

/* Runs images through the encoder; one per rank. */
struct extractor;

/* Load the weights into the kernels. Free with extractor_free. */
int extractor_new(struct extractor **out, struct ops *ops, const struct config *config);
void extractor_free(struct extractor **extractor);

/*
 * Decode, encode and write one shard, atomically. Local. A bad item (unreadable image or mask, mask
 * of another size) is an error that names the file, or is recorded in the shard when f->skips.
 * ERR_STOPPED when a stop was requested: nothing is written.
 */
int extractor_run(struct extractor *extractor, const struct features *f, size_t shard);

/* An open shard, read item by item so that memory stays small. */
struct feature_shard {
    const struct features *features; /* borrowed */
    struct h5 *file;
    size_t first, n;
    uint8_t *label;    /* [n] 1: anomalous */
    uint8_t *has_mask; /* [n] 1: the item names a mask */
    uint8_t *skipped;  /* [n] 1: the item could not be read, its rows are zero */
    uint8_t *bits;     /* room for one packed mask */
};

/* Open and check a shard. Free with feature_shard_close. */
int feature_shard_open(struct feature_shard *out, const struct features *f, size_t shard);

/* The shard that has an item, of the part that has it, and the item's row there. */
int feature_shard_open_at(struct feature_shard *out, size_t *row, const struct features *f,
                          size_t item);
void feature_shard_close(struct feature_shard *s);

/*
 * Item `row` of the shard as float32; any output may be NULL: cls [E], patch [N, D]. ERR_FORMAT when
 * the numbers fail their checksum: then the shard's file is removed, and a rerun makes it anew.
 */
int feature_shard_read(struct feature_shard *s, size_t row, float *cls, float *patch);

/* The mask of item `row`: on the grid [G, G], share of defect by bilinear resize; and [S, S] of 0/1. */
int feature_shard_mask(struct feature_shard *s, size_t row, float *mask_patch, uint8_t *mask);

/* Why item `row` was skipped; free with MEM_FREE. */
int feature_shard_reason(struct feature_shard *s, size_t row, char **out);

#endif /* FEATURES_FEATURES_H */
