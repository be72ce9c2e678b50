/*
 * report.h - result rows and what people read of them.
 *
 * In:  one struct row per (variant, train, test, class, seed).
 * Out: results.json and rows.jsonl (fractions), results.csv and results.md (per cent).
 * A metric that is undefined is null in its row and named under "skipped" with the reason; a mean is
 * taken over the classes that have the metric, and is null when none has.
 */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "metrics/metrics.h"

#include <stdbool.h>
#include <stddef.h>

struct cJSON;

struct row {
    char *variant, *train, *test, *class_name; /* owned; class_name NULL in a mean row */
    size_t seed;
    size_t n_normal, n_anomalous;
    double value[METRIC_COUNT];
    bool defined[METRIC_COUNT];
    char *why[METRIC_COUNT]; /* owned; NULL where defined */
};

/* A note that belongs to no metric: a skipped item, a warning. Texts owned; NULL where it has none. */
struct note {
    char *dataset, *image, *why;
    size_t item;
};

struct results {
    struct row *row; /* [n_rows], in the order of the grid */
    size_t n_rows, row_cap;
    struct row *mean; /* [n_means], one per (variant, train, test, seed) */
    size_t n_means, mean_cap;
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

/* Compute the mean rows. */
int results_average(struct results *r);

void results_free(struct results *r);

/* One row as JSON object, and back. */
int row_to_json(struct cJSON *object, const struct row *row);
int row_from_json(struct row *row, const struct cJSON *object, const char *from);
void row_free(struct row *row);

/* The whole as results.json's text; free with MEM_FREE. */
int results_json(char **out, const struct results *r);

/* Read a results.json. Release with results_free. */
int results_load(struct results *out, const char *path);

/* A table of means (and of classes) in per cent, Markdown that also reads well as plain text. */
int results_table(char **out, const struct results *r, bool with_classes);

/*
 * What is missing and why, one line each; "" when nothing is. What holds for a test class whatever the
 * bank is said once; what holds for some banks only names them.
 */
int results_remarks(char **out, const struct results *r);

/* What a verb prints: the table, and the remarks below it when there are any. */
int results_text(char **out, const struct results *r, bool with_classes);

/* Comma-separated rows and means in fractions. */
int results_csv(char **out, const struct results *r);

/* Write results.json, rows.jsonl, results.csv and results.md into a folder, each atomically. */
int results_write(const struct results *r, const char *dir);

#endif /* REPORT_REPORT_H */
