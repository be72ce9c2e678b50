/* compare_text.c - a comparison for people: tables, what was not compared and why. See compare_int.h. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "report/compare_int.h"
#include "report/report_int.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define LEGEND                                                                                       \
    "Per cent; difference: ours minus published, of the numbers as printed. = within %g, ! beyond, " \
    "? not judged, for the reason below.\n"

enum { FEW = 4 }; /* rows named after a reason where the list is for a quick look */

/* Which entries a table has. */
enum choice { MEANS, CLASSES, DIFFERING };

static bool is_chosen(const struct compared *e, enum choice choice)
{
    if (choice == DIFFERING)
        return e->verdict == BEYOND;
    return e->is_shown && (e->ours->class_name != NULL) == (choice == CLASSES);
}

/* ---- tables of numbers ---- */

/* Columns that only some comparisons need. */
struct shows {
    bool class_name, ablation, seed;
};

static struct shows what_shows(const struct comparison *c, enum choice choice)
{
    struct shows s = {.seed = c->results->n_spreads > 0};
    for (size_t i = 0; i < c->n; i++)
        if (is_chosen(&c->entry[i], choice)) {
            s.class_name = s.class_name || c->entry[i].ours->class_name;
            s.ablation = s.ablation || c->entry[i].ours->ablation;
        }
    return s;
}

/* Cells of one line; NULL leaves a cell out. */
static int add_cells(struct report_grid *g, const char *const *cell, size_t n)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < n; i++)
        if (cell[i])
            TRY(report_grid_add(g, cell[i]));
out:
    return rc;
}

enum { N_CELLS = 12 };

static int add_titles(struct report_grid *g, const struct shows *s)
{
    const char *const cell[N_CELLS] = {"variant",
                                       "train",
                                       "test",
                                       s->class_name ? "class" : NULL,
                                       s->ablation ? "ablation" : NULL,
                                       "metric",
                                       "source",
                                       s->seed ? "seed" : NULL,
                                       "ours",
                                       "published",
                                       "difference",
                                       ""};
    for (size_t i = 0; i < N_CELLS; i++) {
        g->n_columns += cell[i] != NULL;
        g->n_left += cell[i] != NULL && i < 7;
    }
    return add_cells(g, cell, N_CELLS);
}

static int add_numbers(struct report_grid *g, const struct shows *s, const struct compared *e)
{
    static const char *const sign[] = {[NOT_COMPARED] = "?", [WITHIN] = "=", [BEYOND] = "!"};
    const struct row *ours = e->ours;
    enum metric m = published_metrics[e->metric];
    char seed[REPORT_CELL];
    char value[REPORT_CELL];
    char published[REPORT_CELL];
    char difference[REPORT_CELL];
    const char *const cell[N_CELLS] = {ours->variant,
                                       ours->train,
                                       ours->test,
                                       s->class_name ? (ours->class_name ? ours->class_name : "")
                                                     : NULL,
                                       s->ablation ? (ours->ablation ? ours->ablation : "") : NULL,
                                       metric_info(m)->title,
                                       e->theirs->source,
                                       s->seed ? seed : NULL,
                                       value,
                                       published,
                                       difference,
                                       sign[e->verdict]};
    (void)snprintf(seed, sizeof seed, "%zu", ours->seed);
    (void)snprintf(difference, sizeof difference, "%+.1f", e->difference);
    report_percent(value, true, ours->value[m]);
    report_percent(published, true, e->theirs->value[e->metric] / 100);
    return add_cells(g, cell, N_CELLS);
}

/* The lines of a table in the colours of their verdicts; the first two are titles. */
static int add_coloured(struct str *s, const struct comparison *c, enum choice choice,
                        const char *table)
{
    static const char *const colour[] = {
        [NOT_COMPARED] = "\033[33m", [WITHIN] = "\033[32m", [BEYOND] = "\033[31m"};
    int rc = ERR_OK;
    size_t i = 0;
    for (size_t line = 0; *table; line++) {
        size_t n = strcspn(table, "\n");
        if (line >= 2) {
            while (!is_chosen(&c->entry[i], choice))
                i++;
            TRY(str_add(s, colour[c->entry[i++].verdict]));
        }
        TRY(str_add_bytes(s, table, n));
        TRY(str_add(s, line >= 2 ? "\033[0m\n" : "\n"));
        table += n + 1;
    }
out:
    return rc;
}

/* A table under its title (or none); nothing at all when it has no lines. */
static int add_table(struct str *s, const struct comparison *c, enum choice choice,
                     const char *title, bool with_colour)
{
    int rc = ERR_OK;
    struct report_grid g = {0};
    struct shows shows = what_shows(c, choice);
    char *table = NULL;
    size_t n = 0;
    TRY(add_titles(&g, &shows));
    for (size_t i = 0; i < c->n; i++)
        if (is_chosen(&c->entry[i], choice)) {
            TRY(add_numbers(&g, &shows, &c->entry[i]));
            n++;
        }
    if (!n)
        goto out;
    TRY(report_grid_text(&table, &g));
    TRY(str_add(s, title));
    TRY(with_colour ? add_coloured(s, c, choice, table) : str_add(s, table));
    TRY(str_add(s, "\n"));
out:
    report_grid_free(&g);
    MEM_FREE(table);
    return rc;
}

/* ---- what was not compared ---- */

static int add_row_name(struct str *s, const struct comparison *c, const struct row *ours,
                        unsigned metrics)
{
    int rc = ERR_OK;
    const char *sep = " (";
    TRY(str_addf(s, "%s %s -> %s", ours->variant, ours->train, ours->test));
    if (ours->class_name)
        TRY(str_addf(s, "/%s", ours->class_name));
    if (ours->ablation)
        TRY(str_addf(s, ", %s", ours->ablation));
    if (c->results->n_spreads)
        TRY(str_addf(s, ", seed %zu", ours->seed));
    if (metrics == (1U << N_PUBLISHED) - 1)
        return ERR_OK;
    for (size_t m = 0; m < N_PUBLISHED; m++)
        if (metrics & (1U << m)) {
            TRY(str_addf(s, "%s%s", sep, metric_info(published_metrics[m])->title));
            sep = ", ";
        }
    TRY(str_add(s, ")"));
out:
    return rc;
}

static bool has_reason(const struct compared *e, const char *why)
{
    return e->verdict == NOT_COMPARED && strcmp(e->why, why) == 0;
}

/* The rows of a reason whose first entry is `first`, at most `most` of them by name. */
static int add_rows_of_reason(struct str *s, const struct comparison *c, size_t first, size_t most)
{
    int rc = ERR_OK;
    const char *why = c->entry[first].why;
    size_t n = 0;
    size_t last;
    for (size_t i = first; i < c->n; i = last) {
        unsigned metrics = 0;
        for (last = i; last < c->n && c->entry[last].ours == c->entry[i].ours; last++)
            if (has_reason(&c->entry[last], why))
                metrics |= 1U << c->entry[last].metric;
        if (!metrics)
            continue;
        if (n < most) {
            TRY(str_add(s, n ? "; " : " "));
            TRY(add_row_name(s, c, c->entry[i].ours, metrics));
        }
        n++;
    }
    if (n > most)
        TRY(str_addf(s, "; and %zu more", n - most));
    TRY(str_add(s, "\n"));
out:
    return rc;
}

static int add_reasons(struct str *s, const struct comparison *c, size_t most)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < c->n; i++) {
        bool is_told = c->entry[i].verdict != NOT_COMPARED;
        for (size_t k = 0; k < i && !is_told; k++)
            is_told = has_reason(&c->entry[k], c->entry[i].why);
        if (is_told)
            continue;
        TRY(str_addf(s, "- %s:", c->entry[i].why));
        TRY(add_rows_of_reason(s, c, i, most));
    }
out:
    return rc;
}

static int add_counts(struct str *s, const struct comparison *c)
{
    struct comparison_counts n = compare_count(c);
    return str_addf(s,
                    "%zu numbers of %zu rows compared with %s: %zu within %g, %zu beyond. "
                    "%zu numbers not compared; %zu rows have none that is.\n",
                    n.compared, n.rows_compared, c->published->source, n.compared - n.beyond,
                    c->tolerance, n.beyond, n.not_compared, n.rows_not_compared);
}

int comparison_text(char **out, const struct comparison *c, bool only_differing, bool with_colour)
{
    int rc = ERR_OK;
    struct str s = {0};
    if (only_differing) {
        TRY(add_table(&s, c, DIFFERING, "", with_colour));
    } else {
        TRY(str_addf(&s, LEGEND "\n", c->tolerance));
        TRY(add_table(&s, c, MEANS, "", with_colour));
        TRY(add_table(&s, c, CLASSES, "", with_colour));
    }
    TRY(add_counts(&s, c));
    TRY(add_reasons(&s, c, FEW));
    *out = s.text;
    s.text = NULL;
out:
    str_free(&s);
    return rc;
}

/* ---- the file ---- */

static bool is_ours(const struct comparison *c, const char *method)
{
    for (size_t i = 0; i < c->results->n_means; i++)
        if (published_same_name(c->results->mean[i].variant, method))
            return true;
    return false;
}

static bool is_test_set(const struct comparison *c, const struct published_set *set)
{
    for (size_t i = 0; set && i < c->results->n_means; i++)
        if (published_find_set(c->published, c->results->mean[i].test) == set)
            return true;
    return false;
}

/* Means over classes, of the method's own setting, on a test set of this run, with any number. */
static bool is_beside(const struct comparison *c, const struct published_row *row)
{
    bool has_number = false;
    for (size_t m = 0; m < N_PUBLISHED; m++)
        has_number = has_number || row->figure[m] == FIGURE_NUMBER;
    return has_number && !row->class_name && !row->settings && !is_ours(c, row->method) &&
           is_test_set(c, row->set);
}

static int add_published_row(struct report_grid *g, const struct published_row *row)
{
    int rc = ERR_OK;
    const char *const cell[] = {row->set->name, row->method, row->source, row->confidence};
    TRY(add_cells(g, cell, 4));
    for (size_t m = 0; m < N_PUBLISHED; m++) {
        char value[REPORT_CELL];
        report_percent(value, row->figure[m] == FIGURE_NUMBER, row->value[m] / 100);
        TRY(report_grid_add(g, row->figure[m] == FIGURE_NOT_FOUND ? "nf" : value));
    }
out:
    return rc;
}

static int add_other_methods(struct str *s, const struct comparison *c)
{
    static const char *const title[] = {"test", "method", "source", "confidence"};
    int rc = ERR_OK;
    const struct published *p = c->published;
    struct report_grid g = {.n_columns = 4 + N_PUBLISHED, .n_left = 4};
    char *table = NULL;
    size_t n = 0;
    TRY(add_cells(&g, title, 4));
    for (size_t m = 0; m < N_PUBLISHED; m++)
        TRY(report_grid_add(&g, metric_info(published_metrics[m])->title));
    for (size_t i = 0; i < p->n_sets; i++)
        for (size_t k = 0; k < p->n_rows; k++)
            if (p->row[k].set == &p->set[i] && is_beside(c, &p->row[k])) {
                TRY(add_published_row(&g, &p->row[k]));
                n++;
            }
    if (n) {
        TRY(report_grid_text(&table, &g));
        TRY(str_addf(
            s,
            "## Other methods\n\nAs published, for orientation: training sets, variants of "
            "data sets and PRO may be others. - not defined, nf not found.\n\n%s\n",
            table));
    }
out:
    report_grid_free(&g);
    MEM_FREE(table);
    return rc;
}

static bool is_named(const struct comparison *c, const char *source)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->entry[i].is_shown && strcmp(c->entry[i].theirs->source, source) == 0)
            return true;
    for (size_t i = 0; i < c->published->n_rows; i++)
        if (is_beside(c, &c->published->row[i]) && strcmp(c->published->row[i].source, source) == 0)
            return true;
    return false;
}

static int add_sources(struct str *s, const struct comparison *c)
{
    int rc = ERR_OK;
    const struct published *p = c->published;
    TRY(str_add(s, "## Sources\n\n"));
    for (size_t i = 0; i < p->n_rows; i++) {
        const char *source = p->row[i].source;
        const char *address = published_source_address(p, source);
        bool is_told = !is_named(c, source);
        for (size_t k = 0; k < i && !is_told; k++)
            is_told = strcmp(p->row[k].source, source) == 0;
        if (!is_told)
            TRY(str_addf(s, "- %s: %s%s%s\n", source, published_source_text(p, source),
                         address[0] ? ", " : "", address));
    }
out:
    return rc;
}

int comparison_markdown(char **out, const struct comparison *c)
{
    int rc = ERR_OK;
    struct str s = {0};
    TRY(str_addf(&s, "# Beside published numbers\n\n" LEGEND "\n", c->tolerance));
    TRY(add_counts(&s, c));
    TRY(str_add(&s, "\n"));
    TRY(add_table(&s, c, MEANS, "", false));
    TRY(add_table(&s, c, CLASSES, "## Classes\n\n", false));
    TRY(str_add(&s, "## Not compared\n\n"));
    TRY(add_reasons(&s, c, SIZE_MAX));
    TRY(str_add(&s, "\n"));
    TRY(add_other_methods(&s, c));
    TRY(add_sources(&s, c));
    *out = s.text;
    s.text = NULL;
out:
    str_free(&s);
    return rc;
}
