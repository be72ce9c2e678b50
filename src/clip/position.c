/* position.c - a plane of positional embeddings at another size, as torch resamples it. */
#include "clip/vision_int.h"

#include <math.h>

/* Weights of the cells at distances 1 + x, x, 1 - x and 2 - x: cubic convolution with a = -0.75. */
static void cubic(double x, double weight[4])
{
    const double a = -0.75;
    const double far[2] = {1 + x, 2 - x};
    const double near[2] = {x, 1 - x};
    for (int i = 0; i < 2; i++) {
        weight[i ? 3 : 0] = ((a * far[i] - 5 * a) * far[i] + 8 * a) * far[i] - 4 * a;
        weight[i ? 2 : 1] = ((a + 2) * near[i] - (a + 3)) * near[i] * near[i] + 1;
    }
}

/* Where output i reads: four cells, those beyond the border are the border. */
static void find_taps(size_t i, size_t from, size_t to, size_t at[4], double weight[4])
{
    double x = ((double)i + 0.5) * (double)from / (double)to - 0.5;
    double low = floor(x);
    cubic(x - low, weight);
    for (int k = 0; k < 4; k++) {
        double cell = low - 1 + k;
        at[k] = cell < 0 ? 0 : cell > (double)(from - 1) ? from - 1 : (size_t)cell;
    }
}

void position_bicubic(const float *plane, size_t from, size_t to, float *out)
{
    for (size_t r = 0; r < to; r++) {
        size_t row[4], column[4];
        double down[4], across[4];
        find_taps(r, from, to, row, down);
        for (size_t c = 0; c < to; c++) {
            double sum = 0;
            find_taps(c, from, to, column, across);
            for (int y = 0; y < 4; y++)
                for (int x = 0; x < 4; x++)
                    sum += down[y] * across[x] * (double)plane[row[y] * from + column[x]];
            out[r * to + c] = (float)sum;
        }
    }
}
