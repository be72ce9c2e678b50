/* bank_reduce.c - a bank of fewer entries: shares of the labels, drawn and farthest entries, the result. */
#include "bank/bank_reduce_int.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "par/cores.h"

#include <math.h>
#include <string.h>

void reduce_shares(const size_t n[2], size_t wanted, size_t share[2])
{
    size_t all = n[0] + n[1];
    if (wanted >= all) {
        share[0] = n[0];
        share[1] = n[1];
        return;
    }
    share[1] = wanted * n[1] / all;
    if (2 * (wanted * n[1] % all) > all)
        share[1]++;
    if (n[1] && !share[1])
        share[1] = 1;
    share[0] = wanted > share[1] ? wanted - share[1] : 0;
    if (n[0] && !share[0]) {
        share[0] = 1;
        if (share[1] > 1)
            share[1]--;
    }
}

/* ---- a pool ---- */

int pool_fill(struct pool *p)
{
    int rc = ERR_OK;
    TRY(ops_alloc(p->ops, &p->x, p->n * p->dim));
    for (size_t i = 0; i < p->n; i++)
        TRY(ops_upload(p->ops, p->x + i * p->dim, p->keys + p->row[i] * p->dim, p->dim));
    TRY(ops_alloc(p->ops, &p->sim, p->n));
    TRY(MEM_NEW(p->host_sim, p->n));
    TRY(MEM_NEW(p->best, p->n));
    TRY(MEM_NEW(p->is_chosen, p->n));
    for (size_t i = 0; i < p->n; i++)
        p->best[i] = -HUGE_VALF;
out:
    return rc;
}

void pool_release(struct pool *p)
{
    ops_drop(p->ops, &p->x);
    ops_drop(p->ops, &p->sim);
    MEM_FREE(p->host_sim);
    MEM_FREE(p->best);
    MEM_FREE(p->is_chosen);
}

int pool_choose(struct pool *p, size_t entry)
{
    int rc = ERR_OK;
    if (stop_requested())
        FAIL(ERR_STOPPED, "stopped while reducing a bank");
    TRY(ops_product(p->ops, &(struct product){.m = p->n,
                                              .n = 1,
                                              .k = p->dim,
                                              .a = p->x,
                                              .b = p->x + entry * p->dim,
                                              .c = p->sim,
                                              .lda = p->dim,
                                              .ldb = p->dim,
                                              .ldc = 1,
                                              .b_turned = true}));
    TRY(ops_download(p->ops, p->host_sim, p->sim, p->n));
    for (size_t i = 0; i < p->n; i++)
        p->best[i] = p->host_sim[i] > p->best[i] ? p->host_sim[i] : p->best[i];
    p->is_chosen[entry] = 1;
out:
    return rc;
}

/* ---- which entries stay ---- */

/* A level of a bank. */
struct level {
    uint64_t stream; /* of random numbers, and the one after it: a label each */
    size_t n, dim;
    float *keys;
    uint8_t *labels;
    int32_t *item;
};

/* What becomes of each entry of a level. */
enum { GOES = -2, STAYS = -1 }; /* 0 and more: it is the first of that cluster of its label */

struct choice {
    size_t n;         /* entries that come out */
    int32_t *fate;    /* [n of the level] */
    float *centre[2]; /* [clusters, dim] of each label; NULL where there are none */
};

static void keep(struct choice *c, const struct pool *p, size_t entry, int32_t fate)
{
    c->fate[p->row[entry]] = fate;
    c->n++;
}

/* A draw without replacement, in entry order: each entry stays with chance (still wanted) / (still to come). */
static int pick_random(struct choice *c, struct pool *p, size_t share, int label)
{
    size_t left = share;
    (void)label;
    for (size_t i = 0; i < p->n && left; i++)
        if (rng_below(p->seed, i, p->n - i) < left) {
            keep(c, p, i, STAYS);
            left--;
        }
    return ERR_OK;
}

/* The entry that is least similar to what was chosen; the lower one of equals. */
static size_t find_farthest(const struct pool *p)
{
    size_t at = p->n;
    for (size_t i = 0; i < p->n; i++)
        if (!p->is_chosen[i] && (at == p->n || p->best[i] < p->best[at]))
            at = i;
    return at;
}

static int pick_farthest(struct choice *c, struct pool *p, size_t share, int label)
{
    int rc = ERR_OK;
    struct progress progress;
    (void)label;
    TRY(pool_fill(p));
    progress_begin(&progress, "reduce", "entries", 0, share);
    TRY(pool_choose(p, (size_t)rng_below(p->seed, 0, p->n)));
    for (size_t i = 1; i < share; i++) {
        TRY(pool_choose(p, find_farthest(p)));
        progress_step(&progress, i + 1);
    }
    progress_end(&progress, share);
    for (size_t i = 0; i < p->n; i++)
        if (p->is_chosen[i])
            keep(c, p, i, STAYS);
out:
    pool_release(p);
    return rc;
}

static int pick_centroids(struct choice *c, struct pool *p, size_t share, int label)
{
    int rc = ERR_OK;
    struct clusters clusters = {0};
    uint8_t *is_met = NULL;
    double sum = 0;
    TRY(pool_fill(p));
    TRY(kmeans_run(&clusters, p, share, KMEANS_ROUNDS));
    TRY(MEM_NEW(is_met, share));
    for (size_t i = 0; i < p->n; i++) {
        sum += (double)p->best[i];
        if (!is_met[clusters.of[i]])
            keep(c, p, i, (int32_t)clusters.of[i]);
        is_met[clusters.of[i]] = 1;
    }
    c->centre[label] = clusters.centroid;
    clusters.centroid = NULL;
    log_root("reduce", "%zu %s entries to %zu centroids in %zu rounds, mean cosine %.6f", p->n,
             label ? "anomalous" : "normal", share, clusters.n_rounds, sum / (double)p->n);
out:
    pool_release(p);
    clusters_release(&clusters);
    MEM_FREE(is_met);
    return rc;
}

/* By enum reduce. */
static int (*const methods[])(struct choice *c, struct pool *p, size_t share, int label) = {
    [REDUCE_KMEANS] = pick_centroids,
    [REDUCE_RANDOM] = pick_random,
    [REDUCE_FARTHEST] = pick_farthest,
};

static int choose(struct choice *c, const struct level *l, size_t wanted,
                  const struct bank_reduction *r, struct ops *ops)
{
    int rc = ERR_OK;
    size_t *row = NULL;
    size_t share[2];
    const size_t anomalous = bank_anomalous(l->labels, l->n);
    const size_t n[2] = {l->n - anomalous, anomalous};
    reduce_shares(n, wanted, share);
    TRY(MEM_NEW(c->fate, l->n));
    TRY(MEM_NEW(row, l->n));
    for (size_t i = 0; i < l->n; i++)
        c->fate[i] = share[l->labels[i]] == n[l->labels[i]] ? STAYS : GOES;
    for (int label = 0; label < 2; label++) {
        struct pool p = {.ops = ops, .keys = l->keys, .row = row, .dim = l->dim};
        if (share[label] == n[label]) {
            c->n += n[label];
            continue;
        }
        for (size_t i = 0; i < l->n; i++)
            if (l->labels[i] == label)
                row[p.n++] = i;
        p.seed = rng_u64(r->seed, l->stream + (uint64_t)label);
        TRY(methods[r->method](c, &p, share[label], label));
    }
out:
    MEM_FREE(row);
    return rc;
}

/* ---- the bank of them ---- */

static struct level image_level(const struct bank *b)
{
    return (struct level){0, b->n_image, b->embed, b->image_keys, b->image_labels, b->image_item};
}

static struct level pixel_level(const struct bank *b)
{
    return (struct level){2, b->n_pixel, b->width, b->pixel_keys, b->pixel_labels, b->source_item};
}

static void fill(const struct level *to, const struct level *from, const struct choice *c)
{
    size_t at = 0;
    for (size_t i = 0; i < from->n; i++) {
        int32_t fate = c->fate[i];
        const float *key = from->keys + i * from->dim;
        if (fate == GOES)
            continue;
        if (fate >= 0)
            key = c->centre[from->labels[i]] + (size_t)fate * from->dim;
        memcpy(to->keys + at * to->dim, key, to->dim * sizeof *key);
        to->labels[at] = from->labels[i];
        to->item[at] = fate >= 0 ? -1 : from->item[i];
        at++;
    }
}

int bank_reduce(struct bank **out, const struct bank *full, const struct bank_reduction *r,
                struct ops *ops)
{
    int rc = ERR_OK;
    struct choice image = {0};
    struct choice pixel = {0};
    const struct level from[2] = {image_level(full), pixel_level(full)};
    struct level to[2];
    BUG_ON(r->method == REDUCE_FULL);
    *out = NULL;
    TRY(choose(&image, &from[0], r->image_entries ? r->image_entries : full->n_image, r, ops));
    TRY(choose(&pixel, &from[1], r->entries, r, ops));
    TRY(bank_new(out, full->embed, full->width, image.n, pixel.n));
    to[0] = image_level(*out);
    to[1] = pixel_level(*out);
    fill(&to[0], &from[0], &image);
    fill(&to[1], &from[1], &pixel);
out:
    for (int label = 0; label < 2; label++) {
        MEM_FREE(image.centre[label]);
        MEM_FREE(pixel.centre[label]);
    }
    MEM_FREE(image.fate);
    MEM_FREE(pixel.fate);
    return rc;
}
