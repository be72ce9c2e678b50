/* compare_means.c - our means over the data sets of the published means. See compare_int.h. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "report/compare_int.h"

#include <string.h>

/* Our row of a data set as the protocol trains it, or NULL. */
static const struct row *row_on(const struct comparison *c, const struct row *like,
                                const struct published_set *set)
{
    const struct published *p = c->published;
    const struct results *r = c->results;
    for (size_t i = 0; i < r->n_means; i++) {
        const struct row *row = &r->mean[i];
        if (!row->ablation && row->seed == like->seed && strcmp(row->variant, like->variant) == 0 &&
            published_find_set(p, row->test) == set &&
            published_find_set(p, row->train) == published_train_of(p, set))
            return row;
    }
    return NULL;
}

static int add_mean(struct comparison *c, const struct row *like)
{
    int rc = ERR_OK;
    const struct published *p = c->published;
    struct row *mean;
    size_t n = 0;
    size_t wanted = 0;
    size_t count[METRIC_COUNT] = {0};
    TRY(MEM_GROW(c->mean, &c->mean_cap, c->n_means + 1));
    mean = &c->mean[c->n_means++];
    mean->seed = like->seed;
    TRY(str_dup(&mean->variant, like->variant));
    TRY(str_dup(&mean->train, "protocol"));
    for (size_t i = 0; i < p->n_sets; i++) {
        const struct row *row = p->set[i].is_in_mean ? row_on(c, like, &p->set[i]) : NULL;
        wanted += p->set[i].is_in_mean;
        n += row != NULL;
        for (int m = 0; row && m < METRIC_COUNT; m++)
            if (row->defined[m]) {
                mean->value[m] += row->value[m];
                count[m]++;
            }
    }
    TRY(str_make(&mean->test, "mean of %zu", wanted));
    for (int m = 0; m < METRIC_COUNT; m++) {
        mean->defined[m] = n == wanted && count[m] > 0;
        mean->value[m] = mean->defined[m] ? mean->value[m] / (double)count[m] : 0;
        if (!mean->defined[m])
            TRY(str_make(&mean->why[m], "%zu of its %zu data sets are here, trained as published",
                         n, wanted));
    }
out:
    return rc;
}

int compare_overall_means(struct comparison *c)
{
    int rc = ERR_OK;
    const struct results *r = c->results;
    for (size_t i = 0; i < r->n_means; i++) {
        bool is_new = !r->mean[i].ablation;
        for (size_t k = 0; is_new && k < c->n_means; k++)
            is_new = c->mean[k].seed != r->mean[i].seed ||
                     strcmp(c->mean[k].variant, r->mean[i].variant) != 0;
        if (is_new)
            TRY(add_mean(c, &r->mean[i]));
    }
out:
    return rc;
}
