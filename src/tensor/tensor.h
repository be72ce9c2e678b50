/*
 * tensor.h - an array with shape and element type, in host memory, and 16-bit float conversions.
 *
 * Row-major. A tensor owns its data unless made by tensor_view.
 */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dtype { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_F64, DTYPE_U8, DTYPE_I32, DTYPE_I64 };

enum { TENSOR_MAX_RANK = 4 };

struct tensor {
    enum dtype dtype;
    int rank;
    size_t dim[TENSOR_MAX_RANK];
    void *data;
    bool owned;
};

/* Bytes of one element. */
size_t dtype_size(enum dtype dtype);

/* "f32", "f16", ... */
const char *dtype_name(enum dtype dtype);

/* New zeroed tensor; release with tensor_free. */
int tensor_new(struct tensor *out, enum dtype dtype, int rank, const size_t *dim);

/* A tensor that borrows data. */
struct tensor tensor_view(enum dtype dtype, int rank, const size_t *dim, const void *data);

/* Release owned data and make it empty. */
void tensor_free(struct tensor *t);

/* Number of elements. */
size_t tensor_count(const struct tensor *t);

/* IEEE half and bfloat16 to float (exact) and back (round to nearest even; NaN stays NaN). */
float f16_to_f32(uint16_t h);
uint16_t f32_to_f16(float x);
float bf16_to_f32(uint16_t h);
uint16_t f32_to_bf16(float x);

/* n floats from any of F32, F16, BF16. src may be unaligned. ERR_FORMAT for other types. */
int floats_from(float *dst, const void *src, enum dtype dtype, size_t n);

/* n floats to any of F32, F16, BF16. ERR_FORMAT for other types. */
int floats_to(void *dst, const float *src, enum dtype dtype, size_t n);

/*
 * Relative error in the Frobenius norm, |a-b| / |b|; |a| where b is all zero. NaN anywhere gives NaN,
 * so a comparison `!(error <= limit)` fails.
 */
double floats_distance(const float *a, const float *b, size_t n);

#endif /* TENSOR_TENSOR_H */
