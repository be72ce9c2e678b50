/*
 * metrics.h - AUROC, AP, F1-max and PRO of anomaly scores, exact, ties included.
 *
 * In:  per image a label, a score, optionally an anomaly map and a mask; or a file that holds them.
 * Out: struct metric_row, one value or one reason for each metric of the table metric_info().
 * Values are fractions in [0, 1]. They do not depend on the order of the images: every sum runs in
 * integers. docs/METRICS.md derives each of them. All functions are local.
 *
 *     struct metric_set *set = NULL;
 *     struct metric_options options = METRIC_OPTIONS;
 *     TRY(metric_set_new(&set, 518, 518));
 *     for each image: TRY(metric_set_add(set, label, score, map, mask));
 *     TRY(metric_set_compute(set, &options, &row));
 *     metric_set_free(&set);
 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of results.json. */
enum metric {
    METRIC_I_AUROC,
    METRIC_I_AP,
    METRIC_I_F1MAX,
    METRIC_P_AUROC,
    METRIC_P_AP,
    METRIC_P_F1MAX,
    METRIC_PRO,
    METRIC_PRO_EXACT,
    METRIC_COUNT
};

struct metric_info {
    const char *name;    /* in files: "i_auroc" */
    const char *title;   /* in tables: "I-AUROC" */
    bool is_pixel;       /* over pixels (maps and masks), else over images (scores and labels) */
    const char *needs;   /* what must be there for it to be defined */
    const char *meaning; /* one line */
};

/* The entry of one metric. Everything that lists metrics iterates over this table. */
const struct metric_info *metric_info(enum metric m);

/* Find a metric by its name; METRIC_COUNT when there is none. */
enum metric metric_find(const char *name);

struct metric_options {
    double pro_limit; /* largest false-positive rate of both PROs, in (0, 1] */
    int pro_steps;    /* thresholds of the published PRO, 2 to 1000000 */
    /*
     * What sweeps use: with one image label only, all image metrics are undefined, because AP over
     * anomalous images alone is 1 for every method and must not enter a mean. When false, I-AP and
     * I-F1max are computed as scikit-learn does as soon as there is an anomalous image.
     */
    bool benchmark;
};

/* The published protocol, every value that scikit-learn gives. */
#define METRIC_OPTIONS                                         \
    {                                                          \
        .pro_limit = 0.3, .pro_steps = 200, .benchmark = false \
    }

struct metric_row {
    size_t n_normal;    /* images with label 0 */
    size_t n_anomalous; /* images with label 1 */
    uint64_t n_normal_px;
    uint64_t n_defect_px;
    size_t n_regions; /* 8-connected defect regions over all images */
    double value[METRIC_COUNT];
    bool defined[METRIC_COUNT];
    const char *why[METRIC_COUNT]; /* static text: why it is undefined; NULL when defined */
    double pro_largest_fpr; /* largest FPR below the limit in the published PRO; 0 if undefined */
    bool pro_is_coarse;     /* that FPR is below 5/6 of the limit (0.25 of 0.3): warn */
};

/*
 * Collects the images of one class. Keeps 4 bytes for a normal pixel, 8 for a defect pixel, not the
 * maps. metric_set_compute needs at its peak max(8, 4 + 12 d) bytes a pixel, d = share of defect pixels.
 */
struct metric_set;

/* An empty set for maps of height x width; 0 x 0 for images without maps. Free with metric_set_free. */
int metric_set_new(struct metric_set **out, size_t height, size_t width);

/*
 * Add an image: label 0 normal or 1 anomalous; map [height, width] or NULL; mask [height, width] of 0
 * and 1, or NULL when there is no mask file (all normal for label 0; for label 1 the pixel metrics
 * become undefined). Labels rule the image metrics and masks the pixel metrics; they are not checked
 * against each other. Infinite scores are ranks like others.
 * ERR_FORMAT names the image (counted from 0) and pixel of a NaN, a label or a mask value that is not
 * 0 or 1. After an error the set can only be freed. Not allowed after metric_set_compute.
 */
int metric_set_add(struct metric_set *set, uint8_t label, float score, const float *map,
                   const uint8_t *mask);

/*
 * All metrics of the images added so far. May be called again with other options.
 * ERR_CONFIG when an option is out of range, ERR_MEMORY.
 */
int metric_set_compute(struct metric_set *set, const struct metric_options *options,
                       struct metric_row *out);

/* Free and set *set to NULL. NULL is fine. */
void metric_set_free(struct metric_set **set);

/* The rows of a file. */
struct metric_result {
    char *name; /* of the class, owned */
    struct metric_row row;
};

struct metric_results {
    struct metric_result *item; /* [n], owned */
    size_t n;
    size_t cap;
};

/*
 * Metrics of an HDF5 file, a row per class; memory is bounded by the largest class. Two layouts:
 *   (a) a group per class with `label` (n), `score` (n), and optionally `map`, `mask` (n, H, W);
 *       rows in the order of the names;
 *   (b) the same datasets in the root, with `class` (n) and the attributes class.0, class.1, ... of
 *       the root for the names, and optionally `has_mask` (n) of 0 and 1 (0: no mask file); rows in
 *       the order of the numbers.
 * In both, optionally `skipped` (n) of 0 and 1: items with 1 have no scores and are left out.
 * Labels, masks, classes are integers of any width; scores and maps are numbers of any width, read as
 * 32-bit floats. Errors name file, group and item. Release with metric_results_free, also after an error.
 */
int metrics_of_file(const char *path, const struct metric_options *options,
                    struct metric_results *out);

/* Release the content and make it empty. */
void metric_results_free(struct metric_results *results);

/* What metrics_bench measured. */
struct metrics_bench {
    uint64_t n_px;
    double defect_share;
    double add_s;     /* all metric_set_add calls; making the maps is not counted */
    double compute_s; /* metric_set_compute */
    struct metric_row row;
};

/*
 * Time one class of n_images random smooth maps of side x side pixels, half of them with defects.
 * side >= 16. The same input every time.
 */
int metrics_bench(struct metrics_bench *out, size_t n_images, size_t side);

#endif /* METRICS_METRICS_H */
