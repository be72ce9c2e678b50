/* variants.h - arrays with guarded ends, and one case run on every variant of the kernels. */
#ifndef SUPPORT_VARIANTS_H
#define SUPPORT_VARIANTS_H

#include "ops/ops.h"

#include <stddef.h>
#include <stdint.h>

struct buffer {
    float *all;  /* sentinels, data, sentinels */
    float *data; /* [n] */
    size_t n;
};

/* n numbers in [-scale, scale) by seed. */
struct buffer buffer_filled(size_t n, uint64_t seed, float scale);

/* Demand that the sentinels still stand, and free. */
void buffer_drop(struct buffer *b);

/* Demand a relative Frobenius error of at most `limit`. */
void buffer_compare(const char *what, const struct buffer *got, const struct buffer *want,
                    double limit);

/* Run a case on each variant with 1, 2 and 3 threads, beside "ref". */
typedef void (*case_fn)(struct ops *ref, struct ops *variant);
void on_all_variants(case_fn run);

#endif /* SUPPORT_VARIANTS_H */
