/*
 * bank.h - the two-level memory bank: what queries are compared with.
 *
 * In:  feature shards of an auxiliary data set (features/).
 *      Or a file that holds a bank already, such as one of bank_import.
 * Out: store/bank/<dataset>/<key>/shard-NNNNN.h5, one per feature shard, and bank.h5, the whole;
 *      reduced-<key>.h5 beside it where the configuration wants fewer entries (bank.reduce).
 * Entries are in item order whatever rank built them; per image the anomalous prototype comes first. An
 * entry that belongs to no item (an imported one, a centroid) has item -1.
 * A bank never changes after it was built; share it freely.
 */
#ifndef BANK_BANK_H
#define BANK_BANK_H

#include "config/config.h"
#include "features/features.h"
#include "ops/ops.h"
#include "par/comm.h"
#include "par/gather.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bank {
    size_t embed;          /* E */
    size_t width;          /* D */
    size_t n_image;        /* one entry an image */
    float *image_keys;     /* [n_image, E], unit rows */
    uint8_t *image_labels; /* [n_image] 1: anomalous */
    int32_t *image_item;   /* [n_image] item each came from, or -1 */
    size_t n_pixel;        /* none to two entries an image */
    float *pixel_keys;     /* [n_pixel, D], unit rows */
    uint8_t *pixel_labels; /* [n_pixel] 1: anomalous region */
    int32_t *source_item;  /* [n_pixel] item each came from, or -1 */
};

/* How a bank is made smaller. */
struct bank_reduction {
    int method;           /* enum reduce, not REDUCE_FULL */
    size_t entries;       /* of the pixel level */
    size_t image_entries; /* 0: all */
    size_t seed;
};

/* A version of a file. */
struct bank_seen {
    uint64_t size;
    int64_t mtime_ns;
};

/* Where the bank of a data set lies in the store. */
struct bank_place {
    const struct features *features; /* borrowed */
    char *dir;                       /* store/bank/<dataset>/<key of the full bank>, owned */
    char key[HASH_HEX];
    char *options; /* JSON, owned */
    char *file;    /* the bank of the data set's entry, or NULL: built from the features; owned */
    bool pools;    /* neighbour pooling */

    struct bank_place *full; /* NULL, or what this bank is a reduction of; owned */
    struct bank_reduction reduction;
    char *reduction_text; /* JSON, owned */

    /* of merged data sets: their whole banks, which this one is put together from; else none */
    const struct bank_place **part; /* [n_parts], the list owned, its elements borrowed */
    size_t n_parts;

    struct bank_seen *seen; /* of its file, when all of it was last read and found good; owned */
};

/*
 * Find the place; free with bank_place_free. Local. Where the data set's entry names a bank file, that
 * file is the whole bank and its key the place's; one of other weights is refused with both hashes. With
 * bank.reduce the place is that of the reduction: its key covers the full bank's and the reduction, its
 * shards are the full bank's.
 */
int bank_plan(struct bank_place **out, const struct config *config,
              const struct features *features);

/* The same without regard to bank.reduce: the place of the whole bank, which can be a part of others. */
int bank_plan_whole(struct bank_place **out, const struct config *config,
                    const struct features *features);

/*
 * The bank of merged data sets: the entries of all parts, in their order. It has no file and no shards
 * of its own, so that a further data set costs that data set alone; with bank.reduce its reduction has a
 * file. part: places of whole banks, in the order of features->part; they must outlive this one.
 */
int bank_plan_merged(struct bank_place **out, const struct config *config,
                     const struct features *features, const struct bank_place *const *part);
void bank_place_free(struct bank_place **place);

/* Has the bank a file? Not that of merged data sets, unless it is reduced. */
bool bank_has_file(const struct bank_place *place);

/* Path of a shard, or of the whole (or reduced) bank that has a file; free with MEM_FREE. */
int bank_shard_path(char **out, const struct bank_place *place, size_t shard);
int bank_path(char **out, const struct bank_place *place);

/*
 * Is a readable shard (whole bank) of this key there? A large bank's file that was read once is read
 * again only when its size or time has changed. Local, one thread at a time for a place.
 */
bool bank_has_shard(const struct bank_place *place, size_t shard);
bool bank_is_whole(const struct bank_place *place);

/* Must shards be there before bank_gather? Not where a bank can be read or reduced from one file. Local. */
bool bank_needs_shards(const struct bank_place *place);

/*
 * Build and write the shard that belongs to a feature shard. Local. Eq. of the paper: the image key is
 * the unit class token; regional prototypes are the unit mean of the (neighbour-pooled, not
 * normalised) patches whose resized mask is exactly 1 (anomalous) or exactly 0 (normal). Empty
 * regions add no entry. An anomalous image without a mask file counts as all normal, as published.
 */
int bank_build_shard(const struct bank_place *place, size_t shard, struct ops *ops);

/*
 * Bring all shards to every rank in item order; rank r reads every size-th shard. Rank 0 writes
 * bank.h5 when it is not there. Of a reduction, rank 0 makes and writes the reduced bank with its kernels
 * (ops, used for nothing else), from the full bank's file if that is there, and sends it to the others.
 * Collective. ERR_STOPPED when a stop was requested meanwhile. Free with bank_free.
 */
int bank_gather(struct bank **out, const struct bank_place *place, struct ops *ops,
                struct comm *comm, const struct gather_method *method);

/* Read a bank file and check its contents: unit keys of one width, labels 0 or 1. Local. */
int bank_load(struct bank **out, const char *path);

/* Read the whole bank of a place, checking its key, or those of its parts. Local. */
int bank_open(struct bank **out, const struct bank_place *place);

/* Write the bank of a place to another file, which then can stand for it ("bank" of a data set). Local. */
int bank_save(const struct bank_place *place, const char *path);

void bank_free(struct bank **bank);

/* How the bank of a file was reduced, one line of JSON; NULL for a full bank. Local. MEM_FREE(*out). */
int bank_reduction_of(char **out, const char *path);

/* ---- files of the published program: dicts of keys and one-hot values ---- */

/*
 * Read cache_model_*.pt (image) and cache_patch_model_*.pt (patch) and write a bank file. The items of
 * its entries are -1; its key is a hash of both files. ERR_FORMAT names file and entry. Local.
 */
int bank_import(const char *image, const char *patch, const char *out);

/* Write a bank as such a pair of files. Local. */
int bank_export(const struct bank *bank, const char *image, const char *patch);

/* Hash of sizes, keys, labels and items in their order: equal banks, whatever file they lie in. Local. */
int bank_content(struct hash *out, const struct bank *bank);

/* Entries with label 1. */
size_t bank_anomalous(const uint8_t *labels, size_t n);

#endif /* BANK_BANK_H */
