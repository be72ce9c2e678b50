/*
 * ops.h - the compute kernels, behind one table.
 *
 * A variant ("ref": plain C, the standard for the others; "cpu": oneDNN and OpenMP) is opened by
 * name. Arrays are float32 (see real.h), row-major, and live where the variant computes: memory from ops_alloc,
 * filled by ops_upload and read by ops_download. For host variants those are plain copies and any
 * host pointer is as good. A kernel runs to its end before it returns. One thread at a time may use
 * an opened variant.
 */
#ifndef OPS_OPS_H
#define OPS_OPS_H

#include "ops/real.h"

#include <stdbool.h>
#include <stddef.h>

struct ops;    /* an opened variant */
struct linear; /* weights in the layout the variant likes best; belongs to the ops that packed it */

/* QuickGELU: x sigmoid(1.702 x). GELU: x P(X <= x) of a standard normal X, by the error function. */
enum activation { ACT_NONE, ACT_QUICK_GELU, ACT_GELU };

struct linear_spec {
    size_t n_in, n_out;
    const real *weight; /* [n_out, n_in], host memory, only read during packing */
    const real *bias;   /* [n_out], host memory, or NULL */
    enum activation act;
    bool adds; /* y += result instead of y = result (the residual) */
};

/*
 * Softmax attention of n_heads heads of head_dim. Head h uses columns h*head_dim on. n_items
 * independent sequences lie one after the other: sequence i owns rows [i * n_query, (i + 1) * n_query)
 * of query and out, and rows [i * n_key, ...) of key and value.
 */
struct attention {
    const real *query, *key, *value; /* rows of `stride` floats */
    real *out;                       /* rows of out_stride floats */
    size_t stride, out_stride;
    size_t n_query, n_key;
    size_t n_heads, head_dim;
    size_t n_items; /* 0 means 1 */
    bool causal;    /* row i sees keys 0..i only; n_query equals n_key */
};

/* Gradients beside a struct attention, in the layout of what they belong to. */
struct attention_grad {
    const real *out;           /* given: of the result, rows of out_stride */
    real *query, *key, *value; /* found: overwritten, rows of `stride` */
};

/* Arguments of ops_layer_norm: y = (x - mean) / sqrt(var + epsilon) weight + bias, row by row. */
struct norm {
    const real *x, *weight, *bias; /* [n_rows, dim], [dim], [dim] */
    real *y;                       /* [n_rows, dim], may be x */
    size_t n_rows, dim;
    double epsilon;
};

/* Arguments of ops_layer_norm_grad. */
struct norm_grad {
    const real *x;      /* [n_rows, dim], what went into the layer norm */
    const real *weight; /* [dim] */
    const real *y;      /* [n_rows, dim], gradient of the result */
    real *sum;          /* [n_rows, dim], the gradient of x is added to it; not y */
    size_t n_rows, dim;
    double epsilon;
};

/* Names of the known variants, in order of preference; *n is their number. */
const char *const *ops_names(size_t *n);

/* Open a variant by name ("auto": the best). threads >= 1. Free with ops_close. */
int ops_open(struct ops **out, const char *name, int threads);
void ops_close(struct ops **ops);
const char *ops_name(const struct ops *ops);

/* Memory of n floats where the variant computes, zeroed. Release with ops_drop. */
int ops_alloc(struct ops *ops, real **out, size_t n);
void ops_drop(struct ops *ops, real **array);

/* Copy n floats to and from host memory. */
int ops_upload(struct ops *ops, real *dst, const real *src, size_t n);
int ops_download(struct ops *ops, real *dst, const real *src, size_t n);

/* Copy n floats within the variant's memory. */
int ops_copy(struct ops *ops, real *dst, const real *src, size_t n);

/* Pack a linear map y = act(x W^T + b); free with linear_free before ops_close. */
int linear_pack(struct ops *ops, struct linear **out, const struct linear_spec *spec);

/* x [n_rows, n_in] -> y [n_rows, n_out]; x and y do not overlap. */
int linear_run(struct ops *ops, struct linear *linear, const real *x, size_t n_rows, real *y);
void linear_free(struct ops *ops, struct linear **linear);

/* Rows of an image [3, side, side] cut into patches: out [(side/patch)^2, 3*patch*patch]. */
int ops_patches(struct ops *ops, const real *image, size_t side, size_t patch, real *out);

int ops_layer_norm(struct ops *ops, const struct norm *norm);

/*
 * Its gradient: with x' = (x - mean) / sigma and g' = g weight, sum += (g' - mean(g') - x' mean(g' x'))
 * / sigma. Mean and sigma are found again from x, which is cheaper than keeping them.
 */
int ops_layer_norm_grad(struct ops *ops, const struct norm_grad *g);

/* y = act(x) of n numbers; y may be x. act is not ACT_NONE. */
int ops_activate(struct ops *ops, enum activation act, const real *x, size_t n, real *y);

/*
 * grad *= act'(x). QuickGELU: s + 1.702 x s (1 - s) with s = sigmoid(1.702 x); GELU: P(X <= x) + x p(x)
 * with the density p of a standard normal.
 */
int ops_activate_grad(struct ops *ops, enum activation act, const real *x, size_t n, real *grad);

/* softmax(q k^T / sqrt(head_dim)) v for every head; the score matrix is never stored whole. */
int ops_attend(struct ops *ops, const struct attention *a);

/*
 * Gradients of ops_attend for the same `a` (a->out is not read; the weights are found again from query
 * and key). With W the weights, G the gradient of the result and D = G v^T: value = W^T G,
 * S = W (D - rowsum(W D)) / sqrt(head_dim), query = S k, key = S^T q.
 */
int ops_attend_grad(struct ops *ops, const struct attention *a, const struct attention_grad *g);

/*
 * Neighbour pooling of a grid of patches [grid*grid, dim]: the mean of 1x1, 3x3 and 5x5 average
 * pooling, stride 1, zero padding counted. y may not be x.
 */
int ops_pool(struct ops *ops, const real *x, size_t grid, size_t dim, real *y);

/* Divide every row by its Euclidean norm. In place. */
int ops_unit(struct ops *ops, real *x, size_t n_rows, size_t dim);

/*
 * Retrieval, eq. "softmax(Q K^T / tau) V": `keys` is a linear map whose weight rows are the keys
 * [n_keys, dim] without bias; anomalous [n_keys] is 1 for anomalous entries, else 0. mass [n_rows]
 * is the softmax mass on anomalous entries.
 */
int ops_retrieve(struct ops *ops, struct linear *keys, const real *query, size_t n_rows,
                 const real *anomalous, real tau, real *mass);

/*
 * The same with one entry of each label, the nearest: with s_n and s_a the largest q k of normal and of
 * anomalous keys, mass = exp(s_a / tau) / (exp(s_n / tau) + exp(s_a / tau)); 0 where no key is
 * anomalous, 1 where none is normal.
 */
int ops_retrieve_nearest(struct ops *ops, struct linear *keys, const real *query, size_t n_rows,
                         const real *anomalous, real tau, real *mass);

/* Bilinear upsampling (align_corners=False) of n maps [grid, grid] to [side, side]. */
int ops_upsample(struct ops *ops, const real *x, size_t n, size_t grid, size_t side, real *y);

/*
 * Gaussian smoothing of n maps [side, side] in place, as scipy.ndimage.gaussian_filter does for
 * float32: reflected borders, truncated at 4 sigma, double sums, float32 between the axes.
 * sigma 0 leaves the maps as they are.
 */
int ops_smooth(struct ops *ops, real *x, size_t n, size_t side, double sigma);

/*
 * A product of matrices that are not packed: c [m, n] = a b, or c += a b when `adds`. a is [m, k], or
 * stored as [k, m] when a_turned; b is [k, n], or stored as [n, k] when b_turned. Rows are lda, ldb
 * and ldc floats apart. c overlaps neither a nor b.
 */
struct product {
    size_t m, n, k;
    const real *a, *b;
    real *c;
    size_t lda, ldb, ldc;
    bool a_turned, b_turned, adds;
};

int ops_product(struct ops *ops, const struct product *p);

/* Name and version of the library behind the cpu variant; static storage. */
const char *ops_library(void);

#endif /* OPS_OPS_H */
