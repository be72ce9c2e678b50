/* compare.c - our rows beside the published ones that belong to them. See compare_int.h. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/json.h"
#include "report/compare_int.h"
#include "report/report_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tenths of a per cent as they are printed, so that what is judged is what people read. */
static double printed_tenths(double per_cent)
{
    char text[REPORT_CELL];
    report_percent(text, true, per_cent / 100);
    return nearbyint(10 * strtod(text, NULL));
}

static void judge(const struct comparison *c, struct compared *e)
{
    enum metric m = published_metrics[e->metric];
    double ours = printed_tenths(100 * e->ours->value[m]);
    double theirs = printed_tenths(e->theirs->value[e->metric]);
    e->difference = (ours - theirs) / 10;
    if (!e->why) /* both sides in tenths: 0.3 within 0.3 must not depend on binary fractions */
        e->verdict = fabs(ours - theirs) <= 10 * c->tolerance + 1e-6 ? WITHIN : BEYOND;
}

static int add_entry(struct comparison *c, struct compared e, const char *why)
{
    int rc = ERR_OK;
    TRY(MEM_GROW(c->entry, &c->cap, c->n + 1));
    c->entry[c->n] = e;
    if (why)
        TRY(str_dup(&c->entry[c->n].why, why));
    c->n++;
out:
    return rc;
}

/* The four numbers of a pair of rows; row_why holds for all of them. */
static int add_pair(struct comparison *c, const struct row *ours,
                    const struct published_row *theirs, const char *row_why, bool belongs)
{
    int rc = ERR_OK;
    char *why = NULL;
    for (size_t m = 0; m < N_PUBLISHED; m++) {
        struct compared e = {.ours = ours, .theirs = theirs, .metric = m};
        bool are_numbers =
            theirs->figure[m] == FIGURE_NUMBER && ours->defined[published_metrics[m]];
        TRY(compare_metric_reason(&why, c, ours, theirs, m));
        e.is_shown = belongs && are_numbers;
        TRY(add_entry(c, e, row_why && (are_numbers || !belongs) ? row_why : why));
        if (e.is_shown)
            judge(c, &c->entry[c->n - 1]);
        MEM_FREE(why);
    }
out:
    MEM_FREE(why);
    return rc;
}

static int add_nothing_published(struct comparison *c, const struct row *ours, const char *why)
{
    int rc = ERR_OK;
    for (size_t m = 0; m < N_PUBLISHED; m++)
        TRY(add_entry(c, (struct compared){.ours = ours, .metric = m}, why));
out:
    return rc;
}

static bool same_class(const struct row *ours, const struct published_row *theirs)
{
    if (!ours->class_name || !theirs->class_name)
        return !ours->class_name && !theirs->class_name;
    return published_same_name(ours->class_name, theirs->class_name);
}

/* Is this the published row of our row's method, data set and class, under a setting we have? */
static bool is_counterpart(const struct comparison *c, const struct row *ours,
                           const struct published_set *set, const struct published_row *theirs)
{
    const struct run_setting *s = compare_setting(c, ours);
    return theirs->set == set && published_same_name(theirs->method, ours->variant) &&
           same_class(ours, theirs) && s && compare_settings_cover(s, theirs->settings) &&
           !compare_other_setting(s, theirs->settings, NULL);
}

/* Why nothing at all is published of a row. */
static int nothing_reason(char **why, const struct comparison *c, const struct row *ours,
                          const struct published_set *set)
{
    if (!compare_setting(c, ours))
        return str_dup(why, "used.json does not list its setting");
    if (!set)
        return str_make(why, "nothing is published: %s is no data set of the tables", ours->test);
    if (ours->ablation)
        return str_make(why, "nothing is published under %s", ours->ablation);
    return str_make(why, "nothing is published of %s on %s", ours->variant, set->name);
}

/* mean: of the cell that our row belongs to. A class that nothing is published of has no entry. */
static int compare_row(struct comparison *c, const struct row *ours, const struct row *mean)
{
    int rc = ERR_OK;
    const struct published *p = c->published;
    const struct published_set *set = published_find_set(p, ours->test);
    bool is_found = false;
    char *why = NULL;
    for (size_t i = 0; set && i < p->n_rows; i++) {
        bool belongs;
        if (!is_counterpart(c, ours, set, &p->row[i]))
            continue;
        TRY(compare_row_reason(&why, &belongs, c, mean, &p->row[i]));
        TRY(add_pair(c, ours, &p->row[i], why, belongs));
        MEM_FREE(why);
        is_found = true;
    }
    if (!is_found && !ours->class_name) {
        TRY(nothing_reason(&why, c, ours, set));
        TRY(add_nothing_published(c, ours, why));
    }
out:
    MEM_FREE(why);
    return rc;
}

static const struct row *mean_of(const struct results *r, const struct row *row)
{
    for (size_t i = 0; i < r->n_means; i++)
        if (r->mean[i].seed == row->seed && report_same_setting(&r->mean[i], row))
            return &r->mean[i];
    return NULL;
}

/* Means over data sets: published ones that some of our variants have. */
static int compare_overall(struct comparison *c)
{
    int rc = ERR_OK;
    const struct published *p = c->published;
    char *why = NULL;
    TRY(compare_overall_means(c));
    for (size_t i = 0; i < c->n_means; i++)
        for (size_t k = 0; k < p->n_rows; k++) {
            bool belongs;
            if (!is_counterpart(c, &c->mean[i], NULL, &p->row[k]))
                continue;
            TRY(compare_row_reason(&why, &belongs, c, &c->mean[i], &p->row[k]));
            TRY(add_pair(c, &c->mean[i], &p->row[k], why, belongs));
            MEM_FREE(why);
        }
out:
    MEM_FREE(why);
    return rc;
}

static int compare_all(struct comparison *c)
{
    int rc = ERR_OK;
    const struct results *r = c->results;
    for (size_t i = 0; i < r->n_means; i++)
        TRY(compare_row(c, &r->mean[i], &r->mean[i]));
    TRY(compare_overall(c));
    for (size_t i = 0; i < r->n_rows; i++) {
        const struct row *mean = mean_of(r, &r->row[i]);
        if (!mean)
            FAIL(ERR_FORMAT, "results.json: %s %s -> %s has rows and no mean", r->row[i].variant,
                 r->row[i].train, r->row[i].test);
        TRY(compare_row(c, &r->row[i], mean));
    }
out:
    return rc;
}

int published_check(const char *source)
{
    struct published *p = NULL;
    int rc = published_open(&p, source);
    published_close(&p);
    return rc;
}

int comparison_new(struct comparison **out, const struct results *r, const struct config *config,
                   const char *source, double tolerance)
{
    int rc = ERR_OK;
    struct comparison *c = NULL;
    TRY(MEM_NEW(c, 1));
    c->results = r;
    c->tolerance = tolerance;
    TRY(published_open(&c->published, source));
    TRY(compare_read_settings(c, config));
    TRY(compare_all(c));
out:
    if (rc)
        comparison_free(&c);
    *out = c;
    return rc;
}

void comparison_free(struct comparison **comparison)
{
    struct comparison *c = *comparison;
    if (!c)
        return;
    for (size_t i = 0; i < c->n_settings; i++) {
        json_free(&c->setting[i].tree);
        json_free(&c->setting[i].changed);
    }
    for (size_t i = 0; i < c->n_means; i++)
        row_free(&c->mean[i]);
    for (size_t i = 0; i < c->n; i++)
        MEM_FREE(c->entry[i].why);
    published_close(&c->published);
    MEM_FREE(c->setting);
    MEM_FREE(c->mean);
    MEM_FREE(c->entry);
    MEM_FREE(*comparison);
}

struct comparison_counts compare_count(const struct comparison *c)
{
    struct comparison_counts n = {0};
    size_t last;
    for (size_t i = 0; i < c->n; i = last) { /* entries of one of our rows stand together */
        bool is_compared = false;
        for (last = i; last < c->n && c->entry[last].ours == c->entry[i].ours; last++) {
            n.compared += c->entry[last].verdict != NOT_COMPARED;
            n.beyond += c->entry[last].verdict == BEYOND;
            n.not_compared += c->entry[last].verdict == NOT_COMPARED;
            is_compared = is_compared || c->entry[last].verdict != NOT_COMPARED;
        }
        n.rows_compared += is_compared;
        n.rows_not_compared += !is_compared;
    }
    return n;
}

int comparison_check(const struct comparison *c)
{
    int rc = ERR_OK;
    struct comparison_counts n = compare_count(c);
    if (!n.compared)
        FAIL(ERR_CHECK, "check: no number of this run can be compared with %s",
             c->published->source);
    if (n.beyond)
        FAIL(ERR_CHECK, "check: %zu of %zu numbers differ by more than %g from %s", n.beyond,
             n.compared, c->tolerance, c->published->source);
out:
    return rc;
}
