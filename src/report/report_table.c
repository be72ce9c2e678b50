/* report_table.c - tables for people: Markdown whose columns line up, and CSV. See report.h. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "report/report.h"

#include <stdio.h>
#include <string.h>

enum { N_NAMES = 4, N_COLUMNS = N_NAMES + METRIC_COUNT, CELL = 16 };

struct line {
    const char *name[N_NAMES];      /* borrowed, of any length */
    char value[METRIC_COUNT][CELL]; /* a number or a title */
};

/* Lines of text; column widths are found at the end. */
struct grid {
    struct line *line; /* [n] */
    size_t n;
    size_t cap;
};

static int add_line(struct grid *g, const char *const name[N_NAMES])
{
    int rc = ERR_OK;
    TRY(MEM_GROW(g->line, &g->cap, g->n + 1));
    memcpy((void *)g->line[g->n++].name, (const void *)name, N_NAMES * sizeof *name);
out:
    return rc;
}

static int add_head(struct grid *g)
{
    static const char *const name[N_NAMES] = {"variant", "train", "test", "class"};
    int rc = ERR_OK;
    TRY(add_line(g, name));
    for (int m = 0; m < METRIC_COUNT; m++)
        (void)snprintf(g->line[0].value[m], CELL, "%s", metric_info((enum metric)m)->title);
out:
    return rc;
}

static void put_value(char out[CELL], bool defined, double value)
{
    if (defined)
        (void)snprintf(out, CELL, "%.1f", 100 * value);
    else
        (void)snprintf(out, CELL, "-");
}

static int add_row(struct grid *g, const struct row *row)
{
    int rc = ERR_OK;
    const char *const name[N_NAMES] = {row->variant, row->train, row->test,
                                       row->class_name ? row->class_name : ""};
    TRY(add_line(g, name));
    for (int m = 0; m < METRIC_COUNT; m++)
        put_value(g->line[g->n - 1].value[m], row->defined[m], row->value[m]);
out:
    return rc;
}

/* The mean over all cells of a variant, for each metric over the cells that have it. */
static int add_overall(struct grid *g, const struct results *r, const char *variant)
{
    int rc = ERR_OK;
    const char *const name[N_NAMES] = {variant, "mean", "", ""};
    TRY(add_line(g, name));
    for (int m = 0; m < METRIC_COUNT; m++) {
        double sum = 0;
        size_t count = 0;
        for (size_t i = 0; i < r->n_means; i++)
            if (strcmp(r->mean[i].variant, variant) == 0 && r->mean[i].defined[m]) {
                sum += r->mean[i].value[m];
                count++;
            }
        put_value(g->line[g->n - 1].value[m], count > 0, count ? sum / (double)count : 0);
    }
out:
    return rc;
}

static const char *cell_text(const struct line *line, size_t column)
{
    return column < N_NAMES ? line->name[column] : line->value[column - N_NAMES];
}

/* Width on the screen: bytes that do not continue a UTF-8 character. */
static size_t width_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static int print_line(struct str *s, const struct grid *g, size_t line, const size_t *width,
                      bool with_classes)
{
    int rc = ERR_OK;
    for (size_t c = 0; c < N_COLUMNS; c++) {
        const char *text = cell_text(&g->line[line], c);
        int gap = (int)(width[c] - width_of(text));
        if (c == N_NAMES - 1 && !with_classes)
            continue;
        if (c < N_NAMES)
            TRY(str_addf(s, "| %s%*s ", text, gap, ""));
        else
            TRY(str_addf(s, "| %*s%s ", gap, "", text));
    }
    TRY(str_add(s, "|\n"));
out:
    return rc;
}

static int print_rule(struct str *s, const size_t *width, bool with_classes)
{
    int rc = ERR_OK;
    for (size_t c = 0; c < N_COLUMNS; c++) {
        if (c == N_NAMES - 1 && !with_classes)
            continue;
        TRY(str_add(s, "|"));
        for (size_t i = 0; i < width[c] + 1; i++)
            TRY(str_add(s, "-"));
        TRY(str_add(s, c < N_NAMES ? "-" : ":"));
    }
    TRY(str_add(s, "|\n"));
out:
    return rc;
}

static int print_grid(char **out, const struct grid *g, bool with_classes)
{
    int rc = ERR_OK;
    struct str s = {0};
    size_t width[N_COLUMNS] = {0};
    for (size_t line = 0; line < g->n; line++)
        for (size_t c = 0; c < N_COLUMNS; c++) {
            size_t w = width_of(cell_text(&g->line[line], c));
            width[c] = w > width[c] ? w : width[c];
        }
    for (size_t line = 0; line < g->n; line++) {
        TRY(print_line(&s, g, line, width, with_classes));
        if (line == 0)
            TRY(print_rule(&s, width, with_classes));
    }
    *out = s.text;
    s.text = NULL;
out:
    str_free(&s);
    return rc;
}

int results_table(char **out, const struct results *r, bool with_classes)
{
    int rc = ERR_OK;
    struct grid g = {0};
    const struct row *row = with_classes ? r->row : r->mean;
    size_t n = with_classes ? r->n_rows : r->n_means;
    TRY(add_head(&g));
    for (size_t i = 0; i < n; i++)
        TRY(add_row(&g, &row[i]));
    for (size_t i = 0; !with_classes && n > 1 && i < n; i++)
        if (i + 1 == n || strcmp(row[i].variant, row[i + 1].variant) != 0)
            TRY(add_overall(&g, r, row[i].variant));
    TRY(print_grid(out, &g, with_classes));
out:
    MEM_FREE(g.line);
    return rc;
}

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

/* Was this told for an earlier row: of any bank, or of the same one? */
static bool is_told(const struct results *r, size_t row, int m, bool any_bank)
{
    const struct row *this = &r->row[row];
    for (size_t i = 0; i < row; i++)
        if (same_class(&r->row[i], this) && same_reason(&r->row[i], this, m) &&
            (any_bank || strcmp(r->row[i].train, this->train) == 0))
            return true;
    return false;
}

static int add_reason(struct str *s, const struct results *r, size_t i, int m)
{
    const struct row *row = &r->row[i];
    bool any_bank = is_common(r, row, m);
    if (is_told(r, i, m, any_bank))
        return ERR_OK;
    return str_addf(s, "- %s%s%s/%s: no %s: %s\n", any_bank ? "" : row->train,
                    any_bank ? "" : " -> ", row->test, row->class_name,
                    metric_info((enum metric)m)->title, row->why[m]);
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
    char *remarks = NULL;
    TRY(results_table(&table, r, with_classes));
    TRY(results_remarks(&remarks, r));
    TRY(str_make(out, "%s%s%s", table, remarks[0] ? "\n" : "", remarks));
out:
    MEM_FREE(table);
    MEM_FREE(remarks);
    return rc;
}

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

static int csv_row(struct str *s, const struct row *row)
{
    int rc = ERR_OK;
    const char *name[N_NAMES] = {row->variant, row->train, row->test,
                                 row->class_name ? row->class_name : "mean"};
    for (int i = 0; i < N_NAMES; i++) {
        TRY(csv_text(s, name[i]));
        TRY(str_add(s, ","));
    }
    TRY(str_addf(s, "%zu,%zu,%zu", row->seed, row->n_normal, row->n_anomalous));
    for (int m = 0; m < METRIC_COUNT; m++)
        if (row->defined[m])
            TRY(str_addf(s, ",%.17g", row->value[m]));
        else
            TRY(str_add(s, ","));
    TRY(str_add(s, "\n"));
out:
    return rc;
}

int results_csv(char **out, const struct results *r)
{
    int rc = ERR_OK;
    struct str s = {0};
    TRY(str_add(&s, "variant,train,test,class,seed,n_normal,n_anomalous"));
    for (int m = 0; m < METRIC_COUNT; m++)
        TRY(str_addf(&s, ",%s", metric_info((enum metric)m)->name));
    TRY(str_add(&s, "\n"));
    for (size_t i = 0; i < r->n_rows; i++)
        TRY(csv_row(&s, &r->row[i]));
    for (size_t i = 0; i < r->n_means; i++)
        TRY(csv_row(&s, &r->mean[i]));
    *out = s.text;
    s.text = NULL;
out:
    str_free(&s);
    return rc;
}
