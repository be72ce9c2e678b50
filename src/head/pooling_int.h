/*
 * pooling_int.h - means of patches that two learnable queries weigh, and the way back to the queries: the
 * prior of the prompt bias `cross-patch` (bias.c). For `real` and with an engine, as core_int.h.
 */
#ifndef HEAD_POOLING_INT_H
#define HEAD_POOLING_INT_H

#include "head/core_int.h"

/* Two columns x [n, 2], each times scale and through a softmax over its n rows, in place. */
CORE void core_softmax_columns(real *x, size_t n, double scale)
{
    for (size_t c = 0; c < 2; c++) {
        double top = -HUGE_VAL;
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            top = (double)x[2 * i + c] > top ? (double)x[2 * i + c] : top;
        for (size_t i = 0; i < n; i++) {
            double weight = exp(scale * ((double)x[2 * i + c] - top));
            x[2 * i + c] = (real)weight;
            sum += weight;
        }
        for (size_t i = 0; i < n; i++)
            x[2 * i + c] = (real)((double)x[2 * i + c] / sum);
    }
}

/* out [2, e] = weight^T x, weight [n, 2], x [n, e] */
CORE int core_weighted_sums(const struct core_engine *engine, const real *weight, const real *x,
                            const size_t size[2], real *out)
{
    size_t e = size[1];
    return core_multiply(engine, &(struct core_product){.m = 2,
                                                        .n = e,
                                                        .k = size[0],
                                                        .a = weight,
                                                        .b = x,
                                                        .c = out,
                                                        .lda = 2,
                                                        .ldb = e,
                                                        .ldc = e,
                                                        .a_turned = 1});
}

/*
 * Two means pooled [2, e] of patches x [n, e]: row r = sum_i w_ir x_i, w = softmax over i of
 * x_i query_r / sqrt(e). weight [n, 2] is kept for the gradient.
 */
CORE int core_pool(const struct core_engine *engine, const real *x, const real *query,
                   const size_t size[2], real *weight, real *pooled)
{
    int rc = core_against_pair(engine, x, query, size, weight);
    if (rc)
        return rc;
    core_softmax_columns(weight, size[0], 1 / sqrt((double)size[1]));
    return core_weighted_sums(engine, weight, x, size, pooled);
}

/* From the gradient by pooled [2, e] to that by the queries [2, e]; score [n, 2] is room. */
CORE int core_pool_grad(const struct core_engine *engine, const real *x, const real *weight,
                        const size_t size[2], const real *grad_pooled, real *score,
                        real *grad_query)
{
    size_t n = size[0];
    double scale = 1 / sqrt((double)size[1]);
    int rc = core_against_pair(engine, x, grad_pooled, size, score);
    if (rc)
        return rc;
    for (size_t c = 0; c < 2; c++) {
        double mean = 0;
        for (size_t i = 0; i < n; i++)
            mean += (double)weight[2 * i + c] * (double)score[2 * i + c];
        for (size_t i = 0; i < n; i++)
            score[2 * i + c] =
                (real)(scale * (double)weight[2 * i + c] * ((double)score[2 * i + c] - mean));
    }
    return core_weighted_sums(engine, score, x, size, grad_query);
}

/*
 * One prompt's biases of n images, bias [n, t] = prior [n, e] map' + b with map [t, e]: from the gradient
 * by them to that by the priors. The rows of an image's two prompts take turns, so the next one lies 2 t
 * or 2 e numbers further.
 */
CORE int core_prior_grad(const struct core_engine *engine, const real *map, const real *grad_bias,
                         const size_t size[3], real *grad_prior)
{
    size_t t = size[1];
    size_t e = size[2];
    return core_multiply(engine, &(struct core_product){.m = size[0],
                                                        .n = e,
                                                        .k = t,
                                                        .a = grad_bias,
                                                        .b = map,
                                                        .c = grad_prior,
                                                        .lda = 2 * t,
                                                        .ldb = e,
                                                        .ldc = 2 * e});
}

#endif /* HEAD_POOLING_INT_H */
