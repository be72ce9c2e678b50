/*
 * Every kernel of every variant against "ref", on odd and even shapes, with sentinels around the
 * output. Limits are relative Frobenius errors of float32 sums over the lengths used: about
 * sqrt(length) * 2^-24, taken four times.
 */
#include "check.h"
#include "variants.h"

#include "base/err.h"
#include "base/mem.h"
#include "ops/ops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void linear_case(struct ops *ref, struct ops *variant)
{
    static const size_t shape[][3] = {
        {1, 1, 1}, {7, 33, 17}, {50, 128, 384}, {65, 588, 130}, {1, 192, 768}};
    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++)
        for (int form = 0; form < 12; form++) {
            const size_t m = shape[s][0], k = shape[s][1], n = shape[s][2];
            struct buffer x = buffer_filled(m * k, 1, 1), w = buffer_filled(n * k, 2, 1),
                          b = buffer_filled(n, 3, 1);
            struct buffer y = buffer_filled(m * n, 4, 1), z = buffer_filled(m * n, 4, 1);
            struct linear *lr = NULL;
            struct linear *lv = NULL;
            char what[64];
            const struct linear_spec spec = {.n_in = k,
                                             .n_out = n,
                                             .weight = w.data,
                                             .bias = form & 1 ? b.data : NULL,
                                             .act = (enum activation)(form / 4),
                                             .adds = (form & 2) != 0};
            CHECK_OK(linear_pack(ref, &lr, &spec));
            CHECK_OK(linear_pack(variant, &lv, &spec));
            for (int again = 0; again < 2; again++) {
                CHECK_OK(linear_run(ref, lr, x.data, m, y.data));
                CHECK_OK(linear_run(variant, lv, x.data, m, z.data));
            }
            (void)snprintf(what, sizeof what, "linear %zux%zux%zu form %d", m, k, n, form);
            buffer_compare(what, &z, &y, 4 * sqrt((double)k + 4) * 0x1p-24);
            linear_free(ref, &lr);
            linear_free(variant, &lv);
            buffer_drop(&x), buffer_drop(&w), buffer_drop(&b), buffer_drop(&y), buffer_drop(&z);
        }
}

static void linear_maps_agree(void **state)
{
    (void)state;
    on_all_variants(linear_case);
}

/* One map, many numbers of rows: more than the cpu variant keeps plans for. */
static void row_case(struct ops *ref, struct ops *variant)
{
    enum { K = 64, N = 96, MOST = 300 };
    struct buffer x = buffer_filled(MOST * K, 1, 1), w = buffer_filled(N * K, 2, 1);
    struct linear *lr = NULL;
    struct linear *lv = NULL;
    const struct linear_spec spec = {.n_in = K, .n_out = N, .weight = w.data};
    static const size_t rows[] = {1, 2, 3, 17, 64, 128, 299, 300, 1, 64, 0};
    CHECK_OK(linear_pack(ref, &lr, &spec));
    CHECK_OK(linear_pack(variant, &lv, &spec));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer y = buffer_filled(rows[i] * N, 4, 1), z = buffer_filled(rows[i] * N, 4, 1);
        CHECK_OK(linear_run(ref, lr, x.data, rows[i], y.data));
        CHECK_OK(linear_run(variant, lv, x.data, rows[i], z.data));
        buffer_compare("rows", &z, &y, 4 * 8 * 0x1p-24);
        buffer_drop(&y), buffer_drop(&z);
    }
    linear_free(ref, &lr);
    linear_free(variant, &lv);
    buffer_drop(&x), buffer_drop(&w);
}

static void any_number_of_rows_agrees(void **state)
{
    (void)state;
    on_all_variants(row_case);
}

static void attention_case(struct ops *ref, struct ops *variant)
{
    static const size_t shape[][4] = {
        {1, 5, 1, 64}, {65, 65, 2, 64}, {197, 197, 3, 64}, {300, 130, 2, 32}};
    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++) {
        size_t nq = shape[s][0], nk = shape[s][1], heads = shape[s][2], hd = shape[s][3];
        size_t d = heads * hd, most = nq > nk ? nq : nk;
        struct buffer qkv = buffer_filled(most * 3 * d, 5, 2);
        struct buffer y = buffer_filled(nq * d, 6, 1), z = buffer_filled(nq * d, 6, 1);
        struct attention a = {.query = qkv.data,
                              .key = qkv.data + d,
                              .value = qkv.data + 2 * d,
                              .out = y.data,
                              .stride = 3 * d,
                              .out_stride = d,
                              .n_query = nq,
                              .n_key = nk,
                              .n_heads = heads,
                              .head_dim = hd};
        CHECK_OK(ops_attend(ref, &a));
        a.out = z.data;
        CHECK_OK(ops_attend(variant, &a));
        buffer_compare("attention", &z, &y, 4 * sqrt((double)(nk + hd)) * 0x1p-24);
        buffer_drop(&qkv), buffer_drop(&y), buffer_drop(&z);
    }
}

static void attention_agrees(void **state)
{
    (void)state;
    on_all_variants(attention_case);
}

static void norm_case(struct ops *ref, struct ops *variant)
{
    static const size_t shape[][2] = {{1, 1}, {3, 7}, {65, 128}, {20, 1024}};
    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++) {
        size_t n = shape[s][0], d = shape[s][1];
        struct buffer x = buffer_filled(n * d, 7, 3), w = buffer_filled(d, 8, 1),
                      b = buffer_filled(d, 9, 1);
        struct buffer y = buffer_filled(n * d, 1, 1), z = buffer_filled(n * d, 1, 1);
        struct norm norm = {x.data, w.data, b.data, y.data, n, d, s % 2 ? 1e-5 : 1e-2};
        CHECK_OK(ops_layer_norm(ref, &norm));
        norm.y = z.data;
        CHECK_OK(ops_layer_norm(variant, &norm));
        buffer_compare("layer norm", &z, &y, 4 * sqrt((double)d + 4) * 0x1p-24);
        memcpy(z.data, x.data, n * d * sizeof *z.data);
        memcpy(y.data, x.data, n * d * sizeof *y.data);
        CHECK_OK(ops_unit(ref, y.data, n, d));
        CHECK_OK(ops_unit(variant, z.data, n, d));
        buffer_compare("unit", &z, &y, 4 * sqrt((double)d + 4) * 0x1p-24);
        buffer_drop(&x), buffer_drop(&w), buffer_drop(&b), buffer_drop(&y), buffer_drop(&z);
    }
}

static void norms_agree(void **state)
{
    (void)state;
    on_all_variants(norm_case);
}

static void pool_case(struct ops *ref, struct ops *variant)
{
    static const size_t shape[][2] = {{1, 4}, {2, 4}, {3, 9}, {8, 128}, {37, 16}};
    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++) {
        size_t g = shape[s][0], d = shape[s][1];
        struct buffer x = buffer_filled(g * g * d, 7, 3), y = buffer_filled(g * g * d, 1, 1),
                      z = buffer_filled(g * g * d, 1, 1);
        CHECK_OK(ops_pool(ref, x.data, g, d, y.data));
        CHECK_OK(ops_pool(variant, x.data, g, d, z.data));
        buffer_compare("pool", &z, &y, 4 * 5 * 0x1p-24);
        buffer_drop(&x), buffer_drop(&y), buffer_drop(&z);
    }
}

static void pooling_agrees(void **state)
{
    (void)state;
    on_all_variants(pool_case);
}

static void retrieve_case(struct ops *ref, struct ops *variant)
{
    enum { ROWS = 70, KEYS = 45, DIM = 32 };
    static const float taus[] = {1.0F, 0.07F, 0.005F};
    struct buffer q = buffer_filled(ROWS * DIM, 1, 1), k = buffer_filled(KEYS * DIM, 2, 1),
                  a = buffer_filled(KEYS, 3, 1);
    struct buffer y = buffer_filled(ROWS, 4, 1), z = buffer_filled(ROWS, 4, 1);
    const struct linear_spec spec = {.n_in = DIM, .n_out = KEYS, .weight = k.data};
    struct linear *lr = NULL;
    struct linear *lv = NULL;
    for (size_t i = 0; i < KEYS; i++)
        a.data[i] = a.data[i] > 0 ? 1.0F : 0.0F;
    CHECK_OK(ops_unit(ref, q.data, ROWS, DIM));
    CHECK_OK(ops_unit(ref, k.data, KEYS, DIM));
    CHECK_OK(linear_pack(ref, &lr, &spec));
    CHECK_OK(linear_pack(variant, &lv, &spec));
    for (size_t t = 0; t < 3; t++) {
        CHECK_OK(ops_retrieve(ref, lr, q.data, ROWS, a.data, taus[t], y.data));
        CHECK_OK(ops_retrieve(variant, lv, q.data, ROWS, a.data, taus[t], z.data));
        buffer_compare("retrieval", &z, &y, 4 * 8 * 0x1p-24 / (double)taus[t]);
    }
    linear_free(ref, &lr);
    linear_free(variant, &lv);
    buffer_drop(&q), buffer_drop(&k), buffer_drop(&a), buffer_drop(&y), buffer_drop(&z);
}

static void retrieval_agrees(void **state)
{
    (void)state;
    on_all_variants(retrieve_case);
}

/* Row by row in plain loops, from the arrays alone. */
static double plain_nearest(const float *q, const float *k, const float *a, const size_t shape[2],
                            double tau)
{
    double top[2] = {-HUGE_VAL, -HUGE_VAL};
    for (size_t j = 0; j < shape[0]; j++) {
        double sim = 0;
        for (size_t d = 0; d < shape[1]; d++)
            sim += (double)q[d] * (double)k[j * shape[1] + d];
        if (sim > top[a[j] == 1])
            top[a[j] == 1] = sim;
    }
    if (top[0] == -HUGE_VAL || top[1] == -HUGE_VAL)
        return top[0] == -HUGE_VAL;
    return exp(top[1] / tau) / (exp(top[0] / tau) + exp(top[1] / tau));
}

/* Keys of both labels, of one only, and the one key that there is; rows that make several blocks. */
static void nearest_case(struct ops *ref, struct ops *variant)
{
    enum { DIM = 32 };
    static const size_t shape[][2] = {{70, 45}, {3, 1}, {9, 8}, {9, 7}, {33, 1 << 19}};
    static const float taus[] = {1.0F, 0.07F, 0.005F};
    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++) {
        size_t rows = shape[s][0], n = shape[s][1];
        bool is_large = n > 1000;
        size_t dim = is_large ? 2 : DIM;
        struct buffer q = buffer_filled(rows * dim, 1, 1), k = buffer_filled(n * dim, 2, 1),
                      a = buffer_filled(n, 3, 1), y = buffer_filled(rows, 5, 1),
                      z = buffer_filled(rows, 4, 1);
        const struct linear_spec spec = {.n_in = dim, .n_out = n, .weight = k.data};
        struct linear *lr = NULL;
        struct linear *lv = NULL;
        double worst = 0;
        for (size_t i = 0; i < n; i++)
            a.data[i] = n == 8 ? 0.0F : n == 7 || a.data[i] > 0.5F ? 1.0F : 0.0F;
        CHECK_OK(ops_unit(variant, q.data, rows, dim));
        CHECK_OK(ops_unit(variant, k.data, n, dim));
        CHECK_OK(linear_pack(ref, &lr, &spec));
        CHECK_OK(linear_pack(variant, &lv, &spec));
        for (size_t t = 0; t < (is_large ? 1 : 3); t++) {
            CHECK_OK(ops_retrieve_nearest(ref, lr, q.data, rows, a.data, taus[t], y.data));
            CHECK_OK(ops_retrieve_nearest(variant, lv, q.data, rows, a.data, taus[t], z.data));
            buffer_compare("nearest", &z, &y, 4 * 8 * 0x1p-24 / (double)taus[t]);
            for (size_t r = 0; r < rows; r += is_large ? 13 : 1) {
                double want = plain_nearest(q.data + r * dim, k.data, a.data, (size_t[]){n, dim},
                                            (double)taus[t]);
                double gap = fabs((double)z.data[r] - want);
                worst = fmax(worst, gap * (double)taus[t]);
                assert_false(gap != gap);
            }
        }
        /* an error e of a similarity moves the mass by at most e / (4 tau), of each label */
        CHECK_WITHIN("nearest in plain loops", worst, 4 * sqrt(DIM) * 0x1p-24);
        linear_free(ref, &lr);
        linear_free(variant, &lv);
        buffer_drop(&q), buffer_drop(&k), buffer_drop(&a), buffer_drop(&y), buffer_drop(&z);
    }
}

static void nearest_entries_are_those_of_plain_loops(void **state)
{
    (void)state;
    on_all_variants(nearest_case);
}

static void map_case(struct ops *ref, struct ops *variant)
{
    static const size_t shape[][3] = {{1, 1, 5}, {2, 3, 10}, {3, 8, 112}, {1, 5, 3}};
    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++) {
        size_t n = shape[s][0], g = shape[s][1], side = shape[s][2];
        struct buffer x = buffer_filled(n * g * g, 1, 1);
        struct buffer y = buffer_filled(n * side * side, 2, 1),
                      z = buffer_filled(n * side * side, 2, 1);
        CHECK_OK(ops_upsample(ref, x.data, n, g, side, y.data));
        CHECK_OK(ops_upsample(variant, x.data, n, g, side, z.data));
        buffer_compare("upsample", &z, &y, 4 * 0x1p-24);
        CHECK_OK(ops_smooth(ref, y.data, n, side, 4.0));
        CHECK_OK(ops_smooth(variant, z.data, n, side, 4.0));
        buffer_compare("smooth", &z, &y, 4 * 0x1p-24);
        buffer_drop(&x), buffer_drop(&y), buffer_drop(&z);
    }
}

static void maps_agree(void **state)
{
    (void)state;
    on_all_variants(map_case);
}

static void smoothing_keeps_a_constant_and_the_mean(void **state)
{
    struct ops *ops = NULL;
    float x[100];
    (void)state;
    CHECK_OK(ops_open(&ops, "ref", 1));
    for (int i = 0; i < 100; i++)
        x[i] = 0.25F;
    CHECK_OK(ops_smooth(ops, x, 1, 10, 4.0));
    for (int i = 0; i < 100; i++)
        assert_true(fabsf(x[i] - 0.25F) < 1e-7F);
    ops_close(&ops);
}

/* All four ways to store the factors, with rows farther apart than they are long. */
static void product_case(struct ops *ref, struct ops *variant)
{
    enum { M = 30, N = 21, K = 50, GAP = 3, MOST = 60 };
    struct buffer a = buffer_filled(MOST * MOST, 1, 1), b = buffer_filled(MOST * MOST, 2, 1);
    for (int form = 0; form < 8; form++) {
        struct buffer y = buffer_filled(M * (N + GAP), 3, 1),
                      z = buffer_filled(M * (N + GAP), 3, 1);
        struct product p = {.m = M, .n = N, .k = K, .a = a.data, .b = b.data, .c = y.data};
        p.a_turned = form & 1;
        p.b_turned = form & 2;
        p.adds = form & 4;
        p.lda = (p.a_turned ? M : K) + GAP;
        p.ldb = (p.b_turned ? K : N) + GAP;
        p.ldc = N + GAP;
        CHECK_OK(ops_product(ref, &p));
        p.c = z.data;
        CHECK_OK(ops_product(variant, &p));
        buffer_compare("product", &z, &y, 4 * 7 * 0x1p-24);
        buffer_drop(&y), buffer_drop(&z);
    }
    buffer_drop(&a), buffer_drop(&b);
}

static void products_agree(void **state)
{
    (void)state;
    on_all_variants(product_case);
}

static void unknown_variants_are_refused(void **state)
{
    struct ops *ops = NULL;
    (void)state;
    CHECK_FAILS(ops_open(&ops, "gpu", 1), ERR_CONFIG, "known: auto, cpu, ref");
    assert_null(ops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_maps_agree),
        cmocka_unit_test(any_number_of_rows_agrees),
        cmocka_unit_test(attention_agrees),
        cmocka_unit_test(norms_agree),
        cmocka_unit_test(pooling_agrees),
        cmocka_unit_test(retrieval_agrees),
        cmocka_unit_test(nearest_entries_are_those_of_plain_loops),
        cmocka_unit_test(maps_agree),
        cmocka_unit_test(smoothing_keeps_a_constant_and_the_mean),
        cmocka_unit_test(products_agree),
        cmocka_unit_test(unknown_variants_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
