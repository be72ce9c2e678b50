/*
 * core_int.h - the numeric core of training: losses, retrieval with similarity dropout, upsampling, and
 * their gradients.
 *
 * Written once for the type `real` (ops/real.h): float in head/, double in the gradient test, so that
 * finite differences check the very code that trains. Products of matrices go through a struct
 * core_engine: the kernels, or three loops in the test.
 * docs/METHOD.md derives every gradient.
 *
 * Notation: n query rows, m bank entries; v [m] is 1 for anomalous entries; p = softmax of the
 * similarities that dropout left; y = p v, the mass on anomalous entries, and 1 - y on normal ones.
 */
#ifndef HEAD_CORE_INT_H
#define HEAD_CORE_INT_H

#include "ops/real.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <tgmath.h>

#define CORE __attribute__((unused)) static

/* ---- similarity dropout ---- */

/* Put the k-th smallest value (from 0) at x[k], smaller ones before it (Hoare's selection). */
CORE void core_select(real *x, size_t n, size_t k)
{
    size_t low = 0;
    size_t high = n - 1;
    while (low < high) {
        real pivot = x[low + (high - low) / 2];
        size_t i = low;
        size_t j = high;
        for (;;) {
            real swap;
            while (x[i] < pivot)
                i++;
            while (x[j] > pivot)
                j--;
            if (i >= j)
                break;
            swap = x[i];
            x[i++] = x[j];
            x[j--] = swap;
        }
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
}

/*
 * The q-quantile of n values with torch's linear interpolation between neighbouring ranks. scratch [n]
 * is overwritten.
 */
CORE real core_quantile(const real *x, size_t n, double q, real *scratch)
{
    real rank = (real)q * (real)(n - 1);
    size_t k = (size_t)rank;
    real weight = rank - (real)k;
    real low, high;
    memcpy(scratch, x, n * sizeof *x);
    core_select(scratch, n, k);
    low = scratch[k];
    if (k + 1 >= n)
        return low;
    high = scratch[k + 1];
    for (size_t i = k + 2; i < n; i++)
        high = scratch[i] < high ? scratch[i] : high;
    return weight < (real)0.5 ? low + weight * (high - low)
                              : high - (high - low) * ((real)1 - weight);
}

/* ---- retrieval ---- */

/*
 * One row: similarities sim [m] become the weights p; entries whose raw similarity exceeds `limit` are
 * left out. raw may be NULL (no dropout). Returns y.
 */
CORE real core_retrieve(real *sim, const real *raw, real limit, const real *v, size_t m)
{
    real top = -(real)HUGE_VAL;
    real sum = 0;
    real mass = 0;
    for (size_t j = 0; j < m; j++)
        if (!(raw && raw[j] > limit) && sim[j] > top)
            top = sim[j];
    for (size_t j = 0; j < m; j++) {
        sim[j] = raw && raw[j] > limit ? (real)0 : exp(sim[j] - top);
        sum += sim[j];
        mass += sim[j] * v[j];
    }
    for (size_t j = 0; j < m; j++)
        sim[j] /= sum;
    return mass / sum;
}

/* One row: p becomes the gradient by the similarities, p_j g (v_j - y), where g is that by y. */
CORE void core_retrieve_grad(real *p, const real *v, real y, real g, size_t m)
{
    for (size_t j = 0; j < m; j++)
        p[j] *= g * (v[j] - y);
}

/* ---- upsampling, bilinear, align_corners=False ---- */

struct core_tap {
    size_t low, high;
    real weight; /* of high */
};

CORE void core_taps(struct core_tap *tap, size_t grid, size_t side)
{
    real scale = (real)grid / (real)side;
    for (size_t i = 0; i < side; i++) {
        real at = scale * ((real)i + (real)0.5) - (real)0.5;
        at = at < 0 ? 0 : at;
        tap[i].low = (size_t)at < grid ? (size_t)at : grid - 1;
        tap[i].high = tap[i].low + 1 < grid ? tap[i].low + 1 : tap[i].low;
        tap[i].weight = at - (real)tap[i].low;
    }
}

/* y [grid, grid] -> map [side, side] */
CORE void core_upsample(const real *y, const struct core_tap *tap, size_t grid, size_t side,
                        real *map)
{
    for (size_t r = 0; r < side; r++)
        for (size_t c = 0; c < side; c++) {
            const real *top = y + tap[r].low * grid;
            const real *bottom = y + tap[r].high * grid;
            real w = tap[c].weight;
            real a = top[tap[c].low] + w * (top[tap[c].high] - top[tap[c].low]);
            real b = bottom[tap[c].low] + w * (bottom[tap[c].high] - bottom[tap[c].low]);
            map[r * side + c] = a + tap[r].weight * (b - a);
        }
}

/* The transpose: gradient by the map -> gradient by y. Sums in double, row by row. */
CORE void core_upsample_grad(const real *map, const struct core_tap *tap, size_t grid, size_t side,
                             double *y)
{
    for (size_t i = 0; i < grid * grid; i++)
        y[i] = 0;
    for (size_t r = 0; r < side; r++)
        for (size_t c = 0; c < side; c++) {
            double g = (double)map[r * side + c];
            double down = (double)tap[r].weight;
            double along = (double)tap[c].weight;
            double *top = y + tap[r].low * grid;
            double *bottom = y + tap[r].high * grid;
            top[tap[c].low] += (1 - down) * (1 - along) * g;
            top[tap[c].high] += (1 - down) * along * g;
            bottom[tap[c].low] += down * (1 - along) * g;
            bottom[tap[c].high] += down * along * g;
        }
}

/* ---- one level of the metric: queries and keys through their maps ---- */

/* c [m, n] = a b, or c += a b; as struct product of the kernels, for `real`. */
struct core_product {
    size_t m, n, k;
    const real *a, *b;
    real *c;
    size_t lda, ldb, ldc;
    int a_turned, b_turned, adds;
};

/* Who multiplies. */
struct core_engine {
    int (*multiply)(void *state, const struct core_product *p);
    void *state;
};

CORE int core_multiply(const struct core_engine *engine, const struct core_product *p)
{
    return engine->multiply(engine->state, p);
}

/* Sizes and inputs of a level, and room to work in. */
struct core_level {
    size_t n;                   /* queries */
    size_t m, dim, embed;       /* entries; columns before and after the maps */
    const real *query;          /* [n, dim] */
    const real *keys;           /* [m, dim] */
    const real *anomalous;      /* [m] v */
    const real *projected_keys; /* [m, E] */
    double quantile;            /* of the raw similarities; 1: no dropout */
    real *projected;            /* [n, E] */
    real *sim, *raw, *row;      /* [n, m] each; sim keeps p for the gradient */
    real *grad_query;           /* [n, E] */
    real *y;                    /* [n] */
};

/* out [n, E] = x [n, dim] W^T + b */
CORE int core_map(const struct core_engine *engine, const real *weight, const real *bias,
                  const real *x, const size_t size[3], real *out)
{
    size_t n = size[0];
    size_t dim = size[1];
    size_t embed = size[2];
    for (size_t r = 0; r < n; r++)
        memcpy(out + r * embed, bias, embed * sizeof *out);
    return core_multiply(engine, &(struct core_product){.m = n,
                                                        .n = embed,
                                                        .k = dim,
                                                        .a = x,
                                                        .b = weight,
                                                        .c = out,
                                                        .lda = dim,
                                                        .ldb = dim,
                                                        .ldc = embed,
                                                        .b_turned = 1,
                                                        .adds = 1});
}

/* Masses y of all queries under the query map (weight, bias). */
CORE int core_forward(const struct core_engine *engine, struct core_level *l, const real *weight,
                      const real *bias)
{
    int drops = l->quantile < 1;
    int rc =
        core_map(engine, weight, bias, l->query, (size_t[]){l->n, l->dim, l->embed}, l->projected);
    if (!rc)
        rc = core_multiply(engine, &(struct core_product){.m = l->n,
                                                          .n = l->m,
                                                          .k = l->embed,
                                                          .a = l->projected,
                                                          .b = l->projected_keys,
                                                          .c = l->sim,
                                                          .lda = l->embed,
                                                          .ldb = l->embed,
                                                          .ldc = l->m,
                                                          .b_turned = 1});
    if (!rc && drops)
        rc = core_multiply(engine, &(struct core_product){.m = l->n,
                                                          .n = l->m,
                                                          .k = l->dim,
                                                          .a = l->query,
                                                          .b = l->keys,
                                                          .c = l->raw,
                                                          .lda = l->dim,
                                                          .ldb = l->dim,
                                                          .ldc = l->m,
                                                          .b_turned = 1});
    if (rc)
        return rc;
#pragma omp parallel for schedule(dynamic, 16)
    for (size_t r = 0; r < l->n; r++) {
        const real *raw = drops ? l->raw + r * l->m : NULL;
        real limit = drops ? core_quantile(raw, l->m, l->quantile, l->row + r * l->m) : 0;
        l->y[r] = core_retrieve(l->sim + r * l->m, raw, limit, l->anomalous, l->m);
    }
    return 0;
}

/* From the gradient by y [n] to those by the query map, its bias, and the projected keys. */
CORE int core_backward(const struct core_engine *engine, struct core_level *l, const double *grad_y,
                       real *grad_weight, real *grad_bias, real *grad_keys)
{
    int rc;
#pragma omp parallel for schedule(dynamic, 16)
    for (size_t r = 0; r < l->n; r++)
        core_retrieve_grad(l->sim + r * l->m, l->anomalous, l->y[r], (real)grad_y[r], l->m);
    rc = core_multiply(engine, &(struct core_product){.m = l->n,
                                                      .n = l->embed,
                                                      .k = l->m,
                                                      .a = l->sim,
                                                      .b = l->projected_keys,
                                                      .c = l->grad_query,
                                                      .lda = l->m,
                                                      .ldb = l->embed,
                                                      .ldc = l->embed});
    if (!rc)
        rc = core_multiply(engine, &(struct core_product){.m = l->m,
                                                          .n = l->embed,
                                                          .k = l->n,
                                                          .a = l->sim,
                                                          .b = l->projected,
                                                          .c = grad_keys,
                                                          .lda = l->m,
                                                          .ldb = l->embed,
                                                          .ldc = l->embed,
                                                          .a_turned = 1});
    if (!rc)
        rc = core_multiply(engine, &(struct core_product){.m = l->embed,
                                                          .n = l->dim,
                                                          .k = l->n,
                                                          .a = l->grad_query,
                                                          .b = l->query,
                                                          .c = grad_weight,
                                                          .lda = l->embed,
                                                          .ldb = l->dim,
                                                          .ldc = l->dim,
                                                          .a_turned = 1});
    for (size_t e = 0; e < l->embed; e++) {
        double sum = 0;
        for (size_t r = 0; r < l->n; r++)
            sum += (double)l->grad_query[r * l->embed + e];
        grad_bias[e] = (real)sum;
    }
    return rc;
}

/* The key map's gradient [E, dim] from that by the projected keys [m, E]. */
CORE int core_key_map_grad(const struct core_engine *engine, const struct core_level *l,
                           const real *grad_keys, real *grad_weight)
{
    return core_multiply(engine, &(struct core_product){.m = l->embed,
                                                        .n = l->dim,
                                                        .k = l->m,
                                                        .a = grad_keys,
                                                        .b = l->keys,
                                                        .c = grad_weight,
                                                        .lda = l->embed,
                                                        .ldb = l->dim,
                                                        .ldc = l->dim,
                                                        .a_turned = 1});
}

/* ---- losses on a map of n anomaly probabilities u against a mask t of 0 and 1 ---- */

/*
 * Focal loss, gamma 2, one-hot smoothed to [eps, 1 - eps], summed over pixels; its gradient by u is added
 * to grad, both times `scale`.
 */
CORE double core_focal(const real *u, const uint8_t *t, size_t n, double scale, real *grad)
{
    const real eps = (real)1e-5;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        real anomalous = t[i] ? (real)1 - eps : eps;
        real normal = t[i] ? eps : (real)1 - eps;
        real pt = normal * ((real)1 - u[i]) + anomalous * u[i] + eps;
        real rest = (real)1 - pt;
        real logarithm = log(pt);
        sum -= (double)(rest * rest * logarithm);
        grad[i] +=
            (real)scale * ((real)2 * rest * logarithm - rest * rest / pt) * (anomalous - normal);
    }
    return scale * sum;
}

/*
 * Dice loss 1 - (2 sum(a b) + 1) / (sum(a) + sum(b) + 1) of the anomaly channel (a = u, b = t) or, when
 * `normal`, of the normal one (a = 1 - u, b = 1 - t). Gradient by u is added to grad; both times scale.
 */
CORE double core_dice(const real *u, const uint8_t *t, size_t n, int normal, double scale,
                      real *grad)
{
    double overlap = 0;
    double total = 0;
    double top;
    double bottom;
    for (size_t i = 0; i < n; i++) {
        double a = normal ? 1 - (double)u[i] : (double)u[i];
        double b = normal ? 1 - t[i] : t[i];
        overlap += a * b;
        total += a + b;
    }
    top = 2 * overlap + 1;
    bottom = total + 1;
    for (size_t i = 0; i < n; i++) {
        double b = normal ? 1 - t[i] : t[i];
        double g = -(2 * b * bottom - top) / (bottom * bottom);
        grad[i] += (real)(scale * (normal ? -g : g));
    }
    return scale * (1 - top / bottom);
}

/* ---- losses on an image's mass y against its label ---- */

/* Cross-entropy of the softmax over (1 - y, y) / tau, as published. *grad is by y. */
CORE double core_class_softmax(real y, int label, double tau, double scale, real *grad)
{
    double x = (2 * (double)y - 1) / tau; /* logit of anomalous minus that of normal */
    double signed_x = label ? x : -x;
    double loss = signed_x > 0 ? log1p(exp(-signed_x)) : log1p(exp(signed_x)) - signed_x;
    double anomalous = 1 / (1 + exp(-x));
    *grad = (real)(scale * (anomalous - (label ? 1 : 0)) * 2 / tau);
    return scale * loss;
}

/* Binary cross-entropy of y itself, as the text has it; logarithms are cut at -100 as in torch. */
CORE double core_class_binary(real y, int label, double scale, real *grad)
{
    double q = label ? (double)y : 1 - (double)y;
    double loss = log(q);
    double slope = q > 1e-12 ? 1 / q : 1e12;
    loss = loss < -100 ? 100 : -loss;
    *grad = (real)(scale * (label ? -slope : slope));
    return scale * loss;
}

/* ---- all rows against a pair of vectors ---- */

/* out [n, 2] = x [n, e] pair^T, pair [2, e] */
CORE int core_against_pair(const struct core_engine *engine, const real *x, const real *pair,
                           const size_t size[2], real *out)
{
    size_t n = size[0];
    size_t e = size[1];
    return core_multiply(engine, &(struct core_product){.m = n,
                                                        .n = 2,
                                                        .k = e,
                                                        .a = x,
                                                        .b = pair,
                                                        .c = out,
                                                        .lda = e,
                                                        .ldb = e,
                                                        .ldc = 2,
                                                        .b_turned = 1});
}

/* ---- the text map ---- */

/*
 * Probability y [n] of the anomalous one of two unit text features [2, e] by softmax(cosine / tau) over
 * unit patches x [n, e]. logit [n, 2] is room.
 */
CORE int core_text_map(const struct core_engine *engine, const real *x, const real *text,
                       const size_t size[2], double tau, real *logit, real *y)
{
    int rc = core_against_pair(engine, x, text, size, logit);
    for (size_t i = 0; i < size[0]; i++)
        y[i] = (real)1 / ((real)1 + exp((logit[2 * i] - logit[2 * i + 1]) / (real)tau));
    return rc;
}

/* From the gradient by y [n] to that by the text features [2, e]; y is overwritten. */
CORE int core_text_map_grad(const struct core_engine *engine, const real *x, const size_t size[2],
                            double tau, real *y, const double *grad_y, real *grad_text)
{
    size_t n = size[0];
    size_t e = size[1];
    int rc;
    for (size_t i = 0; i < n; i++)
        y[i] = (real)(grad_y[i] * (double)y[i] * (1 - (double)y[i]) / tau);
    rc = core_multiply(engine, &(struct core_product){.m = 1,
                                                      .n = e,
                                                      .k = n,
                                                      .a = y,
                                                      .b = x,
                                                      .c = grad_text + e,
                                                      .lda = n,
                                                      .ldb = e,
                                                      .ldc = e});
    for (size_t i = 0; i < e; i++)
        grad_text[i] = -grad_text[e + i];
    return rc;
}

/*
 * From the gradient g by the unit vector u = t / |t| to that by t: (g - u (u g)) / |t|. In place in g.
 */
CORE void core_unit_grad(const real *u, real norm, size_t n, real *g)
{
    double along = 0;
    for (size_t i = 0; i < n; i++)
        along += (double)u[i] * (double)g[i];
    for (size_t i = 0; i < n; i++)
        g[i] = (real)(((double)g[i] - (double)u[i] * along) / (double)norm);
}

#endif /* HEAD_CORE_INT_H */
