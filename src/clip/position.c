/* position.c - a grid of positional embeddings at another size, as torch resamples it bicubically. */
#include "base/err.h"
#include "base/mem.h"
#include "clip/vision_int.h"

#include <math.h>

/* Cubic convolution at a distance: 0 from 2 on. */
static double cubic(double x, double a)
{
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* What output i takes from each of the input's cells; cells beyond the border are the border. */
static void plain_row(double *weight, size_t i, size_t from, size_t to)
{
    double x = ((double)i + 0.5) * (double)from / (double)to - 0.5;
    double low = floor(x);
    for (int k = -1; k <= 2; k++) {
        double cell = low + k;
        size_t at = cell < 0 ? 0 : cell > (double)(from - 1) ? from - 1 : (size_t)cell;
        weight[at] += cubic(x - cell, -0.75);
    }
}

/* The same with a filter that grows where cells merge, as Pillow's; cells beyond the border do not count. */
static void smooth_row(double *weight, size_t i, size_t from, size_t to)
{
    double scale = (double)from / (double)to;
    double width = scale > 1 ? scale : 1;
    double centre = ((double)i + 0.5) * scale;
    double low = floor(centre - 2 * width + 0.5);
    double high = floor(centre + 2 * width + 0.5);
    double sum = 0;
    for (size_t c = low > 0 ? (size_t)low : 0; c < from && (double)c < high; c++) {
        weight[c] = cubic(((double)c + 0.5 - centre) / width, -0.5);
        sum += weight[c];
    }
    for (size_t c = 0; c < from; c++)
        weight[c] /= sum;
}

int position_bicubic(const float *grid, size_t from, size_t to, size_t width, bool smooth,
                     float *out)
{
    int rc = ERR_OK;
    double *weight = NULL; /* [to, from] */
    double *rows = NULL;   /* [to, from, width] resampled downwards */
    double *sum = NULL;    /* [width] */
    TRY(MEM_NEW(weight, to * from));
    TRY(MEM_NEW(rows, to * from * width));
    TRY(MEM_NEW(sum, width));
    for (size_t i = 0; i < to; i++)
        (smooth ? smooth_row : plain_row)(weight + i * from, i, from, to);
    for (size_t r = 0; r < to; r++)
        for (size_t y = 0; y < from; y++)
            for (size_t i = 0; weight[r * from + y] != 0 && i < from * width; i++)
                rows[r * from * width + i] +=
                    weight[r * from + y] * (double)grid[y * from * width + i];
    for (size_t r = 0; r < to; r++)
        for (size_t c = 0; c < to; c++) {
            for (size_t i = 0; i < width; i++)
                sum[i] = 0;
            for (size_t x = 0; x < from; x++)
                for (size_t i = 0; weight[c * from + x] != 0 && i < width; i++)
                    sum[i] += weight[c * from + x] * rows[(r * from + x) * width + i];
            for (size_t i = 0; i < width; i++)
                out[(r * to + c) * width + i] = (float)sum[i];
        }
out:
    MEM_FREE(weight);
    MEM_FREE(rows);
    MEM_FREE(sum);
    return rc;
}
