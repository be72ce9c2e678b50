/*
 * cpu_grad.c - the kernels that only training needs. A row, a piece of a vector or a head of a
 * sequence belongs to one thread, which sums in one order: results do not depend on the number of
 * threads.
 */
#include "base/err.h"
#include "ops/cpu_int.h"

#include <math.h>
#include <omp.h>

CPU_CLONES static void layer_norm_grad_row(const float *x, const float *weight, const float *y,
                                           size_t dim, float epsilon, float *sum)
{
    float mean = 0, var = 0, plain = 0, along = 0;
    float scale;
#pragma omp simd reduction(+ : mean)
    for (size_t i = 0; i < dim; i++)
        mean += x[i];
    mean /= (float)dim;
#pragma omp simd reduction(+ : var)
    for (size_t i = 0; i < dim; i++)
        var += (x[i] - mean) * (x[i] - mean);
    scale = 1.0F / sqrtf(var / (float)dim + epsilon);
#pragma omp simd reduction(+ : plain, along)
    for (size_t i = 0; i < dim; i++) {
        plain += y[i] * weight[i];
        along += y[i] * weight[i] * (x[i] - mean);
    }
    plain /= (float)dim;
    along *= scale * scale / (float)dim;
#pragma omp simd
    for (size_t i = 0; i < dim; i++)
        sum[i] += (y[i] * weight[i] - plain - (x[i] - mean) * along) * scale;
}

int cpu_layer_norm_grad(void *state, const struct norm_grad *g)
{
    const struct cpu_state *s = state;
#pragma omp parallel for num_threads(s->threads)
    for (size_t r = 0; r < g->n_rows; r++)
        layer_norm_grad_row(g->x + r * g->dim, g->weight, g->y + r * g->dim, g->dim,
                            (float)g->epsilon, g->sum + r * g->dim);
    return ERR_OK;
}

/* 1 / (1 + exp(-x)) from the exponential of -|x|, which cannot overflow. */
static inline float sigmoid(float x)
{
    float e = exp_below_zero(x < 0 ? x : -x);
    return (x < 0 ? e : 1.0F) / (1.0F + e);
}

CPU_CLONES static void quick_gelu_piece(const float *x, size_t n, float *y)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * sigmoid(1.702F * x[i]);
}

CPU_CLONES static void quick_gelu_grad_piece(const float *x, size_t n, float *grad)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float s = sigmoid(1.702F * x[i]);
        grad[i] *= s + 1.702F * x[i] * s * (1.0F - s);
    }
}

/*
 * By the C library: its error function is exact to a bit or two, and beside the products of a text tower
 * what it takes does not show.
 */
static void gelu_piece(const float *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * 0.5F * erfcf(-x[i] * (float)M_SQRT1_2);
}

static void gelu_grad_piece(const float *x, size_t n, float *grad)
{
    const float density = (float)(0.5 * M_SQRT1_2 * M_2_SQRTPI);
    for (size_t i = 0; i < n; i++)
        grad[i] *= 0.5F * erfcf(-x[i] * (float)M_SQRT1_2) + x[i] * expf(-x[i] * x[i] / 2) * density;
}

enum { PIECE = 4096 }; /* floats: 16 KB in and as many out fit the first cache */

static size_t piece_length(size_t at, size_t n)
{
    return n - at < PIECE ? n - at : PIECE;
}

int cpu_activate(void *state, enum activation act, const float *x, size_t n, float *y)
{
    const struct cpu_state *s = state;
    void (*piece)(const float *, size_t, float *) = act == ACT_GELU ? gelu_piece : quick_gelu_piece;
#pragma omp parallel for num_threads(s->threads)
    for (size_t at = 0; at < n; at += PIECE)
        piece(x + at, piece_length(at, n), y + at);
    return ERR_OK;
}

int cpu_activate_grad(void *state, enum activation act, const float *x, size_t n, float *grad)
{
    const struct cpu_state *s = state;
    void (*piece)(const float *, size_t, float *) =
        act == ACT_GELU ? gelu_grad_piece : quick_gelu_grad_piece;
#pragma omp parallel for num_threads(s->threads)
    for (size_t at = 0; at < n; at += PIECE)
        piece(x + at, piece_length(at, n), grad + at);
    return ERR_OK;
}

/* weight: scores become weights, 0 beyond `seen`; slope: G v^T becomes the gradient of q k^T. */
CPU_CLONES static void slope_row(float *weight, float *slope, size_t seen, size_t n, float scale)
{
    float inverse = 1.0F / cpu_exponentiate(weight, seen, scale);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t k = 0; k < seen; k++) {
        weight[k] *= inverse;
        sum += weight[k] * slope[k];
    }
#pragma omp simd
    for (size_t k = 0; k < seen; k++)
        slope[k] = weight[k] * (slope[k] - sum) * scale;
    for (size_t k = seen; k < n; k++)
        weight[k] = slope[k] = 0;
}

/* One head of one sequence; weight and slope are [n_query, n_key] of scratch. */
static int attend_grad_head(const struct attention *a, const struct attention_grad *g, size_t at,
                            float *weight, float *slope)
{
    int rc = ERR_OK;
    const float *out = g->out + at;
    dnnl_dim_t m = (dnnl_dim_t)a->n_query;
    dnnl_dim_t n = (dnnl_dim_t)a->n_key;
    dnnl_dim_t d = (dnnl_dim_t)a->head_dim;
    dnnl_dim_t s = (dnnl_dim_t)a->stride;
    dnnl_dim_t o = (dnnl_dim_t)a->out_stride;
    float scale = 1.0F / sqrtf((float)a->head_dim);
    TRY_DNNL(dnnl_sgemm('N', 'T', m, n, d, 1, a->query + at, s, a->key + at, s, 0, weight, n));
    TRY_DNNL(dnnl_sgemm('N', 'T', m, n, d, 1, out, o, a->value + at, s, 0, slope, n));
    for (size_t r = 0; r < a->n_query; r++)
        slope_row(weight + r * a->n_key, slope + r * a->n_key, a->causal ? r + 1 : a->n_key,
                  a->n_key, scale);
    TRY_DNNL(dnnl_sgemm('T', 'N', n, d, m, 1, weight, n, out, o, 0, g->value + at, s));
    TRY_DNNL(dnnl_sgemm('N', 'N', m, d, n, 1, slope, n, a->key + at, s, 0, g->query + at, s));
    TRY_DNNL(dnnl_sgemm('T', 'N', n, d, m, 1, slope, n, a->query + at, s, 0, g->key + at, s));
out:
    return rc;
}

int cpu_attend_grad(void *state, const struct attention *a, const struct attention_grad *g)
{
    int rc = ERR_OK;
    int worst = ERR_OK;
    struct cpu_state *s = state;
    size_t half = a->n_query * a->n_key;
    TRY(cpu_need_scratch(s, 2 * half * (size_t)s->threads));
#pragma omp parallel for schedule(dynamic) num_threads(s->threads) reduction(max : worst)
    for (size_t i = 0; i < a->n_items * a->n_heads; i++) {
        const struct attention item = ops_attention_item(a, i / a->n_heads);
        const struct attention_grad grad = ops_attention_grad_item(g, a, i / a->n_heads);
        float *weight = s->scratch + 2 * half * (size_t)omp_get_thread_num();
        int one =
            attend_grad_head(&item, &grad, i % a->n_heads * a->head_dim, weight, weight + half);
        worst = one > worst ? one : worst;
    }
    if (worst)
        FAIL(ERR_KERNEL, "oneDNN refused a product of the attention's gradient");
out:
    return rc;
}
