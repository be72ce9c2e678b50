/* Unit tests of report/: results beside the published numbers of results/paper, memory in balance. */
#include "check.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/config.h"
#include "report/report.h"

#include <stdlib.h>
#include <string.h>

/* MRAD-CLIP on MVTec AD as published, its P-AUROC off by `error`; AP is undefined. */
static void add(struct results *r, const char *train, double error)
{
    const char *const name[4] = {"mrad-clip", train, "mvtec", "all"};
    struct metric_row m = {.n_normal = 467, .n_anomalous = 1258};
    for (int i = 0; i < METRIC_COUNT; i++)
        m.defined[i] = i != METRIC_I_AP;
    m.why[METRIC_I_AP] = "for the test";
    m.value[METRIC_P_AUROC] = 0.930 + error;
    m.value[METRIC_PRO] = 0.868;
    m.value[METRIC_I_AUROC] = 0.940;
    CHECK_OK(results_add(r, name, 111, &m));
}

static char *paper(void)
{
    char *path = NULL;
    assert_non_null(getenv("MRAD_SOURCE"));
    CHECK_OK(str_make(&path, "%s/results/paper", getenv("MRAD_SOURCE")));
    return path;
}

static int compare(const char *train, double error, double tolerance)
{
    int rc;
    struct results r = {0};
    struct config *config = NULL;
    struct comparison *c = NULL;
    char *source = paper();
    char *text = NULL;
    add(&r, train, error);
    CHECK_OK(results_average(&r));
    CHECK_OK(config_read(&config, NULL, NULL, 0));
    CHECK_OK(comparison_new(&c, &r, config, source, tolerance));
    CHECK_OK(comparison_markdown(&text, c));
    assert_non_null(strstr(text, "# Beside published numbers\n"));
    MEM_FREE(text);
    CHECK_OK(comparison_json(&text, c));
    assert_non_null(strstr(text, "\"source\":\t\"mrad-log\""));
    MEM_FREE(text);
    CHECK_OK(comparison_text(&text, c, true, true));
    MEM_FREE(text);
    rc = comparison_check(c);
    comparison_free(&c);
    config_free(&config);
    results_free(&r);
    MEM_FREE(source);
    return rc;
}

static void near_numbers_pass(void **state)
{
    (void)state;
    CHECK_OK(compare("visa", 0, 0.5));
    CHECK_OK(compare("VisA", -0.004, 0.5));
    CHECK_OK(compare("vis-a", 0.02, 2.2));
}

static void far_numbers_fail(void **state)
{
    (void)state;
    CHECK_FAILS(compare("visa", -0.006, 0.5), ERR_CHECK, "differ by more than 0.5");
    CHECK_FAILS(compare("visa", 0.02, 2), ERR_CHECK, "differ by more than 2");
}

static void nothing_compared_fails(void **state)
{
    (void)state;
    CHECK_FAILS(compare("btad", 0, 100), ERR_CHECK, "no number of this run can be compared");
}

static void sources_are_looked_for(void **state)
{
    char *source = paper();
    (void)state;
    CHECK_OK(published_check(source));
    CHECK_FAILS(published_check("/nowhere/paper"), ERR_CONFIG, "there is no /nowhere/paper/index");
    MEM_FREE(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_numbers_pass),
        cmocka_unit_test(far_numbers_fail),
        cmocka_unit_test(nothing_compared_fails),
        cmocka_unit_test(sources_are_looked_for),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
