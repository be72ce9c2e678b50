/* cpu_map.c - upsampling and smoothing of anomaly maps. */
#include "base/err.h"
#include "base/mem.h"
#include "ops/cpu_int.h"

#include <string.h>

struct tap {
    size_t low, high;
    float weight;
};

static void upsample_row(const float *top, const float *bottom, float down, const struct tap *tap,
                         size_t side, float *y)
{
    for (size_t c = 0; c < side; c++) {
        struct tap t = tap[c];
        y[c] = (1 - down) * ((1 - t.weight) * top[t.low] + t.weight * top[t.high]) +
               down * ((1 - t.weight) * bottom[t.low] + t.weight * bottom[t.high]);
    }
}

int cpu_upsample(void *state, const float *x, size_t n, size_t grid, size_t side, float *y)
{
    int rc = ERR_OK;
    const struct cpu_state *s = state;
    struct tap *tap = NULL;
    TRY(MEM_NEW(tap, side));
    for (size_t i = 0; i < side; i++)
        ops_bilinear_tap(i, grid, side, &tap[i].low, &tap[i].high, &tap[i].weight);
#pragma omp parallel for num_threads(s->threads)
    for (size_t i = 0; i < n * side; i++) {
        const float *map = x + i / side * grid * grid;
        struct tap t = tap[i % side];
        upsample_row(map + t.low * grid, map + t.high * grid, t.weight, tap, side, y + i * side);
    }
out:
    MEM_FREE(tap);
    return rc;
}

/* sum += (a + b) * weight, in double as scipy does */
CPU_CLONES static void add_pair(double *sum, const float *a, const float *b, double weight,
                                size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        sum[i] += ((double)a[i] + (double)b[i]) * weight;
}

CPU_CLONES static void start_sum(double *sum, const float *a, double weight, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        sum[i] = (double)a[i] * weight;
}

/* Down the columns: whole rows of the map are added, so the loop runs along memory. */
static void smooth_down(const float *x, size_t side, size_t row, const double *weight,
                        size_t radius, double *sum, float *y)
{
    start_sum(sum, x + row * side, weight[0], side);
    for (size_t j = radius; j > 0; j--)
        add_pair(sum, x + ops_reflect((ptrdiff_t)row - (ptrdiff_t)j, side) * side,
                 x + ops_reflect((ptrdiff_t)(row + j), side) * side, weight[j], side);
    for (size_t c = 0; c < side; c++)
        y[c] = (float)sum[c];
}

/* Along a row: the row is copied between mirrored borders, then added to itself shifted. */
static void smooth_along(float *x, size_t side, const double *weight, size_t radius, double *sum,
                         float *padded)
{
    for (size_t i = 0; i < side + 2 * radius; i++)
        padded[i] = x[ops_reflect((ptrdiff_t)i - (ptrdiff_t)radius, side)];
    start_sum(sum, padded + radius, weight[0], side);
    for (size_t j = radius; j > 0; j--)
        add_pair(sum, padded + radius - j, padded + radius + j, weight[j], side);
    for (size_t c = 0; c < side; c++)
        x[c] = (float)sum[c];
}

static int smooth_map(float *x, size_t side, const double *weight, size_t radius)
{
    int rc = ERR_OK;
    float *copy = NULL;
    float *padded = NULL;
    double *sum = NULL;
    TRY(MEM_NEW(copy, side * side));
    TRY(MEM_NEW(padded, side + 2 * radius));
    TRY(MEM_NEW(sum, side));
    memcpy(copy, x, side * side * sizeof *x);
    for (size_t r = 0; r < side; r++)
        smooth_down(copy, side, r, weight, radius, sum, x + r * side);
    for (size_t r = 0; r < side; r++)
        smooth_along(x + r * side, side, weight, radius, sum, padded);
out:
    MEM_FREE(copy);
    MEM_FREE(padded);
    MEM_FREE(sum);
    return rc;
}

int cpu_smooth(void *state, float *x, size_t n, size_t side, const double *weight, size_t radius)
{
    int worst = ERR_OK;
    const struct cpu_state *s = state;
#pragma omp parallel for num_threads(s->threads) reduction(max : worst)
    for (size_t m = 0; m < n; m++) {
        int one = smooth_map(x + m * side * side, side, weight, radius);
        worst = one > worst ? one : worst;
    }
    return worst;
}
