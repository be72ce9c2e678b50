/*
 * cpu_softmax.c - attention in blocks of query rows, and retrieval mass.
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
#include <stdint.h>
#include <string.h>

/*
 * exp(x) for x <= 0 to about 2 units in the last place, without branches so that it vectorises:
 * x = n ln 2 + r, a polynomial in r, and n added to the exponent. Below -87 it gives exp(-87).
 */
static inline float exp_below_zero(float x)
{
    const float shift = 12582912.0F; /* 1.5 * 2^23: adding it rounds to the nearest integer */
    float n, r, p;
    int32_t bits;
    x = x < -87.0F ? -87.0F : x;
    n = (x * 1.44269504F + shift) - shift;
    r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
    p = 1.9875691500e-4F;
    p = p * r + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = (p * r * r + r) + 1.0F;
    bits = ((int32_t)n + 127) << 23;
    memcpy(&r, &bits, sizeof r);
    return p * r;
}

/* x becomes exp((x - max) * scale); returns the sum. */
CPU_CLONES static float exponentiate(float *x, size_t n, float scale)
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
    for (size_t r = 0; r < rows; r++)
        inverse[r] = 1.0F / exponentiate(score + r * a->n_key, a->n_key, scale);
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
    size_t want = per_thread * (size_t)s->threads;
    size_t n_blocks = (a->n_query + CPU_QUERY_BLOCK - 1) / CPU_QUERY_BLOCK;
    if (want > s->scratch_cap) {
        MEM_FREE(s->scratch);
        s->scratch_cap = 0;
        TRY(MEM_NEW(s->scratch, want));
        s->scratch_cap = want;
    }
#pragma omp parallel for schedule(dynamic) num_threads(s->threads) reduction(max : worst)
    for (size_t i = 0; i < a->n_heads * n_blocks; i++) {
        float *score = s->scratch + per_thread * (size_t)omp_get_thread_num();
        int one = attend_block(a, i / n_blocks, i % n_blocks * CPU_QUERY_BLOCK, score);
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
        float sum = exponentiate(sim + r * n, n, scale);
        mass[r] = weighted_sum(sim + r * n, anomalous, n) / sum;
    }
    return ERR_OK;
}
