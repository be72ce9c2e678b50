/*
 * bank_reduce_int.h - choosing entries of one label at one level of a bank. See bank_reduce.c.
 *
 * Similarities come from the kernels; choices and sums are made in entry order by plain loops, so that
 * equal similarities give equal banks.
 */
#ifndef BANK_BANK_REDUCE_INT_H
#define BANK_BANK_REDUCE_INT_H

#include "bank/bank_int.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The entries of one label, in the order of the bank; x and what follows is there after pool_fill. */
struct pool {
    struct ops *ops;   /* borrowed */
    const float *keys; /* borrowed: unit rows of the whole level, host memory */
    const size_t *row; /* [n] borrowed: the pool's rows of it, ascending */
    size_t n, dim;     /* n > 0 */
    uint64_t seed;     /* of this pool alone */
    float *x;          /* [n, dim] the rows, where the kernels compute */
    float *sim;        /* [n] likewise */
    float *host_sim;   /* [n] */
    float *best; /* [n] similarity to the nearest of what was chosen, or to the own centroid */
    uint8_t *is_chosen; /* [n] */
};

/* Give a pool whose first six members are set its memory. ERR_MEMORY. Release with pool_release. */
int pool_fill(struct pool *p);
void pool_release(struct pool *p);

/*
 * Choose one more entry: best [n] becomes the largest similarity to any chosen one. ERR_STOPPED when a
 * stop was requested.
 */
int pool_choose(struct pool *p, size_t entry);

/* Clusters of a pool. */
struct clusters {
    size_t k;
    float *centroid; /* [k, dim] unit rows, host memory */
    uint32_t *of;    /* [n] cluster of each entry; none is empty */
    size_t n_rounds; /* assignments that were made */
};

/* Assignments after which Lloyd's iteration ends though entries still move. */
enum { KMEANS_ROUNDS = 50 };

/*
 * Spherical k-means, 1 <= k <= n: maximises the mean cosine of entries and their cluster's centroid.
 * Seeds by k-means++ (an entry is drawn with probability in proportion to 1 - cos to the nearest seed),
 * then rounds of assignment to the nearest centroid (ties: the lower one) and centroid = unit mean of
 * its entries. An empty cluster takes the entry farthest from its centroid (ties: the lower one) out of
 * a cluster of several. Ends when no entry moves, or after `rounds`. Uses best of the pool. ERR_STOPPED
 * when a stop was requested. Release with clusters_release.
 */
int kmeans_run(struct clusters *out, struct pool *p, size_t k, size_t rounds);
void clusters_release(struct clusters *c);

/*
 * Entries of each label out of n[2] when `wanted` stay in all: in proportion, the rest to the larger
 * remainder (ties: normal), at least 1 of a label that has any. All when wanted is not less than their sum.
 */
void reduce_shares(const size_t n[2], size_t wanted, size_t share[2]);

/*
 * The bank of what stays of another. Local. Chosen entries are copied with their items and stay in
 * order; centroids have item -1 and stand where the first of their entries stood. A label that has no
 * more entries than its share keeps them as they are. ops may be NULL for REDUCE_RANDOM. ERR_STOPPED when a
 * stop was requested. Free with bank_free.
 *
 * Each label of each level has random numbers of its own: those of rng_u64(seed, s), with s = 0 and 1 for
 * normal and anomalous image entries, 2 and 3 for pixel entries. With n entries, REDUCE_RANDOM keeps the
 * i-th if rng_below(that, i, n - i) is less than what is still wanted; the others begin with entry
 * rng_below(that, 0, n).
 */
int bank_reduce(struct bank **out, const struct bank *full, const struct bank_reduction *r,
                struct ops *ops);

#endif /* BANK_BANK_REDUCE_INT_H */
