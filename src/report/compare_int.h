/* compare_int.h - our numbers beside published ones: what the files compare*.c share. */
#ifndef REPORT_COMPARE_INT_H
#define REPORT_COMPARE_INT_H

#include "report/published_int.h"
#include "report/report.h"

enum verdict { NOT_COMPARED, WITHIN, BEYOND };

/* One number of ours and one that was published, or why there is no such pair. */
struct compared {
    const struct row *ours;             /* a row of the results, or of comparison.mean */
    const struct published_row *theirs; /* NULL: nothing is published of this row */
    size_t metric;                      /* index into published_metrics */
    double difference; /* per cent, ours minus theirs as both are printed; of two numbers only */
    enum verdict verdict;
    bool is_shown; /* two numbers that belong together, whether they are judged or not */
    char *why;     /* NULL for what is compared; owned */
};

/* The configuration under one setting of the run. */
struct run_setting {
    const char *label;     /* NULL: the job's own; borrowed */
    struct cJSON *tree;    /* every key with its value */
    struct cJSON *changed; /* {"key": value}: what the ablation changes; NULL for the job's own */
};

struct comparison {
    struct published *published;
    const struct results *results; /* borrowed, as the configuration's texts in `setting` */
    double tolerance;
    struct run_setting *setting; /* [n_settings], the job's own first */
    size_t n_settings;
    struct row *mean; /* [n_means] ours over the data sets of the published means */
    size_t n_means, mean_cap;
    struct compared *entry; /* [n] means, then means over data sets, then classes */
    size_t n, cap;
};

/* Settings of a run; released with the comparison. */
int compare_read_settings(struct comparison *c, const struct config *config);

/* The setting of one of our rows, NULL when the configuration does not list it. */
const struct run_setting *compare_setting(const struct comparison *c, const struct row *ours);

/*
 * The first of `wanted` (key -> value, or NULL) that the run does not have, leaving out keys of `except`
 * (likewise, or NULL). NULL when all hold.
 */
const struct cJSON *compare_other_setting(const struct run_setting *s, const struct cJSON *wanted,
                                          const struct cJSON *except);

/* "KEY is VALUE, published VALUE"; free with MEM_FREE. */
int compare_describe_setting(char **out, const struct run_setting *s, const struct cJSON *wanted);

/* Do published numbers with these settings stand for all that the run's setting changes? */
bool compare_settings_cover(const struct run_setting *s, const struct cJSON *published);

/*
 * Why a whole row is not held against a published one, or NULL; free with MEM_FREE. *belongs: whether the
 * two are of the same training set, so that they may stand side by side. mean: ours over all classes.
 */
int compare_row_reason(char **why, bool *belongs, const struct comparison *c,
                       const struct row *mean, const struct published_row *theirs);

/* The same for one metric of it. */
int compare_metric_reason(char **why, const struct comparison *c, const struct row *ours,
                          const struct published_row *theirs, size_t metric);

/* Ours over all data sets of the published means, one row for each variant and seed. */
int compare_overall_means(struct comparison *c);

/* How many entries, and how many of our rows, were compared, differ by more, or were not compared. */
struct comparison_counts {
    size_t compared, beyond, not_compared;
    size_t rows_compared, rows_not_compared;
};
struct comparison_counts compare_count(const struct comparison *c);

#endif /* REPORT_COMPARE_INT_H */
