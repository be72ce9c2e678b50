/* report_table.c - tables for people: Markdown whose columns line up, and CSV. See report.h. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "report/report_int.h"

#include <stdio.h>
#include <string.h>

/* Columns of text; those that have nothing to tell are left out. */
enum column { VARIANT, TRAIN, TEST, CLASS, ABLATION, SEED, N_NAMES };

/* The cells so far, and which columns of text are shown. */
struct table {
    struct report_grid grid;
    bool shows[N_NAMES];
};

/* One line: texts of the columns that are shown, then the metrics. */
static int add_line(struct table *t, const char *const name[N_NAMES],
                    char value[METRIC_COUNT][REPORT_CELL])
{
    int rc = ERR_OK;
    for (int i = 0; i < N_NAMES; i++)
        if (t->shows[i])
            TRY(report_grid_add(&t->grid, name[i]));
    for (int m = 0; m < METRIC_COUNT; m++)
        TRY(report_grid_add(&t->grid, value[m]));
out:
    return rc;
}

static int add_head(struct table *t)
{
    static const char *const name[N_NAMES] = {"variant", "train",    "test",
                                              "class",   "ablation", "seed"};
    char value[METRIC_COUNT][REPORT_CELL];
    for (int i = 0; i < N_NAMES; i++) {
        t->grid.n_columns += t->shows[i];
        t->grid.n_left += t->shows[i] && i < SEED;
    }
    t->grid.n_columns += METRIC_COUNT;
    for (int m = 0; m < METRIC_COUNT; m++)
        (void)snprintf(value[m], REPORT_CELL, "%s", metric_info((enum metric)m)->title);
    return add_line(t, name, value);
}

void report_percent(char out[REPORT_CELL], bool defined, double fraction)
{
    if (defined)
        (void)snprintf(out, REPORT_CELL, "%.1f", 100 * fraction);
    else
        (void)snprintf(out, REPORT_CELL, "-");
}

static int add_row(struct table *t, const struct row *row)
{
    char seed[REPORT_CELL];
    char value[METRIC_COUNT][REPORT_CELL];
    const char *const name[N_NAMES] = {row->variant,
                                       row->train,
                                       row->test,
                                       row->class_name ? row->class_name : "",
                                       row->ablation ? row->ablation : "",
                                       seed};
    (void)snprintf(seed, sizeof seed, "%zu", row->seed);
    for (int m = 0; m < METRIC_COUNT; m++)
        report_percent(value[m], row->defined[m], row->value[m]);
    return add_line(t, name, value);
}

/* Sums over all means of a variant and ablation, for each metric over those that have it. */
struct overall {
    const char *variant, *ablation; /* borrowed; ablation "" for the job's own setting */
    size_t n;
    double sum[METRIC_COUNT];
    size_t count[METRIC_COUNT];
};

struct overalls {
    struct overall *item; /* [n] in order of appearance */
    size_t n, cap;
};

static struct overall *find_overall(const struct overalls *all, const char *variant,
                                    const char *ablation)
{
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->item[i].variant, variant) == 0 &&
            strcmp(all->item[i].ablation, ablation) == 0)
            return &all->item[i];
    return NULL;
}

static int sum_mean(struct overalls *all, const struct row *row)
{
    int rc = ERR_OK;
    const char *ablation = row->ablation ? row->ablation : "";
    struct overall *o = find_overall(all, row->variant, ablation);
    if (!o) {
        TRY(MEM_GROW(all->item, &all->cap, all->n + 1));
        o = &all->item[all->n++];
        *o = (struct overall){.variant = row->variant, .ablation = ablation};
    }
    o->n++;
    for (int m = 0; m < METRIC_COUNT; m++) {
        o->sum[m] += row->defined[m] ? row->value[m] : 0;
        o->count[m] += row->defined[m];
    }
out:
    return rc;
}

static int add_overall(struct table *t, const struct overall *o)
{
    char value[METRIC_COUNT][REPORT_CELL];
    const char *const name[N_NAMES] = {o->variant, "mean", "", "", o->ablation, ""};
    for (int m = 0; m < METRIC_COUNT; m++)
        report_percent(value[m], o->count[m] > 0,
                       o->count[m] ? o->sum[m] / (double)o->count[m] : 0);
    return add_line(t, name, value);
}

/* An ablation that some pairs lack has a mean over fewer, which compares with none. */
static int add_overalls(struct table *t, const struct results *r)
{
    int rc = ERR_OK;
    struct overalls all = {0};
    for (size_t i = 0; i < r->n_means; i++)
        TRY(sum_mean(&all, &r->mean[i]));
    for (size_t i = 0; i < all.n; i++) {
        const struct overall *own = find_overall(&all, all.item[i].variant, "");
        if (own && own->n == all.item[i].n)
            TRY(add_overall(t, &all.item[i]));
    }
out:
    MEM_FREE(all.item);
    return rc;
}

/* ---- tables ---- */

static bool has_ablation(const struct results *r)
{
    for (size_t i = 0; i < r->n_means; i++)
        if (r->mean[i].ablation)
            return true;
    return false;
}

int results_table(char **out, const struct results *r, bool with_classes)
{
    int rc = ERR_OK;
    struct table t = {.shows = {[VARIANT] = true,
                                [TRAIN] = true,
                                [TEST] = true,
                                [CLASS] = with_classes,
                                [ABLATION] = has_ablation(r),
                                [SEED] = r->n_spreads > 0}};
    const struct row *row = with_classes ? r->row : r->mean;
    size_t n = with_classes ? r->n_rows : r->n_means;
    TRY(add_head(&t));
    for (size_t i = 0; i < n; i++)
        TRY(add_row(&t, &row[i]));
    if (!with_classes && n > 1)
        TRY(add_overalls(&t, r));
    TRY(report_grid_text(out, &t.grid));
out:
    report_grid_free(&t.grid);
    return rc;
}

static int add_spread(struct table *t, const struct spread *spread)
{
    char value[METRIC_COUNT][REPORT_CELL];
    const char *const name[N_NAMES] = {spread->variant,
                                       spread->train,
                                       spread->test,
                                       "",
                                       spread->ablation ? spread->ablation : "",
                                       ""};
    for (int m = 0; m < METRIC_COUNT; m++)
        if (spread->has_sd[m])
            (void)snprintf(value[m], REPORT_CELL, "%.1f ± %.1f", 100 * spread->mean[m],
                           100 * spread->sd[m]);
        else
            report_percent(value[m], spread->has_mean[m], spread->mean[m]);
    return add_line(t, name, value);
}

int results_spread_table(char **out, const struct results *r)
{
    int rc = ERR_OK;
    struct table t = {
        .shows = {[VARIANT] = true, [TRAIN] = true, [TEST] = true, [ABLATION] = has_ablation(r)}};
    if (!r->n_spreads)
        return str_dup(out, "");
    TRY(add_head(&t));
    for (size_t i = 0; i < r->n_spreads; i++)
        TRY(add_spread(&t, &r->spread[i]));
    TRY(report_grid_text(out, &t.grid));
out:
    report_grid_free(&t.grid);
    return rc;
}

/* ---- remarks ---- */

static bool same_reason(const struct row *a, const struct row *b, int m)
{
    return a->why[m] && b->why[m] && strcmp(a->why[m], b->why[m]) == 0;
}

static bool same_class(const struct row *a, const struct row *b)
{
    return strcmp(a->test, b->test) == 0 && strcmp(a->class_name, b->class_name) == 0;
}

/* Do all rows of this test class lack the metric for the same reason, whatever the bank? */
static bool is_common(const struct results *r, const struct row *row, int m)
{
    for (size_t i = 0; i < r->n_rows; i++)
        if (same_class(&r->row[i], row) && !same_reason(&r->row[i], row, m))
            return false;
    return true;
}

/* What holds for the job's own setting is not told again for its ablations. */
static bool told_for(const struct row *earlier, const struct row *row)
{
    return !earlier->ablation || (row->ablation && strcmp(earlier->ablation, row->ablation) == 0);
}

/* Was this told for an earlier row: of any bank, or of the same one and setting? */
static bool is_told(const struct results *r, size_t row, int m, bool any_bank)
{
    const struct row *this = &r->row[row];
    for (size_t i = 0; i < row; i++)
        if (same_class(&r->row[i], this) && same_reason(&r->row[i], this, m) &&
            (any_bank || (strcmp(r->row[i].train, this->train) == 0 && told_for(&r->row[i], this))))
            return true;
    return false;
}

static int add_reason(struct str *s, const struct results *r, size_t i, int m)
{
    const struct row *row = &r->row[i];
    bool any_bank = is_common(r, row, m);
    if (is_told(r, i, m, any_bank))
        return ERR_OK;
    return str_addf(
        s, "- %s%s%s%s%s/%s: no %s: %s\n", !any_bank && row->ablation ? row->ablation : "",
        !any_bank && row->ablation ? ": " : "", any_bank ? "" : row->train, any_bank ? "" : " -> ",
        row->test, row->class_name, metric_info((enum metric)m)->title, row->why[m]);
}

int results_remarks(char **out, const struct results *r)
{
    int rc = ERR_OK;
    struct str s = {0};
    TRY(str_add(&s, ""));
    for (size_t i = 0; i < r->n_rows; i++)
        for (int m = 0; m < METRIC_COUNT; m++)
            if (r->row[i].why[m])
                TRY(add_reason(&s, r, i, m));
    for (size_t i = 0; i < r->n_skipped; i++)
        TRY(str_addf(&s, "- %s, item %zu (%s) skipped: %s\n", r->skipped[i].dataset,
                     r->skipped[i].item, r->skipped[i].image, r->skipped[i].why));
    for (size_t i = 0; i < r->n_warnings; i++)
        TRY(str_addf(&s, "- warning: %s\n", r->warning[i]));
    *out = s.text;
    s.text = NULL;
out:
    str_free(&s);
    return rc;
}

int results_text(char **out, const struct results *r, bool with_classes)
{
    int rc = ERR_OK;
    char *table = NULL;
    char *seeds = NULL;
    char *remarks = NULL;
    TRY(results_table(&table, r, with_classes));
    TRY(results_spread_table(&seeds, r));
    TRY(results_remarks(&remarks, r));
    TRY(str_make(out, "%s%s%s%s%s", table, seeds[0] ? "\n" SPREAD_TITLE "\n\n" : "", seeds,
                 remarks[0] ? "\n" : "", remarks));
out:
    MEM_FREE(table);
    MEM_FREE(seeds);
    MEM_FREE(remarks);
    return rc;
}
