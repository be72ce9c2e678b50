/*
 * head_bench.c - training steps of the published size on made-up features, for measuring.
 *
 * The features are random, but lie in a feature shard on disk and are read from it as in earnest.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "base/str.h"
#include "features/features.h"
#include "head/head_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The bank of VisA at the published size, its batch, and its prompts up to "damaged object." */
enum {
    IMAGE_KEYS = 2162,
    PIXEL_KEYS = 3093,
    IMAGE_ANOMALOUS = 1200,
    PIXEL_ANOMALOUS = 931,
    BATCH = 8,
    POSITIONS = 17,
    CONTEXT_TOKENS = 12,
    DEEP_LAYERS = 8, /* fewer where the text tower is small */
    DEEP_LEN = 4,
};

struct head_bench {
    char name[8], empty[1]; /* texts of what is made by hand below */
    struct manifest manifest;
    struct item item[BATCH];
    struct hash item_hash[BATCH];
    struct features features;
    struct bank_place bank_place;
    struct bank *bank;
    struct head_place metric, prompts;
    const struct head_place *place; /* the one that is measured */
    int32_t ids[2 * POSITIONS];
    struct comm *comm; /* borrowed */
    struct ft_step *ft;
    struct clip_step *clip;
    struct training *training;
    struct head *grad;
    int64_t order[BATCH];
    char *dir; /* a temporary folder, removed in the end */
};

static int make_dir(struct head_bench *b)
{
    int rc = ERR_OK;
    const char *base = getenv("TMPDIR");
    TRY(str_make(&b->dir, "%s/mrad-bench-XXXXXX", base && base[0] ? base : "/tmp"));
    if (!mkdtemp(b->dir)) {
        MEM_FREE(b->dir);
        FAIL(ERR_IO, "%s: no temporary folder can be made", base ? base : "/tmp");
    }
out:
    return rc;
}

static void drop_file(const char *dir, const char *name)
{
    char *path = NULL;
    if (path_join(&path, dir, name) == ERR_OK)
        (void)unlink(path);
    MEM_FREE(path);
}

static void drop_dir(struct head_bench *b)
{
    if (!b->dir)
        return;
    drop_file(b->dir, "shard-00000.h5");
    drop_file(b->dir, "head.h5");
    (void)rmdir(b->dir);
    MEM_FREE(b->dir);
}

static void fill(float *x, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        x[i] = rng_uniform(seed, i);
}

/* n unit rows, the first n_anomalous of them labelled 1. */
static int make_level(float **keys, uint8_t **labels, struct ops *ops, const size_t size[3])
{
    int rc = ERR_OK;
    TRY(MEM_NEW(*keys, size[0] * size[1]));
    TRY(MEM_NEW(*labels, size[0]));
    fill(*keys, size[0] * size[1], size[0]);
    TRY(ops_unit(ops, *keys, size[0], size[1]));
    memset(*labels, 1, size[2]);
out:
    return rc;
}

static int make_bank(struct head_bench *b, struct ops *ops)
{
    int rc = ERR_OK;
    const struct clip_shape *shape = &b->features.model.shape;
    struct bank *bank;
    TRY(MEM_NEW(b->bank, 1));
    bank = b->bank;
    *bank = (struct bank){
        .embed = shape->embed, .width = shape->width, .n_image = IMAGE_KEYS, .n_pixel = PIXEL_KEYS};
    TRY(make_level(&bank->image_keys, &bank->image_labels, ops,
                   (size_t[]){IMAGE_KEYS, shape->embed, IMAGE_ANOMALOUS}));
    TRY(make_level(&bank->pixel_keys, &bank->pixel_labels, ops,
                   (size_t[]){PIXEL_KEYS, shape->width, PIXEL_ANOMALOUS}));
out:
    return rc;
}

/* Every second item has a defect: a square of a quarter of the side. */
static void fill_mask(uint8_t *mask, size_t side, bool is_anomalous)
{
    memset(mask, 0, side * side);
    for (size_t r = 0; is_anomalous && r < side / 4; r++)
        memset(mask + (r + side / 3) * side + side / 2, 1, side / 4);
}

static int write_features(struct head_bench *b)
{
    int rc = ERR_OK;
    const struct features *f = &b->features;
    const struct clip_shape *shape = &f->model.shape;
    size_t n_patch = f->grid * f->grid * shape->width;
    struct feature_writer *w = NULL;
    float *cls = NULL;
    float *patch = NULL;
    uint8_t *mask = NULL;
    TRY(MEM_NEW(cls, shape->embed));
    TRY(MEM_NEW(patch, n_patch));
    TRY(MEM_NEW(mask, f->image_size * f->image_size));
    TRY(feature_writer_open(&w, f, 0));
    for (size_t i = 0; i < BATCH; i++) {
        fill(cls, shape->embed, 2 * i);
        fill(patch, n_patch, 2 * i + 1);
        fill_mask(mask, f->image_size, b->item[i].is_anomalous);
        TRY(feature_writer_add(w, i, cls, patch, mask));
    }
    TRY(feature_writer_commit(w));
out:
    feature_writer_free(&w);
    MEM_FREE(cls);
    MEM_FREE(patch);
    MEM_FREE(mask);
    return rc;
}

/* The sizes alone: hashing the file, as a sweep does, would count as memory. */
static int read_shape(struct clip_shape *out, const struct config *config)
{
    int rc = ERR_OK;
    struct weights *w = NULL;
    TRY(config_need_weights(config));
    TRY(weights_open_chosen(&w, config));
    *out = *weights_shape(w);
out:
    weights_free(&w);
    return rc;
}

static int make_features(struct head_bench *b, const struct config *config)
{
    int rc = ERR_OK;
    struct features *f = &b->features;
    memcpy(b->name, "made-up", sizeof b->name);
    b->manifest.name = b->name;
    b->manifest.n_items = BATCH;
    b->manifest.item = b->item;
    for (size_t i = 0; i < BATCH; i++) {
        b->item[i] = (struct item){.image = "", .mask = "", .specie = "", .is_anomalous = i % 2};
        b->order[i] = (int64_t)i;
    }
    f->manifest = &b->manifest;
    f->dir = b->dir;
    f->options = b->empty;
    f->item_hash = b->item_hash;
    f->shard_items = BATCH;
    f->n_shards = 1;
    f->image_size = config->image_size;
    f->dtype = DTYPE_F32;
    TRY(read_shape(&f->model.shape, config));
    if (f->image_size % f->model.shape.patch)
        FAIL(ERR_CONFIG, "model.image_size: %zu is no multiple of the model's patch of %zu pixels",
             f->image_size, f->model.shape.patch);
    f->grid = f->image_size / f->model.shape.patch;
    TRY(write_features(b));
out:
    return rc;
}

static void make_metric(struct head_bench *b, const struct config *config)
{
    const struct clip_shape *shape = &b->features.model.shape;
    b->bank_place = (struct bank_place){.features = &b->features,
                                        .dir = b->dir,
                                        .options = b->empty,
                                        .pools = config->neighbour_pool};
    b->metric = (struct head_place){
        .variant = "mrad-ft",
        .bank = &b->bank_place,
        .form = head_form_ft(shape->width, shape->embed),
        .options = {.batch = BATCH,
                    .epochs = 1,
                    .lr = config->ft_lr,
                    .dropout_image = config->dropout_image,
                    .dropout_pixel = config->dropout_pixel,
                    .is_binary = config->class_loss == CLASS_LOSS_BCE,
                    .class_tau = config->class_tau,
                    .checkpoint_steps = 1},
        .options_text = b->empty,
        .seed = 1,
        .n_steps = 1,
        .dir = b->dir,
    };
    b->place = &b->metric;
}

/* Prompts on a metric that counts as given, so that it is only written. */
static int make_prompts(struct head_bench *b, const struct config *config, struct ops *ops)
{
    int rc = ERR_OK;
    const struct clip_shape *shape = &b->features.model.shape;
    struct prompt_sizes sizes = {CONTEXT_TOKENS, DEEP_LAYERS, DEEP_LEN};
    if (shape->text_layers < 2 || shape->context < POSITIONS)
        FAIL(ERR_CONFIG,
             "%s: has a text tower of %zu layers and %zu positions, wanted at least 2 and %d",
             config->weights, shape->text_layers, shape->context, POSITIONS);
    if (shape->text_layers <= DEEP_LAYERS)
        sizes.n_deep = shape->text_layers - 1;
    TRY(head_new(&b->metric.init, &b->metric.form));
    head_draw(b->metric.init, 1);
    b->metric.is_given = true;
    b->metric.n_steps = 0;
    TRY(head_train(&b->metric, b->bank, ops, b->comm));
    b->prompts = b->metric;
    b->prompts.variant = "mrad-clip";
    b->prompts.init = NULL;
    b->prompts.is_given = false;
    b->prompts.n_steps = 1;
    b->prompts.metric = &b->metric;
    b->prompts.model = config;
    TRY(bias_find(&b->prompts.bias, config_biases[config->bias]));
    b->prompts.form = head_form_clip(b->prompts.bias, shape->text_width, shape->embed, &sizes);
    b->prompts.text_tau = config->text_tau;
    for (size_t i = 0; i < 2 * (size_t)POSITIONS; i++)
        b->ids[i] = (int32_t)(i % 7);
    b->prompts.tokens = (struct prompt_tokens){
        .ids = b->ids, .context = POSITIONS, .end = {POSITIONS - 2, POSITIONS - 1}};
    b->place = &b->prompts;
out:
    return rc;
}

int head_bench_new(struct head_bench **out, const struct config *config, bool prompts,
                   struct ops *ops, struct comm *comm)
{
    int rc = ERR_OK;
    struct head_bench *b = NULL;
    TRY(MEM_NEW(b, 1));
    b->comm = comm;
    TRY(make_dir(b));
    TRY(make_features(b, config));
    TRY(make_bank(b, ops));
    make_metric(b, config);
    if (prompts)
        TRY(make_prompts(b, config, ops));
    if (prompts)
        TRY(clip_step_new(&b->clip, b->place, b->bank, ops, comm));
    else
        TRY(ft_step_new(&b->ft, b->place, b->bank, ops, comm));
    TRY(training_new(&b->training, &b->place->form, 1));
    TRY(head_new(&b->grad, &b->place->form));
    head_draw(b->training->head, 1);
out:
    if (rc)
        head_bench_free(&b);
    *out = b;
    return rc;
}

void head_bench_free(struct head_bench **bench)
{
    struct head_bench *b = *bench;
    void *ft;
    void *clip;
    if (!b)
        return;
    ft = b->ft;
    clip = b->clip;
    ft_method.free(&ft);
    clip_method.free(&clip);
    training_free(&b->training);
    head_free(&b->grad);
    head_free(&b->metric.init);
    bank_free(&b->bank);
    drop_dir(b);
    MEM_FREE(*bench);
}

int head_bench_step(struct head_bench *b, bool first_epoch)
{
    int rc = ERR_OK;
    double loss;
    if (b->clip && first_epoch)
        clip_step_forget(b->clip);
    if (b->clip)
        TRY(clip_method.run(b->clip, b->training->head, b->order, BATCH, b->grad, &loss));
    else
        TRY(ft_method.run(b->ft, b->training->head, b->order, BATCH, b->grad, &loss));
    if (!isfinite(loss))
        FAIL(ERR_KERNEL, "the loss of the measured step is not finite");
    adam_step(b->training, b->grad, b->place->options.lr, 1);
out:
    return rc;
}

/* Products of one item's retrieval at a level of n queries: map, similarities, raw ones for dropout. */
static double retrieval_flop(double n, double m, double dim, double embed, double quantile)
{
    return 2 * n * dim * embed + 2 * n * m * embed + (quantile < 1 ? 2 * n * m * dim : 0);
}

/* Forward and backward of an item at a level: the backward has no raw similarities but two more. */
static double level_flop(double n, double m, double dim, double embed, double quantile)
{
    return retrieval_flop(n, m, dim, embed, quantile) + 4 * n * m * embed + 2 * n * dim * embed;
}

double head_bench_flop(const struct head_bench *b, bool first_epoch)
{
    const struct clip_shape *shape = &b->features.model.shape;
    double n = (double)(b->features.grid * b->features.grid);
    double d = (double)shape->width;
    double e = (double)shape->embed;
    double t = (double)shape->text_width;
    const struct train_options *o = &b->place->options;
    double priors = retrieval_flop(n, PIXEL_KEYS, d, e, o->dropout_pixel);
    bool asks_metric = first_epoch && b->clip && b->place->bias->needs_mass;
    double keys = 4.0 * PIXEL_KEYS * d * e + 4.0 * IMAGE_KEYS * e * e;
    double tower = 4.0 * (double)shape->text_layers * 2 * BATCH * POSITIONS * t *
                   (4 * t + 2 * (double)shape->text_hidden);
    if (!b->clip)
        return keys + BATCH * (level_flop(n, PIXEL_KEYS, d, e, o->dropout_pixel) +
                               level_flop(1, IMAGE_KEYS, e, e, o->dropout_image));
    return tower + BATCH * (2 * n * d * e + 6 * n * e + (asks_metric ? priors : 0));
}
