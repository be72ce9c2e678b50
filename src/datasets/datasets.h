/*
 * datasets.h - which images a data set holds, which are anomalous, and where their masks are.
 *
 * In:  meta.json in AnomalyCLIP's format (manifest_load), or a raw download (dataset_index).
 * Out: struct manifest. It never changes after that; share it freely.
 * Order never changes either: classes as in the file, items as in the file. Every later stage
 * numbers its rows by it. docs/DATASETS.md describes the file and the raw layouts.
 *
 *     struct manifest *m = NULL;
 *     TRY(manifest_load(&m, "mvtec", "data/mvtec", NULL));
 *     ... m->item[i], manifest_image_path(&path, m, i) ...
 *     manifest_free(&m);
 *
 * Nothing here is collective: every rank may load the same file.
 */
#ifndef DATASETS_DATASETS_H
#define DATASETS_DATASETS_H

#include "base/path.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_pool;

/* One image. The texts belong to the manifest. */
struct item {
    const char *image;  /* as in meta.json: relative to the root, or absolute */
    const char *mask;   /* the same; "" when there is none */
    const char *specie; /* kind of defect, "good", or "" */
    uint32_t class_id;  /* index into class_name of its split */
    uint8_t is_anomalous;
};

/* A list of items with the classes they belong to. */
struct split {
    char **class_name; /* [n_classes], owned */
    size_t n_classes;
    size_t class_cap;
    struct item *item; /* [n_items], owned, ordered by class */
    size_t n_items;
    size_t item_cap;
};

struct manifest {
    char *name;        /* of the data set, owned */
    char *root;        /* the folder that relative paths start from, owned */
    char **class_name; /* [n_classes], owned */
    size_t n_classes;
    struct item *item; /* [n_items], owned; the test split, which is what MRAD reads */
    size_t n_items;
    struct split train;     /* kept as found, for manifest_save; may be empty */
    struct text_pool *text; /* the texts of all items, owned */
};

/*
 * Read meta.json; meta == NULL means ROOT/meta.json. No image is looked at. Free *out with
 * manifest_free. ERR_IO: cannot be read. ERR_CONFIG: not JSON. ERR_FORMAT: larger than 256 MiB, a
 * key is missing or of the wrong type, anomaly is not 0 or 1, the test split or one of its classes
 * is empty, or an image occurs twice in the test split; the message names file, split, class,
 * entry and key.
 */
int manifest_load(struct manifest **out, const char *name, const char *root, const char *meta);

/*
 * Write both splits as meta.json, atomically: the text Python's json.dumps(x, indent=1) gives.
 * ERR_FORMAT when a name is not UTF-8, ERR_IO.
 */
int manifest_save(const struct manifest *m, const char *path);

/* Free and set *m to NULL. NULL is fine. */
void manifest_free(struct manifest **m);

/*
 * The file of an item's image: the root joined with the path, absolute paths as they are. When that
 * file does not exist and the path repeats the end of the root ("data/x/images/1.png" under
 * "/disk/data/x"), the repeated part is left out if this leads to a file. Caller frees *out.
 * Only ERR_MEMORY; a file that does not exist is not an error here.
 */
int manifest_image_path(char **out, const struct manifest *m, size_t item);

/* The same for the mask; *out is "" when the item has none. */
int manifest_mask_path(char **out, const struct manifest *m, size_t item);

/* Counts of one class of the test split. */
struct class_count {
    size_t n_normal;
    size_t n_anomalous;
    size_t n_masks; /* anomalous items that name a mask */
};

/* Count the test split: *out has n_classes entries and belongs to the caller (MEM_FREE). */
int manifest_count(struct class_count **out, const struct manifest *m);

/*
 * Look whether every image and mask of the test split is a regular file. *missing lists all that
 * are not, "PATH: why" in item order; the caller frees it (path_list_free) whatever is returned.
 * ERR_IO when the list is not empty; the message has the number and the first.
 */
int manifest_check_files(const struct manifest *m, struct path_list *missing);

/* What dataset_index needs besides the folder. */
struct index_options {
    const char *class_name; /* for layouts of one class; NULL: the data set's own */
    /*
     * Whether a mask image has no pixel above zero. Needed by the layout "kolektor", where each
     * normal part has an empty mask too; NULL elsewhere.
     */
    int (*mask_is_empty)(const char *path, bool *out);
};

/* What dataset_index met; paths are relative to the root, sorted, folders end in '/'. */
struct index_report {
    struct path_list ignored;      /* warning: no image, or not part of the layout */
    struct path_list missing_mask; /* error: anomalous images without a mask */
    struct path_list orphan_mask;  /* warning: masks without an image */
    struct path_list duplicate;    /* error: "A and B" have one stem */
};

/*
 * Read the folder of a raw data set. dataset is a name or alias of dataset_list() in any case, or
 * "layout:NAME". Images meet masks by stem, never by position; within a class items are in byte
 * order of their paths. No file is written: see manifest_save. Caller frees *out (manifest_free)
 * and *report (index_report_free); the report is filled up to the failure when this fails.
 * options == NULL: defaults.
 * ERR_USAGE: unknown dataset, or kolektor without mask_is_empty. ERR_IO: a folder cannot be read.
 * ERR_FORMAT: the folder has another layout, a class has no test image, masks are missing, or stems
 * are not unique.
 */
int dataset_index(struct manifest **out, struct index_report *report, const char *dataset,
                  const char *root, const struct index_options *options);

/* The report as lines for people, "" when there is nothing to say; caller frees *out (MEM_FREE). */
int index_report_text(char **out, const struct index_report *report);

/* Release the lists. */
void index_report_free(struct index_report *report);

/* The names and layouts dataset_index knows, as lines for help; caller frees *out (MEM_FREE). */
int dataset_list(char **out);

#endif /* DATASETS_DATASETS_H */
