/* parity_stages.c - the tests that compare one stage of the pipeline each. See parity.h. */
#include "base/err.h"
#include "base/mem.h"
#include "check.h"
#include "metrics/metrics.h"
#include "parity.h"
#include "tensor/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const set_name[] = {"A", "B"};

/* "tiny A cls": what an error is called. Static, good until the next call. */
static const char *label(const struct parity *p, const char *what, const char *more)
{
    static char text[320];
    (void)snprintf(text, sizeof text, "%s %s %s", p->source.name, what, more);
    return text;
}

/* One row of a golden, as float32. */
static void read_row(struct h5 *f, const char *group, const char *name, size_t row, float *out)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/%s", group, name);
    CHECK_OK(h5_read_rows(f, path, row, 1, DTYPE_F32, out));
}

static int64_t read_number(struct h5 *f, const char *group, const char *name, size_t row)
{
    char path[64];
    int64_t value = -1;
    (void)snprintf(path, sizeof path, "%s/%s", group, name);
    CHECK_OK(h5_read_rows(f, path, row, 1, DTYPE_I64, &value));
    return value;
}

static void expect_rows(struct h5 *f, const char *path, size_t n)
{
    int rank = 0;
    size_t dim[TENSOR_MAX_RANK] = {0};
    CHECK_OK(h5_shape(f, path, &rank, dim));
    assert_int_equal(dim[0], n);
}

/* ---- images ---- */

/* CLIP's constants, from its publication. */
static const double mean[] = {0.48145466, 0.4578275, 0.40821073};
static const double std[] = {0.26862954, 0.26130258, 0.27577711};

/*
 * The golden keeps the input only. Pixels are whole numbers, 1/255 apart, and the input is exact to
 * 1e-7, so there is one pixel that can have given each of its values.
 */
static size_t count_wrong_pixels(const struct bench *b, const float *golden)
{
    size_t n = b->side * b->side;
    size_t wrong = 0;
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < n; i++) {
            double pixel = ((double)golden[c * n + i] * std[c] + mean[c]) * 255;
            assert_true(fabs(pixel - nearbyint(pixel)) < 1e-3);
            wrong += (long)nearbyint(pixel) != b->rgb[3 * i + c];
        }
    return wrong;
}

static double largest_ulps(const float *got, const float *want, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double ulp = (double)nextafterf(fabsf(want[i]), INFINITY) - (double)fabsf(want[i]);
        most = worse(most, fabs((double)got[i] - (double)want[i]) / ulp);
    }
    return most;
}

void pixels_equal_the_golden(void **state)
{
    const struct parity *p = parity_of(state, __func__);
    struct bench b = p->bench;
    size_t n = 3 * b.side * b.side;
    char *path = NULL;
    float *golden = NULL;
    CHECK_OK(MEM_NEW(golden, n));
    CHECK_OK(h5_expect_shape(p->golden, "A/input0", 3, (size_t[]){3, b.side, b.side}));
    CHECK_OK(h5_read_rows(p->golden, "A/input0", 0, 3, DTYPE_F32, golden));
    CHECK_OK(manifest_image_path(&path, p->manifest[0], 0));
    bench_load(&b, path);
    assert_int_equal(count_wrong_pixels(&b, golden), 0);
    CHECK_TOLERANCE(TOLERANCE_INPUT, label(p, "A", "input0, ulp"),
                    largest_ulps(b.input, golden, n));
    MEM_FREE(path);
    MEM_FREE(golden);
}

/* ---- labels and masks ---- */

static void compare_labels(const struct parity *p, int set, size_t item,
                           const struct feature_shard *s, const uint8_t *mask)
{
    const struct item *entry = &p->manifest[set]->item[item];
    uint8_t *golden = NULL;
    char path[16];
    size_t n = p->bench.side * p->bench.side;
    assert_int_equal(s->label[item - s->first],
                     read_number(p->golden, set_name[set], "label", item));
    assert_int_equal(entry->class_id, read_number(p->golden, set_name[set], "class", item));
    assert_false(s->skipped[item - s->first]);
    CHECK_OK(MEM_NEW(golden, n));
    (void)snprintf(path, sizeof path, "%s/mask", set_name[set]);
    CHECK_OK(h5_read_rows(p->golden, path, item, 1, DTYPE_U8, golden));
    assert_memory_equal(mask, golden, n);
    MEM_FREE(golden);
}

void labels_and_masks_equal_the_golden(void **state)
{
    const struct parity *p = parity_of(state, __func__);
    struct feature_shard s = {0};
    uint8_t *mask = NULL;
    CHECK_OK(MEM_NEW(mask, p->bench.side * p->bench.side));
    for (int set = 0; set < 2; set++)
        for (size_t shard = 0; shard < p->features[set]->n_shards; shard++) {
            CHECK_OK(feature_shard_open(&s, p->features[set], shard));
            for (size_t i = 0; i < s.n; i++) {
                CHECK_OK(feature_shard_mask(&s, i, NULL, mask));
                compare_labels(p, set, s.first + i, &s, mask);
            }
            feature_shard_close(&s);
        }
    MEM_FREE(mask);
}

/* ---- features ---- */

/* Errors of cls, patch and patch_proj. */
struct errors {
    double cls, patch, proj;
};

/* What lies in the bench against one item of a golden. */
static void compare_item(struct errors *e, const struct bench *b, struct h5 *f, const char *group,
                         size_t item)
{
    size_t n_patch = b->n * b->shape.width;
    size_t n_proj = b->n * b->shape.embed;
    float *want = NULL;
    CHECK_OK(MEM_NEW(want, n_patch > n_proj ? n_patch : n_proj));
    read_row(f, group, "cls", item, want);
    e->cls = worse(e->cls, floats_distance(b->cls, want, b->shape.embed));
    read_row(f, group, "patch", item, want);
    e->patch = worse(e->patch, floats_distance(b->patch, want, n_patch));
    read_row(f, group, "patch_proj", item, want);
    e->proj = worse(e->proj, floats_distance(b->proj, want, n_proj));
    MEM_FREE(want);
}

static void check_errors(const struct parity *p, const char *what, const struct errors *e)
{
    CHECK_TOLERANCE(TOLERANCE_FEATURE, label(p, what, "cls"), e->cls);
    CHECK_TOLERANCE(TOLERANCE_FEATURE, label(p, what, "patch"), e->patch);
    CHECK_TOLERANCE(TOLERANCE_FEATURE, label(p, what, "patch_proj"), e->proj);
}

static void compare_features(const struct parity *p, int set)
{
    struct bench b = p->bench;
    struct errors e = {0};
    struct feature_shard s = {0};
    char path[16];
    (void)snprintf(path, sizeof path, "%s/patch", set_name[set]);
    CHECK_OK(h5_expect_shape(p->golden, path, 3,
                             (size_t[]){p->manifest[set]->n_items, b.n, b.shape.width}));
    for (size_t shard = 0; shard < p->features[set]->n_shards; shard++) {
        CHECK_OK(feature_shard_open(&s, p->features[set], shard));
        for (size_t i = 0; i < s.n; i++) {
            CHECK_OK(feature_shard_read(&s, i, b.cls, b.patch));
            CHECK_OK(encoder_project(b.encoder, b.patch, b.n, b.proj));
            compare_item(&e, &b, p->golden, set_name[set], s.first + i);
        }
        feature_shard_close(&s);
    }
    check_errors(p, set_name[set], &e);
}

void features_equal_the_golden(void **state)
{
    const struct parity *p = parity_of(state, __func__);
    for (int set = 0; set < 2; set++)
        compare_features(p, set);
}

void parity_encode(const struct parity *p, const char *weights, const char *kernels, size_t n,
                   struct h5 *file, const char *group)
{
    struct bench b;
    struct errors e = {0};
    bench_open(&b, weights, kernels, p->bench.side);
    for (size_t i = 0; i < n; i++) {
        char *path = NULL;
        CHECK_OK(manifest_image_path(&path, p->manifest[0], i));
        bench_run(&b, path);
        compare_item(&e, &b, file, group, i);
        MEM_FREE(path);
    }
    bench_close(&b);
    check_errors(p, kernels, &e);
}

/* ---- the bank ---- */

struct keys {
    const char *keys, *labels; /* in the golden */
    const float *key;          /* [n, dim] */
    const uint8_t *label;      /* [n] */
    size_t n, dim;
};

static void compare_keys(const struct parity *p, const struct keys *k)
{
    double error = 0;
    float *want = NULL;
    expect_rows(p->golden, k->keys, k->n);
    CHECK_OK(MEM_NEW(want, k->dim));
    for (size_t i = 0; i < k->n; i++) {
        assert_int_equal(k->label[i], read_number(p->golden, "/", k->labels, i));
        read_row(p->golden, "/", k->keys, i, want);
        error = worse(error, floats_distance(k->key + i * k->dim, want, k->dim));
    }
    CHECK_TOLERANCE(TOLERANCE_BANK, label(p, "A", k->keys), error);
    MEM_FREE(want);
}

/* Item order, and the anomalous prototype of an item before its normal one. */
static void check_order(const struct bank *b)
{
    for (size_t i = 0; i < b->n_image; i++)
        assert_int_equal(b->image_item[i], i);
    for (size_t i = 1; i < b->n_pixel; i++)
        assert_true(b->source_item[i - 1] < b->source_item[i] ||
                    (b->source_item[i - 1] == b->source_item[i] && b->pixel_labels[i - 1] == 1 &&
                     b->pixel_labels[i] == 0));
}

void the_bank_equals_the_golden(void **state)
{
    const struct parity *p = parity_of(state, __func__);
    const struct bank *b = p->bank;
    const struct keys image = {.keys = "bank/image_keys",
                               .labels = "bank/image_labels",
                               .key = b->image_keys,
                               .label = b->image_labels,
                               .n = b->n_image,
                               .dim = b->embed};
    const struct keys pixel = {.keys = "bank/pixel_keys",
                               .labels = "bank/pixel_labels",
                               .key = b->pixel_keys,
                               .label = b->pixel_labels,
                               .n = b->n_pixel,
                               .dim = b->width};
    check_order(b);
    compare_keys(p, &image);
    compare_keys(p, &pixel);
}

/* ---- scores ---- */

static void our_map(const struct parity *p, size_t item, float *map)
{
    CHECK_OK(score_map(p->bench.ops, p->scores->mass + item * p->scores->n_patch,
                       p->features[1]->grid, p->bench.side, p->config->sigma, map));
}

/*
 * A map is nearly flat, so its norm hides faults of smoothing. This error is relative to how far the
 * map goes from its mean.
 */
static double contrast_error(const float *got, const float *want, size_t n)
{
    double sum = 0;
    double variation = 0;
    double difference = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)want[i];
    for (size_t i = 0; i < n; i++) {
        double rise = (double)want[i] - sum / (double)n;
        double off = (double)got[i] - (double)want[i];
        variation += rise * rise;
        difference += off * off;
    }
    return sqrt(difference / variation);
}

/* The score that the golden's own map and retrieval give: share of pixels and weights alone. */
static double fusion_error(const struct parity *p, size_t item, const float *map, float *scratch)
{
    float y_cls = 0;
    float want = 0;
    float got;
    read_row(p->golden, "tf", "y_cls", item, &y_cls);
    read_row(p->golden, "tf", "score", item, &want);
    got = score_image(&p->score_place->options, y_cls, map, p->bench.side * p->bench.side, scratch);
    return floats_distance(&got, &want, 1);
}

void scores_and_maps_equal_the_golden(void **state)
{
    const struct parity *p = parity_of(state, __func__);
    const struct scores *s = p->scores;
    size_t n_px = p->bench.side * p->bench.side;
    double y_cls = 0, score = 0, map = 0, contrast = 0, fusion = 0;
    float *got = NULL;
    float *want = NULL;
    CHECK_OK(MEM_NEW(got, n_px));
    CHECK_OK(MEM_NEW(want, n_px));
    expect_rows(p->golden, "tf/map", s->n);
    for (size_t i = 0; i < s->n; i++) {
        assert_false(s->skipped[i]);
        read_row(p->golden, "tf", "y_cls", i, want);
        y_cls = worse(y_cls, floats_distance(&s->y_cls[i], want, 1));
        read_row(p->golden, "tf", "score", i, want);
        score = worse(score, floats_distance(&s->score[i], want, 1));
        read_row(p->golden, "tf", "map", i, want);
        our_map(p, i, got);
        map = worse(map, floats_distance(got, want, n_px));
        contrast = worse(contrast, contrast_error(got, want, n_px));
        fusion = worse(fusion, fusion_error(p, i, want, got));
    }
    CHECK_TOLERANCE(TOLERANCE_Y_CLS, label(p, "B", "tf/y_cls"), y_cls);
    CHECK_TOLERANCE(TOLERANCE_MAP, label(p, "B", "tf/map"), map);
    CHECK_TOLERANCE(TOLERANCE_CONTRAST, label(p, "B", "tf/map, contrast"), contrast);
    CHECK_TOLERANCE(TOLERANCE_SCORE, label(p, "B", "tf/score"), score);
    CHECK_TOLERANCE(TOLERANCE_FUSION, label(p, "B", "tf/score of the golden's map"), fusion);
    MEM_FREE(got);
    MEM_FREE(want);
}

/* ---- metrics ---- */

/* What the metrics read of an item. */
struct view {
    uint8_t label;
    float score;
    float *map;    /* [S, S] */
    uint8_t *mask; /* [S, S] */
};

/* How an item is seen; group: of the golden, one for each method. */
typedef void (*view_fn)(const struct parity *p, const char *group, size_t item, struct view *out);

static void our_view(const struct parity *p, const char *group, size_t item, struct view *out)
{
    struct feature_shard s = {0};
    (void)group; /* the configuration has one method */
    CHECK_OK(feature_shard_open(&s, p->features[1], item / p->config->shard_items));
    CHECK_OK(feature_shard_mask(&s, item - s.first, NULL, out->mask));
    out->label = s.label[item - s.first];
    out->score = p->scores->score[item];
    our_map(p, item, out->map);
    feature_shard_close(&s);
}

static void golden_view(const struct parity *p, const char *group, size_t item, struct view *out)
{
    out->label = (uint8_t)read_number(p->golden, "B", "label", item);
    CHECK_OK(h5_read_rows(p->golden, "B/mask", item, 1, DTYPE_U8, out->mask));
    read_row(p->golden, group, "score", item, &out->score);
    read_row(p->golden, group, "map", item, out->map);
}

static void compute_class(const struct parity *p, const char *group, uint32_t class_id,
                          view_fn view, struct metric_row *out)
{
    const struct manifest *m = p->manifest[1];
    const struct metric_options options = METRIC_OPTIONS;
    struct metric_set *set = NULL;
    struct view v = {0};
    CHECK_OK(MEM_NEW(v.map, p->bench.side * p->bench.side));
    CHECK_OK(MEM_NEW(v.mask, p->bench.side * p->bench.side));
    CHECK_OK(metric_set_new(&set, p->bench.side, p->bench.side));
    for (size_t i = 0; i < m->n_items; i++) {
        if (m->item[i].class_id != class_id)
            continue;
        view(p, group, i, &v);
        CHECK_OK(metric_set_add(set, v.label, v.score, v.map, v.mask));
    }
    CHECK_OK(metric_set_compute(set, &options, out));
    metric_set_free(&set);
    MEM_FREE(v.map);
    MEM_FREE(v.mask);
}

/* Attribute "CLASS.METRIC" of a group; there is none for F1. True when it is there. */
static bool compare_metric(const struct parity *p, enum tolerance which, const char *group,
                           const char *class_name, enum metric m, double value)
{
    char key[128];
    char where[32];
    double want = 0;
    (void)snprintf(where, sizeof where, "%s/metrics", group);
    (void)snprintf(key, sizeof key, "%s.%s", class_name, metric_info(m)->name);
    if (!h5_has(p->golden, where, key))
        return false;
    CHECK_OK(h5_get_f64(p->golden, where, key, &want));
    CHECK_TOLERANCE(which, label(p, group, key), fabs(value - want));
    return true;
}

static void compare_metrics(const struct parity *p, enum tolerance which, const char *group,
                            view_fn view)
{
    const struct manifest *m = p->manifest[1];
    double sum[METRIC_COUNT] = {0};
    size_t n_compared = 0;
    struct metric_row row;
    for (size_t c = 0; c < m->n_classes; c++) {
        compute_class(p, group, (uint32_t)c, view, &row);
        for (enum metric i = 0; i < METRIC_COUNT; i++) {
            assert_true(row.defined[i]);
            n_compared += compare_metric(p, which, group, m->class_name[c], i, row.value[i]);
            sum[i] += row.value[i];
        }
    }
    for (enum metric i = 0; i < METRIC_COUNT; i++)
        n_compared += compare_metric(p, which, group, "mean", i, sum[i] / (double)m->n_classes);
    /* AUROC and AP of images and pixels, both PROs; of every class and the mean */
    assert_int_equal(n_compared, 6 * (m->n_classes + 1));
}

void metrics_of_our_maps_equal_the_golden(void **state)
{
    compare_metrics(parity_of(state, __func__), TOLERANCE_METRIC_OWN, "tf", our_view);
}

/* All three methods of the golden: the metrics need not know how a map came about. */
void metrics_of_the_golden_maps_equal_the_golden(void **state)
{
    static const char *const group[] = {"tf", "ft", "clip"};
    for (size_t i = 0; i < sizeof group / sizeof *group; i++)
        compare_metrics(parity_of(state, __func__), TOLERANCE_METRIC_GOLDEN, group[i], golden_view);
}
