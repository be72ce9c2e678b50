/*
 * metrics_region.c - see metrics_int.h: 8-connected regions of a mask.
 *
 * Works on runs of defect pixels, not on pixels: a mask is mostly zero, and runs also tell where the
 * stretches of normal pixels are. Union-find over the runs of neighbouring rows; no recursion.
 */
#include "base/err.h"
#include "base/mem.h"
#include "metrics/metrics_int.h"

static uint32_t find_root(struct run *run, uint32_t i)
{
    while (run[i].parent != i) {
        run[i].parent = run[run[i].parent].parent;
        i = run[i].parent;
    }
    return i;
}

/* The earlier root wins, so that a root comes before all runs of its region. */
static void join(struct run *run, uint32_t a, uint32_t b)
{
    a = find_root(run, a);
    b = find_root(run, b);
    if (a < b)
        run[b].parent = a;
    else
        run[a].parent = b;
}

/* Append the runs of one row that starts at flat offset `first`. */
static int find_runs(struct regions *r, const uint8_t *mask, size_t first, size_t width)
{
    int rc = ERR_OK;
    const uint8_t *end = mask + first + width;
    const uint8_t *p = memchr(mask + first, 1, width);
    while (p) {
        const uint8_t *stop = memchr(p, 0, (size_t)(end - p));
        struct run *run;
        stop = stop ? stop : end;
        if (r->n_runs == UINT32_MAX)
            FAIL(ERR_SHAPE, "the mask has more than %u runs of defect pixels", UINT32_MAX);
        TRY(MEM_GROW(r->run, &r->cap_runs, r->n_runs + 1));
        run = &r->run[r->n_runs];
        *run = (struct run){.begin = (size_t)(p - mask),
                            .end = (size_t)(stop - mask),
                            .parent = (uint32_t)r->n_runs};
        r->n_runs++;
        p = stop < end ? memchr(stop, 1, (size_t)(end - stop)) : NULL;
    }
out:
    return rc;
}

/* Join the runs [mid, n_runs) of a row with those of the row above, [above, mid). */
static void join_rows(struct regions *r, size_t above, size_t mid, size_t width)
{
    struct run *run = r->run;
    size_t a = above;
    for (size_t c = mid; c < r->n_runs; c++) {
        /* half-open runs touch, corners included, when neither starts after the other's end */
        while (a < mid && run[a].end + width < run[c].begin)
            a++;
        for (size_t i = a; i < mid && run[i].begin + width <= run[c].end; i++)
            join(run, (uint32_t)i, (uint32_t)c);
    }
}

/* Number the regions of the runs in raster order of their first pixel, and sum their areas. */
static int number_regions(struct regions *r)
{
    int rc = ERR_OK;
    for (uint32_t i = 0; i < r->n_runs; i++) {
        uint32_t root = find_root(r->run, i);
        if (root == i) {
            if (r->n == UINT32_MAX)
                FAIL(ERR_SHAPE, "the masks have more than %u regions", UINT32_MAX);
            TRY(MEM_GROW(r->area, &r->cap, r->n + 1));
            r->area[r->n] = 0;
            r->run[i].region = (uint32_t)r->n++;
        }
        r->run[i].region = r->run[root].region;
        r->area[r->run[i].region] += r->run[i].end - r->run[i].begin;
    }
out:
    return rc;
}

int regions_add(struct regions *r, const uint8_t *mask, size_t height, size_t width)
{
    int rc = ERR_OK;
    size_t above = 0;
    r->n_runs = 0;
    for (size_t y = 0; y < height; y++) {
        size_t mid = r->n_runs;
        TRY(find_runs(r, mask, y * width, width));
        join_rows(r, above, mid, width);
        above = mid;
    }
    TRY(number_regions(r));
out:
    return rc;
}

void regions_release(struct regions *r)
{
    MEM_FREE(r->area);
    MEM_FREE(r->run);
    *r = (struct regions){0};
}
