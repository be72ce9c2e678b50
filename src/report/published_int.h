/* published_int.h - published numbers, read from a folder like results/paper/ (docs/FORMATS.md). */
#ifndef REPORT_PUBLISHED_INT_H
#define REPORT_PUBLISHED_INT_H

#include "report/report.h"

/* The metrics that publications print, in the order of this project's tables of them. */
enum { N_PUBLISHED = 4 };
extern const enum metric published_metrics[N_PUBLISHED];

/* A metric of a published row that is no number is undefined for the data set, or was not found. */
enum figure { FIGURE_NUMBER, FIGURE_UNDEFINED, FIGURE_NOT_FOUND };

/* A cut of a data set, told from others by its numbers of test images. */
struct published_variant {
    const char *name;
    size_t n_normal, n_anomalous;
};

struct published_set {
    const char *name;
    const struct cJSON *aliases;       /* list of texts */
    struct published_variant *variant; /* [n_variants], owned */
    size_t n_variants;
    bool is_in_mean; /* one of the data sets of the published means */
};

/* A source's numbers of one method on one data set, or of a mean over all of them. */
struct published_row {
    const char *method, *source, *confidence;
    const struct published_set *set;         /* NULL: a mean over data sets */
    const char *class_name;                  /* NULL: the mean over classes */
    const char *train;                       /* "protocol", a data set, or NULL: unknown */
    const struct published_variant *variant; /* NULL: unknown */
    const struct cJSON *settings;            /* key -> value; NULL: the method's own */
    double value[N_PUBLISHED];               /* per cent */
    enum figure figure[N_PUBLISHED];
    const char *why[N_PUBLISHED];   /* of what is no number */
    const char *doubt[N_PUBLISHED]; /* why a number is not to be held against, or NULL */
};

/* Texts and JSON nodes of the structs above are borrowed from the trees. */
struct published {
    char *source;        /* as it was asked for */
    char *folder;        /* where it was found */
    struct cJSON **tree; /* [n_trees], the index first */
    size_t n_trees, tree_cap;
    struct published_set *set; /* [n_sets] */
    size_t n_sets;
    struct published_row *row; /* [n_rows], in the order of the files */
    size_t n_rows, row_cap;
};

/*
 * The folder that a source names: a path with a slash as it is; a plain NAME is results/NAME in the current
 * folder, beside the program or in a folder above it, or share/mrad/results/NAME beside the program's
 * folder. Free with MEM_FREE. ERR_CONFIG lists the places when none holds an index.json.
 */
int published_folder(char **out, const char *source);

/*
 * Read and check all files of a source. Local. Free with published_close. ERR_FORMAT names file and row:
 * unknown names, numbers outside [0, 100], a null without a reason or a number with one.
 */
int published_open(struct published **out, const char *source);
void published_close(struct published **p);

/* The data set of that name or alias, ignoring case and all but letters and digits; or NULL. */
const struct published_set *published_find_set(const struct published *p, const char *name);

/* The training set of the published protocol for a test set. */
const struct published_set *published_train_of(const struct published *p,
                                               const struct published_set *test);

/* protocol.settings.GROUP and protocol.pro of the index: key -> value, or NULL. */
const struct cJSON *published_settings(const struct published *p, const char *group);
const struct cJSON *published_pro_settings(const struct published *p);

/* Text and address of a source, "" where it has no address. */
const char *published_source_text(const struct published *p, const char *source);
const char *published_source_address(const struct published *p, const char *source);

/* Are two names the same, ignoring case and all but letters and digits? */
bool published_same_name(const char *a, const char *b);

#endif /* REPORT_PUBLISHED_INT_H */
