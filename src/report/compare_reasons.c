/* compare_reasons.c - why a number is not held against a published one. See compare_int.h. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "report/compare_int.h"
#include "report/report_int.h"

#include <cjson/cJSON.h>
#include <string.h>

static int training_set(char **why, const struct published *p, const struct row *ours,
                        const struct published_row *theirs)
{
    int rc = ERR_OK;
    bool is_protocol = theirs->train && strcmp(theirs->train, "protocol") == 0;
    const struct published_set *found = published_find_set(p, ours->train);
    const struct published_set *wanted = is_protocol     ? published_train_of(p, theirs->set)
                                         : theirs->train ? published_find_set(p, theirs->train)
                                                         : NULL;
    if (!wanted)
        TRY(str_dup(why, "the training set of the published number is unknown"));
    else if (found != wanted)
        TRY(str_make(why, "another training set than published: %s for %s", wanted->name,
                     theirs->set->name));
out:
    return rc;
}

static int variant_of_set(char **why, const struct row *mean, const struct published_row *theirs)
{
    int rc = ERR_OK;
    const struct published_variant *v = theirs->variant;
    struct str s = {0};
    if (v && v->n_normal == mean->n_normal && v->n_anomalous == mean->n_anomalous)
        return ERR_OK;
    if (v)
        return str_make(why,
                        "another variant of the data set: published on %zu normal and %zu "
                        "anomalous images, ours %zu and %zu",
                        v->n_normal, v->n_anomalous, mean->n_normal, mean->n_anomalous);
    TRY(str_add(&s, "which variant of the data set was used is unknown:"));
    for (size_t i = 0; i < theirs->set->n_variants; i++)
        TRY(str_addf(&s, " %s %zu and %zu images,", theirs->set->variant[i].name,
                     theirs->set->variant[i].n_normal, theirs->set->variant[i].n_anomalous));
    TRY(str_addf(&s, " ours %zu and %zu", mean->n_normal, mean->n_anomalous));
    *why = s.text;
    s.text = NULL;
out:
    str_free(&s);
    return rc;
}

static int skipped_items(char **why, const struct results *r, const struct row *ours)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_skipped; i++) {
        const char *set = r->skipped[i].dataset;
        n += set && (strcmp(set, ours->train) == 0 || strcmp(set, ours->test) == 0);
    }
    return n ? str_make(why, "%zu image%s skipped in its data sets", n, n == 1 ? " was" : "s were")
             : ERR_OK;
}

/* The first of the method's settings that the run does not have; a published row's own come first. */
static int method_settings(char **why, const struct comparison *c, const struct row *ours,
                           const struct published_row *theirs)
{
    const struct run_setting *s = compare_setting(c, ours);
    const cJSON *other;
    if (!s)
        return str_dup(why, "used.json does not list its setting");
    other = compare_other_setting(s, published_settings(c->published, "all"), theirs->settings);
    if (!other)
        other = compare_other_setting(s, published_settings(c->published, ours->variant),
                                      theirs->settings);
    return other ? compare_describe_setting(why, s, other) : ERR_OK;
}

int compare_row_reason(char **why, bool *belongs, const struct comparison *c,
                       const struct row *mean, const struct published_row *theirs)
{
    int rc = ERR_OK;
    *why = NULL;
    *belongs = true;
    if (theirs->set)
        TRY(training_set(why, c->published, mean, theirs));
    if (*why) {
        *belongs = false;
        return ERR_OK;
    }
    if (theirs->set)
        TRY(variant_of_set(why, mean, theirs));
    if (!*why)
        TRY(skipped_items(why, c->results, mean));
    if (!*why)
        TRY(method_settings(why, c, mean, theirs));
out:
    return rc;
}

/* A mean over fewer classes than the data set has. */
static int missing_classes(char **why, const struct results *r, const struct row *mean,
                           enum metric metric)
{
    size_t n = 0;
    size_t missing = 0;
    for (size_t i = 0; i < r->n_rows; i++)
        if (r->row[i].seed == mean->seed && report_same_setting(&r->row[i], mean)) {
            n++;
            missing += !r->row[i].defined[metric];
        }
    return missing ? str_make(why, "ours is a mean over %zu of %zu classes", n - missing, n)
                   : ERR_OK;
}

static int pro_settings(char **why, const struct comparison *c, const struct row *ours)
{
    int rc = ERR_OK;
    const struct run_setting *s = compare_setting(c, ours);
    const cJSON *other =
        s ? compare_other_setting(s, published_pro_settings(c->published), NULL) : NULL;
    char *text = NULL;
    if (!other)
        return ERR_OK;
    TRY(compare_describe_setting(&text, s, other));
    TRY(str_make(why, "PRO is defined otherwise: %s", text));
out:
    MEM_FREE(text);
    return rc;
}

/* Why our row has no number: its own reason, or that of its first class without one. */
static const char *our_reason(const struct results *r, const struct row *ours, enum metric metric)
{
    if (ours->why[metric])
        return ours->why[metric];
    for (size_t i = 0; i < r->n_rows; i++)
        if (r->row[i].why[metric] && report_same_setting(&r->row[i], ours))
            return r->row[i].why[metric];
    return "no reason is stored";
}

int compare_metric_reason(char **why, const struct comparison *c, const struct row *ours,
                          const struct published_row *theirs, size_t metric)
{
    int rc = ERR_OK;
    enum metric m = published_metrics[metric];
    *why = NULL;
    if (theirs->figure[metric] == FIGURE_UNDEFINED)
        return str_make(why, "not defined where it was published: %s", theirs->why[metric]);
    if (theirs->figure[metric] == FIGURE_NOT_FOUND)
        return str_make(why, "no published number was found: %s", theirs->why[metric]);
    if (!ours->defined[m])
        return str_make(why, "ours is not defined: %s", our_reason(c->results, ours, m));
    if (!ours->class_name)
        TRY(missing_classes(why, c->results, ours, m));
    if (!*why && m == METRIC_PRO)
        TRY(pro_settings(why, c, ours));
    if (!*why && theirs->doubt[metric])
        TRY(str_make(why, "the published number is in doubt: %s", theirs->doubt[metric]));
out:
    return rc;
}
