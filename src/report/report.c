/* report.c - rows, means and notes in memory. See report.h. */
#include "report/report.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "report/report_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int copy_or_null(char **out, const char *text)
{
    *out = NULL;
    return text ? str_dup(out, text) : ERR_OK;
}

static int row_name(struct row *row, const char *const name[4], size_t seed)
{
    int rc = ERR_OK;
    char **slot[4] = {&row->variant, &row->train, &row->test, &row->class_name};
    row->seed = seed;
    for (int i = 0; i < 4; i++)
        TRY(copy_or_null(slot[i], name[i]));
out:
    return rc;
}

int results_add(struct results *r, const char *const name[4], size_t seed,
                const struct metric_row *metrics)
{
    int rc = ERR_OK;
    struct row *row;
    TRY(MEM_GROW(r->row, &r->row_cap, r->n_rows + 1));
    row = &r->row[r->n_rows++];
    TRY(row_name(row, name, seed));
    row->n_normal = metrics->n_normal;
    row->n_anomalous = metrics->n_anomalous;
    for (int m = 0; m < METRIC_COUNT; m++) {
        row->defined[m] = metrics->defined[m];
        row->value[m] = metrics->defined[m] ? metrics->value[m] : 0;
        if (!row->defined[m])
            TRY(copy_or_null(&row->why[m], metrics->why[m]));
    }
out:
    return rc;
}

int results_skip(struct results *r, const char *dataset, size_t item, const char *image,
                 const char *why)
{
    int rc = ERR_OK;
    struct note *note;
    TRY(MEM_GROW(r->skipped, &r->skipped_cap, r->n_skipped + 1));
    note = &r->skipped[r->n_skipped++];
    note->item = item;
    TRY(copy_or_null(&note->dataset, dataset));
    TRY(copy_or_null(&note->image, image));
    TRY(copy_or_null(&note->why, why));
out:
    return rc;
}

int results_warn(struct results *r, const char *fmt, ...)
{
    int rc = ERR_OK;
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < r->n_warnings; i++)
        if (strcmp(r->warning[i], text) == 0)
            return ERR_OK;
    TRY(MEM_GROW(r->warning, &r->warning_cap, r->n_warnings + 1));
    TRY(str_dup(&r->warning[r->n_warnings], text));
    r->n_warnings++;
out:
    return rc;
}

bool report_same_setting(const struct row *a, const struct row *b)
{
    bool same_ablation = a->ablation && b->ablation ? strcmp(a->ablation, b->ablation) == 0
                                                    : a->ablation == b->ablation;
    return same_ablation && strcmp(a->variant, b->variant) == 0 &&
           strcmp(a->train, b->train) == 0 && strcmp(a->test, b->test) == 0;
}

/* The mean of rows [first, last), which are the classes of one cell. */
static int average(struct row *mean, const struct row *row, size_t n)
{
    int rc = ERR_OK;
    const char *const name[4] = {row[0].variant, row[0].train, row[0].test, NULL};
    TRY(row_name(mean, name, row[0].seed));
    TRY(copy_or_null(&mean->ablation, row[0].ablation));
    for (size_t i = 0; i < n; i++) {
        mean->n_normal += row[i].n_normal;
        mean->n_anomalous += row[i].n_anomalous;
    }
    for (int m = 0; m < METRIC_COUNT; m++) {
        size_t count = 0;
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            if (row[i].defined[m]) {
                sum += row[i].value[m];
                count++;
            }
        mean->defined[m] = count > 0;
        mean->value[m] = count ? sum / (double)count : 0;
        if (!count)
            TRY(copy_or_null(&mean->why[m], row[0].why[m]));
    }
out:
    return rc;
}

int results_average(struct results *r)
{
    int rc = ERR_OK;
    for (size_t first = 0, last; first < r->n_rows; first = last) {
        for (last = first + 1; last < r->n_rows; last++)
            if (r->row[first].seed != r->row[last].seed ||
                !report_same_setting(&r->row[first], &r->row[last]))
                break;
        TRY(MEM_GROW(r->mean, &r->mean_cap, r->n_means + 1));
        TRY(average(&r->mean[r->n_means++], &r->row[first], last - first));
    }
    TRY(results_spread(r));
out:
    return rc;
}

void row_free(struct row *row)
{
    MEM_FREE(row->variant);
    MEM_FREE(row->train);
    MEM_FREE(row->test);
    MEM_FREE(row->class_name);
    MEM_FREE(row->ablation);
    for (int m = 0; m < METRIC_COUNT; m++)
        MEM_FREE(row->why[m]);
}

void results_free(struct results *r)
{
    for (size_t i = 0; i < r->n_rows; i++)
        row_free(&r->row[i]);
    for (size_t i = 0; i < r->n_means; i++)
        row_free(&r->mean[i]);
    for (size_t i = 0; i < r->n_skipped; i++) {
        MEM_FREE(r->skipped[i].dataset);
        MEM_FREE(r->skipped[i].image);
        MEM_FREE(r->skipped[i].why);
    }
    for (size_t i = 0; i < r->n_warnings; i++)
        MEM_FREE(r->warning[i]);
    MEM_FREE(r->row);
    MEM_FREE(r->mean);
    MEM_FREE(r->spread);
    MEM_FREE(r->skipped);
    MEM_FREE(r->warning);
    *r = (struct results){0};
}
