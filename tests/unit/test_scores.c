/* Unit tests of scores/: the score of one image, parts and the whole, keys. */
#include "check.h"
#include "tiny.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "scores/scores_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_PX = 997 };

static int downwards(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x < y) - (x > y);
}

/* The mean of the largest values by sorting them all. */
static double plain_top(const float *map, size_t n, double share)
{
    float sorted[N_PX];
    size_t k = (size_t)((double)n * share);
    double sum = 0;
    k = k < 1 ? 1 : k;
    memcpy(sorted, map, n * sizeof *map);
    qsort(sorted, n, sizeof *sorted, downwards);
    for (size_t i = 0; i < k; i++)
        sum += (double)sorted[i];
    return sum / (double)k;
}

/* Multiples of 2^-10, so that sums are exact in any order; few steps make many ties. */
static void fill_map(float *map, size_t n, uint64_t seed, uint64_t steps)
{
    for (size_t i = 0; i < n; i++)
        map[i] = (float)rng_below(seed, i, steps) * 0x1p-10F;
}

static void the_top_share_is_that_of_a_sort(void **state)
{
    static const double shares[] = {1e-9, 0.001, 0.0021, 0.01, 0.3, 0.999, 1};
    static const uint64_t steps[] = {1, 2, 5, 1024, 1 << 20};
    static const size_t sizes[] = {1, 2, 3, 17, N_PX};
    float map[N_PX], scratch[N_PX];
    (void)state;
    for (uint64_t c = 0; c < 7 * 5 * 5 * 4; c++) {
        const struct score_options o = {.top = shares[c % 7], .k = 0.25};
        size_t n = sizes[c / 7 % 5];
        double top;
        fill_map(map, n, c, steps[c / 35 % 5]);
        if (c % 2) /* sorted maps are the hard ones for a selection */
            qsort(map, n, sizeof *map, downwards);
        top = plain_top(map, n, o.top);
        assert_true(score_image(&o, 0.5F, map, n, scratch) == (float)(0.75 * top + 0.25 * 0.5));
    }
}

/* Below one pixel the largest alone counts. */
static void a_share_below_one_pixel_is_the_maximum(void **state)
{
    const struct score_options o = {.top = 0.01, .k = 0};
    const float map[10] = {0.1F, 0.5F, 0.25F, 0.5F, 0, 0.375F};
    float scratch[10];
    (void)state;
    assert_true(score_image(&o, 1, map, 10, scratch) == 0.5F);
}

static void fusions_add_up(void **state)
{
    const float map[4] = {0.25F, 0.75F, 0.25F, 0.75F};
    float scratch[4];
    struct score_options o = {.top = 0.5, .k = 0.25, .is_sum = true};
    (void)state;
    assert_true(score_image(&o, 0.5F, map, 4, scratch) == 1.25F);
    o.is_sum = false;
    assert_true(score_image(&o, 0.5F, map, 4, scratch) == 0.6875F);
    o.k = 1;
    assert_true(score_image(&o, 0.5F, map, 4, scratch) == 0.5F);
    o.top = 1;
    o.k = 0;
    assert_true(score_image(&o, 0.5F, map, 4, scratch) == 0.5F);
}

static bool has_part(const struct tiny_store *s, size_t shard)
{
    char *path = NULL;
    bool has;
    CHECK_OK(scores_shard_path(&path, s->scores, shard));
    has = path_is_file(path);
    assert_true(has == scores_has_shard(s->scores, shard));
    MEM_FREE(path);
    return has;
}

/* Every number is finite, masses are shares, and the score follows from what is stored beside it. */
static void check_scores(const struct tiny_store *s, const struct scores *whole)
{
    float map[TINY_SIDE * TINY_SIDE];
    assert_true(whole->n == TINY_ITEMS && whole->n_patch == TINY_PATCHES);
    for (size_t i = 0; i < TINY_ITEMS; i++) {
        double top;
        assert_true(whole->y_cls[i] > 0 && whole->y_cls[i] < 1);
        for (size_t k = 0; k < TINY_PATCHES; k++)
            assert_true(whole->mass[i * TINY_PATCHES + k] > 0 &&
                        whole->mass[i * TINY_PATCHES + k] < 1);
        CHECK_OK(score_map(s->ops, whole->mass + i * TINY_PATCHES, s->features->grid, TINY_SIDE,
                           s->scores->options.sigma, map));
        top = plain_top(map, TINY_SIDE * TINY_SIDE, s->config->top);
        assert_true(fabs((1 - s->config->k) * top + s->config->k * (double)whole->y_cls[i] -
                         (double)whole->score[i]) <= 0x1p-24);
        assert_int_equal(whole->skipped[i], 0);
    }
}

static void joining_replaces_the_parts(void **state)
{
    struct tiny_store s;
    struct scores *part = NULL;
    struct scores *whole = NULL;
    char *path = NULL;
    (void)state;
    tiny_store_open(&s, NULL);
    tiny_extract(&s);
    tiny_build_bank(&s);
    tiny_score(&s);
    assert_true(has_part(&s, 0) && has_part(&s, 1));
    assert_false(scores_is_whole(s.scores));
    CHECK_OK(scores_shard_path(&path, s.scores, 1));
    CHECK_OK(scores_read(&part, path, s.scores, 1));
    CHECK_OK(scores_join(s.scores));
    assert_true(scores_is_whole(s.scores));
    assert_false(has_part(&s, 0) || has_part(&s, 1));
    CHECK_OK(scores_open(&whole, s.scores));
    check_scores(&s, whole);
    assert_memory_equal(whole->score + 4, part->score, 2 * sizeof(float));
    assert_memory_equal(whole->y_cls + 4, part->y_cls, 2 * sizeof(float));
    assert_memory_equal(whole->mass + (size_t)4 * TINY_PATCHES, part->mass,
                        (size_t)2 * TINY_PATCHES * sizeof(float));
    scores_free(&part);
    scores_free(&whole);
    MEM_FREE(path);
    tiny_store_close(&s);
}

static void a_missing_part_stops_the_join(void **state)
{
    struct tiny_store s;
    struct scores *part = NULL;
    char *path = NULL;
    char *first = NULL;
    (void)state;
    tiny_store_open(&s, NULL);
    tiny_extract(&s);
    tiny_build_bank(&s);
    tiny_score(&s);
    CHECK_OK(scores_shard_path(&first, s.scores, 0));
    CHECK_OK(scores_shard_path(&path, s.scores, 1));
    CHECK_FAILS(scores_read(&part, path, s.scores, 0), ERR_FORMAT, "is part 1, wanted 0");
    assert_int_equal(rename(first, path), 0);
    CHECK_FAILS(scores_join(s.scores), ERR_IO, "shard-00000.h5: No such file");
    assert_int_equal(rename(path, first), 0);
    CHECK_FAILS(scores_join(s.scores), ERR_IO, "shard-00001.h5: No such file");
    assert_true(has_part(&s, 0));
    assert_false(scores_is_whole(s.scores));
    MEM_FREE(path);
    MEM_FREE(first);
    tiny_store_close(&s);
}

static void skipped_items_have_no_score(void **state)
{
    static const char *const skips[] = {"run.on_bad_item=skip", NULL};
    struct tiny_store s;
    struct scores *whole = NULL;
    (void)state;
    tiny_store_open(&s, NULL);
    CHECK_OK(file_write(tiny_path(&s, "data/3.png"), "no picture", 10));
    tiny_store_plan(&s, skips);
    tiny_extract(&s);
    tiny_build_bank(&s);
    tiny_score(&s);
    CHECK_OK(scores_join(s.scores));
    CHECK_OK(scores_open(&whole, s.scores));
    assert_memory_equal(whole->skipped, ((const uint8_t[]){0, 0, 0, 1, 0, 0}), TINY_ITEMS);
    assert_true(whole->score[3] == 0.0F && whole->score[4] > 0.0F);
    scores_free(&whole);
    tiny_store_close(&s);
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* exp(s_a / tau) / (exp(s_n / tau) + exp(s_a / tau)) of a query, divided by its length. */
static double nearest_share(const float *query, const float *keys, const uint8_t *labels, size_t n,
                            size_t dim)
{
    const double tau = 0.5;
    double best[2] = {-2, -2};
    for (size_t i = 0; i < n; i++)
        best[labels[i]] =
            fmax(best[labels[i]], dot(query, keys + i * dim, dim) / sqrt(dot(query, query, dim)));
    return exp(best[1] / tau) / (exp(best[0] / tau) + exp(best[1] / tau));
}

/* Both levels by the nearest entry of each label, from what the files hold. */
static void nearest_entries_score_both_levels(void **state)
{
    static const char *const set[] = {"retrieval.by=nearest", "retrieval.tau=0.5",
                                      "bank.neighbour_pool=false", NULL};
    struct tiny_store s;
    struct feature_shard f;
    struct scores *whole = NULL;
    struct bank *b = NULL;
    float cls[TINY_EMBED], patch[TINY_PATCHES * TINY_WIDTH];
    double gap = 0;
    (void)state;
    tiny_store_open(&s, set);
    tiny_extract(&s);
    tiny_build_bank(&s);
    tiny_score(&s);
    CHECK_OK(scores_join(s.scores));
    CHECK_OK(scores_open(&whole, s.scores));
    check_scores(&s, whole);
    CHECK_OK(bank_open(&b, s.bank));
    CHECK_OK(feature_shard_open(&f, s.features, 1));
    CHECK_OK(feature_shard_read(&f, 0, cls, patch));
    gap = fabs((double)whole->y_cls[TINY_SHARD_ITEMS] -
               nearest_share(cls, b->image_keys, b->image_labels, b->n_image, TINY_EMBED));
    for (size_t i = 0; i < TINY_PATCHES; i++)
        gap = fmax(gap, fabs((double)whole->mass[TINY_SHARD_ITEMS * TINY_PATCHES + i] -
                             nearest_share(patch + i * TINY_WIDTH, b->pixel_keys, b->pixel_labels,
                                           b->n_pixel, TINY_WIDTH)));
    /* unit vectors in float: similarities within a few 2^-24, the share within half of that over tau */
    CHECK_WITHIN("nearest", gap, 0x1p-22);
    feature_shard_close(&f);
    scores_free(&whole);
    bank_free(&b);
    tiny_store_close(&s);
}

static void keys_follow_scoring_options(void **state)
{
    static const char *const changes[] = {"retrieval.tau=2",    "score.top=0.5",
                                          "score.k=0.5",        "score.fusion=sum",
                                          "score.sigma=0",      "bank.neighbour_pool=false",
                                          "features.dtype=f16", "retrieval.by=nearest"};
    static const char *const same[] = {"run.threads=2", "metrics.pro_steps=9", NULL};
    struct tiny_store s;
    char key[HASH_HEX];
    (void)state;
    tiny_store_open(&s, NULL);
    memcpy(key, s.scores->key, sizeof key);
    tiny_store_plan(&s, same);
    assert_string_equal(s.scores->key, key);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const char *const set[] = {changes[i], NULL};
        tiny_store_plan(&s, set);
        assert_string_not_equal(s.scores->key, key);
    }
    tiny_store_close(&s);
}

static void empty_banks_cannot_be_searched(void **state)
{
    struct ops *ops = NULL;
    struct retriever *r = NULL;
    const struct bank none = {.embed = 4, .width = 4};
    (void)state;
    CHECK_OK(ops_open(&ops, "ref", 1));
    CHECK_FAILS(retriever_new(&r, ops, &none, NULL), ERR_SHAPE, "cannot be searched");
    assert_null(r);
    ops_close(&ops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_top_share_is_that_of_a_sort),
        cmocka_unit_test(a_share_below_one_pixel_is_the_maximum),
        cmocka_unit_test(fusions_add_up),
        cmocka_unit_test(joining_replaces_the_parts),
        cmocka_unit_test(a_missing_part_stops_the_join),
        cmocka_unit_test(skipped_items_have_no_score),
        cmocka_unit_test(nearest_entries_score_both_levels),
        cmocka_unit_test(keys_follow_scoring_options),
        cmocka_unit_test(empty_banks_cannot_be_searched),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
