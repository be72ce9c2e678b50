/* variants.c - see variants.h. */
#include "variants.h"

#include "check.h"

#include "base/mem.h"
#include "base/rng.h"
#include "tensor/tensor.h"

enum { GUARD = 32 };

static const float SENTINEL = 1234.5F;

struct buffer buffer_filled(size_t n, uint64_t seed, float scale)
{
    struct buffer b = {.n = n};
    CHECK_OK(MEM_NEW(b.all, n + 2 * (size_t)GUARD));
    b.data = b.all + GUARD;
    for (size_t i = 0; i < n; i++)
        b.data[i] = scale * rng_uniform(seed, i);
    for (size_t i = 0; i < GUARD; i++)
        b.all[i] = b.data[n + i] = SENTINEL;
    return b;
}

void buffer_drop(struct buffer *b)
{
    for (size_t i = 0; i < GUARD; i++)
        assert_true(b->all[i] == SENTINEL && b->data[b->n + i] == SENTINEL);
    MEM_FREE(b->all);
}

void buffer_compare(const char *what, const struct buffer *got, const struct buffer *want,
                    double limit)
{
    CHECK_WITHIN(what, floats_distance(got->data, want->data, want->n), limit);
}

void on_all_variants(case_fn run)
{
    size_t n = 0;
    const char *const *names = ops_names(&n);
    struct ops *ref = NULL;
    CHECK_OK(ops_open(&ref, "ref", 1));
    for (size_t i = 0; i < n; i++)
        for (int threads = 1; threads <= 3; threads++) {
            struct ops *variant = NULL;
            CHECK_OK(ops_open(&variant, names[i], threads));
            run(ref, variant);
            ops_close(&variant);
        }
    ops_close(&ref);
}
