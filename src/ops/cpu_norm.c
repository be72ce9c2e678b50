/* cpu_norm.c - layer norm, unit rows, neighbour pooling: one thread a row. */
#include "base/err.h"
#include "base/mem.h"
#include "ops/cpu_int.h"

#include <math.h>

CPU_CLONES static void layer_norm_row(const float *x, const float *weight, const float *bias,
                                      size_t dim, float epsilon, float *y)
{
    float mean = 0;
    float var = 0;
    float scale;
#pragma omp simd reduction(+ : mean)
    for (size_t i = 0; i < dim; i++)
        mean += x[i];
    mean /= (float)dim;
#pragma omp simd reduction(+ : var)
    for (size_t i = 0; i < dim; i++)
        var += (x[i] - mean) * (x[i] - mean);
    scale = 1.0F / sqrtf(var / (float)dim + epsilon);
#pragma omp simd
    for (size_t i = 0; i < dim; i++)
        y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

int cpu_layer_norm(void *state, const struct norm *norm)
{
    const struct cpu_state *s = state;
    size_t dim = norm->dim;
#pragma omp parallel for num_threads(s->threads)
    for (size_t r = 0; r < norm->n_rows; r++)
        layer_norm_row(norm->x + r * dim, norm->weight, norm->bias, dim, (float)norm->epsilon,
                       norm->y + r * dim);
    return ERR_OK;
}

CPU_CLONES static void unit_row(float *x, size_t dim)
{
    float sum = 0;
    float norm;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < dim; i++)
        sum += x[i] * x[i];
    norm = sqrtf(sum);
#pragma omp simd
    for (size_t i = 0; i < dim; i++)
        x[i] /= norm;
}

int cpu_unit(void *state, float *x, size_t n_rows, size_t dim)
{
    const struct cpu_state *s = state;
#pragma omp parallel for num_threads(s->threads)
    for (size_t r = 0; r < n_rows; r++)
        unit_row(x + r * dim, dim);
    return ERR_OK;
}

/* sum += all cells of a row of the grid within `reach` of column c. */
CPU_CLONES static void add_cells(float *sum, const float *row, size_t first, size_t last,
                                 size_t dim)
{
    for (size_t c = first; c <= last; c++)
#pragma omp simd
        for (size_t i = 0; i < dim; i++)
            sum[i] += row[c * dim + i];
}

static void add_window(float *sum, const float *x, const size_t cell[2], size_t grid, size_t dim,
                       size_t reach)
{
    size_t top = cell[0] > reach ? cell[0] - reach : 0;
    size_t left = cell[1] > reach ? cell[1] - reach : 0;
    size_t bottom = cell[0] + reach < grid ? cell[0] + reach : grid - 1;
    size_t right = cell[1] + reach < grid ? cell[1] + reach : grid - 1;
    for (size_t i = 0; i < dim; i++)
        sum[i] = 0;
    for (size_t r = top; r <= bottom; r++)
        add_cells(sum, x + r * grid * dim, left, right, dim);
}

int cpu_pool(void *state, const float *x, size_t grid, size_t dim, float *y)
{
    int rc = ERR_OK;
    const struct cpu_state *s = state;
    float *scratch = NULL;
    TRY(MEM_NEW(scratch, grid * dim * 2));
#pragma omp parallel for num_threads(s->threads)
    for (size_t r = 0; r < grid; r++) {
        float *near = scratch + r * dim * 2;
        float *far = near + dim;
        for (size_t c = 0; c < grid; c++) {
            const size_t cell[2] = {r, c};
            const float *self = x + (r * grid + c) * dim;
            float *to = y + (r * grid + c) * dim;
            add_window(near, x, cell, grid, dim, 1);
            add_window(far, x, cell, grid, dim, 2);
#pragma omp simd
            for (size_t i = 0; i < dim; i++)
                to[i] = (self[i] + near[i] / 9.0F + far[i] / 25.0F) / 3.0F;
        }
    }
out:
    MEM_FREE(scratch);
    return rc;
}
