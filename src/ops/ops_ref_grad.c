/* ops_ref_grad.c - the kernels that only training needs, in plain C, sums in double. */
#include "base/err.h"
#include "base/mem.h"
#include "ops/ops_ref_int.h"

#include <math.h>

int ops_ref_layer_norm_grad(void *state, const struct norm_grad *g)
{
    (void)state;
    for (size_t r = 0; r < g->n_rows; r++) {
        const real *x = g->x + r * g->dim;
        const real *y = g->y + r * g->dim;
        double n = (double)g->dim;
        double mean = 0, var = 0, plain = 0, along = 0;
        double sigma;
        for (size_t i = 0; i < g->dim; i++)
            mean += (double)x[i] / n;
        for (size_t i = 0; i < g->dim; i++)
            var += ((double)x[i] - mean) * ((double)x[i] - mean) / n;
        sigma = sqrt(var + g->epsilon);
        for (size_t i = 0; i < g->dim; i++) {
            double part = (double)y[i] * (double)g->weight[i] / n;
            plain += part;
            along += part * ((double)x[i] - mean) / sigma;
        }
        for (size_t i = 0; i < g->dim; i++) {
            double unit = ((double)x[i] - mean) / sigma;
            real *at = &g->sum[r * g->dim + i];
            *at = (real)((double)*at +
                         ((double)y[i] * (double)g->weight[i] - plain - unit * along) / sigma);
        }
    }
    return ERR_OK;
}

double ops_ref_activated(enum activation act, double x)
{
    switch (act) {
    case ACT_NONE:
        break;
    case ACT_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    case ACT_GELU:
        return x * 0.5 * erfc(-x * M_SQRT1_2);
    }
    return x;
}

static double slope(enum activation act, double x)
{
    double s = 1 / (1 + exp(-1.702 * x));
    switch (act) {
    case ACT_NONE:
        break;
    case ACT_QUICK_GELU:
        return s + 1.702 * x * s * (1 - s);
    case ACT_GELU:
        return 0.5 * erfc(-x * M_SQRT1_2) + x * exp(-x * x / 2) * 0.5 * M_SQRT1_2 * M_2_SQRTPI;
    }
    return 1;
}

int ops_ref_activate(void *state, enum activation act, const real *x, size_t n, real *y)
{
    (void)state;
    for (size_t i = 0; i < n; i++)
        y[i] = (real)ops_ref_activated(act, (double)x[i]);
    return ERR_OK;
}

int ops_ref_activate_grad(void *state, enum activation act, const real *x, size_t n, real *grad)
{
    (void)state;
    for (size_t i = 0; i < n; i++)
        grad[i] = (real)((double)grad[i] * slope(act, (double)x[i]));
    return ERR_OK;
}

/* Row q of the weights W, and of S, the gradient of the scores before the scale. */
static void score_rows(const struct attention *a, const struct attention_grad *g, size_t head,
                       double *weight, double *slope)
{
    size_t at = head * a->head_dim;
    for (size_t q = 0; q < a->n_query; q++, weight += a->n_key, slope += a->n_key) {
        double sum = 0;
        ops_ref_attention_row(a, head, q, weight);
        for (size_t k = 0; k < a->n_key; k++) {
            slope[k] = ops_ref_dot(g->out + q * a->out_stride + at, a->value + k * a->stride + at,
                                   a->head_dim);
            sum += weight[k] * slope[k];
        }
        for (size_t k = 0; k < a->n_key; k++)
            slope[k] = weight[k] * (slope[k] - sum) / sqrt((double)a->head_dim);
    }
}

static void query_grad(const struct attention *a, const struct attention_grad *g, size_t at,
                       const double *slope)
{
    for (size_t q = 0; q < a->n_query; q++)
        for (size_t d = 0; d < a->head_dim; d++) {
            double sum = 0;
            for (size_t k = 0; k < a->n_key; k++)
                sum += slope[q * a->n_key + k] * (double)a->key[k * a->stride + at + d];
            g->query[q * a->stride + at + d] = (real)sum;
        }
}

static void key_value_grad(const struct attention *a, const struct attention_grad *g, size_t at,
                           const double *weight, const double *slope)
{
    for (size_t k = 0; k < a->n_key; k++)
        for (size_t d = 0; d < a->head_dim; d++) {
            double key = 0;
            double value = 0;
            for (size_t q = 0; q < a->n_query; q++) {
                key += slope[q * a->n_key + k] * (double)a->query[q * a->stride + at + d];
                value += weight[q * a->n_key + k] * (double)g->out[q * a->out_stride + at + d];
            }
            g->key[k * a->stride + at + d] = (real)key;
            g->value[k * a->stride + at + d] = (real)value;
        }
}

int ops_ref_attend_grad(void *state, const struct attention *a, const struct attention_grad *g)
{
    int rc = ERR_OK;
    double *weight = NULL;
    double *slope = NULL;
    (void)state;
    TRY(MEM_NEW(weight, a->n_query * a->n_key));
    TRY(MEM_NEW(slope, a->n_query * a->n_key));
    for (size_t i = 0; i < a->n_items; i++) {
        const struct attention item = ops_attention_item(a, i);
        const struct attention_grad grad = ops_attention_grad_item(g, a, i);
        for (size_t h = 0; h < a->n_heads; h++) {
            score_rows(&item, &grad, h, weight, slope);
            query_grad(&item, &grad, h * a->head_dim, slope);
            key_value_grad(&item, &grad, h * a->head_dim, weight, slope);
        }
    }
out:
    MEM_FREE(weight);
    MEM_FREE(slope);
    return rc;
}
