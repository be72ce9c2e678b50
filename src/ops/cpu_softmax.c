/*
 * cpu_softmax.c - attention in blocks of query rows, and what retrieval reads off similarities.
 *
 * A block's scores stay in the cache; the division by the softmax sum is applied to the short output
 * rows instead of the long score rows. Every row is computed by one thread in one order, so results do
 * not depend on the number of threads.
 */
#include "base/err.h"
#include "base/mem.h"
#include "ops/cpu_int.h"

#include <math.h>
#include <omp.h>
#include <string.h>

CPU_CLONES float cpu_exponentiate(float *x, size_t n, float scale)
{
    float top = x[0];
    float sum = 0;
#pragma omp simd reduction(max : top)
    for (size_t i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++) {
        x[i] = exp_below_zero((x[i] - top) * scale);
        sum += x[i];
    }
    return sum;
}

static int attend_block(const struct attention *a, size_t head, size_t first, float *score)
{
    int rc = ERR_OK;
    size_t at = head * a->head_dim;
    size_t rows = a->n_query - first < CPU_QUERY_BLOCK ? a->n_query - first : CPU_QUERY_BLOCK;
    float scale = 1.0F / sqrtf((float)a->head_dim);
    float inverse[CPU_QUERY_BLOCK];
    float *out = a->out + first * a->out_stride + at;
    dnnl_dim_t m = (dnnl_dim_t)rows;
    dnnl_dim_t n = (dnnl_dim_t)a->n_key;
    dnnl_dim_t d = (dnnl_dim_t)a->head_dim;
    dnnl_dim_t stride = (dnnl_dim_t)a->stride;
    TRY_DNNL(dnnl_sgemm('N', 'T', m, n, d, 1.0F, a->query + first * a->stride + at, stride,
                        a->key + at, stride, 0.0F, score, n));
    for (size_t r = 0; r < rows; r++) {
        float *row = score + r * a->n_key;
        size_t seen = a->causal ? first + r + 1 : a->n_key;
        inverse[r] = 1.0F / cpu_exponentiate(row, seen, scale);
        memset(row + seen, 0, (a->n_key - seen) * sizeof *row);
    }
    TRY_DNNL(dnnl_sgemm('N', 'N', m, d, n, 1.0F, score, n, a->value + at, stride, 0.0F, out,
                        (dnnl_dim_t)a->out_stride));
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < a->head_dim; i++)
            out[r * a->out_stride + i] *= inverse[r];
out:
    return rc;
}

int cpu_attend(void *state, const struct attention *a)
{
    int rc = ERR_OK;
    int worst = ERR_OK;
    struct cpu_state *s = state;
    size_t per_thread = CPU_QUERY_BLOCK * a->n_key;
    size_t n_blocks = (a->n_query + CPU_QUERY_BLOCK - 1) / CPU_QUERY_BLOCK;
    size_t per_item = a->n_heads * n_blocks;
    TRY(cpu_need_scratch(s, per_thread * (size_t)s->threads));
#pragma omp parallel for schedule(dynamic) num_threads(s->threads) reduction(max : worst)
    for (size_t i = 0; i < a->n_items * per_item; i++) {
        const struct attention item = ops_attention_item(a, i / per_item);
        size_t block = i % per_item;
        float *score = s->scratch + per_thread * (size_t)omp_get_thread_num();
        int one = attend_block(&item, block / n_blocks, block % n_blocks * CPU_QUERY_BLOCK, score);
        worst = one > worst ? one : worst;
    }
    if (worst)
        FAIL(ERR_KERNEL, "oneDNN refused an attention product");
out:
    return rc;
}

CPU_CLONES static float weighted_sum(const float *x, const float *weight, size_t n)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += x[i] * weight[i];
    return sum;
}

int cpu_mass(void *state, float *sim, size_t n_rows, size_t n, const float *anomalous, float tau,
             float *mass)
{
    const struct cpu_state *s = state;
    float scale = 1.0F / tau;
#pragma omp parallel for num_threads(s->threads)
    for (size_t r = 0; r < n_rows; r++) {
        float sum = cpu_exponentiate(sim + r * n, n, scale);
        mass[r] = weighted_sum(sim + r * n, anomalous, n) / sum;
    }
    return ERR_OK;
}

/* Largest similarity of each label, -inf where a label has no key. */
CPU_CLONES static void find_nearest(const float *sim, const float *anomalous, size_t n,
                                    float top[2])
{
    float normal = -HUGE_VALF;
    float other = -HUGE_VALF;
#pragma omp simd reduction(max : normal, other)
    for (size_t i = 0; i < n; i++) {
        float as_normal = anomalous[i] != 0 ? -HUGE_VALF : sim[i];
        float as_other = anomalous[i] != 0 ? sim[i] : -HUGE_VALF;
        normal = as_normal > normal ? as_normal : normal;
        other = as_other > other ? as_other : other;
    }
    top[0] = normal;
    top[1] = other;
}

int cpu_nearest(void *state, float *sim, size_t n_rows, size_t n, const float *anomalous, float tau,
                float *mass)
{
    const struct cpu_state *s = state;
#pragma omp parallel for num_threads(s->threads)
    for (size_t r = 0; r < n_rows; r++) {
        float top[2];
        find_nearest(sim + r * n, anomalous, n, top);
        mass[r] = (float)(1 / (1 + exp(((double)top[0] - (double)top[1]) / (double)tau)));
    }
    return ERR_OK;
}
