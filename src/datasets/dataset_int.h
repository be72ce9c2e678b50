/*
 * dataset_int.h - from a raw folder to items: inside datasets/ only.
 *
 * A layout is one row of a table (layout_table.c): patterns of folders, and how the images in them are
 * labelled. layout_walk.c goes through a raw folder once, and adds classes and items to the splits of a
 * struct indexer by the first rule that fits. What it does not understand it reports, and goes on;
 * dataset_index decides at the end whether the report holds an error.
 */
#ifndef DATASETS_DATASET_INT_H
#define DATASETS_DATASET_INT_H

#include "datasets/datasets.h"

/* How it is known whether an image is anomalous. */
enum truth {
    TRUTH_NORMAL,
    TRUTH_ANOMALOUS,
    TRUTH_PIXELS, /* where its mask, which every image has, is above zero somewhere */
    TRUTH_LIST,   /* a file says it */
};

struct indexer;
struct label_list;

enum { MAX_STARS = 4, MAX_SUFFIXES = 2, MAX_RULES = 6, MAX_NEEDS = 2 };

/*
 * Which images lie in a folder. Patterns are paths whose parts are compared in any case and may hold
 * '*'; in `masks` and `list` the n-th '*' stands for what the n-th of `images` stood for.
 */
struct rule {
    const char *images;
    enum truth truth;
    bool is_train;
    const char *masks; /* their folder, may be that of the images; NULL: none */
    const char
        *suffix[MAX_SUFFIXES]; /* NAME and one of them is the mask's stem; NULL after the last */
    const char *list;          /* the file of TRUTH_LIST */
    const char *specie;        /* NULL: the last folder's name, or good and defect */
};

struct layout {
    const char *name;
    const char *expects; /* in one line, for messages */
    const char *inner;   /* a folder that may hold the tree in place of the root, or NULL */
    const char *needs[MAX_NEEDS]; /* patterns of what must be there; NULL after the last */
    bool class_is_folder;         /* the first folder is the class; else the set has one class */
    int (*read_list)(struct label_list *list, const char *images);
    struct rule rule[MAX_RULES]; /* ends before the first without images */
};

extern const struct layout layouts[];
extern const size_t n_layouts;

/* The layout of that name in any case, or NULL. */
const struct layout *layout_find(const char *name);

/* ---- patterns ---- */

/* What the stars of a pattern stood for. */
struct stars {
    char *text[MAX_STARS]; /* owned */
    size_t n;
};

/* Does path fit the whole pattern? The stars are filled only then; release with stars_free. */
int pattern_match(bool *fits, struct stars *stars, const char *pattern, const char *path);

/* The pattern with its stars replaced, those left over kept; caller frees *out. */
int pattern_fill(char **out, const char *pattern, const struct stars *stars);

/* Can something below the folder path fit the pattern? */
int pattern_may_hold(bool *out, const char *pattern, const char *path);

void stars_free(struct stars *stars);

/* ---- folders ---- */

/* One image file of a folder. */
struct image_name {
    char *stem;
    char *name;
    bool is_used; /* as an image, or as a mask that an image asked for */
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
 * List a folder. Other files go to report.ignored unless the layout knows them, equal stems to
 * report.duplicate. A folder that does not exist is ERR_IO. Release with folder_free, also after a
 * failure.
 */
int folder_read(struct folder *f, struct indexer *ix, const char *path);
void folder_free(struct folder *f);

/* The image with this stem and suffix, or NULL. It belongs to f. */
int folder_find(struct image_name **out, const struct folder *f, const char *stem,
                const char *suffix);

/* Report what of f nobody used, as list says. */
int folder_report(const struct folder *f, struct path_list *list);

/* Append DIR/name to a list of the report. */
int report_file(struct path_list *list, const char *dir, const char *name);

/* Report that names a and b of f have one stem. */
int report_duplicate(struct indexer *ix, const struct folder *f, const char *a, const char *b);

/* Report the file whose reading just failed, with the current error, which is then forgotten. */
int report_unreadable(struct indexer *ix, const char *path);

/* ---- label lists ---- */

/* One line of a label file. */
struct label {
    char *image; /* relative to the root, without extension */
    char *name;  /* as the file has it */
    size_t line;
    bool is_anomalous;
    bool is_train; /* only where the list has splits */
    bool is_used;
};

struct label_list {
    char *path; /* relative to the root */
    char *text; /* its content; a reader may cut it up */
    bool has_splits;
    struct label *label; /* [n_labels], by image */
    size_t n_labels, cap;
};

/*
 * Read PATH with the layout's reader, for the images of a folder. ERR_IO; ERR_FORMAT names file and line.
 * Release with label_list_free, also after a failure.
 */
int label_list_read(struct label_list *list, const struct indexer *ix, const char *path,
                    const char *images);
void label_list_free(struct label_list *list);

/* The label of an image by its path, or NULL. */
int label_list_find(struct label **out, const struct label_list *list, const char *path);

/* The readers of the table: VisA's 1cls.csv, DAGM's Labels.txt, HeadCT's labels.csv. */
int read_visa_list(struct label_list *list, const char *images);
int read_dagm_list(struct label_list *list, const char *images);
int read_headct_list(struct label_list *list, const char *images);

/* ---- the walk ---- */

struct indexer {
    const char *root;
    const char *class_name; /* for layouts of one class */
    bool has_masks;         /* every anomalous image must have one */
    const struct layout *layout;
    const struct index_options *options;
    struct index_report *report;
    struct manifest *m; /* owns the texts of the items */
    struct split test;
    struct split train;
    struct path_list mask_dirs; /* met on the way */
    struct folder *masks;       /* [n_masks], those that images asked for or that were met */
    size_t n_masks, masks_cap;
    struct label_list *list; /* [n_lists] */
    size_t n_lists, lists_cap;
};

/* An image with what was found about it. */
struct entry {
    const struct folder *images;
    const struct image_name *image;
    const struct folder *masks;    /* may be NULL without a mask */
    const struct image_name *mask; /* NULL: no mask */
    const char *specie;
    bool is_anomalous;
};

/* ---- which rule of ix->layout speaks of a folder ---- */

/* The first rule whose images lie in it, or NULL; release the stars. */
int rule_find(const struct rule **out, struct stars *stars, const struct indexer *ix,
              const char *path);

/* Do masks lie in it? Not where another rule has the images that they would belong to. */
int rule_has_masks(bool *out, const struct indexer *ix, const char *path);

/* Does a label list lie in it? */
int rule_has_list(bool *out, const struct indexer *ix, const char *path);

/* Can anything of the layout lie in it, or below? */
int rule_may_fit(bool *out, const struct indexer *ix, const char *path);

/* ---- images ---- */

/* A folder of masks by its path, read once; *out is an index of ix->masks, since the array may move. */
int open_masks(size_t *out, struct indexer *ix, const char *path);

/* Add the images of a folder by its rule; the stars are those of the rule's images. */
int scan_images(struct indexer *ix, struct folder *f, const struct rule *rule,
                const struct stars *stars);

/* Append it to split s; report an anomalous one without a mask, and files that are no images. */
int index_add(struct indexer *ix, struct split *s, const struct entry *entry);

/* Fill ix->test and ix->train by ix->layout. ERR_IO, ERR_FORMAT when what the layout needs is missing. */
int layout_walk(struct indexer *ix);

/* Does the root hold what the layout needs? *missing is what it lacks, or NULL. */
int layout_lacks(const char **missing, const struct layout *layout, const char *root);

/* Release what the walk kept. */
void indexer_free(struct indexer *ix);

/* ---- the report ---- */

void report_sort(struct index_report *r);

/* ERR_FORMAT with the number and the first of the first list that holds errors. */
int report_check(const char *root, const struct index_report *r);

#endif /* DATASETS_DATASET_INT_H */
