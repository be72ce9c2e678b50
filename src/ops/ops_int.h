/*
 * ops_int.h - the kernel table that every variant fills.
 *
 * To add a variant: one file (or several with its prefix) that fills a const struct ops_table, and one
 * line in ops.c. tests/ops runs all cases on all variants.
 */
#ifndef OPS_OPS_INT_H
#define OPS_OPS_INT_H

#include "ops/ops.h"

struct linear {
    size_t n_in, n_out;
    enum activation act;
    bool adds;
    void *packed; /* the variant's own */
};

struct ops_table {
    const char *name;
    const char *meaning;

    /* Make the variant's state for this many threads. Required, as are all below. */
    int (*open)(void **state, int threads);
    void (*close)(void *state);

    int (*alloc)(void *state, float **out, size_t n);
    void (*drop)(void *state, float *array);
    int (*copy_in)(void *state, float *dst, const float *src, size_t n);
    int (*copy_out)(void *state, float *dst, const float *src, size_t n);
    int (*copy)(void *state, float *dst, const float *src, size_t n);

    int (*linear_pack)(void *state, struct linear *linear, const struct linear_spec *spec);
    int (*linear_run)(void *state, struct linear *linear, const float *x, size_t n_rows, float *y);
    void (*linear_free)(void *state, struct linear *linear);

    int (*patches)(void *state, const float *image, size_t side, size_t patch, float *out);
    int (*layer_norm)(void *state, const float *x, const float *weight, const float *bias,
                      size_t n_rows, size_t dim, float *y);
    int (*attend)(void *state, const struct attention *a);
    int (*pool)(void *state, const float *x, size_t grid, size_t dim, float *y);
    int (*unit)(void *state, float *x, size_t n_rows, size_t dim);
    /* sim [n_rows, n] is overwritten */
    int (*mass)(void *state, float *sim, size_t n_rows, size_t n, const float *anomalous, float tau,
                float *mass);
    int (*upsample)(void *state, const float *x, size_t n, size_t grid, size_t side, float *y);
    int (*smooth)(void *state, float *x, size_t n, size_t side, const double *weight,
                  size_t radius);
    int (*product)(void *state, const struct product *p);
};

extern const struct ops_table ops_ref;
extern const struct ops_table ops_cpu;

/* Host memory, shared by the host variants. */
int ops_host_alloc(void *state, float **out, size_t n);
void ops_host_drop(void *state, float *array);
int ops_host_copy(void *state, float *dst, const float *src, size_t n);

/* Cutting into patches is a plain copy and the same for all host variants. */
int ops_host_patches(void *state, const float *image, size_t side, size_t patch, float *out);

/* Where output coordinate i reads: *low, *high and the weight of high, as torch computes them. */
void ops_bilinear_tap(size_t i, size_t n_in, size_t n_out, size_t *low, size_t *high,
                      float *weight);

/* Index of a mirrored border (d c b a | a b c d | d c b a), for any distance. */
size_t ops_reflect(ptrdiff_t i, size_t n);

#endif /* OPS_OPS_INT_H */
