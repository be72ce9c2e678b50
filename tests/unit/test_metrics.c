/*
 * Unit tests of metrics/: small cases by hand, the parts behind them, and every refusal. Random cases
 * are in test_metrics_plain.c.
 */
#include "check.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "metrics/metrics.h"
#include "metrics/metrics_int.h"

#include <float.h>
#include <math.h>
#include <string.h>

static void near(double got, double want)
{
    if (!(fabs(got - want) < 1e-12))
        fail_msg("got %.17g, wanted %.17g", got, want);
}

static void a_hand_computed_case(void **state)
{
    /* two regions: A is the pixel of 9, B the two pixels of 8 and 1; ten normal pixels, one of 8.5 */
    const uint8_t label[4] = {0, 0, 1, 1};
    const float score[4] = {0.1F, 0.4F, 0.35F, 0.8F};
    struct metric_set *set = NULL;
    struct metric_options options = METRIC_OPTIONS;
    struct metric_row row;
    const float map[13] = {9, 8.5F, 5, 5, 5, 5, 5, 5, 5, 5, 5, 8, 1};
    const uint8_t mask[13] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1};
    (void)state;
    CHECK_OK(metric_set_new(&set, 0, 0));
    for (size_t i = 0; i < 4; i++)
        CHECK_OK(metric_set_add(set, label[i], score[i], NULL, NULL));
    CHECK_OK(metric_set_compute(set, &options, &row));
    metric_set_free(&set);
    near(row.value[METRIC_I_AUROC], 0.75);
    near(row.value[METRIC_I_AP], 0.5 + 0.5 * 2 / 3);
    near(row.value[METRIC_I_F1MAX], 0.8);
    assert_int_equal(row.n_normal, 2);
    assert_int_equal(row.n_anomalous, 2);
    CHECK_OK(metric_set_new(&set, 1, 13));
    CHECK_OK(metric_set_add(set, 1, 9, map, mask));
    CHECK_OK(metric_set_compute(set, &options, &row));
    near(row.value[METRIC_P_AUROC], (10 + 9 + 0) / 30.0);
    near(row.value[METRIC_P_AP], (1 + 2 / 3.0 + 3 / 13.0) / 3);
    near(row.value[METRIC_P_F1MAX], 2.0 / 3);
    /* (FPR, PRO): (0, 1/2) (0.1, 1/2) (0.1, 3/4) then flat to 0.3 */
    near(row.value[METRIC_PRO_EXACT], (0.1 * 0.5 + 0.2 * 0.75) / 0.3);
    /* thresholds 1 + 0.04 i: FPR is 0.1 from 5 on, 0 from 8.5 on; stretched, PRO 1/2 at both ends
       but 3/4 at FPR 0.1 left of 8: the curve falls from (1, 3/4) to (1, 1/2) to (0, 1/2) */
    near(row.value[METRIC_PRO], 0.5);
    near(row.pro_largest_fpr, 0.1);
    assert_true(row.pro_is_coarse);
    assert_int_equal(row.n_normal_px, 10);
    assert_int_equal(row.n_defect_px, 3);
    options.pro_limit = 0.05;
    CHECK_OK(metric_set_compute(set, &options, &row)); /* again, with another limit */
    near(row.value[METRIC_PRO_EXACT], 0.5);
    assert_false(row.defined[METRIC_PRO]);
    metric_set_free(&set);
}

static size_t count_regions(size_t height, size_t width, const char *picture)
{
    struct regions r = {0};
    uint8_t mask[64];
    size_t n;
    size_t area = 0;
    size_t want = 0;
    for (size_t i = 0; i < height * width; i++) {
        mask[i] = picture[i] == '#';
        want += mask[i];
    }
    CHECK_OK(regions_add(&r, mask, height, width));
    n = r.n;
    for (size_t i = 0; i < n; i++)
        area += r.area[i];
    assert_int_equal(area, want);
    regions_release(&r);
    return n;
}

static void regions_are_8_connected(void **state)
{
    (void)state;
    assert_int_equal(count_regions(2, 4,
                                   "#..."
                                   ".#.."),
                     1);
    assert_int_equal(count_regions(2, 4,
                                   ".#.."
                                   "#..."),
                     1);
    assert_int_equal(count_regions(2, 4,
                                   "#..."
                                   "..#."),
                     2);
    assert_int_equal(count_regions(3, 5,
                                   "#.#.#"
                                   "#.#.#"
                                   ".#.#."),
                     1);
    assert_int_equal(count_regions(2, 3,
                                   "..#"
                                   "#.."),
                     2); /* neighbours in memory only */
    assert_int_equal(count_regions(3, 3,
                                   "###"
                                   "#.#"
                                   "###"),
                     1);
    assert_int_equal(count_regions(1, 5, "#.#.#"), 3);
    assert_int_equal(count_regions(3, 1, "#.#"), 2);
    assert_int_equal(count_regions(2, 2, "...."), 0);
}

static void keys_keep_the_order_of_floats(void **state)
{
    const float ascending[] = {-HUGE_VALF, -FLT_MAX,  -1,      -FLT_MIN, -0x1p-149F,    0,
                               0x1p-149F,  0x1p-148F, FLT_MIN, 1,        0x1.000002p0F, FLT_MAX,
                               HUGE_VALF};
    (void)state;
    for (size_t i = 0; i < sizeof ascending / sizeof *ascending; i++) {
        assert_true(key_score(score_key(ascending[i])) == ascending[i]);
        assert_true(i == 0 || score_key(ascending[i]) < score_key(ascending[i - 1]));
    }
    assert_int_equal(score_key(-0.0F), score_key(0.0F));
}

static void columns_sort_across_blocks(void **state)
{
    struct column c;
    struct column d;
    size_t n = 2 * COLUMN_BLOCK + 12345;
    uint64_t sum = 0;
    const uint32_t *key;
    const uint64_t *defect;
    (void)state;
    column_init(&c, sizeof(uint32_t));
    column_init(&d, sizeof(uint64_t));
    for (size_t i = 0; i < n; i++) {
        void *at = NULL;
        size_t got = 0;
        uint32_t k = (uint32_t)rng_u64(5, i);
        CHECK_OK(column_room(&c, 1, &at, &got));
        *(uint32_t *)at = k;
        CHECK_OK(column_room(&d, 1, &at, &got));
        *(uint64_t *)at = defect_make(k & 0x003ff800U, (uint32_t)i); /* one digit that differs */
        sum += k;
    }
    CHECK_OK(column_sort(&c));
    CHECK_OK(column_sort(&d));
    key = c.sorted;
    defect = d.sorted;
    for (size_t i = 0; i < n; i++) {
        sum -= key[i];
        assert_true(i == 0 || key[i - 1] <= key[i]);
        assert_true(i == 0 || defect[i - 1] < defect[i]); /* stable, so regions ascend too */
    }
    assert_true(sum == 0);
    column_release(&c);
    column_release(&d);
}

/* The walk of a range of scores, started from the counts of the ranges above it. */
static void walk_part(struct curve *out, const struct ranked *all, size_t n, size_t n_end, size_t d,
                      size_t d_end)
{
    struct ranked part = *all;
    curve_begin(out, all, 0.3);
    out->fp = n;
    out->tp = d;
    for (size_t i = 0; i < d; i++)
        out->weight += all->weight[defect_region(all->defect[i])];
    part.normal += n;
    part.n_normal = n_end - n;
    part.defect += d;
    part.n_defect = d_end - d;
    curve_walk(out, &part);
}

static void a_walk_in_parts_has_the_same_bits(void **state)
{
    enum { N = 1000, D = 300 };
    uint32_t normal[N];
    uint64_t defect[D];
    const uint64_t weight[3] = {1000003, 999, 31};
    struct ranked all = {normal, N, defect, D, weight, 0};
    struct curve whole;
    (void)state;
    for (uint32_t i = 0; i < N; i++)
        normal[i] = i / 3;
    for (uint32_t i = 0; i < D; i++) {
        defect[i] = defect_make(i / 2 * 2, i % 3);
        all.weight_total += weight[i % 3];
    }
    walk_part(&whole, &all, 0, N, 0, D);
    for (uint32_t cut = 1; cut < 300; cut += 7) { /* cut before the first element of key `cut` */
        struct curve high;
        struct curve low;
        size_t n = 3 * (size_t)cut;
        size_t d = 2 * (((size_t)cut + 1) / 2);
        walk_part(&high, &all, 0, n, 0, d);
        walk_part(&low, &all, n, N, d, D);
        low.pairs2 += high.pairs2;
        low.ap += high.ap;
        low.area2 += high.area2;
        low.area2_cut += high.area2_cut;
        low.best_f1 = fmax(low.best_f1, high.best_f1);
        assert_true(low.fp == N && low.tp == D && low.weight == all.weight_total);
        assert_true(curve_auroc(&low) == curve_auroc(&whole));
        assert_true(curve_ap(&low) == curve_ap(&whole));
        assert_true(curve_f1max(&low) == curve_f1max(&whole));
        assert_true(curve_pro(&low, 0.3) == curve_pro(&whole, 0.3));
    }
}

static void products_of_counts_may_exceed_64_bits(void **state)
{
    /* 2^40 normal elements below the only walked defect of 2^40: the sums of the others are set */
    uint64_t defect = defect_make(7, 0);
    const uint64_t weight = (uint64_t)1 << 23;
    struct ranked all = {NULL, (size_t)1 << 40, &defect, (size_t)1 << 40, &weight, (wide)1 << 63};
    struct ranked one = {NULL, 0, &defect, 1, &weight, 0};
    struct curve c;
    (void)state;
    curve_begin(&c, &all, 0.3);
    c.tp = ((uint64_t)1 << 40) - 1;
    c.pairs2 = (wide)c.tp << 41;
    c.ap = (wide)c.tp << 62;
    c.weight = all.weight_total - weight;
    curve_walk(&c, &one);
    assert_true(curve_auroc(&c) == 1);
    assert_true(curve_ap(&c) == 1);
    assert_true(curve_f1max(&c) == 1);
}

/* --- refusals --- */

static void bad_input_is_named(void **state)
{
    struct metric_set *set = NULL;
    struct metric_row row;
    struct metric_options options = METRIC_OPTIONS;
    float map[6] = {0, 1, 2, 3, 4, 5};
    uint8_t mask[6] = {0, 1, 0, 0, 0, 0};
    (void)state;
    CHECK_OK(metric_set_new(&set, 2, 3));
    CHECK_OK(metric_set_add(set, 1, 1, map, mask));
    map[5] = NAN;
    CHECK_FAILS(metric_set_add(set, 0, 1, map, mask), ERR_FORMAT,
                "image 1: the map is NaN at row 1, column 2");
    map[5] = -NAN;
    CHECK_FAILS(metric_set_add(set, 1, 1, map, NULL), ERR_FORMAT, "row 1, column 2");
    map[5] = 5;
    CHECK_FAILS(metric_set_add(set, 0, NAN, map, mask), ERR_FORMAT, "image 1: the score is NaN");
    CHECK_FAILS(metric_set_add(set, 2, 1, map, mask), ERR_FORMAT, "the label is 2");
    mask[3] = 255;
    CHECK_FAILS(metric_set_add(set, 0, 1, map, mask), ERR_FORMAT,
                "the mask is 255 at row 1, column 0");
    options.pro_limit = 0;
    CHECK_FAILS(metric_set_compute(set, &options, &row), ERR_CONFIG, "PRO limit is 0");
    options.pro_limit = NAN;
    CHECK_FAILS(metric_set_compute(set, &options, &row), ERR_CONFIG, "PRO limit");
    options.pro_limit = 0.3;
    options.pro_steps = 1;
    CHECK_FAILS(metric_set_compute(set, &options, &row), ERR_CONFIG, "1 thresholds");
    metric_set_free(&set);
    CHECK_FAILS(metric_set_new(&set, SIZE_MAX, 2), ERR_SHAPE, "too large");
    assert_null(set);
}

/* Up to three images of 2 x 2: '0' normal, '1' anomalous, capital 'N', 'A' the same without mask,
   'x' normal without map, 'f' anomalous that is all defect, 'e' anomalous with an empty mask. */
static void row_of(const char *images, bool benchmark, const float *map, struct metric_row *row)
{
    struct metric_set *set = NULL;
    struct metric_options options = METRIC_OPTIONS;
    const uint8_t none[4] = {0};
    const uint8_t some[4] = {0, 1, 0, 0};
    const uint8_t full[4] = {1, 1, 1, 1};
    options.benchmark = benchmark;
    CHECK_OK(metric_set_new(&set, 2, 2));
    for (const char *p = images; *p; p++) {
        const uint8_t *mask = strchr("NA", *p) ? NULL : *p == '1' ? some : *p == 'f' ? full : none;
        CHECK_OK(metric_set_add(set, strchr("1Afe", *p) != NULL, (float)(*p % 7),
                                *p == 'x' ? NULL : map, mask));
    }
    CHECK_OK(metric_set_compute(set, &options, row));
    metric_set_free(&set);
}

static void refused(const struct metric_row *row, enum metric m, const char *why)
{
    assert_false(row->defined[m]);
    assert_string_equal(row->why[m], why);
    assert_true(row->value[m] == 0);
}

static void pixels_refused(const char *images, const char *why)
{
    const float map[4] = {1, 2, 3, 4};
    struct metric_row row;
    row_of(images, false, map, &row);
    for (enum metric m = METRIC_P_AUROC; m < METRIC_COUNT; m++)
        refused(&row, m, why);
}

static void undefined_pixel_metrics_say_why(void **state)
{
    const float map[4] = {1, 2, 3, 4};
    struct metric_row row;
    (void)state;
    pixels_refused("", "no image");
    pixels_refused("xx", "no map given");
    pixels_refused("1x", "an image has no map");
    pixels_refused("NA", "no masks");
    pixels_refused("01A", "an anomalous image has no mask");
    pixels_refused("0e", "no defect pixel");
    pixels_refused("ff", "no normal pixel");
    row_of("1N", true, map, &row); /* a normal image needs no mask */
    assert_true(row.defined[METRIC_P_AUROC] && row.defined[METRIC_PRO_EXACT]);
    assert_int_equal(row.n_normal_px, 7);
}

static void undefined_image_metrics_say_why(void **state)
{
    const float map[4] = {1, 2, 3, 4};
    struct metric_row row;
    (void)state;
    for (int benchmark = 0; benchmark < 2; benchmark++) {
        row_of("00", benchmark, map, &row);
        for (enum metric m = 0; m <= METRIC_I_F1MAX; m++)
            refused(&row, m, "no anomalous image");
        row_of("", benchmark, map, &row);
        refused(&row, METRIC_I_AP, "no image");
        row_of("11", benchmark, map, &row);
        refused(&row, METRIC_I_AUROC, "no normal image");
    }
    refused(&row, METRIC_I_AP, "no normal image");
    refused(&row, METRIC_I_F1MAX, "no normal image");
    row_of("11", false, map, &row);
    assert_true(row.defined[METRIC_I_AP] && row.value[METRIC_I_AP] == 1);
    assert_true(row.defined[METRIC_I_F1MAX] && row.value[METRIC_I_F1MAX] == 1);
}

static void the_published_pro_says_why(void **state)
{
    const float flat[4] = {3, 3, 3, 3};
    const float infinite[4] = {1, HUGE_VALF, 3, 4};
    const float minus[4] = {1, -HUGE_VALF, 3, 4};
    const float far[4] = {-3e38F, 2, 3, 3e38F};
    const float lowest[4] = {2, 1, 2, 2};
    const float best[4] = {1, 2, 1, 1};
    struct metric_row row;
    (void)state;
    row_of("1", false, flat, &row);
    refused(&row, METRIC_PRO, "all pixel scores are equal");
    row_of("1", false, far, &row);
    refused(&row, METRIC_PRO, "the range of pixel scores exceeds float32");
    row_of("1", false, lowest, &row);
    refused(&row, METRIC_PRO, "no threshold has a false-positive rate below the limit");
    row_of("1", false, best, &row);
    refused(&row, METRIC_PRO, "all thresholds below the limit have the same false-positive rate");
    near(row.value[METRIC_PRO_EXACT], 1);
    row_of("1", false, minus, &row);
    refused(&row, METRIC_PRO, "a pixel score is infinite");
    near(row.value[METRIC_P_AUROC], 0);
    row_of("1", false, infinite, &row);
    refused(&row, METRIC_PRO, "a pixel score is infinite");
    near(row.value[METRIC_P_AUROC], 1);
    near(row.value[METRIC_P_AP], 1);
    near(row.value[METRIC_PRO_EXACT], 1);
}

static void the_table_is_complete(void **state)
{
    const char *const order[] = {"i_auroc", "i_ap",    "i_f1max", "p_auroc",
                                 "p_ap",    "p_f1max", "pro",     "pro_exact"};
    (void)state;
    for (enum metric m = 0; m < METRIC_COUNT; m++) {
        const struct metric_info *info = metric_info(m);
        assert_string_equal(info->name, order[m]);
        assert_true(info->title && info->needs && info->meaning);
        assert_int_equal(info->is_pixel, m >= METRIC_P_AUROC);
        assert_int_equal(metric_find(order[m]), m);
    }
    assert_int_equal(metric_find("auroc"), METRIC_COUNT);
}

static void the_bench_measures(void **state)
{
    struct metrics_bench b;
    (void)state;
    CHECK_OK(metrics_bench(&b, 4, 64));
    assert_int_equal(b.n_px, 4 * 64 * 64);
    assert_true(b.defect_share > 0.005 && b.defect_share < 0.1);
    assert_true(b.add_s > 0 && b.compute_s > 0);
    for (enum metric m = 0; m < METRIC_COUNT; m++)
        assert_true(b.row.defined[m]);
    CHECK_FAILS(metrics_bench(&b, 4, 8), ERR_USAGE, "too small");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hand_computed_case),
        cmocka_unit_test(regions_are_8_connected),
        cmocka_unit_test(keys_keep_the_order_of_floats),
        cmocka_unit_test(columns_sort_across_blocks),
        cmocka_unit_test(a_walk_in_parts_has_the_same_bits),
        cmocka_unit_test(products_of_counts_may_exceed_64_bits),
        cmocka_unit_test(bad_input_is_named),
        cmocka_unit_test(undefined_pixel_metrics_say_why),
        cmocka_unit_test(undefined_image_metrics_say_why),
        cmocka_unit_test(the_published_pro_says_why),
        cmocka_unit_test(the_table_is_complete),
        cmocka_unit_test(the_bench_measures),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
