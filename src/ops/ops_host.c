/* ops_host.c - what the variants that compute in host memory share. See ops_int.h. */
#include "base/err.h"
#include "base/mem.h"
#include "ops/ops_int.h"

#include <string.h>

int ops_host_alloc(void *state, real **out, size_t n)
{
    (void)state;
    return mem_get(out, n, sizeof **out);
}

void ops_host_drop(void *state, real *array)
{
    (void)state;
    mem_release(array);
}

int ops_host_copy(void *state, real *dst, const real *src, size_t n)
{
    (void)state;
    if (dst != src && n)
        memcpy(dst, src, n * sizeof *dst);
    return ERR_OK;
}

int ops_host_patches(void *state, const real *image, size_t side, size_t patch, real *out)
{
    size_t grid = side / patch;
    (void)state;
    for (size_t gy = 0; gy < grid; gy++)
        for (size_t gx = 0; gx < grid; gx++)
            for (size_t c = 0; c < 3; c++)
                for (size_t y = 0; y < patch; y++, out += patch)
                    memcpy(out, image + (c * side + gy * patch + y) * side + gx * patch,
                           patch * sizeof *out);
    return ERR_OK;
}

struct attention ops_attention_item(const struct attention *a, size_t i)
{
    struct attention item = *a;
    item.query += i * a->n_query * a->stride;
    item.key += i * a->n_key * a->stride;
    item.value += i * a->n_key * a->stride;
    item.out += i * a->n_query * a->out_stride;
    item.n_items = 1;
    return item;
}

struct attention_grad ops_attention_grad_item(const struct attention_grad *g,
                                              const struct attention *a, size_t i)
{
    struct attention_grad item = *g;
    item.out += i * a->n_query * a->out_stride;
    item.query += i * a->n_query * a->stride;
    item.key += i * a->n_key * a->stride;
    item.value += i * a->n_key * a->stride;
    return item;
}

void ops_bilinear_tap(size_t i, size_t n_in, size_t n_out, size_t *low, size_t *high, float *weight)
{
    float scale = (float)n_in / (float)n_out;
    float at = scale * ((float)i + 0.5F) - 0.5F;
    at = at < 0 ? 0 : at;
    *low = (size_t)at;
    *low = *low < n_in - 1 ? *low : n_in - 1;
    *high = *low + 1 < n_in ? *low + 1 : *low;
    *weight = at - (float)*low;
}

size_t ops_reflect(ptrdiff_t i, size_t n)
{
    ptrdiff_t period = 2 * (ptrdiff_t)n;
    i %= period;
    if (i < 0)
        i += period;
    return (size_t)(i < (ptrdiff_t)n ? i : period - 1 - i);
}
