/*
 * The metrics of tests/fixtures/metrics/ against the values that scikit-learn, scikit-image and the
 * published loop gave for them (attributes of each group). An absent attribute is an undefined metric.
 */
#include "check.h"

#include "base/err.h"
#include "base/mem.h"
#include "metrics/metrics.h"
#include "tensor/h5.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The standards sum in float64 in another order than ours, 1e5 terms: errors are below 1e-11. */
#define TOLERANCE 1e-7

/*
 * The values of these cases were taken from float64 maps, which were then stored as float32: scores
 * closer than half a float32 ulp (3e-8 near 1) became ties, and a pixel may have crossed one of the
 * thresholds of the published PRO. There it counts most: one pixel of a region of 128, of two regions,
 * at one of 60 thresholds moves `pro` by 1 / (128 * 2 * 60) = 7e-5. more.h5 repeats the four cases with
 * the values of the stored maps, under the common tolerance.
 */
static const char *const from_float64[] = {"diagonal_touch", "ring_and_border", "no_normal_image",
                                           "odd_size"};
#define TOLERANCE_FLOAT64 1e-4

static double worst; /* share of the tolerance */

static double tolerance_of(const char *name)
{
    for (size_t i = 0; i < sizeof from_float64 / sizeof *from_float64; i++)
        if (strcmp(name, from_float64[i]) == 0)
            return TOLERANCE_FLOAT64;
    return TOLERANCE;
}

static void check_value(struct h5 *f, const struct metric_result *r, enum metric m)
{
    const char *name = metric_info(m)->name;
    char text[128];
    double want = 0;
    double error;
    double limit;
    (void)snprintf(text, sizeof text, "%s %s", r->name, name);
    if (!h5_has(f, r->name, name)) {
        if (r->row.defined[m] || !r->row.why[m] || strlen(r->row.why[m]) < 8)
            fail_msg("%s must be undefined with a reason", text);
        print_message("    %s: undefined, %s\n", text, r->row.why[m]);
        return;
    }
    CHECK_OK(h5_get_f64(f, r->name, name, &want));
    if (!r->row.defined[m])
        fail_msg("%s is undefined: %s", text, r->row.why[m]);
    assert_null(r->row.why[m]);
    error = fabs(r->row.value[m] - want);
    limit = tolerance_of(r->name);
    worst = error / limit > worst ? error / limit : worst;
    CHECK_WITHIN(text, error, limit);
}

static void check_extras(struct h5 *f, const struct metric_result *r)
{
    int64_t n_regions = 0;
    double largest = 0;
    if (h5_has(f, r->name, "n_regions")) {
        CHECK_OK(h5_get_i64(f, r->name, "n_regions", &n_regions));
        assert_int_equal(r->row.n_regions, n_regions);
    }
    if (h5_has(f, r->name, "pro_largest_fpr")) {
        CHECK_OK(h5_get_f64(f, r->name, "pro_largest_fpr", &largest));
        assert_true(fabs(r->row.pro_largest_fpr - largest) < 1e-15);
        assert_int_equal(r->row.pro_is_coarse, largest < 0.25);
    }
}

static void check_file(const char *name, size_t n_classes)
{
    struct metric_results results;
    struct metric_options options = METRIC_OPTIONS;
    struct h5 *f = NULL;
    worst = 0;
    CHECK_OK(metrics_of_file(check_fixture(name), &options, &results));
    assert_int_equal(results.n, n_classes);
    CHECK_OK(h5_open(&f, check_fixture(name)));
    for (size_t i = 0; i < results.n; i++) {
        for (enum metric m = 0; m < METRIC_COUNT; m++)
            check_value(f, &results.item[i], m);
        check_extras(f, &results.item[i]);
    }
    print_message("    %s: at most %.5f %% of the tolerance used\n", name, 100 * worst);
    h5_close(&f);
    metric_results_free(&results);
}

static void the_shared_cases_agree(void **state)
{
    (void)state;
    check_file("metrics/metrics.h5", 19);
}

static void the_hard_cases_agree(void **state)
{
    (void)state;
    check_file("metrics/more.h5", 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shared_cases_agree),
        cmocka_unit_test(the_hard_cases_agree),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
