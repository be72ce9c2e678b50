/* Unit tests of report/: spread over seeds, ablations beside the job's own setting, Markdown. */
#include "check.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "report/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* One class of one cell; PRO is value / 2, AP is undefined where `lacks` is set. */
static void add(struct results *r, const char *test, const char *ablation, size_t seed,
                double value, bool lacks)
{
    struct metric_row m = {.n_normal = 2, .n_anomalous = 3};
    const char *const name[4] = {"mrad-ft", "A", test, "c"};
    for (int i = 0; i < METRIC_COUNT; i++) {
        m.defined[i] = true;
        m.value[i] = value;
    }
    m.value[METRIC_PRO] = value / 2;
    if (lacks) {
        m.defined[METRIC_I_AP] = false;
        m.why[METRIC_I_AP] = "no normal image";
    }
    CHECK_OK(results_add(r, name, seed, &m));
    if (ablation) {
        size_t n = strlen(ablation) + 1;
        assert_int_equal(MEM_NEW(r->row[r->n_rows - 1].ablation, n), ERR_OK);
        memcpy(r->row[r->n_rows - 1].ablation, ablation, n);
    }
}

/* By the textbook formula, from sums of squares. */
static double deviation(const double *x, size_t n)
{
    double sum = 0;
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
        squares += x[i] * x[i];
    }
    return sqrt((squares - sum * sum / (double)n) / (double)(n - 1));
}

static void spread_is_over_seeds(void **state)
{
    static const double own[4] = {0.91, 0.905, 0.93, 0.885};
    static const double other[4] = {0.5, 0.75, 0.25, 1};
    struct results r = {0};
    (void)state;
    for (size_t i = 0; i < 4; i++)
        add(&r, "B", NULL, i, own[i], false);
    for (size_t i = 0; i < 4; i++)
        add(&r, "B", "score.k=0", i, other[i], i == 2);
    for (size_t i = 0; i < 4; i++)
        add(&r, "B", "score.k=1", i, 1.0 / 3, false);
    CHECK_OK(results_average(&r));
    assert_int_equal(r.n_means, 12);
    assert_int_equal(r.n_spreads, 3);
    assert_null(r.spread[0].ablation);
    assert_string_equal(r.spread[1].ablation, "score.k=0");
    assert_int_equal(r.spread[0].n_seeds, 4);
    CHECK_WITHIN("mean", fabs(r.spread[0].mean[METRIC_PRO] - 3.63 / 8), 1e-15);
    CHECK_WITHIN("sd", fabs(r.spread[0].sd[METRIC_I_AUROC] - deviation(own, 4)), 1e-12);
    CHECK_WITHIN("sd of PRO", fabs(r.spread[0].sd[METRIC_PRO] - deviation(own, 4) / 2), 1e-12);
    CHECK_WITHIN("sd", fabs(r.spread[1].sd[METRIC_I_AUROC] - deviation(other, 4)), 1e-12);
    /* a metric that one seed lacks has neither */
    assert_false(r.spread[1].has_mean[METRIC_I_AP] || r.spread[1].has_sd[METRIC_I_AP]);
    assert_true(r.spread[1].has_mean[METRIC_P_AP] && r.spread[1].has_sd[METRIC_P_AP]);
    /* equal values do not deviate, not even in the last bit */
    assert_true(r.spread[2].mean[METRIC_I_AUROC] == 1.0 / 3 && r.spread[2].sd[METRIC_I_AUROC] == 0);
    results_free(&r);
}

/* One seed: nothing is said. Of a cell with one seed beside others there is no deviation. */
static void one_seed_has_no_spread(void **state)
{
    struct results r = {0};
    char *table = NULL;
    (void)state;
    add(&r, "B", NULL, 1, 0.5, false);
    add(&r, "C", NULL, 1, 0.5, false);
    CHECK_OK(results_average(&r));
    assert_int_equal(r.n_spreads, 0);
    CHECK_OK(results_spread_table(&table, &r));
    assert_string_equal(table, "");
    MEM_FREE(table);
    add(&r, "D", NULL, 1, 0.5, false);
    add(&r, "D", NULL, 2, 0.7, false);
    for (size_t i = 0; i < r.n_means; i++)
        row_free(&r.mean[i]);
    r.n_means = 0;
    CHECK_OK(results_average(&r));
    assert_int_equal(r.n_spreads, 3);
    assert_true(r.spread[0].has_mean[0] && !r.spread[0].has_sd[0]);
    assert_true(r.spread[2].has_sd[0]);
    CHECK_OK(results_spread_table(&table, &r));
    assert_non_null(strstr(table, "60.0 ± 14.1"));
    MEM_FREE(table);
    results_free(&r);
}

static void check_same_text(const struct results *a, const struct results *b,
                            int (*make)(char **out, const struct results *r))
{
    char *first = NULL;
    char *second = NULL;
    CHECK_OK(make(&first, a));
    CHECK_OK(make(&second, b));
    assert_string_equal(first, second);
    MEM_FREE(first);
    MEM_FREE(second);
}

static int text_of(char **out, const struct results *r)
{
    return results_text(out, r, true);
}

/* results.json holds all that the other forms are made of. */
static void json_reads_back(void **state)
{
    char *dir = check_folder();
    char *path = NULL;
    char *text = NULL;
    struct results r = {0};
    struct results again = {0};
    (void)state;
    for (size_t seed = 0; seed < 3; seed++)
        add(&r, "B", NULL, seed, 0.1 + 0.07 * (double)seed, true);
    for (size_t seed = 0; seed < 3; seed++)
        add(&r, "B", "score.k=0", seed, 0.7 - 0.01 * (double)seed, seed == 1);
    CHECK_OK(results_average(&r));
    CHECK_OK(results_json(&text, &r));
    CHECK_OK(path_join(&path, dir, "results.json"));
    CHECK_OK(file_write(path, text, strlen(text)));
    CHECK_OK(results_load(&again, path));
    check_same_text(&r, &again, results_json);
    check_same_text(&r, &again, results_csv);
    check_same_text(&r, &again, text_of);
    assert_non_null(again.row[4].ablation);
    assert_string_equal(again.row[4].why[METRIC_I_AP], "no normal image");
    MEM_FREE(text);
    MEM_FREE(path);
    results_free(&r);
    results_free(&again);
    check_drop_folder(dir);
}

/* Means over all pairs are told for ablations that have all pairs. */
static void means_compare_equal_numbers_of_pairs(void **state)
{
    struct results r = {0};
    char *table = NULL;
    (void)state;
    add(&r, "B", NULL, 1, 0.5, false);
    add(&r, "B", "score.k=0", 1, 0.25, false);
    add(&r, "B", "score.k=1", 1, 0.25, false);
    add(&r, "C", NULL, 1, 0.75, false);
    add(&r, "C", "score.k=1", 1, 0.5, false);
    CHECK_OK(results_average(&r));
    CHECK_OK(results_table(&table, &r, false));
    assert_non_null(strstr(table, "| mrad-ft | mean  |      |           |    62.5 |"));
    assert_non_null(strstr(table, "| mrad-ft | mean  |      | score.k=1 |    37.5 |"));
    assert_null(strstr(table, "| mrad-ft | mean  |      | score.k=0 |"));
    MEM_FREE(table);
    results_free(&r);
}

static void bars_in_names_are_escaped(void **state)
{
    struct results r = {0};
    char *table = NULL;
    char *csv = NULL;
    (void)state;
    add(&r, "a|b||", NULL, 1, 0.5, false);
    CHECK_OK(results_average(&r));
    CHECK_OK(results_table(&table, &r, false));
    CHECK_OK(results_csv(&csv, &r));
    assert_non_null(strstr(table, "| mrad-ft | A     | a\\|b\\|\\| |    50.0 |"));
    assert_non_null(strstr(table, "| variant | train | test     | I-AUROC |"));
    assert_non_null(strstr(csv, "mrad-ft,A,a|b||,c,,1,2,3,0.5"));
    MEM_FREE(table);
    MEM_FREE(csv);
    results_free(&r);
}

/* What one setting lacks names it; what the job's own lacks, too, is told once. */
static void remarks_name_the_setting(void **state)
{
    struct results r = {0};
    char *text = NULL;
    (void)state;
    add(&r, "B", NULL, 1, 0.5, false);
    add(&r, "B", "score.k=0", 1, 0.5, true);
    CHECK_OK(results_remarks(&text, &r));
    assert_string_equal(text, "- score.k=0: A -> B/c: no I-AP: no normal image\n");
    MEM_FREE(text);
    results_free(&r);
    add(&r, "B", NULL, 1, 0.5, true);
    add(&r, "B", "score.k=0", 1, 0.5, true);
    add(&r, "B", "score.k=1", 1, 0.5, false);
    CHECK_OK(results_remarks(&text, &r));
    assert_string_equal(text, "- A -> B/c: no I-AP: no normal image\n");
    MEM_FREE(text);
    results_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spread_is_over_seeds),
        cmocka_unit_test(one_seed_has_no_spread),
        cmocka_unit_test(json_reads_back),
        cmocka_unit_test(means_compare_equal_numbers_of_pairs),
        cmocka_unit_test(bars_in_names_are_escaped),
        cmocka_unit_test(remarks_name_the_setting),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
