/*
 * metrics_pro.c - see metrics_int.h: the published PRO, threshold for threshold.
 *
 * The arithmetic is that of `numpy.arange(lo, hi, (hi - lo) / steps)` on float32 maps with numpy < 1.25
 * and of `map > threshold` there: see docs/METRICS.md. The pixels above a threshold are counted in the
 * sorted lists.
 */
#include "base/err.h"
#include "base/mem.h"
#include "metrics/metrics_int.h"

#include <math.h>

/* Where the thresholds lie. */
struct grid {
    size_t n;
    double lo;
    double second; /* numpy stores the second value as it is and takes all later ones from delta */
    double delta;
};

/* The threshold as the comparison sees it: rounded to float32. */
static float grid_at(const struct grid *g, size_t i)
{
    return (float)(i == 1 ? g->second : g->lo + (double)i * g->delta);
}

/* Lay the thresholds; returns NULL, or why there are none. */
static const char *grid_make(struct grid *g, float lo, float hi, int steps)
{
    float span = hi - lo;
    double step = (double)span / steps;
    if (isinf(lo) || isinf(hi))
        return "a pixel score is infinite";
    if (isinf(span))
        return "the range of pixel scores exceeds float32";
    if (!(span > 0))
        return "all pixel scores are equal";
    g->n = (size_t)ceil((double)span / step);
    g->lo = (double)lo;
    g->second = g->lo + step;
    g->delta = g->second - g->lo;
    return NULL;
}

/* How many of the ascending keys are smaller than `key`, that is, how many scores are higher. */
static size_t count_higher(const uint32_t *keys, size_t n, uint32_t key)
{
    size_t low = 0;
    while (low < n) {
        size_t mid = low + (n - low) / 2;
        if (keys[mid] < key)
            low = mid + 1;
        else
            n = mid;
    }
    return low;
}

/* FPR and PRO at every threshold, in ascending order of thresholds. */
static void measure(double *fpr, double *pro, const struct grid *g, const struct ranked *r)
{
    wide weight = 0;
    size_t d = 0;
    for (size_t i = g->n; i-- > 0;) {
        uint32_t key = score_key(grid_at(g, i));
        for (; d < r->n_defect && defect_key(r->defect[d]) < key; d++)
            weight += r->weight[defect_region(r->defect[d])];
        fpr[i] = (double)count_higher(r->normal, r->n_normal, key) / (double)r->n_normal;
        pro[i] = (double)weight / (double)r->weight_total;
    }
}

/* Area under the points with fpr < limit, their FPR stretched to [0, 1]. */
static void integrate(struct pro_steps *out, const double *fpr, const double *pro, size_t n,
                      double limit)
{
    size_t first = 0;
    double area = 0;
    double span;
    while (first < n && !(fpr[first] < limit))
        first++;
    if (first == n) {
        out->why = "no threshold has a false-positive rate below the limit";
        return;
    }
    span = fpr[first] - fpr[n - 1];
    if (!(span > 0)) {
        out->why = "all thresholds below the limit have the same false-positive rate";
        return;
    }
    for (size_t i = first + 1; i < n; i++) {
        double left = (fpr[i] - fpr[n - 1]) / span;
        double right = (fpr[i - 1] - fpr[n - 1]) / span;
        area += (right - left) * (pro[i] + pro[i - 1]) / 2;
    }
    out->value = area;
    out->largest_fpr = fpr[first];
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

int pro_steps_compute(struct pro_steps *out, const struct ranked *r, int steps, double limit)
{
    int rc = ERR_OK;
    struct grid g;
    double *fpr = NULL;
    double *pro = NULL;
    uint32_t highest = smaller(r->normal[0], defect_key(r->defect[0]));
    uint32_t lowest =
        ~smaller(~r->normal[r->n_normal - 1], ~defect_key(r->defect[r->n_defect - 1]));
    *out = (struct pro_steps){0};
    out->why = grid_make(&g, key_score(lowest), key_score(highest), steps);
    if (out->why)
        goto out;
    TRY(MEM_NEW(fpr, g.n));
    TRY(MEM_NEW(pro, g.n));
    measure(fpr, pro, &g, r);
    integrate(out, fpr, pro, g.n, limit);
out:
    MEM_FREE(fpr);
    MEM_FREE(pro);
    return rc;
}
