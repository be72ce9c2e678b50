/* report_csv.c - rows, means and spreads as comma-separated text. See report.h. */
#include "base/err.h"
#include "base/str.h"
#include "report/report.h"

#include <string.h>

enum { N_NAMES = 5 };

/* RFC 4180: quoted where it holds a comma, a quote or a line end. */
static int csv_text(struct str *s, const char *text)
{
    int rc = ERR_OK;
    if (!strpbrk(text, ",\"\r\n"))
        return str_add(s, text);
    TRY(str_add(s, "\""));
    for (; *text; text++)
        TRY(str_addf(s, *text == '"' ? "\"%c" : "%c", *text));
    TRY(str_add(s, "\""));
out:
    return rc;
}

static int csv_names(struct str *s, const char *const name[N_NAMES])
{
    int rc = ERR_OK;
    for (int i = 0; i < N_NAMES; i++) {
        TRY(csv_text(s, name[i]));
        TRY(str_add(s, ","));
    }
out:
    return rc;
}

static int csv_values(struct str *s, const bool *has, const double *value)
{
    int rc = ERR_OK;
    for (int m = 0; m < METRIC_COUNT; m++)
        if (has[m])
            TRY(str_addf(s, ",%.17g", value[m]));
        else
            TRY(str_add(s, ","));
    TRY(str_add(s, "\n"));
out:
    return rc;
}

static int csv_row(struct str *s, const struct row *row)
{
    int rc = ERR_OK;
    const char *const name[N_NAMES] = {row->variant, row->train, row->test,
                                       row->class_name ? row->class_name : "mean",
                                       row->ablation ? row->ablation : ""};
    TRY(csv_names(s, name));
    TRY(str_addf(s, "%zu,%zu,%zu", row->seed, row->n_normal, row->n_anomalous));
    TRY(csv_values(s, row->defined, row->value));
out:
    return rc;
}

/* Two lines that belong to no one seed: the mean, and the standard deviation. */
static int csv_spread(struct str *s, const struct spread *spread)
{
    int rc = ERR_OK;
    const char *name[N_NAMES] = {spread->variant, spread->train, spread->test, "seeds mean",
                                 spread->ablation ? spread->ablation : ""};
    TRY(csv_names(s, name));
    TRY(str_add(s, ",,"));
    TRY(csv_values(s, spread->has_mean, spread->mean));
    name[3] = "seeds sd";
    TRY(csv_names(s, name));
    TRY(str_add(s, ",,"));
    TRY(csv_values(s, spread->has_sd, spread->sd));
out:
    return rc;
}

int results_csv(char **out, const struct results *r)
{
    int rc = ERR_OK;
    struct str s = {0};
    TRY(str_add(&s, "variant,train,test,class,ablation,seed,n_normal,n_anomalous"));
    for (int m = 0; m < METRIC_COUNT; m++)
        TRY(str_addf(&s, ",%s", metric_info((enum metric)m)->name));
    TRY(str_add(&s, "\n"));
    for (size_t i = 0; i < r->n_rows; i++)
        TRY(csv_row(&s, &r->row[i]));
    for (size_t i = 0; i < r->n_means; i++)
        TRY(csv_row(&s, &r->mean[i]));
    for (size_t i = 0; i < r->n_spreads; i++)
        TRY(csv_spread(&s, &r->spread[i]));
    *out = s.text;
    s.text = NULL;
out:
    str_free(&s);
    return rc;
}
