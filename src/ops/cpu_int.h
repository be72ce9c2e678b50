/* cpu_int.h - what the files of the cpu variant share. */
#ifndef OPS_CPU_INT_H
#define OPS_CPU_INT_H

#include "ops/ops_int.h"

#include <oneapi/dnnl/dnnl.h>

struct cpu_state {
    int threads;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    float *scratch; /* attention scores, [threads, CPU_QUERY_BLOCK, most keys seen] */
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

int cpu_linear_pack(void *state, struct linear *linear, const struct linear_spec *spec);
int cpu_linear_run(void *state, struct linear *linear, const float *x, size_t n_rows, float *y);
void cpu_linear_free(void *state, struct linear *linear);
int cpu_product(void *state, const struct product *p);

int cpu_attend(void *state, const struct attention *a);
int cpu_mass(void *state, float *sim, size_t n_rows, size_t n, const float *anomalous, float tau,
             float *mass);

int cpu_layer_norm(void *state, const float *x, const float *weight, const float *bias,
                   size_t n_rows, size_t dim, float *y);
int cpu_pool(void *state, const float *x, size_t grid, size_t dim, float *y);
int cpu_unit(void *state, float *x, size_t n_rows, size_t dim);

int cpu_upsample(void *state, const float *x, size_t n, size_t grid, size_t side, float *y);
int cpu_smooth(void *state, float *x, size_t n, size_t side, const double *weight, size_t radius);

#endif /* OPS_CPU_INT_H */
