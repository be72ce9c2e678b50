/* metrics_bench.c - see metrics.h: the cost of one class of maps. */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "metrics/metrics.h"

#include <math.h>

enum {
    CELLS = 37,
    SEED = 518
}; /* a map is 37 x 37 patch scores made larger, as in the real flow */

/* Patch scores of an image: noise, and a bump of `height` at cell (y, x). */
static void make_patches(float *patch, size_t image, float y, float x, float height)
{
    for (size_t i = 0; i < CELLS * CELLS; i++) {
        float dy = (float)(i / CELLS) - y;
        float dx = (float)(i % CELLS) - x;
        float noise = rng_uniform(SEED, image * CELLS * CELLS + i);
        patch[i] = 0.5F + 0.1F * noise + height * expf(-(dy * dy + dx * dx) / 8);
    }
}

/* Bilinear enlargement to [side, side]. */
static void enlarge(float *map, size_t side, const float *patch)
{
    float scale = (float)(CELLS - 1) / (float)side;
    for (size_t y = 0; y < side; y++) {
        float fy = (float)y * scale;
        const float *row = patch + (size_t)fy * CELLS;
        float wy = fy - floorf(fy);
        for (size_t x = 0; x < side; x++) {
            float fx = (float)x * scale;
            size_t c = (size_t)fx;
            float wx = fx - floorf(fx);
            float top = row[c] + wx * (row[c + 1] - row[c]);
            float low = row[c + CELLS] + wx * (row[c + CELLS + 1] - row[c + CELLS]);
            map[y * side + x] = top + wy * (low - top);
        }
    }
}

/* A disc of radius side / 8 around cell (y, x), the bump's place in pixels. */
static void make_mask(uint8_t *mask, size_t side, float y, float x)
{
    float scale = (float)(CELLS - 1) / (float)side;
    float radius = (float)CELLS / 8;
    for (size_t i = 0; i < side * side; i++) {
        float dy = (float)(i / side) * scale - y;
        float dx = (float)(i % side) * scale - x;
        mask[i] = dy * dy + dx * dx < radius * radius;
    }
}

static int bench_image(struct metrics_bench *out, struct metric_set *set, size_t image, size_t side,
                       float *map, uint8_t *mask)
{
    int rc = ERR_OK;
    float patch[CELLS * CELLS];
    uint8_t label = image % 2;
    float y = 18 + 12 * rng_uniform(SEED + 1, 2 * image);
    float x = 18 + 12 * rng_uniform(SEED + 1, 2 * image + 1);
    double start;
    make_patches(patch, image, y, x, label ? 0.2F : 0);
    enlarge(map, side, patch);
    if (label)
        make_mask(mask, side, y, x);
    start = clock_now();
    TRY(metric_set_add(set, label, patch[0], map, label ? mask : NULL));
    out->add_s += clock_now() - start;
out:
    return rc;
}

int metrics_bench(struct metrics_bench *out, size_t n_images, size_t side)
{
    int rc = ERR_OK;
    struct metric_set *set = NULL;
    struct metric_options options = METRIC_OPTIONS;
    float *map = NULL;
    uint8_t *mask = NULL;
    double start;
    *out = (struct metrics_bench){0};
    if (side < 16)
        FAIL(ERR_USAGE, "maps of side %zu are too small to measure, at least 16 wanted", side);
    TRY(metric_set_new(&set, side, side));
    TRY(MEM_NEW(map, side * side));
    TRY(MEM_NEW(mask, side * side));
    for (size_t i = 0; i < n_images; i++)
        TRY(bench_image(out, set, i, side, map, mask));
    start = clock_now();
    TRY(metric_set_compute(set, &options, &out->row));
    out->compute_s = clock_now() - start;
    out->n_px = out->row.n_normal_px + out->row.n_defect_px;
    out->defect_share = out->n_px ? (double)out->row.n_defect_px / (double)out->n_px : 0;
out:
    metric_set_free(&set);
    MEM_FREE(map);
    MEM_FREE(mask);
    return rc;
}
