/*
 * ops.h - the compute kernels, behind one table.
 *
 * A variant ("ref": plain C, the standard for the others; "cpu": oneDNN and OpenMP) is opened by
 * name. Arrays are float32, row-major, and live where the variant computes: memory from ops_alloc,
 * filled by ops_upload and read by ops_download. For host variants those are plain copies and any
 * host pointer is as good. A kernel runs to its end before it returns. One thread at a time may use
 * an opened variant.
 */
#ifndef OPS_OPS_H
#define OPS_OPS_H

#include <stdbool.h>
#include <stddef.h>

struct ops;    /* an opened variant */
struct linear; /* weights in the layout the variant likes best; belongs to the ops that packed it */

enum activation { ACT_NONE, ACT_QUICK_GELU }; /* x * sigmoid(1.702 x) */

struct linear_spec {
    size_t n_in, n_out;
    const float *weight; /* [n_out, n_in], host memory, only read during packing */
    const float *bias;   /* [n_out], host memory, or NULL */
    enum activation act;
    bool adds; /* y += result instead of y = result (the residual) */
};

/* Softmax attention of n_heads heads of head_dim, without mask. Head h uses columns h*head_dim on. */
struct attention {
    const float *query, *key, *value; /* rows of `stride` floats */
    float *out;                       /* rows of out_stride floats */
    size_t stride, out_stride;
    size_t n_query, n_key;
    size_t n_heads, head_dim;
};

/* Names of the known variants, in order of preference; *n is their number. */
const char *const *ops_names(size_t *n);

/* Open a variant by name ("auto": the best). threads >= 1. Free with ops_close. */
int ops_open(struct ops **out, const char *name, int threads);
void ops_close(struct ops **ops);
const char *ops_name(const struct ops *ops);

/* Memory of n floats where the variant computes, zeroed. Release with ops_drop. */
int ops_alloc(struct ops *ops, float **out, size_t n);
void ops_drop(struct ops *ops, float **array);

/* Copy n floats to and from host memory. */
int ops_upload(struct ops *ops, float *dst, const float *src, size_t n);
int ops_download(struct ops *ops, float *dst, const float *src, size_t n);

/* Copy n floats within the variant's memory. */
int ops_copy(struct ops *ops, float *dst, const float *src, size_t n);

/* Pack a linear map y = act(x W^T + b); free with linear_free before ops_close. */
int linear_pack(struct ops *ops, struct linear **out, const struct linear_spec *spec);

/* x [n_rows, n_in] -> y [n_rows, n_out]; x and y do not overlap. */
int linear_run(struct ops *ops, struct linear *linear, const float *x, size_t n_rows, float *y);
void linear_free(struct ops *ops, struct linear **linear);

/* Rows of an image [3, side, side] cut into patches: out [(side/patch)^2, 3*patch*patch]. */
int ops_patches(struct ops *ops, const float *image, size_t side, size_t patch, float *out);

/* Layer norm with epsilon 1e-5 over the last dimension; y may be x. */
int ops_layer_norm(struct ops *ops, const float *x, const float *weight, const float *bias,
                   size_t n_rows, size_t dim, float *y);

/* softmax(q k^T / sqrt(head_dim)) v for every head; the score matrix is never stored whole. */
int ops_attend(struct ops *ops, const struct attention *a);

/*
 * Neighbour pooling of a grid of patches [grid*grid, dim]: the mean of 1x1, 3x3 and 5x5 average
 * pooling, stride 1, zero padding counted. y may not be x.
 */
int ops_pool(struct ops *ops, const float *x, size_t grid, size_t dim, float *y);

/* Divide every row by its Euclidean norm. In place. */
int ops_unit(struct ops *ops, float *x, size_t n_rows, size_t dim);

/*
 * Retrieval, eq. "softmax(Q K^T / tau) V": `keys` is a linear map whose weight rows are the keys
 * [n_keys, dim] without bias; anomalous [n_keys] is 1 for anomalous entries, else 0. mass [n_rows]
 * is the softmax mass on anomalous entries.
 */
int ops_retrieve(struct ops *ops, struct linear *keys, const float *query, size_t n_rows,
                 const float *anomalous, float tau, float *mass);

/* Bilinear upsampling (align_corners=False) of n maps [grid, grid] to [side, side]. */
int ops_upsample(struct ops *ops, const float *x, size_t n, size_t grid, size_t side, float *y);

/*
 * Gaussian smoothing of n maps [side, side] in place, as scipy.ndimage.gaussian_filter does for
 * float32: reflected borders, truncated at 4 sigma, double sums, float32 between the axes.
 * sigma 0 leaves the maps as they are.
 */
int ops_smooth(struct ops *ops, float *x, size_t n, size_t side, double sigma);

/*
 * A product of matrices that are not packed: c [m, n] = a b, or c += a b when `adds`. a is [m, k], or
 * stored as [k, m] when a_turned; b is [k, n], or stored as [n, k] when b_turned. Rows are lda, ldb
 * and ldc floats apart. c overlaps neither a nor b.
 */
struct product {
    size_t m, n, k;
    const float *a, *b;
    float *c;
    size_t lda, ldb, ldc;
    bool a_turned, b_turned, adds;
};

int ops_product(struct ops *ops, const struct product *p);

/* Name and version of the library behind the cpu variant; static storage. */
const char *ops_library(void);

#endif /* OPS_OPS_H */
