/*
 * The kernels that training needs, every variant against "ref". ref's own gradients are checked by
 * finite differences in tests/unit/test_text_double.c. Limits as in test_ops.c: four times
 * sqrt(length) * 2^-24 for the lengths summed.
 */
#include "check.h"
#include "variants.h"

#include "base/err.h"
#include "base/mem.h"
#include "ops/ops.h"

#include <math.h>
#include <string.h>

static void norm_case(struct ops *ref, struct ops *variant)
{
    static const size_t shape[][2] = {{1, 2}, {3, 7}, {65, 128}, {20, 1024}};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        size_t n = shape[i][0], d = shape[i][1];
        struct buffer x = buffer_filled(n * d, 1, 3), w = buffer_filled(d, 2, 1);
        struct buffer g = buffer_filled(n * d, 3, 1);
        struct buffer y = buffer_filled(n * d, 4, 1), z = buffer_filled(n * d, 4, 1);
        struct norm_grad a = {.x = x.data,
                              .weight = w.data,
                              .y = g.data,
                              .sum = y.data,
                              .n_rows = n,
                              .dim = d,
                              .epsilon = i % 2 ? 1e-5 : 1e-2};
        CHECK_OK(ops_layer_norm_grad(ref, &a));
        a.sum = z.data;
        CHECK_OK(ops_layer_norm_grad(variant, &a));
        buffer_compare("layer norm gradient", &z, &y, 4 * sqrt((double)d + 4) * 0x1p-24);
        buffer_drop(&x), buffer_drop(&w), buffer_drop(&g), buffer_drop(&y), buffer_drop(&z);
    }
}

static void layer_norm_gradients_agree(void **state)
{
    (void)state;
    on_all_variants(norm_case);
}

/* Small, usual and huge numbers: neither sigmoid nor error function may overflow or lose its tail. */
static void activation_case(struct ops *ref, struct ops *variant, enum activation act)
{
    static const size_t length[] = {1, 7, 4096, 10001};
    static const float scale[] = {0.01F, 4, 40, 1e4F};
    for (size_t i = 0; i < 16; i++) {
        size_t n = length[i / 4];
        struct buffer x = buffer_filled(n, 5, scale[i % 4]);
        struct buffer y = buffer_filled(n, 6, 1), z = buffer_filled(n, 6, 1);
        CHECK_OK(ops_activate(ref, act, x.data, n, y.data));
        CHECK_OK(ops_activate(variant, act, x.data, n, z.data));
        buffer_compare("activation", &z, &y, 8 * 0x1p-24);
        memcpy(y.data, x.data, n * sizeof *y.data);
        CHECK_OK(ops_activate(variant, act, y.data, n, y.data));
        assert_memory_equal(y.data, z.data, n * sizeof *y.data);
        for (size_t k = 0; k < n; k++)
            y.data[k] = z.data[k] = 0.5F;
        CHECK_OK(ops_activate_grad(ref, act, x.data, n, y.data));
        CHECK_OK(ops_activate_grad(variant, act, x.data, n, z.data));
        buffer_compare("activation gradient", &z, &y, 8 * 0x1p-24);
        buffer_drop(&x), buffer_drop(&y), buffer_drop(&z);
    }
}

static void quick_gelu_case(struct ops *ref, struct ops *variant)
{
    activation_case(ref, variant, ACT_QUICK_GELU);
}

static void gelu_case(struct ops *ref, struct ops *variant)
{
    activation_case(ref, variant, ACT_GELU);
}

static void activations_agree(void **state)
{
    (void)state;
    on_all_variants(quick_gelu_case);
    on_all_variants(gelu_case);
}

struct attention_shape {
    size_t n_query, n_key, n_heads, head_dim, n_items;
    bool causal;
};

static const struct attention_shape attention_shapes[] = {
    {1, 1, 1, 64, 1, true},   {17, 17, 3, 64, 5, true}, {140, 140, 2, 64, 2, true},
    {9, 9, 1, 32, 3, false},  {7, 12, 2, 64, 3, false}, {12, 7, 2, 64, 2, false},
    {77, 77, 1, 64, 1, true},
};

static struct attention make_attention(const struct attention_shape *s, struct buffer *qkv,
                                       struct buffer *out)
{
    size_t d = s->n_heads * s->head_dim;
    size_t most = s->n_query > s->n_key ? s->n_query : s->n_key;
    *qkv = buffer_filled(s->n_items * most * 3 * d, 7, 2);
    *out = buffer_filled(s->n_items * s->n_query * d, 8, 1);
    return (struct attention){.query = qkv->data,
                              .key = qkv->data + d,
                              .value = qkv->data + 2 * d,
                              .out = out->data,
                              .stride = 3 * d,
                              .out_stride = d,
                              .n_query = s->n_query,
                              .n_key = s->n_key,
                              .n_heads = s->n_heads,
                              .head_dim = s->head_dim,
                              .n_items = s->n_items,
                              .causal = s->causal};
}

static void attend_case(struct ops *ref, struct ops *variant)
{
    for (size_t i = 0; i < sizeof attention_shapes / sizeof *attention_shapes; i++) {
        const struct attention_shape *s = &attention_shapes[i];
        struct buffer qkv, y;
        struct attention a = make_attention(s, &qkv, &y);
        struct buffer z = buffer_filled(y.n, 8, 1);
        CHECK_OK(ops_attend(ref, &a));
        a.out = z.data;
        CHECK_OK(ops_attend(variant, &a));
        buffer_compare("attention", &z, &y, 4 * sqrt((double)(s->n_key + s->head_dim)) * 0x1p-24);
        buffer_drop(&qkv), buffer_drop(&y), buffer_drop(&z);
    }
}

static void batches_and_masks_agree(void **state)
{
    (void)state;
    on_all_variants(attend_case);
}

static void attend_grad_case(struct ops *ref, struct ops *variant)
{
    for (size_t i = 0; i < sizeof attention_shapes / sizeof *attention_shapes; i++) {
        const struct attention_shape *s = &attention_shapes[i];
        size_t d = s->n_heads * s->head_dim;
        struct buffer qkv, out;
        const struct attention a = make_attention(s, &qkv, &out);
        struct buffer y = buffer_filled(qkv.n, 9, 1), z = buffer_filled(qkv.n, 9, 1);
        struct attention_grad g = {out.data, y.data, y.data + d, y.data + 2 * d};
        CHECK_OK(ops_attend_grad(ref, &a, &g));
        g = (struct attention_grad){out.data, z.data, z.data + d, z.data + 2 * d};
        CHECK_OK(ops_attend_grad(variant, &a, &g));
        /* sums over keys follow sums over columns follow the softmax: the lengths add up twice */
        buffer_compare("attention gradient", &z, &y,
                       8 * sqrt((double)(s->n_key + s->n_query + s->head_dim)) * 0x1p-24);
        buffer_drop(&qkv), buffer_drop(&out), buffer_drop(&y), buffer_drop(&z);
    }
}

static void attention_gradients_agree(void **state)
{
    (void)state;
    on_all_variants(attend_grad_case);
}

/* A batch is its sequences one by one, bit for bit; n_items 0 means 1. */
static void batch_case(struct ops *ref, struct ops *variant)
{
    const struct attention_shape s = {11, 11, 2, 64, 3, true};
    struct buffer qkv, y;
    struct attention a = make_attention(&s, &qkv, &y);
    struct buffer z = buffer_filled(y.n, 8, 1);
    (void)ref;
    CHECK_OK(ops_attend(variant, &a));
    a.n_items = 0;
    for (size_t i = 0; i < s.n_items; i++) {
        a.out = z.data + i * s.n_query * a.out_stride;
        CHECK_OK(ops_attend(variant, &a));
        a.query += s.n_query * a.stride;
        a.key += s.n_key * a.stride;
        a.value += s.n_key * a.stride;
    }
    assert_memory_equal(y.data, z.data, y.n * sizeof *y.data);
    buffer_drop(&qkv), buffer_drop(&y), buffer_drop(&z);
}

static void a_batch_is_its_items(void **state)
{
    (void)state;
    on_all_variants(batch_case);
}

/* All results of one attention, its gradient, a layer norm gradient and activations, one after another. */
static struct buffer all_results(struct ops *ops)
{
    const struct attention_shape s = {33, 33, 3, 64, 4, true};
    const size_t d = s.n_heads * s.head_dim, n = s.n_items * s.n_query;
    struct buffer qkv, out, all = buffer_filled(n * d * 9, 1, 1);
    struct buffer w = buffer_filled(d, 2, 1);
    struct attention a = make_attention(&s, &qkv, &out);
    float *at = all.data + n * d;
    const struct attention_grad g = {out.data, at, at + d, at + 2 * d};
    const struct norm_grad norm = {qkv.data, w.data, out.data, at + 3 * n * d, n, d, 1e-5};
    a.out = all.data;
    CHECK_OK(ops_attend(ops, &a));
    CHECK_OK(ops_attend_grad(ops, &a, &g));
    CHECK_OK(ops_layer_norm_grad(ops, &norm));
    CHECK_OK(ops_activate(ops, ACT_QUICK_GELU, qkv.data, n * d, at + 4 * n * d));
    CHECK_OK(ops_activate_grad(ops, ACT_GELU, qkv.data, 3 * n * d, at + 5 * n * d));
    buffer_drop(&qkv), buffer_drop(&out), buffer_drop(&w);
    return all;
}

static void the_number_of_threads_changes_nothing(void **state)
{
    struct buffer first = {0};
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        struct ops *ops = NULL;
        struct buffer all;
        CHECK_OK(ops_open(&ops, "cpu", threads));
        all = all_results(ops);
        ops_close(&ops);
        if (threads == 1) {
            first = all;
            continue;
        }
        assert_memory_equal(all.data, first.data, all.n * sizeof *all.data);
        buffer_drop(&all);
    }
    buffer_drop(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layer_norm_gradients_agree),
        cmocka_unit_test(activations_agree),
        cmocka_unit_test(batches_and_masks_agree),
        cmocka_unit_test(attention_gradients_agree),
        cmocka_unit_test(a_batch_is_its_items),
        cmocka_unit_test(the_number_of_threads_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
