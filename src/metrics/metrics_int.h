/*
 * metrics_int.h - the parts behind metrics.h: keys, columns of sorted keys, regions, the walk along
 * the curve, the published PRO.
 */
#ifndef METRICS_METRICS_INT_H
#define METRICS_METRICS_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Products of two counts can exceed 64 bits. */
__extension__ typedef unsigned __int128 wide;

/*
 * Keys: a float32 score as an unsigned integer; a smaller key is a higher score, equal scores (0.0 and
 * -0.0 too) have equal keys. In integers, so that denormals survive whatever mode the processor is in.
 */
static inline uint32_t score_key(float score)
{
    uint32_t u;
    memcpy(&u, &score, sizeof u);
    u = u == 0x80000000U ? 0 : u;
    return u >> 31 ? u : ~u & 0x7fffffffU;
}

static inline float key_score(uint32_t key)
{
    float score;
    uint32_t u = key >> 31 ? key : ~key & 0x7fffffffU;
    memcpy(&score, &u, sizeof score);
    return score;
}

/*
 * A column: a list of elements that grows by blocks, so that growing never copies, and is then sorted.
 * Elements are 4 bytes (a key) or 8 (a defect: key in the upper half, region in the lower).
 */
struct column {
    size_t element_bytes;
    size_t count;
    void **block; /* [n_blocks] of COLUMN_BLOCK elements each, owned; gone after the sort */
    size_t n_blocks;
    size_t cap_blocks;
    void *sorted; /* [count], ascending by key, owned; NULL before the sort */
};

enum { COLUMN_BLOCK = 1 << 20 };

static inline uint64_t defect_make(uint32_t key, uint32_t region)
{
    return (uint64_t)key << 32 | region;
}

static inline uint32_t defect_key(uint64_t defect)
{
    return (uint32_t)(defect >> 32);
}

static inline uint32_t defect_region(uint64_t defect)
{
    return (uint32_t)defect;
}

void column_init(struct column *c, size_t element_bytes);

/*
 * Append room for at most `want` elements: *at points to *got of them (1 <= *got <= want, contiguous,
 * already counted), which the caller fills.
 */
int column_room(struct column *c, size_t want, void **at, size_t *got);

/* Sort by key: LSD radix sort, stable. Peak: two elements of memory per element. Does nothing twice. */
int column_sort(struct column *c);

void column_release(struct column *c);

/* A horizontal run of defect pixels. */
struct run {
    size_t begin; /* flat pixel offset of the first pixel */
    size_t end;   /* one after the last */
    uint32_t
        parent; /* union-find: a run of the same region that is not later; itself at the root */
    uint32_t region;
};

/* The defect regions of all masks so far, and the runs of the last mask. Starts as {0}. */
struct regions {
    uint64_t *area; /* [n] pixels, owned */
    size_t n;
    size_t cap;
    struct run *run; /* [n_runs] of the last mask in raster order, owned */
    size_t n_runs;
    size_t cap_runs;
};

/* Label the 8-connected regions of a mask [height, width] of 0 and 1; they get the next numbers. */
int regions_add(struct regions *r, const uint8_t *mask, size_t height, size_t width);

void regions_release(struct regions *r);

/* Scores in descending order, and the weights of regions. Borrowed. */
struct ranked {
    const uint32_t *normal; /* [n_normal] keys, ascending */
    size_t n_normal;
    const uint64_t *defect; /* [n_defect], ascending by key */
    size_t n_defect;
    const uint64_t *weight; /* [regions] fixed point: what one pixel of the region adds to PRO */
    wide weight_total;      /* sum over all defect pixels; PRO = (sum so far) / weight_total */
};

/*
 * The walk along the curve from the highest score down, and all that is summed on the way.
 *
 * It can be cut between any two distinct scores. To spread a class over ranks, give each rank a range
 * of scores; its walk starts from the counts of the ranges above it (fp, tp, weight: an exclusive
 * prefix sum), and afterwards pairs2, ap, area2 and area2_cut are added up and best_f1 maximised. The
 * sums are integers and area2_cut is non-zero on one rank at most, so the bits are those of one walk.
 */
struct curve {
    uint64_t n_normal; /* of the whole class */
    uint64_t n_defect;
    wide weight_total;
    double fp_limit; /* FPR limit times n_normal */
    uint64_t fp;     /* walked so far: normal elements, */
    uint64_t tp;     /* defect elements, */
    wide weight;     /* and the sum of their weights */
    wide pairs2;     /* twice the (normal < defect) pairs plus the tied pairs */
    wide ap;         /* sum of precision in units of 2^-62 over defect elements */
    double best_f1;
    wide area2;       /* twice the area under (fp, weight) up to fp_limit, whole segments */
    double area2_cut; /* the segment that crosses fp_limit */
};

/* Start for a class of these totals. n_normal * regions must be below 2^64. */
void curve_begin(struct curve *c, const struct ranked *all, double limit);

/* Walk a range: all elements of r, which are lower than what was walked before. */
void curve_walk(struct curve *c, const struct ranked *r);

/* Results after the whole class was walked. n_normal and n_defect > 0, for the last two n_defect > 0. */
double curve_auroc(const struct curve *c);
double curve_pro(const struct curve *c, double limit);
double curve_ap(const struct curve *c);
double curve_f1max(const struct curve *c);

struct pro_steps {
    double value;
    double largest_fpr; /* below the limit */
    const char *why;    /* why it is undefined, static text, or NULL */
};

/* The published PRO of sorted pixels, n_normal and n_defect > 0. */
int pro_steps_compute(struct pro_steps *out, const struct ranked *r, int steps, double limit);

#endif /* METRICS_METRICS_INT_H */
