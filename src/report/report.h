/*
 * report.h - result rows and what people read of them.
 *
 * In:  one struct row per (variant, train, test, class, ablation, seed).
 * Out: results.json and rows.jsonl (fractions), results.csv and results.md (per cent); beside published
 *      numbers comparison.json and comparison.md (per cent).
 * A metric that is undefined is null in its row and named under "skipped" with the reason; a mean is
 * taken over the classes that have the metric, and is null when none has.
 */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "metrics/metrics.h"

#include <stdbool.h>
#include <stddef.h>

struct cJSON;
struct config;

struct row {
    char *variant, *train, *test, *class_name; /* owned; class_name NULL in a mean row */
    char *ablation; /* label of the setting, owned; NULL: the job's own */
    size_t seed;
    size_t n_normal, n_anomalous;
    double value[METRIC_COUNT];
    bool defined[METRIC_COUNT];
    char *why[METRIC_COUNT]; /* owned; NULL where defined */
};

/*
 * Mean and sample standard deviation (n - 1) of the mean rows of one (variant, train, test, ablation)
 * over its seeds. Without value where a seed lacks the metric; no deviation of a single seed.
 */
struct spread {
    const char *variant, *train, *test, *ablation; /* borrowed from a mean row */
    size_t n_seeds;
    double mean[METRIC_COUNT], sd[METRIC_COUNT];
    bool has_mean[METRIC_COUNT], has_sd[METRIC_COUNT];
};

/* A note that belongs to no metric: a skipped item, a warning. Texts owned; NULL where it has none. */
struct note {
    char *dataset, *image, *why;
    size_t item;
};

struct results {
    struct row *row; /* [n_rows], in the order of the grid */
    size_t n_rows, row_cap;
    struct row *mean; /* [n_means], one per (variant, train, test, ablation, seed) */
    size_t n_means, mean_cap;
    struct spread *spread; /* [n_spreads], none unless there are several seeds */
    size_t n_spreads, spread_cap;
    struct note *skipped; /* [n_skipped], items that could not be read */
    size_t n_skipped, skipped_cap;
    char **warning; /* [n_warnings] */
    size_t n_warnings, warning_cap;
};

/* Append a row made of computed metrics; names are copied. */
int results_add(struct results *r, const char *const name[4], size_t seed,
                const struct metric_row *metrics);

/* Append a skipped item or a warning; texts are copied. The same warning is kept once. */
int results_skip(struct results *r, const char *dataset, size_t item, const char *image,
                 const char *why);
int results_warn(struct results *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Compute the mean rows, and their spread. */
int results_average(struct results *r);

/* Compute the spread of the mean rows over seeds; the rows of one cell stand together. */
int results_spread(struct results *r);

void results_free(struct results *r);

/* One row as JSON object, and back. */
int row_to_json(struct cJSON *object, const struct row *row);
int row_from_json(struct row *row, const struct cJSON *object, const char *from);
void row_free(struct row *row);

/* The whole as results.json's text; free with MEM_FREE. */
int results_json(char **out, const struct results *r);

/* Read a results.json. Release with results_free. */
int results_load(struct results *out, const char *path);

/*
 * A table of means (and of classes) in per cent, Markdown that also reads well as plain text. It has a
 * column of ablations, or of seeds, where there are several. Below the means come those over all pairs
 * of a variant; of an ablation only if it has as many rows as the job's own setting.
 */
int results_table(char **out, const struct results *r, bool with_classes);

/* A table "mean ± standard deviation" over seeds, in per cent. */
int results_spread_table(char **out, const struct results *r);

/*
 * What is missing and why, one line each; "" when nothing is. What holds for a test class whatever the
 * bank is said once; what holds for some banks only names them.
 */
int results_remarks(char **out, const struct results *r);

/* What a verb prints: the table, and the remarks below it when there are any. */
int results_text(char **out, const struct results *r, bool with_classes);

/* Comma-separated rows, means and spreads in fractions. */
int results_csv(char **out, const struct results *r);

/* Write results.json, rows.jsonl, results.csv and results.md into a folder, each atomically. */
int results_write(const struct results *r, const char *dir);

/* ---- published numbers ---- */

/* Our rows beside published ones, with a verdict or a reason for each number. */
struct comparison;

/* Can the numbers of a source be read? ERR_CONFIG when there is no such folder. Local. */
int published_check(const char *source);

/*
 * Compare means and classes with the numbers of a source: "paper" for results/paper, or a folder (with a
 * slash). Two numbers are compared where training set, variant of the data set (by its numbers of images), settings and
 * the definition of PRO are those published; all others have a reason. tolerance: per cent, of the
 * numbers as printed. config: that of the run. Both are borrowed until comparison_free. Local.
 */
int comparison_new(struct comparison **out, const struct results *r, const struct config *config,
                   const char *source, double tolerance);
void comparison_free(struct comparison **comparison);

/* The tables and reasons in short; only_differing: of the numbers only those beyond the tolerance. */
int comparison_text(char **out, const struct comparison *c, bool only_differing, bool with_colour);

/* The texts of comparison.md and comparison.json; free with MEM_FREE. */
int comparison_markdown(char **out, const struct comparison *c);
int comparison_json(char **out, const struct comparison *c);

/* Write comparison.md and comparison.json into a folder, each atomically. */
int comparison_write(const struct comparison *c, const char *dir);

/* ERR_CHECK when a number differs by more than the tolerance, or when none was compared. */
int comparison_check(const struct comparison *c);

#endif /* REPORT_REPORT_H */
