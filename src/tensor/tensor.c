/* tensor.c - see tensor.h. */
#include "tensor/tensor.h"

#include "base/err.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [DTYPE_F32] = {"f32", 4}, [DTYPE_F16] = {"f16", 2}, [DTYPE_BF16] = {"bf16", 2},
    [DTYPE_F64] = {"f64", 8}, [DTYPE_U8] = {"u8", 1},   [DTYPE_I32] = {"i32", 4},
    [DTYPE_I64] = {"i64", 8},
};

size_t dtype_size(enum dtype dtype)
{
    return dtypes[dtype].size;
}

const char *dtype_name(enum dtype dtype)
{
    return dtypes[dtype].name;
}

int tensor_new(struct tensor *out, enum dtype dtype, int rank, const size_t *dim)
{
    int rc = ERR_OK;
    size_t n = 1;
    BUG_ON(rank < 0 || rank > TENSOR_MAX_RANK);
    *out = (struct tensor){.dtype = dtype, .rank = rank, .owned = true};
    for (int i = 0; i < rank; i++) {
        out->dim[i] = dim[i];
        if (__builtin_mul_overflow(n, dim[i], &n))
            FAIL(ERR_MEMORY, "tensor size overflows");
    }
    TRY(mem_get(&out->data, n, dtype_size(dtype)));
out:
    return rc;
}

struct tensor tensor_view(enum dtype dtype, int rank, const size_t *dim, const void *data)
{
    struct tensor t = {.dtype = dtype, .rank = rank, .data = (void *)(uintptr_t)data};
    BUG_ON(rank < 0 || rank > TENSOR_MAX_RANK);
    for (int i = 0; i < rank; i++)
        t.dim[i] = dim[i];
    return t;
}

void tensor_free(struct tensor *t)
{
    if (t->owned)
        mem_release(t->data);
    *t = (struct tensor){0};
}

size_t tensor_count(const struct tensor *t)
{
    size_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}

static float float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

float f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000U) << 16;
    uint32_t exponent = h >> 10 & 0x1fU;
    uint32_t mantissa = h & 0x3ffU;
    if (exponent == 31)
        return float_of_bits(sign | 0x7f800000U | mantissa << 13);
    if (exponent == 0) {
        float x = (float)mantissa * 0x1p-24F;
        return sign ? -x : x;
    }
    return float_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint16_t f32_to_f16(float x)
{
    uint32_t bits = bits_of_float(x);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000U);
    uint32_t magnitude = bits & 0x7fffffffU;
    uint32_t shift;
    uint32_t value;
    uint32_t rest;
    if (magnitude > 0x7f800000U)
        return (uint16_t)(sign | 0x7e00U);
    if (magnitude >= 0x477ff000U) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00U);
    if (magnitude < 0x33000000U) /* under half of the smallest subnormal */
        return sign;
    if (magnitude >= 0x38800000U) {
        value = magnitude - 0x38000000U;
        shift = 13;
    } else {
        shift = 126 - (magnitude >> 23);
        value = (magnitude & 0x7fffffU) | 0x800000U;
    }
    rest = value & ((1U << shift) - 1);
    value >>= shift;
    if (rest > 1U << (shift - 1) || (rest == 1U << (shift - 1) && (value & 1U)))
        value++;
    return (uint16_t)(sign | value);
}

float bf16_to_f32(uint16_t h)
{
    return float_of_bits((uint32_t)h << 16);
}

uint16_t f32_to_bf16(float x)
{
    uint32_t bits = bits_of_float(x);
    if ((bits & 0x7fffffffU) > 0x7f800000U)
        return (uint16_t)(bits >> 16 | 0x40U);
    bits += 0x7fffU + (bits >> 16 & 1U);
    return (uint16_t)(bits >> 16);
}

int floats_from(float *dst, const void *src, enum dtype dtype, size_t n)
{
    int rc = ERR_OK;
    const unsigned char *at = src;
    uint16_t half;
    switch (dtype) {
    case DTYPE_F32:
        memcpy(dst, src, n * sizeof *dst);
        break;
    case DTYPE_F16:
        for (size_t i = 0; i < n; i++) {
            memcpy(&half, at + 2 * i, sizeof half);
            dst[i] = f16_to_f32(half);
        }
        break;
    case DTYPE_BF16:
        for (size_t i = 0; i < n; i++) {
            memcpy(&half, at + 2 * i, sizeof half);
            dst[i] = bf16_to_f32(half);
        }
        break;
    default:
        FAIL(ERR_FORMAT, "%s is not a float type that can be read here", dtype_name(dtype));
    }
out:
    return rc;
}

int floats_to(void *dst, const float *src, enum dtype dtype, size_t n)
{
    int rc = ERR_OK;
    uint16_t *half = dst;
    switch (dtype) {
    case DTYPE_F32:
        memcpy(dst, src, n * sizeof *src);
        break;
    case DTYPE_F16:
        for (size_t i = 0; i < n; i++)
            half[i] = f32_to_f16(src[i]);
        break;
    case DTYPE_BF16:
        for (size_t i = 0; i < n; i++)
            half[i] = f32_to_bf16(src[i]);
        break;
    default:
        FAIL(ERR_FORMAT, "%s is not a float type that can be written here", dtype_name(dtype));
    }
out:
    return rc;
}

double floats_distance(const float *a, const float *b, size_t n)
{
    double gap = 0;
    double norm = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        gap += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return norm > 0 ? sqrt(gap / norm) : sqrt(gap);
}
