/* bank_kmeans.c - spherical k-means over the entries of a label. See bank_reduce_int.h. */
#include "bank/bank_reduce_int.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "par/cores.h"

#include <math.h>
#include <string.h>

/* What a run needs beside its result. */
struct lloyd {
    struct pool *pool;  /* borrowed */
    struct clusters *c; /* borrowed */
    uint32_t *before;   /* [n] assignment of the round before */
    size_t *size;       /* [k] entries of each cluster */
    double *sum;        /* [k, dim] */
    size_t block;       /* entries compared at a time: keeps similarities under 64 MiB */
    float *centroid;    /* [k, dim] where the kernels compute */
    float *sim;         /* [block, k] likewise */
    float *host_sim;    /* [block, k] */
};

static int lloyd_open(struct lloyd *l)
{
    int rc = ERR_OK;
    size_t k = l->c->k;
    size_t n = l->pool->n;
    struct ops *ops = l->pool->ops;
    l->block = ((size_t)1 << 24) / k;
    l->block = l->block < 16 ? 16 : l->block;
    l->block = l->block > n ? n : l->block;
    TRY(MEM_NEW(l->before, n));
    TRY(MEM_NEW(l->size, k));
    TRY(MEM_NEW(l->sum, k * l->pool->dim));
    TRY(MEM_NEW(l->host_sim, l->block * k));
    TRY(ops_alloc(ops, &l->sim, l->block * k));
    TRY(ops_alloc(ops, &l->centroid, k * l->pool->dim));
out:
    return rc;
}

static void lloyd_close(struct lloyd *l)
{
    MEM_FREE(l->before);
    MEM_FREE(l->size);
    MEM_FREE(l->sum);
    MEM_FREE(l->host_sim);
    ops_drop(l->pool->ops, &l->sim);
    ops_drop(l->pool->ops, &l->centroid);
}

void clusters_release(struct clusters *c)
{
    MEM_FREE(c->centroid);
    MEM_FREE(c->of);
}

/* ---- seeds ---- */

/* Half the squared distance to the nearest seed; rounding may take a cosine past 1. */
static double seed_weight(const struct pool *p, size_t i)
{
    double gap = 1 - (double)p->best[i];
    return p->is_chosen[i] || gap < 0 ? 0 : gap;
}

/* Draw an entry by weight; where all are equal to seeds, the first that is none. */
static size_t draw_seed(const struct pool *p, size_t number)
{
    double total = 0;
    double sum = 0;
    double aim = (double)(rng_u64(p->seed, number) >> 11) * 0x1p-53;
    size_t last = p->n;
    for (size_t i = 0; i < p->n; i++)
        total += seed_weight(p, i);
    for (size_t i = 0; i < p->n && total > 0; i++) {
        double weight = seed_weight(p, i);
        sum += weight;
        last = weight > 0 ? i : last;
        if (sum > aim * total)
            return last;
    }
    for (size_t i = 0; last == p->n; i++)
        last = p->is_chosen[i] ? p->n : i;
    return last;
}

static int plant(struct clusters *c, struct pool *p)
{
    int rc = ERR_OK;
    struct progress progress;
    progress_begin(&progress, "reduce", "seeds", 0, c->k);
    for (size_t j = 0; j < c->k; j++) {
        size_t i = j ? draw_seed(p, j) : (size_t)rng_below(p->seed, 0, p->n);
        TRY(pool_choose(p, i));
        memcpy(c->centroid + j * p->dim, p->keys + p->row[i] * p->dim,
               p->dim * sizeof *c->centroid);
        progress_step(&progress, j + 1);
    }
    progress_end(&progress, c->k);
out:
    return rc;
}

/* ---- rounds ---- */

static void take_nearest(struct lloyd *l, size_t first, size_t n)
{
    size_t k = l->c->k;
    for (size_t i = 0; i < n; i++) {
        const float *sim = l->host_sim + i * k;
        size_t at = 0;
        for (size_t j = 1; j < k; j++)
            at = sim[j] > sim[at] ? j : at;
        l->c->of[first + i] = (uint32_t)at;
        l->pool->best[first + i] = sim[at];
    }
}

/* Every entry to its nearest centroid. */
static int assign(struct lloyd *l)
{
    int rc = ERR_OK;
    struct pool *p = l->pool;
    size_t k = l->c->k;
    TRY(ops_upload(p->ops, l->centroid, l->c->centroid, k * p->dim));
    for (size_t first = 0; first < p->n; first += l->block) {
        size_t n = p->n - first < l->block ? p->n - first : l->block;
        if (stop_requested())
            FAIL(ERR_STOPPED, "stopped while reducing a bank");
        TRY(ops_product(p->ops, &(struct product){.m = n,
                                                  .n = k,
                                                  .k = p->dim,
                                                  .a = p->x + first * p->dim,
                                                  .b = l->centroid,
                                                  .c = l->sim,
                                                  .lda = p->dim,
                                                  .ldb = p->dim,
                                                  .ldc = k,
                                                  .b_turned = true}));
        TRY(ops_download(p->ops, l->host_sim, l->sim, n * k));
        take_nearest(l, first, n);
    }
out:
    return rc;
}

/* Give each empty cluster the entry that fits worst where it is. */
static void fill_empty(struct lloyd *l)
{
    struct pool *p = l->pool;
    uint32_t *of = l->c->of;
    memset(l->size, 0, l->c->k * sizeof *l->size);
    for (size_t i = 0; i < p->n; i++)
        l->size[of[i]]++;
    for (size_t j = 0; j < l->c->k; j++) {
        size_t at = p->n;
        if (l->size[j])
            continue;
        for (size_t i = 0; i < p->n; i++)
            if (l->size[of[i]] > 1 && (at == p->n || p->best[i] < p->best[at]))
                at = i;
        l->size[of[at]]--;
        l->size[j] = 1;
        of[at] = (uint32_t)j;
        p->best[at] = 1;
    }
}

/* Unit sums in entry order; a cluster whose entries add up to nothing keeps its centroid. */
static void move_centroids(struct lloyd *l)
{
    size_t dim = l->pool->dim;
    memset(l->sum, 0, l->c->k * dim * sizeof *l->sum);
    for (size_t i = 0; i < l->pool->n; i++) {
        const float *key = l->pool->keys + l->pool->row[i] * dim;
        double *sum = l->sum + l->c->of[i] * dim;
        for (size_t d = 0; d < dim; d++)
            sum[d] += (double)key[d];
    }
    for (size_t j = 0; j < l->c->k; j++) {
        const double *sum = l->sum + j * dim;
        double square = 0;
        for (size_t d = 0; d < dim; d++)
            square += sum[d] * sum[d];
        for (size_t d = 0; square > 0 && d < dim; d++)
            l->c->centroid[j * dim + d] = (float)(sum[d] / sqrt(square));
    }
}

int kmeans_run(struct clusters *out, struct pool *p, size_t k, size_t rounds)
{
    int rc = ERR_OK;
    struct lloyd l = {.pool = p, .c = out};
    struct progress progress;
    size_t bytes = p->n * sizeof *out->of;
    BUG_ON(k < 1 || k > p->n);
    *out = (struct clusters){.k = k};
    TRY(MEM_NEW(out->centroid, k * p->dim));
    TRY(MEM_NEW(out->of, p->n));
    TRY(lloyd_open(&l));
    TRY(plant(out, p));
    progress_begin(&progress, "reduce", "rounds at most", 0, rounds);
    while (out->n_rounds < rounds) {
        memcpy(l.before, out->of, bytes);
        TRY(assign(&l));
        fill_empty(&l);
        if (out->n_rounds++ && memcmp(l.before, out->of, bytes) == 0)
            break;
        move_centroids(&l);
        progress_step(&progress, out->n_rounds);
    }
    progress_end(&progress, out->n_rounds);
out:
    lloyd_close(&l);
    if (rc)
        clusters_release(out);
    return rc;
}
