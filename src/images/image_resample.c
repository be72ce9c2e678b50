/*
 * image_resample.c - resizing of 8-bit pixels, equal to Pillow's to the last bit.
 *
 * Two passes, rows first. The filter is widened by the scale when the image shrinks (antialiasing).
 * Weights are computed in double, normalised to sum 1 and rounded to fixed point; each pass rounds
 * its sums to 8 bits. The order of operations is part of the result: do not rearrange.
 */
#include "images/image_int.h"

#include "base/err.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

enum { WEIGHT_BITS = 32 - 8 - 2, MAX_SIDE = 1 << 14 };

/* The weights of one axis: output i reads source positions first[i] to first[i] + count[i] - 1. */
struct weights {
    size_t width;    /* most taps of an output */
    size_t *first;   /* [n_out], owned */
    size_t *count;   /* [n_out], owned */
    int32_t *weight; /* [n_out, width], fixed point, owned */
};

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys' cubic with a = -0.5 */
static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0)
        return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

static void weights_free(struct weights *w)
{
    MEM_FREE(w->first);
    MEM_FREE(w->count);
    MEM_FREE(w->weight);
}

static int32_t fixed_point(double w)
{
    return (int32_t)((w < 0.0 ? -0.5 : 0.5) + w * (1 << WEIGHT_BITS));
}

/* Weights of output i around `centre`; tap is scratch for w->width doubles. */
static void weights_of(struct weights *w, size_t i, double centre, double scale, double *tap,
                       double (*filter)(double))
{
    double sum = 0.0;
    double inverse = 1.0 / scale;
    for (size_t k = 0; k < w->count[i]; k++) {
        tap[k] = filter(((double)(k + w->first[i]) - centre + 0.5) * inverse);
        sum += tap[k];
    }
    for (size_t k = 0; k < w->count[i]; k++)
        w->weight[i * w->width + k] = fixed_point(sum != 0.0 ? tap[k] / sum : tap[k]);
}

static int weights_new(struct weights *w, size_t n_in, size_t n_out, enum resample_filter kind)
{
    int rc = ERR_OK;
    double scale = (double)n_in / (double)n_out;
    double wide = scale < 1.0 ? 1.0 : scale;
    double support = (kind == RESAMPLE_BICUBIC ? 2.0 : 1.0) * wide;
    double *tap = NULL;
    w->width = (size_t)ceil(support) * 2 + 1;
    TRY(MEM_NEW(tap, w->width));
    TRY(MEM_NEW(w->first, n_out));
    TRY(MEM_NEW(w->count, n_out));
    TRY(MEM_NEW(w->weight, n_out * w->width));
    for (size_t i = 0; i < n_out; i++) {
        double centre = ((double)i + 0.5) * scale;
        double low = centre - support + 0.5;
        size_t end = (size_t)(centre + support + 0.5);
        w->first[i] = low > 0.0 ? (size_t)low : 0;
        w->count[i] = (end < n_in ? end : n_in) - w->first[i];
        weights_of(w, i, centre, wide, tap, kind == RESAMPLE_BICUBIC ? bicubic : bilinear);
    }
out:
    MEM_FREE(tap);
    return rc;
}

static inline uint8_t round_sum(int32_t sum)
{
    int32_t v = sum >> WEIGHT_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/*
 * The compiler makes one version for AVX2 and one for any x86-64, the loader picks: without AVX2's
 * 32-bit multiplication these loops take at least twice as long. Sums are integers, so that both
 * versions give the same bits.
 */
#if defined(__x86_64__) && defined(__GNUC__)
#define VECTOR_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define VECTOR_CLONES
#endif

enum { GROUP = 4 }; /* taps that are summed side by side */

/*
 * Sum of count taps of one output; inlined with a constant number of channels so that the inner
 * loop is a few vector operations.
 */
static inline void dot(uint8_t *out, const uint8_t *p, const int32_t *weight, size_t count,
                       const size_t channels)
{
    int32_t lane[GROUP * 4] = {0};
    size_t k = 0;
    for (; k + GROUP <= count; k += GROUP)
        for (size_t j = 0; j < GROUP * channels; j++)
            lane[j] += p[k * channels + j] * weight[k + j / channels];
    for (; k < count; k++)
        for (size_t c = 0; c < channels; c++)
            lane[c] += p[k * channels + c] * weight[k];
    for (size_t c = 0; c < channels; c++) {
        int32_t sum = 1 << (WEIGHT_BITS - 1);
        for (size_t j = c; j < GROUP * channels; j += channels)
            sum += lane[j];
        out[c] = round_sum(sum);
    }
}

static inline void row_pass(uint8_t *out, const uint8_t *in, const struct weights *w, size_t n_out,
                            const size_t channels)
{
    for (size_t i = 0; i < n_out; i++)
        dot(out + i * channels, in + w->first[i] * channels, w->weight + i * w->width, w->count[i],
            channels);
}

VECTOR_CLONES static void rows(uint8_t *out, const uint8_t *in, const struct weights *w,
                               const struct resample *job, size_t n_rows)
{
    size_t in_row = job->width * job->channels;
    size_t out_row = job->side * job->channels;
    for (size_t y = 0; y < n_rows; y++, in += in_row, out += out_row)
        switch (job->channels) {
        case 1:
            row_pass(out, in, w, job->side, 1);
            break;
        case 2:
            row_pass(out, in, w, job->side, 2);
            break;
        case 3:
            row_pass(out, in, w, job->side, 3);
            break;
        default:
            row_pass(out, in, w, job->side, 4);
        }
}

/* in [.., row] starts at source row `base`; sum [row] is scratch. */
VECTOR_CLONES static void columns(uint8_t *out, const uint8_t *in, const struct weights *w,
                                  size_t base, size_t n_out, size_t row, int32_t *restrict sum)
{
    for (size_t i = 0; i < n_out; i++) {
        const uint8_t *restrict p = in + (w->first[i] - base) * row;
        for (size_t x = 0; x < row; x++)
            sum[x] = 1 << (WEIGHT_BITS - 1);
        for (size_t k = 0; k < w->count[i]; k++, p += row) {
            int32_t weight = w->weight[i * w->width + k];
            for (size_t x = 0; x < row; x++)
                sum[x] += p[x] * weight;
        }
        for (size_t x = 0; x < row; x++)
            out[i * row + x] = round_sum(sum[x]);
    }
}

static int check_side(const struct resample *job)
{
    int rc = ERR_OK;
    if (job->side == 0 || job->side > MAX_SIDE)
        FAIL(ERR_SHAPE, "cannot resize to a side of %zu pixels, wanted 1 to %d", job->side,
             (int)MAX_SIDE);
out:
    return rc;
}

/* Both passes, or the one that is needed; the first runs only over rows that the second reads. */
static int passes(uint8_t *out, const uint8_t *in, const struct resample *job)
{
    int rc = ERR_OK;
    struct weights across = {0};
    struct weights down = {0};
    uint8_t *between = NULL;
    int32_t *sum = NULL;
    size_t row = job->side * job->channels;
    size_t last = job->side - 1;
    size_t base = 0;
    size_t n_rows;
    TRY(weights_new(&across, job->width, job->side, job->filter));
    TRY(weights_new(&down, job->height, job->side, job->filter));
    if (job->height == job->side) {
        rows(out, in, &across, job, job->height);
        goto out;
    }
    base = down.first[0];
    n_rows = down.first[last] + down.count[last] - base;
    in += base * job->width * job->channels;
    TRY(MEM_NEW(sum, row));
    if (job->width != job->side) {
        TRY(MEM_NEW(between, n_rows * row));
        rows(between, in, &across, job, n_rows);
        in = between;
    }
    columns(out, in, &down, base, job->side, row, sum);
out:
    weights_free(&across);
    weights_free(&down);
    MEM_FREE(between);
    MEM_FREE(sum);
    return rc;
}

int image_resample(uint8_t *out, const uint8_t *in, const struct resample *job)
{
    int rc = ERR_OK;
    BUG_ON(job->channels < 1 || job->channels > 4);
    TRY(check_side(job));
    if (job->width == job->side && job->height == job->side)
        memcpy(out, in, job->side * job->side * job->channels);
    else
        TRY(passes(out, in, job));
out:
    return rc;
}

/* The source position of each output; positions are summed up step by step, as in Pillow. */
static void nearest_positions(size_t *position, size_t n_in, size_t n_out)
{
    double step = (double)n_in / (double)n_out;
    double at = step * 0.5;
    for (size_t i = 0; i < n_out; i++, at += step)
        position[i] = (size_t)at < n_in ? (size_t)at : n_in - 1;
}

int image_resample_nearest(uint8_t *out, const uint8_t *in, const struct resample *job)
{
    int rc = ERR_OK;
    size_t *x_of = NULL;
    size_t *y_of = NULL;
    size_t pixel = job->channels;
    TRY(check_side(job));
    TRY(MEM_NEW(x_of, job->side));
    TRY(MEM_NEW(y_of, job->side));
    nearest_positions(x_of, job->width, job->side);
    nearest_positions(y_of, job->height, job->side);
    for (size_t y = 0; y < job->side; y++)
        for (size_t x = 0; x < job->side; x++, out += pixel)
            memcpy(out, in + (y_of[y] * job->width + x_of[x]) * pixel, pixel);
out:
    MEM_FREE(x_of);
    MEM_FREE(y_of);
    return rc;
}
