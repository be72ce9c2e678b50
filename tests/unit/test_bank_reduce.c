/*
 * Unit tests of reduced banks: shares, each method against plain loops in double, scikit-learn's
 * clusters, and where a reduction lies.
 */
#include "check.h"
#include "tiny.h"
#include "variants.h"

#include "bank/bank_reduce_int.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "par/cores.h"
#include "tensor/h5.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DIM = 16, IMAGES = 40, PIXELS = 230 };

static void unit_rows(float *x, size_t n, size_t dim, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        double square = 0;
        for (size_t d = 0; d < dim; d++) {
            x[i * dim + d] = rng_uniform(seed, i * dim + d);
            square += (double)x[i * dim + d] * (double)x[i * dim + d];
        }
        for (size_t d = 0; d < dim; d++)
            x[i * dim + d] = (float)((double)x[i * dim + d] / sqrt(square));
    }
}

/* A bank of random unit keys; about a third of the entries are anomalous. */
static struct bank *random_bank(void)
{
    struct bank *b = NULL;
    CHECK_OK(bank_new(&b, DIM, DIM, IMAGES, PIXELS));
    unit_rows(b->image_keys, IMAGES, DIM, 1);
    unit_rows(b->pixel_keys, PIXELS, DIM, 2);
    for (size_t i = 0; i < IMAGES; i++) {
        b->image_labels[i] = rng_below(3, i, 3) == 0;
        b->image_item[i] = (int32_t)i;
    }
    for (size_t i = 0; i < PIXELS; i++) {
        b->pixel_labels[i] = rng_below(4, i, 3) == 0;
        b->source_item[i] = (int32_t)i; /* so that a kept entry tells which it was */
    }
    return b;
}

static struct bank *reduced(const struct bank *full, int method, size_t entries, struct ops *ops)
{
    const struct bank_reduction r = {.method = method, .entries = entries, .seed = 111};
    struct bank *b = NULL;
    CHECK_OK(bank_reduce(&b, full, &r, ops));
    CHECK_OK(bank_check(b, "reduced"));
    return b;
}

static bool is_same(const struct bank *a, const struct bank *b)
{
    return a->n_image == b->n_image && a->n_pixel == b->n_pixel &&
           memcmp(a->image_keys, b->image_keys, a->n_image * DIM * sizeof(float)) == 0 &&
           memcmp(a->image_labels, b->image_labels, a->n_image) == 0 &&
           memcmp(a->image_item, b->image_item, a->n_image * sizeof(int32_t)) == 0 &&
           memcmp(a->pixel_keys, b->pixel_keys, a->n_pixel * DIM * sizeof(float)) == 0 &&
           memcmp(a->pixel_labels, b->pixel_labels, a->n_pixel) == 0 &&
           memcmp(a->source_item, b->source_item, a->n_pixel * sizeof(int32_t)) == 0;
}

/* ---- shares ---- */

static void shares_are_in_proportion(void **state)
{
    static const size_t cases[][5] = {
        /* normal, anomalous, wanted, and what stays of them */
        {2162, 931, 100, 70, 30}, {50, 30, 8, 5, 3}, {999, 1, 10, 9, 1}, {1, 999, 10, 1, 9},
        {3, 1, 2, 1, 1},          {5, 5, 3, 2, 1},   {0, 9, 4, 0, 4},    {9, 0, 4, 4, 0},
        {4, 3, 7, 4, 3},          {4, 3, 800, 4, 3}, {9, 9, 1, 1, 1}};
    size_t share[2];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reduce_shares(cases[i], cases[i][2], share);
        assert_int_equal(share[0], cases[i][3]);
        assert_int_equal(share[1], cases[i][4]);
    }
    for (size_t normal = 0; normal < 30; normal++)
        for (size_t other = 0; other < 30; other++)
            for (size_t wanted = 2; wanted < normal + other; wanted++) {
                const size_t n[2] = {normal, other};
                reduce_shares(n, wanted, share);
                assert_int_equal(share[0] + share[1], wanted);
                for (int l = 0; l < 2; l++) {
                    double exact = (double)(wanted * n[l]) / (double)(normal + other);
                    assert_true(share[l] <= n[l] && (share[l] > 0) == (n[l] > 0));
                    assert_true(fabs((double)share[l] - exact) <= 0.5 || share[l] == 1 ||
                                share[1 - l] == 1);
                }
            }
}

static const int methods[] = {REDUCE_KMEANS, REDUCE_RANDOM, REDUCE_FARTHEST};

static void a_small_bank_stays_as_it_is(void **state)
{
    struct ops *ops = NULL;
    struct bank *full = random_bank();
    (void)state;
    CHECK_OK(ops_open(&ops, "ref", 1));
    for (size_t m = 0; m < 3; m++) {
        struct bank *b = reduced(full, methods[m], PIXELS, ops);
        assert_true(is_same(full, b));
        bank_free(&b);
        b = reduced(full, methods[m], 1000000000, ops);
        assert_true(is_same(full, b));
        bank_free(&b);
        b = reduced(full, methods[m], PIXELS - 1, ops);
        assert_int_equal(b->n_pixel, PIXELS - 1);
        assert_int_equal(b->n_image, IMAGES);
        bank_free(&b);
    }
    bank_free(&full);
    ops_close(&ops);
}

/* The image level alone obeys image_entries; chosen entries stay in order with what belongs to them. */
static void chosen_entries_keep_order_and_items(void **state)
{
    struct ops *ops = NULL;
    struct bank *full = random_bank();
    (void)state;
    CHECK_OK(ops_open(&ops, "ref", 1));
    for (int m = REDUCE_RANDOM; m <= REDUCE_FARTHEST; m++) {
        const struct bank_reduction r = {.method = m, .entries = 31, .image_entries = 7, .seed = 5};
        struct bank *b = NULL;
        CHECK_OK(bank_reduce(&b, full, &r, ops));
        assert_true(b->n_image == 7 && b->n_pixel == 31);
        for (size_t i = 0; i < b->n_pixel; i++) {
            size_t was = (size_t)b->source_item[i];
            assert_true(i == 0 || b->source_item[i] > b->source_item[i - 1]);
            assert_memory_equal(b->pixel_keys + i * DIM, full->pixel_keys + was * DIM,
                                DIM * sizeof(float));
            assert_int_equal(b->pixel_labels[i], full->pixel_labels[was]);
        }
        for (size_t i = 0; i < b->n_image; i++) {
            size_t was = (size_t)b->image_item[i];
            assert_true(i == 0 || b->image_item[i] > b->image_item[i - 1]);
            assert_memory_equal(b->image_keys + i * DIM, full->image_keys + was * DIM,
                                DIM * sizeof(float));
            assert_int_equal(b->image_labels[i], full->image_labels[was]);
        }
        bank_free(&b);
    }
    bank_free(&full);
    ops_close(&ops);
}

/* ---- plain loops ---- */

/* Rows of one label, in order; returns their number. */
static size_t rows_of(const struct bank *b, int label, size_t row[PIXELS])
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_pixel; i++)
        if (b->pixel_labels[i] == label)
            row[n++] = i;
    return n;
}

static double cosine(const float *a, const float *b)
{
    double sum = 0;
    for (size_t d = 0; d < DIM; d++)
        sum += (double)a[d] * (double)b[d];
    return sum;
}

/* Seed of a label's random numbers at the pixel level, see bank_reduce. */
static uint64_t pixel_seed(uint64_t seed, int label)
{
    return rng_u64(seed, 2 + (uint64_t)label);
}

static void farthest_case(struct ops *ref, struct ops *variant)
{
    enum { WANTED = 40 };
    struct bank *full = random_bank();
    struct bank *b = reduced(full, REDUCE_FARTHEST, WANTED, variant);
    uint8_t is_chosen[PIXELS] = {0};
    size_t row[PIXELS], share[2], at = 0;
    size_t n[2] = {rows_of(full, 0, row), rows_of(full, 1, row)};
    (void)ref;
    reduce_shares(n, WANTED, share);
    for (int label = 0; label < 2; label++) {
        (void)rows_of(full, label, row);
        is_chosen[row[rng_below(pixel_seed(111, label), 0, n[label])]] = 1;
        for (size_t j = 1; j < share[label]; j++) {
            size_t worst = PIXELS;
            double least = 2;
            for (size_t i = 0; i < n[label]; i++) {
                double nearest = -2;
                for (size_t c = 0; c < n[label]; c++)
                    if (is_chosen[row[c]])
                        nearest = fmax(nearest, cosine(full->pixel_keys + row[i] * DIM,
                                                       full->pixel_keys + row[c] * DIM));
                if (!is_chosen[row[i]] && nearest < least) {
                    least = nearest;
                    worst = row[i];
                }
            }
            is_chosen[worst] = 1;
        }
    }
    for (size_t i = 0; i < PIXELS; i++)
        if (is_chosen[i])
            assert_int_equal(b->source_item[at++], i);
    assert_int_equal(at, WANTED);
    bank_free(&b);
    bank_free(&full);
}

static void farthest_points_are_those_of_plain_loops(void **state)
{
    (void)state;
    on_all_variants(farthest_case);
}

/* Equal entries: the lower one comes first, and none is taken twice. */
static void equal_entries_are_taken_from_below(void **state)
{
    struct ops *ops = NULL;
    struct bank *full = NULL;
    struct bank *b;
    bool is_chosen[12] = {false};
    size_t first = (size_t)rng_below(pixel_seed(111, 0), 0, 12);
    (void)state;
    CHECK_OK(ops_open(&ops, "ref", 1));
    CHECK_OK(bank_new(&full, DIM, DIM, 0, 12));
    for (size_t i = 0; i < 12; i++) {
        full->pixel_keys[i * DIM + i / 4] = 1; /* three directions, four times each */
        full->source_item[i] = (int32_t)i;
    }
    b = reduced(full, REDUCE_FARTHEST, 4, ops);
    /* the seeded one, the lowest of each other direction, then the lowest that is left */
    is_chosen[first] = true;
    for (size_t direction = 0; direction < 3; direction++)
        is_chosen[4 * direction] = is_chosen[4 * direction] || direction != first / 4;
    is_chosen[is_chosen[0] ? 1 : 0] = true;
    for (size_t i = 0, at = 0; i < 12; i++)
        if (is_chosen[i])
            assert_int_equal(b->source_item[at++], i);
    assert_int_equal(b->n_pixel, 4);
    bank_free(&b);
    b = reduced(full, REDUCE_KMEANS, 5, ops); /* more clusters than directions: none stays empty */
    assert_int_equal(b->n_pixel, 5);
    bank_free(&b);
    bank_free(&full);
    ops_close(&ops);
}

/* Seeded selection sampling, written again; and every entry has the same chance. */
static void random_draws_are_fair(void **state)
{
    enum { WANTED = 23, DRAWS = 3000 };
    struct bank *full = random_bank();
    size_t row[PIXELS], share[2], count[PIXELS] = {0};
    size_t n[2] = {rows_of(full, 0, row), rows_of(full, 1, row)};
    (void)state;
    reduce_shares(n, WANTED, share);
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        const struct bank_reduction r = {.method = REDUCE_RANDOM, .entries = WANTED, .seed = seed};
        struct bank *b = NULL;
        size_t at[2] = {0, 0};
        CHECK_OK(bank_reduce(&b, full, &r, NULL)); /* a draw needs no kernels */
        assert_int_equal(b->n_pixel, WANTED);
        assert_int_equal(bank_anomalous(b->pixel_labels, WANTED), share[1]);
        for (size_t i = 0, next = 0; i < PIXELS && seed < 20; i++) {
            int l = full->pixel_labels[i];
            size_t left = share[l];
            for (size_t k = 0; k < next; k++)
                left -= b->pixel_labels[k] == l;
            bool stays = rng_u64(pixel_seed(seed, l), at[l]) % (n[l] - at[l]) < left;
            at[l]++;
            assert_int_equal(next < WANTED && b->source_item[next] == (int32_t)i, stays);
            next += stays;
        }
        for (size_t i = 0; i < WANTED; i++)
            count[b->source_item[i]]++;
        bank_free(&b);
    }
    for (size_t i = 0; i < PIXELS; i++) {
        int l = full->pixel_labels[i];
        double chance = (double)share[l] / (double)n[l];
        double deviation = sqrt(DRAWS * chance * (1 - chance));
        assert_true(fabs((double)count[i] - DRAWS * chance) < 5 * deviation);
    }
    bank_free(&full);
}

/* ---- k-means ---- */

/* A pool of the bank's normal entries. */
static struct pool normal_pool(const struct bank *b, size_t row[PIXELS], struct ops *ops)
{
    return (struct pool){.ops = ops,
                         .keys = b->pixel_keys,
                         .row = row,
                         .n = rows_of(b, 0, row),
                         .dim = DIM,
                         .seed = 9};
}

/* Mean over entries of the largest cosine to any centroid. */
static double objective(const struct pool *p, const struct clusters *c)
{
    double sum = 0;
    for (size_t i = 0; i < p->n; i++) {
        double best = -2;
        for (size_t j = 0; j < c->k; j++)
            best = fmax(best, cosine(p->keys + p->row[i] * DIM, c->centroid + j * DIM));
        sum += best / (double)p->n;
    }
    return sum;
}

/* Entries are with their nearest centroid, centroids are unit means of their entries. */
static void check_fixed_point(const struct pool *p, const struct clusters *c)
{
    for (size_t i = 0; i < p->n; i++) {
        const float *key = p->keys + p->row[i] * DIM;
        double own = cosine(key, c->centroid + c->of[i] * DIM);
        for (size_t j = 0; j < c->k; j++)
            assert_true(cosine(key, c->centroid + j * DIM) <= own + 0x1p-22);
    }
    for (size_t j = 0; j < c->k; j++) {
        double mean[DIM] = {0};
        double square = 0;
        double gap = 0;
        for (size_t i = 0; i < p->n; i++)
            for (size_t d = 0; c->of[i] == j && d < DIM; d++)
                mean[d] += (double)p->keys[p->row[i] * DIM + d];
        for (size_t d = 0; d < DIM; d++)
            square += mean[d] * mean[d];
        assert_true(square > 0); /* no cluster is empty */
        for (size_t d = 0; d < DIM; d++)
            gap = fmax(gap, fabs((double)c->centroid[j * DIM + d] - mean[d] / sqrt(square)));
        assert_true(gap <= 0x1p-24);
    }
}

static void kmeans_case(struct ops *ref, struct ops *variant)
{
    static const size_t sizes[] = {1, 2, 7, 30};
    struct bank *full = random_bank();
    size_t row[PIXELS];
    (void)ref;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        double before = -1;
        double seeded = 0;
        size_t rounds = 0;
        for (bool is_over = false; !is_over; rounds++) {
            struct pool p = normal_pool(full, row, variant);
            struct clusters c;
            double now;
            CHECK_OK(pool_fill(&p));
            CHECK_OK(kmeans_run(&c, &p, sizes[s], rounds));
            now = objective(&p, &c);
            assert_true(now >= before - 0x1p-22); /* centroids are rounded to float */
            before = now;
            seeded = rounds ? seeded : now;
            is_over = c.n_rounds < rounds;
            if (is_over)
                check_fixed_point(&p, &c);
            assert_true(rounds < KMEANS_ROUNDS);
            clusters_release(&c);
            pool_release(&p);
        }
        assert_true(rounds > 2 && before > seeded + 0.01);
    }
    bank_free(&full);
}

static void rounds_never_lose_and_end_in_a_fixed_point(void **state)
{
    (void)state;
    on_all_variants(kmeans_case);
}

/* Centroids have no item, and stand where the first of their entries stood. */
static void all_variants_make_the_same_bank(struct ops *ref, struct ops *variant)
{
    struct bank *full = random_bank();
    for (size_t m = 0; m < 3; m++) {
        struct bank *a = reduced(full, methods[m], 30, ref);
        struct bank *b = reduced(full, methods[m], 30, variant);
        struct bank *again = reduced(full, methods[m], 30, variant);
        assert_true(is_same(a, b) && is_same(b, again));
        for (size_t i = 0; i < b->n_pixel; i++)
            assert_true((b->source_item[i] == -1) == (methods[m] == REDUCE_KMEANS));
        assert_int_equal(b->image_item[3], 3);
        bank_free(&a);
        bank_free(&b);
        bank_free(&again);
    }
    bank_free(&full);
}

static void variants_agree(void **state)
{
    (void)state;
    on_all_variants(all_variants_make_the_same_bank);
}

/* Eight clusters far apart: one best clustering, which scikit-learn found from 50 starts. */
static void clusters_are_those_of_scikit_learn(void **state)
{
    struct tensor points, label, of, centroid;
    struct h5 *f = NULL;
    struct ops *ops = NULL;
    struct bank *full = NULL;
    struct bank *b;
    (void)state;
    CHECK_OK(ops_open(&ops, "auto", 1));
    CHECK_OK(h5_open(&f, check_fixture("bank/kmeans.h5")));
    CHECK_OK(h5_read(f, "points", DTYPE_F32, &points));
    CHECK_OK(h5_read(f, "label", DTYPE_U8, &label));
    CHECK_OK(h5_read(f, "centroid_label", DTYPE_U8, &of));
    CHECK_OK(h5_read(f, "centroid", DTYPE_F32, &centroid));
    h5_close(&f);
    CHECK_OK(bank_new(&full, 1, points.dim[1], 0, points.dim[0]));
    memcpy(full->pixel_keys, points.data, tensor_count(&points) * sizeof(float));
    memcpy(full->pixel_labels, label.data, points.dim[0]);
    b = reduced(full, REDUCE_KMEANS, 8, ops);
    assert_int_equal(b->n_pixel, 8);
    assert_memory_equal(b->pixel_labels, of.data, 8);
    /* the reference is rounded to float from double, ours from sums of the same numbers */
    CHECK_WITHIN("centroids", floats_distance(b->pixel_keys, centroid.data, 8 * b->width), 0x1p-22);
    bank_free(&b);
    bank_free(&full);
    tensor_free(&points);
    tensor_free(&label);
    tensor_free(&of);
    tensor_free(&centroid);
    ops_close(&ops);
}

static void reductions_stop_when_asked(void **state)
{
    struct ops *ops = NULL;
    struct bank *full = random_bank();
    struct bank *b = NULL;
    struct bank_reduction r = {.method = REDUCE_KMEANS, .entries = 9};
    (void)state;
    CHECK_OK(ops_open(&ops, "ref", 1));
    stop_after(1e-9);
    CHECK_FAILS(bank_reduce(&b, full, &r, ops), ERR_STOPPED, "stopped while reducing a bank");
    r.method = REDUCE_FARTHEST;
    CHECK_FAILS(bank_reduce(&b, full, &r, ops), ERR_STOPPED, "stopped while reducing a bank");
    stop_after(0);
    assert_null(b);
    bank_free(&full);
    ops_close(&ops);
}

/* ---- places ---- */

static const char *const by_kmeans[] = {"bank.reduce=kmeans", "bank.entries=4", NULL};

static void reductions_lie_beside_the_full_bank(void **state)
{
    static const char *const others[] = {"bank.reduce=random", "bank.entries=5", "bank.seed=1",
                                         "bank.image_entries=3"};
    struct tiny_store s;
    struct bank *bank = NULL;
    char key[HASH_HEX], scores[HASH_HEX], dir[1024];
    char *path = NULL;
    char *text = NULL;
    (void)state;
    tiny_store_open(&s, NULL);
    memcpy(key, s.bank->key, sizeof key);
    (void)snprintf(dir, sizeof dir, "%s", s.bank->dir);
    memcpy(scores, s.scores->key, sizeof scores);
    tiny_store_plan(&s, (const char *const[]){"bank.entries=4", "bank.seed=3", NULL});
    assert_string_equal(s.bank->key, key); /* of no effect on a full bank */
    assert_null(s.bank->full);
    tiny_store_plan(&s, by_kmeans);
    assert_string_not_equal(s.bank->key, key);
    assert_string_not_equal(s.scores->key, scores);
    assert_string_equal(s.bank->full->key, key);
    assert_string_equal(s.bank->dir, dir);
    tiny_extract(&s);
    assert_true(bank_needs_shards(s.bank));
    tiny_build_bank(&s);
    assert_true(bank_is_whole(s.bank) && bank_is_whole(s.bank->full));
    assert_true(bank_has_shard(s.bank, 0) && bank_has_shard(s.bank->full, 1));
    CHECK_OK(bank_open(&bank, s.bank));
    assert_true(bank->n_pixel == 4 && bank->n_image == TINY_ITEMS);
    CHECK_OK(bank_path(&path, s.bank));
    CHECK_OK(bank_reduction_of(&text, path));
    assert_string_equal(text, "{\"bank.reduce\":\"kmeans\",\"bank.entries\":4,"
                              "\"bank.image_entries\":0,\"bank.seed\":111}");
    MEM_FREE(text);
    MEM_FREE(path);
    CHECK_OK(bank_path(&path, s.bank->full));
    CHECK_OK(bank_reduction_of(&text, path));
    assert_null(text);
    memcpy(key, s.bank->key, sizeof key);
    for (size_t i = 0; i < 4; i++) {
        tiny_store_plan(&s, (const char *const[]){by_kmeans[0], by_kmeans[1], others[i], NULL});
        assert_string_not_equal(s.bank->key, key);
        assert_false(bank_is_whole(s.bank));
        assert_false(bank_needs_shards(s.bank));
    }
    MEM_FREE(path);
    bank_free(&bank);
    tiny_store_close(&s);
}

/* From the full bank's file alone, whether it is the store's or one that was given. */
static void one_file_is_enough(void **state)
{
    const struct gather_method *method = NULL;
    struct tiny_store s;
    struct bank *first = NULL;
    struct bank *bank = NULL;
    char given[1100], root[1100];
    const char *const from_file[] = {root, given, "bank.reduce=kmeans", "bank.entries=4", NULL};
    char *path = NULL;
    (void)state;
    CHECK_OK(gather_find(&method, "mpi"));
    tiny_store_open(&s, by_kmeans);
    tiny_extract(&s);
    tiny_build_bank(&s);
    CHECK_OK(bank_open(&first, s.bank));
    for (size_t i = 0; i < TINY_SHARDS; i++) {
        CHECK_OK(bank_shard_path(&path, s.bank, i));
        assert_int_equal(unlink(path), 0);
        MEM_FREE(path);
    }
    CHECK_OK(bank_path(&path, s.bank));
    assert_int_equal(unlink(path), 0);
    assert_false(bank_is_whole(s.bank) || bank_needs_shards(s.bank));
    CHECK_OK(bank_gather(&bank, s.bank, s.ops, s.comm, method));
    assert_memory_equal(bank->pixel_keys, first->pixel_keys, 4 * TINY_WIDTH * sizeof(float));
    assert_true(bank_is_whole(s.bank));
    bank_free(&bank);
    MEM_FREE(path);
    CHECK_OK(bank_path(&path, s.bank->full));
    assert_int_equal(rename(path, tiny_path(&s, "given.h5")), 0);
    MEM_FREE(path);
    (void)snprintf(given, sizeof given, "datasets.tiny.bank=%s", tiny_path(&s, "given.h5"));
    (void)snprintf(root, sizeof root, "datasets.tiny.root=%s", tiny_path(&s, "data"));
    tiny_store_plan(&s, from_file);
    assert_non_null(s.bank->full->file);
    assert_true(bank_is_whole(s.bank)); /* a full bank of the same key: the same reduction */
    CHECK_OK(bank_path(&path, s.bank));
    assert_int_equal(unlink(path), 0);
    assert_false(bank_needs_shards(s.bank));
    CHECK_OK(bank_gather(&bank, s.bank, s.ops, s.comm, method));
    assert_memory_equal(bank->pixel_keys, first->pixel_keys, 4 * TINY_WIDTH * sizeof(float));
    assert_true(path_is_file(path) && bank_is_whole(s.bank));
    bank_free(&bank);
    bank_free(&first);
    MEM_FREE(path);
    tiny_store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_in_proportion),
        cmocka_unit_test(a_small_bank_stays_as_it_is),
        cmocka_unit_test(chosen_entries_keep_order_and_items),
        cmocka_unit_test(farthest_points_are_those_of_plain_loops),
        cmocka_unit_test(equal_entries_are_taken_from_below),
        cmocka_unit_test(random_draws_are_fair),
        cmocka_unit_test(rounds_never_lose_and_end_in_a_fixed_point),
        cmocka_unit_test(variants_agree),
        cmocka_unit_test(clusters_are_those_of_scikit_learn),
        cmocka_unit_test(reductions_stop_when_asked),
        cmocka_unit_test(reductions_lie_beside_the_full_bank),
        cmocka_unit_test(one_file_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
