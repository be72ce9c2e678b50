/*
 * Metrics of random cases against their definitions, written out plainly: all pairs, all thresholds,
 * a pass over the pixels for each, regions by spreading. Slow, short, and nothing shared with src/.
 */
#include "check.h"

#include "base/err.h"
#include "base/rng.h"
#include "metrics/metrics.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PX = 4096, MAX_IMAGES = 16 };

/* A class small enough for the plain definitions. */
struct toy {
    size_t n;
    size_t height;
    size_t width;
    uint8_t label[MAX_IMAGES];
    float score[MAX_IMAGES];
    float map[MAX_PX];    /* [n, height, width] */
    uint8_t mask[MAX_PX]; /* [n, height, width] */
};

static size_t toy_px(const struct toy *t)
{
    return t->n * t->height * t->width;
}

/* Add the images in the order of the permutation i * step % n. */
static void toy_compute(const struct toy *t, size_t step, struct metric_row *row)
{
    struct metric_set *set = NULL;
    struct metric_options options = METRIC_OPTIONS;
    size_t px = t->height * t->width;
    CHECK_OK(metric_set_new(&set, t->height, t->width));
    for (size_t i = 0; i < t->n; i++) {
        size_t k = i * step % t->n;
        CHECK_OK(metric_set_add(set, t->label[k], t->score[k], t->map + k * px, t->mask + k * px));
    }
    CHECK_OK(metric_set_compute(set, &options, row));
    metric_set_free(&set);
}

/* --- the plain definitions --- */

static double plain_auroc(const uint8_t *y, const float *s, size_t n)
{
    double won = 0;
    double pairs = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            if (y[i] && !y[j]) {
                won += s[i] > s[j] ? 1 : s[i] == s[j] ? 0.5 : 0;
                pairs++;
            }
    return won / pairs;
}

/* Precision and recall of "score >= th"; recall of "score > th" in *before. */
static void plain_point(const uint8_t *y, const float *s, size_t n, float th, double out[3])
{
    double tp = 0;
    double fp = 0;
    double all = 0;
    double above = 0;
    for (size_t i = 0; i < n; i++) {
        all += y[i];
        tp += y[i] && s[i] >= th;
        fp += !y[i] && s[i] >= th;
        above += y[i] && s[i] > th;
    }
    out[0] = tp / (tp + fp);
    out[1] = tp / all;
    out[2] = above / all;
}

static bool is_first(const float *s, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (s[j] == s[i])
            return false;
    return true;
}

static void plain_ap_f1(const uint8_t *y, const float *s, size_t n, double *ap, double *f1)
{
    *ap = 0;
    *f1 = 0;
    for (size_t i = 0; i < n; i++) {
        double p[3];
        if (!is_first(s, i))
            continue;
        plain_point(y, s, n, s[i], p);
        *ap += (p[1] - p[2]) * p[0];
        if (p[0] + p[1] > 0)
            *f1 = fmax(*f1, 2 * p[0] * p[1] / (p[0] + p[1]));
    }
}

/* Regions by repeated spreading of the smallest number over neighbours; 0 is no region. */
static size_t plain_regions(const struct toy *t, size_t *id)
{
    size_t px = t->height * t->width;
    size_t n = 0;
    bool moved = true;
    for (size_t i = 0; i < toy_px(t); i++)
        id[i] = t->mask[i] ? i + 1 : 0;
    while (moved) {
        moved = false;
        for (size_t i = 0; i < toy_px(t); i++)
            for (size_t j = i / px * px; id[i] && j < (i / px + 1) * px; j++) {
                long dy = (long)(i % px / t->width) - (long)(j % px / t->width);
                long dx = (long)(i % t->width) - (long)(j % t->width);
                if (id[j] > id[i] && labs(dy) <= 1 && labs(dx) <= 1) {
                    id[j] = id[i];
                    moved = true;
                }
            }
    }
    for (size_t i = 0; i < toy_px(t); i++)
        n += id[i] == i + 1;
    return n;
}

/* FPR and mean overlap of "score > th", or "score >= th". */
static void plain_overlap(const struct toy *t, const size_t *id, float th, bool or_equal,
                          double out[2])
{
    double fp = 0;
    double normal = 0;
    double sum = 0;
    double regions = 0;
    for (size_t r = 1; r <= toy_px(t); r++) {
        double area = 0;
        double hit = 0;
        if (id[r - 1] != r)
            continue;
        for (size_t i = 0; i < toy_px(t); i++)
            if (id[i] == r) {
                area++;
                hit += or_equal ? t->map[i] >= th : t->map[i] > th;
            }
        sum += hit / area;
        regions++;
    }
    for (size_t i = 0; i < toy_px(t); i++)
        if (!t->mask[i]) {
            normal++;
            fp += or_equal ? t->map[i] >= th : t->map[i] > th;
        }
    out[0] = fp / normal;
    out[1] = sum / regions;
}

/* The next lower distinct score below th, or -FLT_MAX. */
static float next_lower(const struct toy *t, float th)
{
    float best = -FLT_MAX;
    for (size_t i = 0; i < toy_px(t); i++)
        if (t->map[i] < th && t->map[i] > best)
            best = t->map[i];
    return best;
}

static double plain_pro_exact(const struct toy *t, const size_t *id, double limit)
{
    double last[2] = {0, 0};
    double area = 0;
    for (float th = next_lower(t, FLT_MAX); th > -FLT_MAX; th = next_lower(t, th)) {
        double p[2];
        plain_overlap(t, id, th, true, p);
        if (p[0] > limit) {
            double at = last[1] + (p[1] - last[1]) * (limit - last[0]) / (p[0] - last[0]);
            return (area + (limit - last[0]) * (at + last[1]) / 2) / limit;
        }
        area += (p[0] - last[0]) * (p[1] + last[1]) / 2;
        last[0] = p[0];
        last[1] = p[1];
    }
    return area / limit;
}

/* 200 passes; thresholds lo + i * step, which round to the same floats as numpy's in these cases. */
static double plain_pro(const struct toy *t, const size_t *id, double limit)
{
    float hi = next_lower(t, FLT_MAX);
    float lo = hi;
    double high_fpr = 0;
    double low_fpr = 1;
    double area = 0;
    double last[2] = {-1, 0};
    while (next_lower(t, lo) > -FLT_MAX)
        lo = next_lower(t, lo);
    for (int i = 0; i < 200; i++) {
        double p[2];
        plain_overlap(t, id, (float)((double)lo + i * ((double)(hi - lo) / 200)), false, p);
        if (!(p[0] < limit))
            continue;
        if (last[0] >= 0)
            area += (last[0] - p[0]) * (last[1] + p[1]) / 2;
        high_fpr = fmax(high_fpr, p[0]);
        low_fpr = fmin(low_fpr, p[0]);
        last[0] = p[0];
        last[1] = p[1];
    }
    return area / (high_fpr - low_fpr);
}

/* --- cases --- */

/* Scores on a grid of `levels` values, so that ties are frequent; masks of scattered pixels. */
static void toy_random(struct toy *t, uint64_t seed, uint64_t levels)
{
    size_t px;
    *t = (struct toy){.n = 5, .height = 7, .width = 9};
    px = t->height * t->width;
    for (size_t i = 0; i < toy_px(t); i++) {
        bool anomalous = i / px < 3;
        t->mask[i] = anomalous && rng_below(seed, i, 10) < 2 + 2 * (i / px);
        t->map[i] = (float)(rng_below(seed + 1, i, levels) + t->mask[i] * (levels / 4)) / 64 - 0.5F;
        t->label[i / px] = anomalous;
        t->score[i / px] = fmaxf(i % px ? t->score[i / px] : -1, t->map[i]);
    }
    t->map[0] = -0.5F; /* ends that make the thresholds exact */
}

static void near(double got, double want)
{
    if (!(fabs(got - want) < 1e-12))
        fail_msg("got %.17g, wanted %.17g", got, want);
}

static void random_cases_follow_the_definitions(void **state)
{
    const uint64_t levels[] = {2, 3, 8, 60, 5000, 1000000};
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct toy t;
        struct metric_row row;
        size_t id[MAX_PX];
        double ap;
        double f1;
        toy_random(&t, 1000 * seed, levels[seed % 6]);
        toy_compute(&t, 1, &row);
        near(row.value[METRIC_I_AUROC], plain_auroc(t.label, t.score, t.n));
        plain_ap_f1(t.label, t.score, t.n, &ap, &f1);
        near(row.value[METRIC_I_AP], ap);
        near(row.value[METRIC_I_F1MAX], f1);
        near(row.value[METRIC_P_AUROC], plain_auroc(t.mask, t.map, toy_px(&t)));
        plain_ap_f1(t.mask, t.map, toy_px(&t), &ap, &f1);
        near(row.value[METRIC_P_AP], ap);
        near(row.value[METRIC_P_F1MAX], f1);
        assert_int_equal(row.n_regions, plain_regions(&t, id));
        near(row.value[METRIC_PRO_EXACT], plain_pro_exact(&t, id, 0.3));
        if (row.defined[METRIC_PRO])
            near(row.value[METRIC_PRO], plain_pro(&t, id, 0.3));
        else
            assert_true(levels[seed % 6] < 8);
    }
}

static void the_order_of_images_changes_no_bit(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct toy t;
        struct metric_row a;
        toy_random(&t, 77 * seed, seed % 2 ? 9 : 100000);
        toy_compute(&t, 1, &a);
        for (size_t step = 2; step < 5; step++) {
            struct metric_row b;
            toy_compute(&t, step, &b);
            for (enum metric m = 0; m < METRIC_COUNT; m++) {
                assert_memory_equal(&a.value[m], &b.value[m], sizeof a.value[m]);
                assert_int_equal(a.defined[m], b.defined[m]);
                assert_ptr_equal(a.why[m], b.why[m]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_cases_follow_the_definitions),
        cmocka_unit_test(the_order_of_images_changes_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
