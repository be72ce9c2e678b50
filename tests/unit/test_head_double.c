/*
 * Every hand-written gradient of MRAD-FT, and those of MRAD-CLIP outside the text tower, against central
 * finite differences, in double: the code under test is src/head/core_int.h and pooling_int.h themselves,
 * compiled for double (ops/real.h).
 */
#include "check.h"

#include "base/mem.h"
#include "base/rng.h"

#include "head/core_int.h"
#include "head/pooling_int.h"

enum { GRID = 3, SIDE = 9, N = GRID * GRID, DIM = 5, EMBED = 4, M = 7 };

static int three_loops(void *state, const struct core_product *p)
{
    (void)state;
    for (size_t r = 0; r < p->m; r++)
        for (size_t c = 0; c < p->n; c++) {
            double sum = p->adds ? p->c[r * p->ldc + c] : 0;
            for (size_t i = 0; i < p->k; i++)
                sum += (p->a_turned ? p->a[i * p->lda + r] : p->a[r * p->lda + i]) *
                       (p->b_turned ? p->b[c * p->ldb + i] : p->b[i * p->ldb + c]);
            p->c[r * p->ldc + c] = sum;
        }
    return 0;
}

static const struct core_engine engine = {.multiply = three_loops};

/* A level with all its parameters: maps of queries (0, 1) and keys (2, 3). */
struct world {
    double query[N * DIM], keys[M * DIM], v[M];
    double weight[2][EMBED * DIM], bias[2][EMBED];
    double projected_keys[M * EMBED], projected[N * EMBED], sim[N * M], raw[N * M], row[N * M];
    double grad_query[N * EMBED], y[N];
    uint8_t mask[SIDE * SIDE];
    struct core_level level;
    struct core_tap tap[SIDE];
};

static void fill(double *x, size_t n, uint64_t seed, double scale)
{
    for (size_t i = 0; i < n; i++)
        x[i] = scale * (double)rng_uniform(seed, i);
}

static void world_init(struct world *w, double quantile)
{
    fill(w->query, N * DIM, 1, 1);
    fill(w->keys, M * DIM, 2, 1);
    for (int i = 0; i < 2; i++) {
        fill(w->weight[i], EMBED * DIM, 3 + (uint64_t)i, 1);
        fill(w->bias[i], EMBED, 5 + (uint64_t)i, 0.5);
    }
    for (size_t i = 0; i < M; i++)
        w->v[i] = (double)(i % 3 == 1);
    for (size_t i = 0; i < SIDE * SIDE; i++)
        w->mask[i] = i / SIDE > 3 && i % SIDE > 4;
    w->level = (struct core_level){.n = N,
                                   .m = M,
                                   .dim = DIM,
                                   .embed = EMBED,
                                   .query = w->query,
                                   .keys = w->keys,
                                   .anomalous = w->v,
                                   .projected_keys = w->projected_keys,
                                   .quantile = quantile,
                                   .projected = w->projected,
                                   .sim = w->sim,
                                   .raw = w->raw,
                                   .row = w->row,
                                   .grad_query = w->grad_query,
                                   .y = w->y};
    core_taps(w->tap, GRID, SIDE);
}

/* Which losses are on; grad_y receives the gradient by y. */
typedef double (*loss_fn)(struct world *w, double *grad_y);

static double segmentation(struct world *w, double *grad_y)
{
    double map[SIDE * SIDE];
    double grad[SIDE * SIDE] = {0};
    double loss;
    core_upsample(w->y, w->tap, GRID, SIDE, map);
    loss = core_focal(map, w->mask, SIDE * SIDE, 1.0 / (SIDE * SIDE), grad);
    loss += core_dice(map, w->mask, SIDE * SIDE, 0, 0.7, grad);
    loss += core_dice(map, w->mask, SIDE * SIDE, 1, 0.4, grad);
    core_upsample_grad(grad, w->tap, GRID, SIDE, grad_y);
    return loss;
}

static double classification(struct world *w, double *grad_y)
{
    double loss = 0;
    for (size_t i = 0; i < N; i++) {
        double g;
        loss += i % 4 < 2 ? core_class_softmax(w->y[i], i % 2, 0.07, 0.3, &g)
                          : core_class_binary(w->y[i], i % 2, 0.3, &g);
        grad_y[i] = g;
    }
    return loss;
}

static double evaluate(struct world *w, loss_fn loss, double *grad_y)
{
    assert_int_equal(core_map(&engine, w->weight[1], w->bias[1], w->keys, (size_t[]){M, DIM, EMBED},
                              w->projected_keys),
                     0);
    assert_int_equal(core_forward(&engine, &w->level, w->weight[0], w->bias[0]), 0);
    return loss(w, grad_y);
}

/* Compare an array of gradients with differences of the loss. */
static void compare(struct world *w, loss_fn loss, double *parameter, const double *grad, size_t n)
{
    const double h = 1e-5;
    double unused[N];
    double gap = 0;
    double norm = 1e-12;
    for (size_t i = 0; i < n; i++) {
        double kept = parameter[i];
        double up, down, slope;
        parameter[i] = kept + h;
        up = evaluate(w, loss, unused);
        parameter[i] = kept - h;
        down = evaluate(w, loss, unused);
        parameter[i] = kept;
        slope = (up - down) / (2 * h);
        gap += (slope - grad[i]) * (slope - grad[i]);
        norm += slope * slope;
    }
    CHECK_WITHIN("gradient", sqrt(gap / norm), 1e-6);
}

static void check_all(loss_fn loss, double quantile)
{
    struct world *w = NULL;
    double grad_y[N];
    double weight[2][EMBED * DIM];
    double bias[EMBED];
    double keys[M * EMBED];
    CHECK_OK(MEM_NEW(w, 1));
    world_init(w, quantile);
    (void)evaluate(w, loss, grad_y);
    assert_int_equal(core_backward(&engine, &w->level, grad_y, weight[0], bias, keys), 0);
    assert_int_equal(core_key_map_grad(&engine, &w->level, keys, weight[1]), 0);
    compare(w, loss, w->weight[0], weight[0], EMBED * DIM);
    compare(w, loss, w->bias[0], bias, EMBED);
    compare(w, loss, w->weight[1], weight[1], EMBED * DIM);
    MEM_FREE(w);
}

static void segmentation_gradients_agree(void **state)
{
    (void)state;
    check_all(segmentation, 1.0);
    check_all(segmentation, 0.8);
}

static void classification_gradients_agree(void **state)
{
    (void)state;
    check_all(classification, 1.0);
    check_all(classification, 0.55);
}

/* A bias of the keys adds the same to all similarities of a query: the loss does not see it. */
static void the_key_bias_has_no_gradient(void **state)
{
    struct world *w = NULL;
    double unused[N];
    double before, after;
    (void)state;
    CHECK_OK(MEM_NEW(w, 1));
    world_init(w, 0.8);
    before = evaluate(w, segmentation, unused);
    for (size_t i = 0; i < EMBED; i++)
        w->bias[1][i] += 0.3;
    after = evaluate(w, segmentation, unused);
    assert_true(fabs(after - before) < 1e-13);
    MEM_FREE(w);
}

/* ---- prompts whose priors are learnt ---- */

enum { IMAGES = 2, PAIR = 2 * EMBED };

/*
 * Images through attention, the prompt projections, unit features, text map and losses. In the place of
 * the text tower, which unit/text_double checks, stands nothing: a prompt's bias is its text feature.
 */
struct prompts {
    double x[IMAGES][N * EMBED]; /* patches */
    double query[PAIR];
    double map[2][EMBED * EMBED], map_bias[2][EMBED];
    double weight[IMAGES][2 * N], prior[IMAGES][PAIR];
    double bias[IMAGES][PAIR], norm[IMAGES][2], text[IMAGES][PAIR];
    double y[IMAGES][N], grad_y[IMAGES][N];
    struct world *world; /* mask and taps */
};

static void prompts_init(struct prompts *p, struct world *w)
{
    *p = (struct prompts){.world = w};
    for (uint64_t i = 0; i < IMAGES; i++)
        fill(p->x[i], N * EMBED, 20 + i, 1);
    fill(p->query, PAIR, 30, 2);
    for (uint64_t r = 0; r < 2; r++) {
        fill(p->map[r], EMBED * EMBED, 31 + r, 1);
        fill(p->map_bias[r], EMBED, 33 + r, 0.5);
    }
}

/* The biases of both prompts of image i, and their unit vectors. */
static void find_text(struct prompts *p, size_t i)
{
    for (size_t r = 0; r < 2; r++) {
        double *bias = p->bias[i] + r * EMBED;
        double sum = 0;
        assert_int_equal(core_map(&engine, p->map[r], p->map_bias[r], p->prior[i] + r * EMBED,
                                  (size_t[]){1, EMBED, EMBED}, bias),
                         0);
        for (size_t c = 0; c < EMBED; c++)
            sum += bias[c] * bias[c];
        p->norm[i][r] = sqrt(sum);
        for (size_t c = 0; c < EMBED; c++)
            p->text[i][r * EMBED + c] = bias[c] / p->norm[i][r];
    }
}

static double prompts_loss(struct prompts *p)
{
    double loss = 0;
    double logit[2 * N];
    for (size_t i = 0; i < IMAGES; i++) {
        assert_int_equal(
            core_pool(&engine, p->x[i], p->query, (size_t[]){N, EMBED}, p->weight[i], p->prior[i]),
            0);
        find_text(p, i);
        assert_int_equal(
            core_text_map(&engine, p->x[i], p->text[i], (size_t[]){N, EMBED}, 0.7, logit, p->y[i]),
            0);
        memcpy(p->world->y, p->y[i], sizeof p->y[i]);
        loss += segmentation(p->world, p->grad_y[i]);
    }
    return loss;
}

/* After prompts_loss: its gradient by the queries. */
static void prompts_grad(struct prompts *p, double *grad_query)
{
    double grad_bias[IMAGES * PAIR];
    double grad_prior[IMAGES * PAIR];
    double score[2 * N];
    double one[PAIR];
    for (size_t i = 0; i < IMAGES; i++) {
        double *grad = grad_bias + i * PAIR;
        assert_int_equal(core_text_map_grad(&engine, p->x[i], (size_t[]){N, EMBED}, 0.7, p->y[i],
                                            p->grad_y[i], grad),
                         0);
        for (size_t r = 0; r < 2; r++)
            core_unit_grad(p->text[i] + r * EMBED, p->norm[i][r], EMBED, grad + r * EMBED);
    }
    for (size_t r = 0; r < 2; r++)
        assert_int_equal(core_prior_grad(&engine, p->map[r], grad_bias + r * EMBED,
                                         (size_t[]){IMAGES, EMBED, EMBED}, grad_prior + r * EMBED),
                         0);
    memset(grad_query, 0, PAIR * sizeof *grad_query);
    for (size_t i = 0; i < IMAGES; i++) {
        assert_int_equal(core_pool_grad(&engine, p->x[i], p->weight[i], (size_t[]){N, EMBED},
                                        grad_prior + i * PAIR, score, one),
                         0);
        for (size_t c = 0; c < PAIR; c++)
            grad_query[c] += one[c];
    }
}

static void query_gradients_agree(void **state)
{
    const double h = 1e-5;
    struct world *w = NULL;
    struct prompts *p = NULL;
    double grad[PAIR];
    double gap = 0;
    double norm = 0;
    (void)state;
    CHECK_OK(MEM_NEW(w, 1));
    CHECK_OK(MEM_NEW(p, 1));
    world_init(w, 1);
    prompts_init(p, w);
    (void)prompts_loss(p);
    prompts_grad(p, grad);
    for (size_t i = 0; i < PAIR; i++) {
        double kept = p->query[i];
        double up, down, slope;
        p->query[i] = kept + h;
        up = prompts_loss(p);
        p->query[i] = kept - h;
        down = prompts_loss(p);
        p->query[i] = kept;
        slope = (up - down) / (2 * h);
        gap += (slope - grad[i]) * (slope - grad[i]);
        norm += slope * slope;
    }
    assert_true(norm > 1e-6);
    CHECK_WITHIN("queries", sqrt(gap / norm), 1e-6);
    MEM_FREE(p);
    MEM_FREE(w);
}

/*
 * Patches 0 and 1 in one column, e = 1, scale 1: the query ln 3 gives weights 1/4 and 3/4, the query 0
 * halves.
 */
static void attention_weighs_patches(void **state)
{
    const double x[2] = {0, 1};
    const double query[2] = {log(3.0), 0};
    double weight[4];
    double pooled[2];
    (void)state;
    assert_int_equal(core_pool(&engine, x, query, (size_t[]){2, 1}, weight, pooled), 0);
    assert_true(fabs(weight[0] - 0.25) < 1e-15 && fabs(weight[2] - 0.75) < 1e-15);
    assert_true(fabs(weight[1] - 0.5) < 1e-15 && fabs(weight[3] - 0.5) < 1e-15);
    assert_true(fabs(pooled[0] - 0.75) < 1e-15 && fabs(pooled[1] - 0.5) < 1e-15);
}

/* torch.quantile([3, 1, 2, 5], q): 0.5 -> 2.5, 0.8 -> 3.8, 1 -> 5, 0 -> 1 */
static void quantiles_interpolate(void **state)
{
    const double x[4] = {3, 1, 2, 5};
    double row[4];
    (void)state;
    assert_true(fabs(core_quantile(x, 4, 0.5, row) - 2.5) < 1e-15);
    assert_true(fabs(core_quantile(x, 4, 0.8, row) - 3.8) < 1e-15);
    assert_true(core_quantile(x, 4, 1.0, row) == 5.0);
    assert_true(core_quantile(x, 4, 0.0, row) == 1.0);
    for (uint64_t seed = 0; seed < 50; seed++) {
        double y[23], r[23];
        fill(y, 23, seed, 1);
        for (size_t i = 0; i < 23; i += 3)
            y[i] = y[0]; /* ties */
        double q = core_quantile(y, 23, 0.5, r);
        size_t below = 0, above = 0;
        for (size_t i = 0; i < 23; i++) {
            below += y[i] < q;
            above += y[i] > q;
        }
        assert_true(below <= 11 && above <= 11);
    }
}

/* Entries above the limit get no weight, the others sum to one. */
static void dropout_hides_entries(void **state)
{
    double sim[4] = {1, 2, 3, 4};
    const double raw[4] = {0.1, 0.9, 0.2, 0.9};
    const double v[4] = {1, 1, 0, 0};
    double y;
    (void)state;
    y = core_retrieve(sim, raw, 0.5, v, 4);
    assert_true(sim[1] == 0 && sim[3] == 0);
    assert_true(fabs(sim[0] + sim[2] - 1) < 1e-15);
    assert_true(fabs(y - 1 / (1 + exp(2.0))) < 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segmentation_gradients_agree),
        cmocka_unit_test(classification_gradients_agree),
        cmocka_unit_test(the_key_bias_has_no_gradient),
        cmocka_unit_test(query_gradients_agree),
        cmocka_unit_test(attention_weighs_patches),
        cmocka_unit_test(quantiles_interpolate),
        cmocka_unit_test(dropout_hides_entries),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
