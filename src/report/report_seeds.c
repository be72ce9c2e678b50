/* report_seeds.c - mean and standard deviation of mean rows over seeds. See report.h. */
#include "base/err.h"
#include "base/mem.h"
#include "report/report_int.h"

#include <math.h>

/*
 * One metric of n rows. Differences from the first row are summed, so that equal values have exactly
 * their value as mean and no deviation.
 */
static void spread_metric(struct spread *spread, const struct row *row, size_t n, int m)
{
    double sum = 0;
    double squares = 0;
    double shift; /* of the mean from the first value */
    for (size_t i = 0; i < n; i++) {
        if (!row[i].defined[m])
            return;
        sum += row[i].value[m] - row[0].value[m];
    }
    shift = sum / (double)n;
    spread->has_mean[m] = true;
    spread->mean[m] = row[0].value[m] + shift;
    if (n < 2)
        return;
    for (size_t i = 0; i < n; i++) {
        double d = row[i].value[m] - row[0].value[m] - shift;
        squares += d * d;
    }
    spread->has_sd[m] = true;
    spread->sd[m] = sqrt(squares / (double)(n - 1));
}

static void spread_rows(struct spread *spread, const struct row *row, size_t n)
{
    *spread = (struct spread){.variant = row[0].variant,
                              .train = row[0].train,
                              .test = row[0].test,
                              .ablation = row[0].ablation,
                              .n_seeds = n};
    for (int m = 0; m < METRIC_COUNT; m++)
        spread_metric(spread, row, n, m);
}

int results_spread(struct results *r)
{
    int rc = ERR_OK;
    bool has_several = false;
    r->n_spreads = 0;
    for (size_t first = 0, last; first < r->n_means; first = last) {
        last = first + 1;
        while (last < r->n_means && report_same_setting(&r->mean[first], &r->mean[last]))
            last++;
        has_several = has_several || last - first > 1;
        TRY(MEM_GROW(r->spread, &r->spread_cap, r->n_spreads + 1));
        spread_rows(&r->spread[r->n_spreads++], &r->mean[first], last - first);
    }
    if (!has_several)
        r->n_spreads = 0;
out:
    return rc;
}
