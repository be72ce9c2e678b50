/* cmd_report.c - mrad report: the tables of a finished sweep, and its numbers beside published ones. */
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "config/json.h"
#include "report/report.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_USED = 16 << 20 };

int cmd_print_results(const struct args *a, const struct results *r)
{
    int rc = ERR_OK;
    char *text = NULL;
    TRY(a->json ? results_json(&text, r) : results_text(&text, r, false));
    TRY(cmd_print(a, text));
out:
    MEM_FREE(text);
    return rc;
}

/* What the results are put beside: an option, or what the job asked for; NULL: nothing. */
static int find_source(char **out, const struct args *a, const char *used)
{
    int rc = ERR_OK;
    cJSON *tree = NULL;
    const char *source = a->check ? a->check : a->compare;
    *out = NULL;
    if (a->check && a->compare && strcmp(a->check, a->compare) != 0)
        FAIL(ERR_USAGE, "report: --compare and --check name two sources; one is wanted");
    if (!source && path_is_file(used)) {
        TRY(json_read(&tree, used, MAX_USED));
        source = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(
            cJSON_GetObjectItemCaseSensitive(tree, "report"), "compare"));
    }
    if (source)
        TRY(str_dup(out, source));
out:
    json_free(&tree);
    return rc;
}

static int find_tolerance(double *out, const struct args *a, const struct config *c)
{
    int rc = ERR_OK;
    char *end = NULL;
    *out = c->compare_tolerance;
    if (a->tolerance) {
        *out = strtod(a->tolerance, &end);
        if (end == a->tolerance || *end || !(*out >= 0 && *out <= 100))
            FAIL(ERR_USAGE, "--tolerance: \"%s\": wanted per cent from 0 to 100", a->tolerance);
    }
out:
    return rc;
}

static int print_comparison(const struct args *a, const struct results *r,
                            const struct comparison *c)
{
    int rc = ERR_OK;
    char *text = NULL;
    bool with_colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    if (!a->json && !a->check) {
        TRY(cmd_print_results(a, r));
        TRY(cmd_print(a, "\n"));
    }
    TRY(a->json ? comparison_json(&text, c)
                : comparison_text(&text, c, a->check != NULL, with_colour));
    TRY(cmd_print(a, text));
out:
    MEM_FREE(text);
    return rc;
}

static int compare(const struct args *a, const struct results *r, const char *used,
                   const char *source)
{
    int rc = ERR_OK;
    struct config *config = NULL;
    struct comparison *comparison = NULL;
    double tolerance;
    if (!path_is_file(used))
        FAIL(ERR_CONFIG, "report: a comparison needs the run's settings, but there is no %s", used);
    TRY(config_read(&config, used, NULL, 0));
    TRY(find_tolerance(&tolerance, a, config));
    TRY(comparison_new(&comparison, r, config, source, tolerance));
    TRY(comparison_write(comparison, a->out ? a->out : a->operand[0]));
    if (!a->compare && !a->check)
        TRY(cmd_print_results(a, r));
    else
        TRY(print_comparison(a, r, comparison));
    if (a->check)
        TRY(comparison_check(comparison));
out:
    comparison_free(&comparison);
    config_free(&config);
    return rc;
}

int cmd_report(struct args *a)
{
    int rc = ERR_OK;
    char *path = NULL;
    char *used = NULL;
    char *source = NULL;
    struct results results = {0};
    TRY(args_operands(a, 1, 1, "the folder of a sweep's results"));
    TRY(path_join(&path, a->operand[0], "results.json"));
    TRY(path_join(&used, a->operand[0], "used.json"));
    TRY(find_source(&source, a, used));
    if (a->tolerance && !source)
        FAIL(ERR_USAGE, "report: --tolerance wants --compare or --check beside it");
    if (source)
        TRY(published_check(source));
    TRY(results_load(&results, path));
    TRY(results_write(&results, a->out ? a->out : a->operand[0]));
    TRY(source ? compare(a, &results, used, source) : cmd_print_results(a, &results));
out:
    MEM_FREE(path);
    MEM_FREE(used);
    MEM_FREE(source);
    results_free(&results);
    return rc;
}
