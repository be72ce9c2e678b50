/* cmd_metrics.c - mrad metrics: metrics of maps and masks made by anything. */
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "metrics/metrics.h"
#include "report/report.h"

#include <string.h>

static int convert(struct results *out, const struct metric_results *from, const char *path)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < from->n; i++) {
        const struct metric_row *row = &from->item[i].row;
        const char *const name[4] = {"metrics", "", path, from->item[i].name};
        TRY(results_add(out, name, 0, row));
        if (row->pro_is_coarse)
            TRY(results_warn(out,
                             "%s: published PRO is coarse, its largest false positive rate below "
                             "the limit is %.3f; pro_exact has no such error",
                             from->item[i].name, row->pro_largest_fpr));
    }
    TRY(results_average(out));
out:
    return rc;
}

static int print(const struct args *a, const struct results *r)
{
    int rc = ERR_OK;
    char *text = NULL;
    if (a->json)
        TRY(results_json(&text, r));
    else
        TRY(results_text(&text, r, true));
    if (a->out)
        TRY(file_write(a->out, text, strlen(text)));
    else
        TRY(cmd_print(a, text));
out:
    MEM_FREE(text);
    return rc;
}

int cmd_metrics(struct args *a)
{
    int rc = ERR_OK;
    const struct metric_options options = METRIC_OPTIONS;
    struct metric_results found = {0};
    struct results results = {0};
    TRY(args_operands(a, 1, 1, "one HDF5 file"));
    TRY(metrics_of_file(a->operand[0], &options, &found));
    TRY(convert(&results, &found, a->operand[0]));
    TRY(print(a, &results));
out:
    metric_results_free(&found);
    results_free(&results);
    return rc;
}
