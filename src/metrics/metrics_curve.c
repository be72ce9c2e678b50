/*
 * metrics_curve.c - see metrics_int.h: one walk down the scores gives AUROC, AP, F1-max and exact PRO.
 *
 * Only distinct scores of defects need work: in between, recall and PRO stand still, precision and F1
 * fall, so the normal elements there are only counted.
 */
#include "metrics/metrics_int.h"

#define PRECISION_ONE 0x1p62 /* fixed point of precision in curve.ap */

void curve_begin(struct curve *c, const struct ranked *all, double limit)
{
    *c = (struct curve){.n_normal = all->n_normal,
                        .n_defect = all->n_defect,
                        .weight_total = all->weight_total,
                        .fp_limit = limit * (double)all->n_normal};
}

/* Add a straight piece of the PRO curve: `count` more normal elements while the sum goes to `to`. */
static void add_area(struct curve *c, uint64_t count, wide to)
{
    double from = (double)c->fp;
    if ((double)(c->fp + count) <= c->fp_limit) {
        c->area2 += (c->weight + to) * count;
    } else if (from < c->fp_limit) {
        double part = c->fp_limit - from;
        double slope = (double)(to - c->weight) / (double)count;
        c->area2_cut = part * (2 * (double)c->weight + slope * part);
    }
    c->fp += count;
    c->weight = to;
}

/* One distinct score with `ties` normal and `hits` defect elements, which weigh `weight` together. */
static void add_score(struct curve *c, uint64_t ties, uint64_t hits, wide weight)
{
    uint64_t below = c->n_normal - c->fp - ties;
    double flagged;
    double f1;
    c->pairs2 += (wide)hits * (2 * (wide)below + ties);
    add_area(c, ties, c->weight + weight);
    c->tp += hits;
    flagged = (double)(c->tp + c->fp);
    c->ap += (wide)hits * (uint64_t)((double)c->tp / flagged * PRECISION_ONE);
    f1 = 2 * (double)c->tp / (flagged + (double)c->n_defect);
    c->best_f1 = f1 > c->best_f1 ? f1 : c->best_f1;
}

void curve_walk(struct curve *c, const struct ranked *r)
{
    size_t n = 0;
    size_t d = 0;
    while (d < r->n_defect) {
        uint32_t key = defect_key(r->defect[d]);
        size_t first_n = n;
        size_t first_d = d;
        wide weight = 0;
        while (n < r->n_normal && r->normal[n] < key)
            n++;
        add_area(c, n - first_n, c->weight);
        first_n = n;
        while (n < r->n_normal && r->normal[n] == key)
            n++;
        for (; d < r->n_defect && defect_key(r->defect[d]) == key; d++)
            weight += r->weight[defect_region(r->defect[d])];
        add_score(c, n - first_n, d - first_d, weight);
    }
    add_area(c, r->n_normal - n, c->weight);
}

double curve_auroc(const struct curve *c)
{
    return (double)c->pairs2 / (2 * (double)((wide)c->n_normal * c->n_defect));
}

double curve_ap(const struct curve *c)
{
    return (double)c->ap / ((double)c->n_defect * PRECISION_ONE);
}

double curve_f1max(const struct curve *c)
{
    return c->best_f1;
}

double curve_pro(const struct curve *c, double limit)
{
    double scale = 2 * (double)c->n_normal * (double)c->weight_total;
    return ((double)c->area2 + c->area2_cut) / scale / limit;
}
