/*
 * dataset_int.h - what the layouts share: inside datasets/ only.
 *
 * A layout is a function that walks one raw folder and adds classes and items to the splits of a
 * struct indexer. It reports what it does not understand and goes on; dataset_index decides at the
 * end whether the report holds an error.
 */
#ifndef DATASETS_DATASET_INT_H
#define DATASETS_DATASET_INT_H

#include "datasets/datasets.h"

struct indexer {
    const char *root;
    const char *class_name; /* for layouts of one class */
    bool has_masks;         /* every anomalous image must have one */
    const struct index_options *options;
    struct index_report *report;
    struct manifest *m; /* owns the texts of the items */
    struct split test;
    struct split train;
};

/* One image file of a folder. */
struct image_name {
    char *stem;
    char *name;
    bool is_used; /* a mask that an image asked for */
};

/* One folder: its image files by stem, and the folders in it. */
struct folder {
    char *path;               /* relative to the root, "" for the root itself */
    struct image_name *image; /* [n_images], sorted by stem, owned */
    size_t n_images;
    size_t cap;
    struct path_list dir; /* sorted by byte value */
};

/*
 * List a folder. Other files go to report.ignored, equal stems to report.duplicate. A folder that
 * does not exist is ERR_IO. Release with folder_free, also after a failure.
 */
int folder_read(struct folder *f, struct indexer *ix, const char *path);
void folder_free(struct folder *f);

bool folder_has_dir(const struct folder *f, const char *name);

/* Is ROOT/dir/name a folder? */
int folder_is(bool *out, const struct indexer *ix, const char *dir, const char *name);

/* The image with this stem and suffix, or NULL. It belongs to f. */
int folder_find(struct image_name **out, const struct folder *f, const char *stem,
                const char *suffix);

/* Report DIR/name/, or all folders in f, as ignored. */
int report_dir(struct indexer *ix, const char *dir, const char *name);
int report_dirs(struct indexer *ix, const struct folder *f);

/* Append DIR/name to a list of the report. */
int report_file(struct path_list *list, const char *dir, const char *name);

/* Report the images of f that nobody used: as masks without an image, or as ignored. */
int report_orphans(struct indexer *ix, const struct folder *f);
int report_images(struct indexer *ix, const struct folder *f);

/* Report that names a and b of f have one stem. */
int report_duplicate(struct indexer *ix, const struct folder *f, const char *a, const char *b);

/* An image with what was found about it. */
struct pair {
    const struct folder *images;
    const struct image_name *image;
    const struct folder *masks;    /* may be NULL without a mask */
    const struct image_name *mask; /* NULL: no mask */
    const char *specie;
    bool is_anomalous;
};

/* Append it to split s. An anomalous one without a mask is reported if the set has masks. */
int index_add(struct indexer *ix, struct split *s, const struct pair *pair);

/* The layouts. Each fills ix->test and ix->train; the tree it expects is in its own file. */
int layout_mvtec(struct indexer *ix);
int layout_kolektor(struct indexer *ix);
int layout_images_masks(struct indexer *ix);
int layout_yes_no(struct indexer *ix);

#endif /* DATASETS_DATASET_INT_H */
