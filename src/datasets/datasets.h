/*
 * datasets.h - which images a data set holds, which are anomalous, and where their masks are.
 *
 * In:  meta.json in AnomalyCLIP's format (manifest_load), or a raw download (dataset_index); what is known
 *      of the published sets (catalog_load).
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

struct cJSON;
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
 * Several data sets one after another as one, to train on: the test splits' items in order, with paths
 * that no root is missing from; classes are called NAME/CLASS. The parts are not needed afterwards.
 * Caller frees *out (manifest_free). Only ERR_MEMORY.
 */
int manifest_merge(struct manifest **out, const char *name, const struct manifest *const *part,
                   size_t n_parts);

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
     * Whether a mask image has no pixel above zero. Needed by the layouts "kolektor" and "ksdd2", where
     * each normal part has an empty mask too; NULL elsewhere.
     */
    int (*mask_is_empty)(const char *path, bool *out);
    /* Whether a file begins as an image does; NULL: files are not looked into. */
    int (*check_image)(const char *path);
};

/* What dataset_index met; paths are relative to the root, sorted, folders end in '/'. */
struct index_report {
    struct path_list ignored;       /* warning: no image, or not part of the layout */
    struct path_list no_list;       /* warning: label lists that are missing; masks decided */
    struct path_list orphan_mask;   /* warning: masks without an anomalous image */
    struct path_list missing_mask;  /* error: anomalous images without a mask */
    struct path_list duplicate;     /* error: "A and B" have one stem */
    struct path_list missing_image; /* error: "PATH (LIST, line N)" is listed and not there */
    struct path_list unlisted;      /* error: images that the label list does not have */
    struct path_list unreadable;    /* error: "PATH: why" */
};

/*
 * Read the folder of a raw data set. dataset is a name or alias of the catalog in any case, or
 * "layout:NAME". Images meet masks by stem, never by position; within a class items are in byte
 * order of their paths. No file is written: see manifest_save. Caller frees *out (manifest_free)
 * and *report (index_report_free); the report is filled up to the failure when this fails.
 * options == NULL: defaults.
 * ERR_USAGE: unknown dataset, or a layout that needs mask_is_empty without it. ERR_IO: a folder, or
 * the catalog, cannot be read. ERR_FORMAT: the folder has another layout, a class has no test image,
 * or the report holds an error.
 */
int dataset_index(struct manifest **out, struct index_report *report, const char *dataset,
                  const char *root, const struct index_options *options);

/* The report as lines for people, "" when there is nothing to say; caller frees *out (MEM_FREE). */
int index_report_text(char **out, const struct index_report *report);

/* Release the lists. */
void index_report_free(struct index_report *report);

/* The names and layouts dataset_index knows, as lines for help; caller frees *out (MEM_FREE). */
int dataset_list(char **out);

/* ---- the catalog: what is known of the published data sets ---- */

/* Numbers of test images; -1 where nobody counted. */
struct known_count {
    const char *class_name;
    long normal, anomalous, masks;
};

/* A data set as somebody uses it: its official test split, or a cut of it. */
struct variant {
    const char *name;
    const char *what; /* in words */
    bool is_indexed;  /* what `mrad index` makes of the download; others come as meta.json */
    struct known_count *class; /* [n_classes], owned; none where only the total is known */
    size_t n_classes;
    struct known_count total;
    long train_normal;
    const char *mark; /* how sure the counts are: "counted", "memory", ... */
    const char *from; /* who says so, or NULL */
};

/* One data set. Texts belong to the catalog. */
struct dataset_info {
    const char *name;
    const char *title;
    const char **alias; /* [n_aliases], owned */
    size_t n_aliases;
    const char *domain;  /* "industrial" or "medical" */
    const char **layout; /* [n_layouts], owned; of the table of layouts, the raw download's first */
    size_t n_layouts;
    const char *class_name;       /* NULL where folders name the classes */
    bool has_pixel, has_image;    /* which metrics are defined: masks exist, normal images exist */
    bool is_in_benchmark;         /* of the sixteen sets */
    const char *source, *licence; /* NULL: not found */
    const char *published;        /* the variant that published tables use; NULL: not found */
    struct variant *variant;      /* [n_variants], owned, at least one */
    size_t n_variants;
    long order;
};

struct catalog {
    struct dataset_info *set; /* [n_sets], owned, in the order of the published tables */
    size_t n_sets;
    size_t cap;
    struct cJSON **tree; /* [n_trees], owned: where the texts lie */
    size_t n_trees;
    size_t tree_cap;
};

/*
 * Read every *.json of a folder; dir == NULL: the program's own configs/datasets (config_find). Free
 * with catalog_free. ERR_IO, ERR_CONFIG: no JSON; ERR_FORMAT: a key is missing, unknown or of the wrong
 * type, a layout or variant is unknown, or two sets share a name; the message names file and key.
 */
int catalog_load(struct catalog **out, const char *dir);
void catalog_free(struct catalog **catalog);

/* The data set of that name or alias in any case, or NULL. */
const struct dataset_info *catalog_find(const struct catalog *catalog, const char *name);

/* The same; ERR_USAGE with the nearest name and all of them. */
int catalog_get(const struct dataset_info **out, const struct catalog *catalog, const char *name);

/* One class, found and wanted. */
struct count_line {
    const char *class_name;
    struct class_count found;
    struct known_count wanted; /* -1: nothing to compare with */
};

enum counts_state { COUNTS_RIGHT, COUNTS_WRONG, COUNTS_UNKNOWN };

/* A manifest against a variant. Texts belong to both. */
struct tally {
    const struct variant *variant;
    struct count_line *line; /* [n_lines], owned: classes of the manifest, then those it lacks */
    size_t n_lines;
    struct count_line total;
    size_t n_wrong; /* lines, and the total where no class is known */
    enum counts_state state;
};

/*
 * Compare the test split with a variant by its name. name == NULL: with the nearest of those that
 * `mrad index` makes, or with another that is right. A set of one class is compared whatever the class
 * is called. Release with tally_free. ERR_USAGE: no such variant.
 */
int manifest_compare(struct tally *out, const struct manifest *m, const struct dataset_info *set,
                     const char *name);
void tally_free(struct tally *c);

/* Is this line's number of each kind the wanted one, as far as it is known? */
bool count_line_is_right(const struct count_line *line);

#endif /* DATASETS_DATASETS_H */
