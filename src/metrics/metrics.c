/* metrics.c - see metrics.h: the table, the collector, and the row made of it. */
#include "metrics/metrics.h"

#include "base/err.h"
#include "base/mem.h"
#include "metrics/metrics_int.h"

#include <string.h>

#define NEEDS_IMAGES "normal and anomalous images"
#define NEEDS_PIXELS "maps; masks of all anomalous images; normal and defect pixels"
#define NEEDS_STEPS  NEEDS_PIXELS "; finite scores; thresholds with FPR below the limit"

static const struct metric_info table[METRIC_COUNT] = {
    [METRIC_I_AUROC] = {"i_auroc", "I-AUROC", false, NEEDS_IMAGES,
                        "chance that an anomalous image scores above a normal one"},
    [METRIC_I_AP] = {"i_ap", "I-AP", false, NEEDS_IMAGES,
                     "average precision of image scores over recall"},
    [METRIC_I_F1MAX] = {"i_f1max", "I-F1max", false, NEEDS_IMAGES,
                        "best F1 of image scores over all thresholds"},
    [METRIC_P_AUROC] = {"p_auroc", "P-AUROC", true, NEEDS_PIXELS,
                        "chance that a defect pixel scores above a normal one"},
    [METRIC_P_AP] = {"p_ap", "P-AP", true, NEEDS_PIXELS,
                     "average precision of pixel scores over recall"},
    [METRIC_P_F1MAX] = {"p_f1max", "P-F1max", true, NEEDS_PIXELS,
                        "best F1 of pixel scores over all thresholds"},
    [METRIC_PRO] = {"pro", "PRO", true, NEEDS_STEPS,
                    "mean overlap with defect regions, 200 thresholds, FPR stretched (published)"},
    [METRIC_PRO_EXACT] =
        {"pro_exact", "PRO exact", true, NEEDS_PIXELS,
         "mean overlap with defect regions over FPR up to the limit, all thresholds"},
};

const struct metric_info *metric_info(enum metric m)
{
    BUG_ON(m < 0 || m >= METRIC_COUNT);
    return &table[m];
}

enum metric metric_find(const char *name)
{
    enum metric m = 0;
    while (m < METRIC_COUNT && strcmp(table[m].name, name) != 0)
        m++;
    return m;
}

struct metric_set {
    size_t height;
    size_t width;
    size_t n_images;
    size_t n_maps;
    size_t n_masks;
    size_t n_anomalous;
    size_t n_missing_masks; /* anomalous images without one */
    struct column normal_images;
    struct column anomalous_images; /* as defects of region 0 */
    struct column normal_px;
    struct column defect_px;
    struct regions regions;
};

int metric_set_new(struct metric_set **out, size_t height, size_t width)
{
    int rc = ERR_OK;
    size_t n;
    *out = NULL;
    if (__builtin_mul_overflow(height, width, &n) || n > SIZE_MAX / 16)
        FAIL(ERR_SHAPE, "maps of %zu x %zu pixels are too large", height, width);
    TRY(MEM_NEW(*out, 1));
    (*out)->height = height;
    (*out)->width = width;
    column_init(&(*out)->normal_images, sizeof(uint32_t));
    column_init(&(*out)->anomalous_images, sizeof(uint64_t));
    column_init(&(*out)->normal_px, sizeof(uint32_t));
    column_init(&(*out)->defect_px, sizeof(uint64_t));
out:
    return rc;
}

void metric_set_free(struct metric_set **set)
{
    if (!*set)
        return;
    column_release(&(*set)->normal_images);
    column_release(&(*set)->anomalous_images);
    column_release(&(*set)->normal_px);
    column_release(&(*set)->defect_px);
    regions_release(&(*set)->regions);
    MEM_FREE(*set);
}

static bool is_nan(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return (u & 0x7fffffffU) > 0x7f800000U;
}

static int check_map(const struct metric_set *set, const float *map)
{
    int rc = ERR_OK;
    size_t n = set->height * set->width;
    size_t bad = 0;
    for (size_t i = 0; i < n; i++)
        bad += is_nan(map[i]);
    if (bad == 0)
        goto out;
    for (bad = 0; !is_nan(map[bad]); bad++)
        ;
    FAIL(ERR_FORMAT, "image %zu: the map is NaN at row %zu, column %zu", set->n_images,
         bad / set->width, bad % set->width);
out:
    return rc;
}

static int check_mask(const struct metric_set *set, const uint8_t *mask)
{
    int rc = ERR_OK;
    size_t n = set->height * set->width;
    size_t bad = 0;
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++)
        all |= mask[i];
    if (all <= 1)
        goto out;
    while (mask[bad] <= 1)
        bad++;
    FAIL(ERR_FORMAT, "image %zu: the mask is %u at row %zu, column %zu, wanted 0 or 1",
         set->n_images, mask[bad], bad / set->width, bad % set->width);
out:
    return rc;
}

static int add_normal(struct column *c, const float *score, size_t n)
{
    int rc = ERR_OK;
    void *at = NULL;
    size_t got = 0;
    for (; n > 0; n -= got, score += got) {
        uint32_t *key;
        TRY(column_room(c, n, &at, &got));
        key = at;
        for (size_t i = 0; i < got; i++)
            key[i] = score_key(score[i]);
    }
out:
    return rc;
}

static int add_defect(struct column *c, const float *score, size_t n, uint32_t region)
{
    int rc = ERR_OK;
    void *at = NULL;
    size_t got = 0;
    for (; n > 0; n -= got, score += got) {
        uint64_t *defect;
        TRY(column_room(c, n, &at, &got));
        defect = at;
        for (size_t i = 0; i < got; i++)
            defect[i] = defect_make(score_key(score[i]), region);
    }
out:
    return rc;
}

static int add_pixels(struct metric_set *set, const float *map, const uint8_t *mask)
{
    int rc = ERR_OK;
    const struct regions *r = &set->regions;
    size_t at = 0;
    set->regions.n_runs = 0;
    if (mask)
        TRY(regions_add(&set->regions, mask, set->height, set->width));
    for (size_t i = 0; i < r->n_runs; i++) {
        const struct run *run = &r->run[i];
        TRY(add_normal(&set->normal_px, map + at, run->begin - at));
        TRY(add_defect(&set->defect_px, map + run->begin, run->end - run->begin, run->region));
        at = run->end;
    }
    TRY(add_normal(&set->normal_px, map + at, set->height * set->width - at));
out:
    return rc;
}

int metric_set_add(struct metric_set *set, uint8_t label, float score, const float *map,
                   const uint8_t *mask)
{
    int rc = ERR_OK;
    BUG_ON(set->normal_images.sorted);
    if (label > 1)
        FAIL(ERR_FORMAT, "image %zu: the label is %u, wanted 0 or 1", set->n_images, label);
    if (is_nan(score))
        FAIL(ERR_FORMAT, "image %zu: the score is NaN", set->n_images);
    if (map)
        TRY(check_map(set, map));
    if (mask)
        TRY(check_mask(set, mask));
    if (label)
        TRY(add_defect(&set->anomalous_images, &score, 1, 0));
    else
        TRY(add_normal(&set->normal_images, &score, 1));
    if (map && (mask || !label))
        TRY(add_pixels(set, map, mask));
    set->n_images++;
    set->n_anomalous += label;
    set->n_maps += map != NULL;
    set->n_masks += mask != NULL;
    set->n_missing_masks += label && !mask;
out:
    return rc;
}

static void define(struct metric_row *row, enum metric m, double value)
{
    row->value[m] = value;
    row->defined[m] = true;
    row->why[m] = NULL;
}

static const char *why_no_image(enum metric m, const struct metric_row *row, bool benchmark)
{
    if (row->n_normal + row->n_anomalous == 0)
        return "no image";
    if (row->n_anomalous == 0)
        return "no anomalous image";
    if (row->n_normal == 0 && (benchmark || m == METRIC_I_AUROC))
        return "no normal image";
    return NULL;
}

static const char *why_no_pixel(const struct metric_set *set)
{
    if (set->n_images == 0)
        return "no image";
    if (set->n_maps == 0)
        return "no map given";
    if (set->n_maps < set->n_images)
        return "an image has no map";
    if (set->n_masks == 0)
        return "no masks";
    if (set->n_missing_masks > 0)
        return "an anomalous image has no mask";
    if (set->defect_px.count == 0)
        return "no defect pixel";
    if (set->normal_px.count == 0)
        return "no normal pixel";
    return NULL;
}

/* Sort two columns; the pair of them is what the curve and the published PRO read. */
static int rank_columns(struct ranked *out, struct column *normal, struct column *defect)
{
    int rc = ERR_OK;
    TRY(column_sort(normal));
    TRY(column_sort(defect));
    out->normal = normal->sorted;
    out->n_normal = normal->count;
    out->defect = defect->sorted;
    out->n_defect = defect->count;
out:
    return rc;
}

static int compute_images(struct metric_set *set, const struct metric_options *options,
                          struct metric_row *row)
{
    int rc = ERR_OK;
    const uint64_t weight = 1;
    struct curve c;
    struct ranked r = {.weight = &weight, .weight_total = set->n_anomalous};
    for (enum metric m = METRIC_I_AUROC; m <= METRIC_I_F1MAX; m++)
        row->why[m] = why_no_image(m, row, options->benchmark);
    TRY(rank_columns(&r, &set->normal_images, &set->anomalous_images));
    curve_begin(&c, &r, 1);
    curve_walk(&c, &r);
    if (!row->why[METRIC_I_AUROC])
        define(row, METRIC_I_AUROC, curve_auroc(&c));
    if (!row->why[METRIC_I_AP])
        define(row, METRIC_I_AP, curve_ap(&c));
    if (!row->why[METRIC_I_F1MAX])
        define(row, METRIC_I_F1MAX, curve_f1max(&c));
out:
    return rc;
}

/* Fixed-point weights: a pixel of a region of area a adds 2^63 / a, rounded. MEM_FREE(*weight). */
static int weigh_regions(uint64_t **weight, wide *total, const struct regions *r)
{
    int rc = ERR_OK;
    *total = 0;
    TRY(MEM_NEW(*weight, r->n));
    for (size_t i = 0; i < r->n; i++) {
        (*weight)[i] = ((uint64_t)1 << 63) / r->area[i];
        if (((uint64_t)1 << 63) % r->area[i] > r->area[i] / 2)
            (*weight)[i]++;
        *total += (wide)(*weight)[i] * r->area[i];
    }
out:
    return rc;
}

static int compute_pro_steps(const struct ranked *r, const struct metric_options *options,
                             struct metric_row *row)
{
    int rc = ERR_OK;
    struct pro_steps pro;
    TRY(pro_steps_compute(&pro, r, options->pro_steps, options->pro_limit));
    row->why[METRIC_PRO] = pro.why;
    if (!pro.why) {
        define(row, METRIC_PRO, pro.value);
        row->pro_largest_fpr = pro.largest_fpr;
        row->pro_is_coarse = pro.largest_fpr < options->pro_limit * 5 / 6;
    }
out:
    return rc;
}

static int compute_pixels(struct metric_set *set, const struct metric_options *options,
                          struct metric_row *row)
{
    int rc = ERR_OK;
    struct curve c;
    struct ranked r = {0};
    uint64_t *weight = NULL;
    const char *why = why_no_pixel(set);
    uint64_t area;
    for (enum metric m = METRIC_P_AUROC; m <= METRIC_PRO_EXACT; m++)
        row->why[m] = why;
    if (why)
        goto out;
    if (__builtin_mul_overflow(set->regions.n, set->normal_px.count, &area))
        FAIL(ERR_SHAPE, "%zu regions and %zu normal pixels are too many", set->regions.n,
             set->normal_px.count);
    TRY(rank_columns(&r, &set->normal_px, &set->defect_px));
    TRY(weigh_regions(&weight, &r.weight_total, &set->regions));
    r.weight = weight;
    curve_begin(&c, &r, options->pro_limit);
    curve_walk(&c, &r);
    define(row, METRIC_P_AUROC, curve_auroc(&c));
    define(row, METRIC_P_AP, curve_ap(&c));
    define(row, METRIC_P_F1MAX, curve_f1max(&c));
    define(row, METRIC_PRO_EXACT, curve_pro(&c, options->pro_limit));
    TRY(compute_pro_steps(&r, options, row));
out:
    MEM_FREE(weight);
    return rc;
}

int metric_set_compute(struct metric_set *set, const struct metric_options *options,
                       struct metric_row *out)
{
    int rc = ERR_OK;
    *out = (struct metric_row){.n_normal = set->n_images - set->n_anomalous,
                               .n_anomalous = set->n_anomalous,
                               .n_normal_px = set->normal_px.count,
                               .n_defect_px = set->defect_px.count,
                               .n_regions = set->regions.n};
    if (!(options->pro_limit > 0 && options->pro_limit <= 1))
        FAIL(ERR_CONFIG, "the PRO limit is %g, wanted above 0 and at most 1", options->pro_limit);
    if (options->pro_steps < 2 || options->pro_steps > 1000000)
        FAIL(ERR_CONFIG, "the PRO has %d thresholds, wanted 2 to 1000000", options->pro_steps);
    TRY(compute_images(set, options, out));
    TRY(compute_pixels(set, options, out));
out:
    return rc;
}
