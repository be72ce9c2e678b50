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

/* From similarities sim [n_rows, n] to mass [n_rows]. */
typedef int ops_mass_fn(void *state, real *sim, size_t n_rows, size_t n, const real *anomalous,
                        real tau, real *mass);

struct ops_table {
    const char *name;
    const char *meaning;

    /* Make the variant's state for this many threads. Required, as are all below. */
    int (*open)(void **state, int threads);
    void (*close)(void *state);

    int (*alloc)(void *state, real **out, size_t n);
    void (*drop)(void *state, real *array);
    int (*copy_in)(void *state, real *dst, const real *src, size_t n);
    int (*copy_out)(void *state, real *dst, const real *src, size_t n);
    int (*copy)(void *state, real *dst, const real *src, size_t n);

    int (*linear_pack)(void *state, struct linear *linear, const struct linear_spec *spec);
    int (*linear_run)(void *state, struct linear *linear, const real *x, size_t n_rows, real *y);
    void (*linear_free)(void *state, struct linear *linear);

    int (*patches)(void *state, const real *image, size_t side, size_t patch, real *out);
    int (*layer_norm)(void *state, const struct norm *norm);
    int (*layer_norm_grad)(void *state, const struct norm_grad *g);
    int (*activate)(void *state, enum activation act, const real *x, size_t n, real *y);
    int (*activate_grad)(void *state, enum activation act, const real *x, size_t n, real *grad);
    /* n_items is at least 1 */
    int (*attend)(void *state, const struct attention *a);
    int (*attend_grad)(void *state, const struct attention *a, const struct attention_grad *g);
    int (*pool)(void *state, const real *x, size_t grid, size_t dim, real *y);
    int (*unit)(void *state, real *x, size_t n_rows, size_t dim);
    /* what is read off similarities [n_rows, n], which may be overwritten; see ops_retrieve and _nearest */
    ops_mass_fn *mass;
    ops_mass_fn *nearest;
    int (*upsample)(void *state, const real *x, size_t n, size_t grid, size_t side, real *y);
    int (*smooth)(void *state, real *x, size_t n, size_t side, const double *weight, size_t radius);
    int (*product)(void *state, const struct product *p);
};

extern const struct ops_table ops_ref;
extern const struct ops_table ops_cpu;

/* Host memory, shared by the host variants. */
int ops_host_alloc(void *state, real **out, size_t n);
void ops_host_drop(void *state, real *array);
int ops_host_copy(void *state, real *dst, const real *src, size_t n);

/* Cutting into patches is a plain copy and the same for all host variants. */
int ops_host_patches(void *state, const real *image, size_t side, size_t patch, real *out);

/* Sequence i of a batch: the pointers moved on, n_items 1. */
struct attention ops_attention_item(const struct attention *a, size_t i);
struct attention_grad ops_attention_grad_item(const struct attention_grad *g,
                                              const struct attention *a, size_t i);

/* Where output coordinate i reads: *low, *high and the weight of high, as torch computes them. */
void ops_bilinear_tap(size_t i, size_t n_in, size_t n_out, size_t *low, size_t *high,
                      float *weight);

/* Index of a mirrored border (d c b a | a b c d | d c b a), for any distance. */
size_t ops_reflect(ptrdiff_t i, size_t n);

#endif /* OPS_OPS_INT_H */
