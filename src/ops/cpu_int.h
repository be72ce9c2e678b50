/* cpu_int.h - what the files of the cpu variant share. */
#ifndef OPS_CPU_INT_H
#define OPS_CPU_INT_H

#include "ops/ops_int.h"

#include <oneapi/dnnl/dnnl.h>

#include <stdint.h>
#include <string.h>

struct cpu_state {
    int threads;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    float *scratch; /* attention scores, a piece for each thread */
    size_t scratch_cap;
};

/* Query rows whose scores (128 x 1370 floats, 0.7 MB) stay in a 1 MB L2 cache. */
enum { CPU_QUERY_BLOCK = 128 };

/* Translate a oneDNN status into ERR_KERNEL with the call's text. Needs `int rc`. */
#define TRY_DNNL(call)                                                                \
    do {                                                                              \
        dnnl_status_t dnnl_code_ = (call);                                            \
        if (dnnl_code_ != dnnl_success)                                               \
            FAIL(ERR_KERNEL, "oneDNN refused %s: status %d", #call, (int)dnnl_code_); \
    } while (0)

/* Compile a hot loop for several instruction sets, chosen when the program starts. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
#define CPU_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CPU_CLONES
#endif

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

/* Make s->scratch at least n floats; what it held is lost. */
int cpu_need_scratch(struct cpu_state *s, size_t n);

/* x becomes exp((x - max) * scale); returns the sum. */
float cpu_exponentiate(float *x, size_t n, float scale);

int cpu_linear_pack(void *state, struct linear *linear, const struct linear_spec *spec);
int cpu_linear_run(void *state, struct linear *linear, const float *x, size_t n_rows, float *y);
void cpu_linear_free(void *state, struct linear *linear);
int cpu_product(void *state, const struct product *p);

int cpu_attend(void *state, const struct attention *a);
int cpu_attend_grad(void *state, const struct attention *a, const struct attention_grad *g);
int cpu_mass(void *state, float *sim, size_t n_rows, size_t n, const float *anomalous, float tau,
             float *mass);
int cpu_nearest(void *state, float *sim, size_t n_rows, size_t n, const float *anomalous, float tau,
                float *mass);

int cpu_layer_norm(void *state, const struct norm *norm);
int cpu_layer_norm_grad(void *state, const struct norm_grad *g);
int cpu_activate(void *state, enum activation act, const float *x, size_t n, float *y);
int cpu_activate_grad(void *state, enum activation act, const float *x, size_t n, float *grad);
int cpu_pool(void *state, const float *x, size_t grid, size_t dim, float *y);
int cpu_unit(void *state, float *x, size_t n_rows, size_t dim);

int cpu_upsample(void *state, const float *x, size_t n, size_t grid, size_t side, float *y);
int cpu_smooth(void *state, float *x, size_t n, size_t side, const double *weight, size_t radius);

#endif /* OPS_CPU_INT_H */
