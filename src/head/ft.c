/*
 * ft.c - one step of MRAD-FT: loss and gradient of a batch.
 *
 * An item's gradient needs only that item, the bank and the parameters. Rank r computes the items at
 * places r, r + size, ... of the batch; the parts are gathered and summed in item order. What the items
 * contribute to the key maps is summed as a gradient by the projected keys, and turned into one by the
 * map once per step, which is cheaper than once per item and equal.
 */
#include "base/err.h"
#include "base/mem.h"
#include "head/head_int.h"
#include "par/gather.h"

#include <math.h>
#include <string.h>

/* One level of the bank and its maps' places among the parameters. */
struct level {
    struct core_level core;
    float *anomalous;   /* [m], owned */
    float *projected;   /* [m, E] keys through the key map, owned */
    int wq, bq, wk, bk; /* enum ft_tensor */
};

/* Parts of an item's gradient, one after another in one array. */
struct part {
    float *wq, *bq, *keys; /* by query map, its bias, and the projected keys */
};

struct ft_step {
    const struct head_place *place; /* borrowed */
    struct ops *ops;                /* borrowed */
    struct core_engine engine;
    struct comm *comm; /* borrowed */
    struct level pixel, image;
    size_t n_patch, grid, side;
    size_t n_part; /* floats of an item's gradient */
    float *part;   /* [n_part] this rank's */
    float *all;    /* [size, n_part] of one round */
    float *sum;    /* [n_part] of the batch */
    struct sample sample;
    float *patch;          /* [N, D] as stored */
    float *raw, *sim;      /* [N, m] */
    float *projected;      /* [N, E] queries through the query map */
    float *grad_query;     /* [N, E] */
    float *scratch;        /* [threads worth of m] one row */
    float *y;              /* [N] */
    float *map, *grad_map; /* [S, S] */
    double *grad_y;        /* [N] */
    struct core_tap *tap;  /* [S] */
};

static int level_new(struct level *l, const float *keys, const uint8_t *labels, size_t m)
{
    int rc = ERR_OK;
    l->core.keys = keys;
    l->core.m = m;
    TRY(MEM_NEW(l->anomalous, m));
    TRY(MEM_NEW(l->projected, m * l->core.embed));
    for (size_t i = 0; i < m; i++)
        l->anomalous[i] = labels[i] ? 1.0F : 0.0F;
    l->core.anomalous = l->anomalous;
    l->core.projected_keys = l->projected;
out:
    return rc;
}

static size_t level_part(const struct level *l)
{
    const struct core_level *c = &l->core;
    return c->embed * c->dim + c->embed + c->m * c->embed;
}

static struct part part_of(const struct level *l, float *at)
{
    size_t n = l->core.embed * l->core.dim;
    return (struct part){at, at + n, at + n + l->core.embed};
}

/* Both levels work in the same memory, one after the other. */
static void share_room(struct ft_step *s, struct core_level *l, const float *query)
{
    l->query = query;
    l->projected = s->projected;
    l->sim = s->sim;
    l->raw = s->raw;
    l->row = s->scratch;
    l->grad_query = s->grad_query;
    l->y = s->y;
}

int ft_step_new(struct ft_step **out, const struct head_place *place, const struct bank *bank,
                struct ops *ops, struct comm *comm)
{
    int rc = ERR_OK;
    const struct features *f = place->bank->features;
    struct ft_step *s = NULL;
    size_t n_px = f->image_size * f->image_size;
    TRY(MEM_NEW(s, 1));
    s->place = place;
    s->ops = ops;
    s->engine = engine_of(ops);
    s->comm = comm;
    s->grid = f->grid;
    s->side = f->image_size;
    s->n_patch = f->grid * f->grid;
    s->pixel = (struct level){.wq = FT_WQ, .bq = FT_BQ, .wk = FT_WK, .bk = FT_BK};
    s->image = (struct level){.wq = FT_IQ, .bq = FT_IBQ, .wk = FT_IK, .bk = FT_IBK};
    s->pixel.core = (struct core_level){.n = s->n_patch,
                                        .dim = bank->width,
                                        .embed = bank->embed,
                                        .quantile = place->options.dropout_pixel};
    s->image.core = (struct core_level){
        .n = 1, .dim = bank->embed, .embed = bank->embed, .quantile = place->options.dropout_image};
    TRY(level_new(&s->pixel, bank->pixel_keys, bank->pixel_labels, bank->n_pixel));
    TRY(level_new(&s->image, bank->image_keys, bank->image_labels, bank->n_image));
    s->n_part = level_part(&s->pixel) + level_part(&s->image);
    TRY(MEM_NEW(s->part, s->n_part));
    TRY(MEM_NEW(s->all, s->n_part * (size_t)comm_size(comm)));
    TRY(MEM_NEW(s->sum, s->n_part));
    TRY(MEM_NEW(s->sample.query, s->n_patch * bank->width));
    TRY(MEM_NEW(s->sample.image, bank->embed));
    TRY(MEM_NEW(s->sample.mask, n_px));
    TRY(MEM_NEW(s->patch, s->n_patch * bank->width));
    TRY(MEM_NEW(s->raw, s->n_patch * bank->n_pixel + bank->n_image));
    TRY(MEM_NEW(s->sim, s->n_patch * bank->n_pixel + bank->n_image));
    TRY(MEM_NEW(s->scratch, s->n_patch * bank->n_pixel + bank->n_image));
    TRY(MEM_NEW(s->projected, s->n_patch * bank->embed));
    TRY(MEM_NEW(s->grad_query, s->n_patch * bank->embed));
    TRY(MEM_NEW(s->y, s->n_patch));
    TRY(MEM_NEW(s->grad_y, s->n_patch));
    TRY(MEM_NEW(s->map, n_px));
    TRY(MEM_NEW(s->grad_map, n_px));
    TRY(MEM_NEW(s->tap, s->side));
    core_taps(s->tap, s->grid, s->side);
    share_room(s, &s->pixel.core, s->sample.query);
    share_room(s, &s->image.core, s->sample.image);
out:
    if (rc)
        ft_step_free(&s);
    *out = s;
    return rc;
}

void ft_step_free(struct ft_step **step)
{
    struct ft_step *s = *step;
    if (!s)
        return;
    void *arrays[] = {s->pixel.anomalous,
                      s->pixel.projected,
                      s->image.anomalous,
                      s->image.projected,
                      s->part,
                      s->all,
                      s->sum,
                      s->sample.query,
                      s->sample.image,
                      s->sample.mask,
                      s->patch,
                      s->raw,
                      s->sim,
                      s->scratch,
                      s->projected,
                      s->grad_query,
                      s->y,
                      s->grad_y,
                      s->map,
                      s->grad_map,
                      s->tap};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        mem_release(arrays[i]);
    MEM_FREE(*step);
}

/* ---- one item ---- */

static int load_sample(struct ft_step *s, size_t item)
{
    int rc = ERR_OK;
    const struct features *f = s->place->bank->features;
    struct feature_shard shard = {0};
    size_t row = 0;
    TRY(feature_shard_open_at(&shard, &row, f, item));
    if (shard.skipped[row])
        FAIL(ERR_CONFIG, "data set %s, item %zu was skipped and cannot be trained on",
             f->manifest->name, item);
    TRY(feature_shard_read(&shard, row, s->sample.image, s->patch));
    TRY(feature_shard_mask(&shard, row, NULL, s->sample.mask));
    s->sample.label = shard.label[row];
    TRY(ops_unit(s->ops, s->sample.image, 1, s->image.core.dim));
    if (s->place->bank->pools)
        TRY(ops_pool(s->ops, s->patch, s->grid, s->pixel.core.dim, s->sample.query));
    else
        memcpy(s->sample.query, s->patch, s->n_patch * s->pixel.core.dim * sizeof(float));
    TRY(ops_unit(s->ops, s->sample.query, s->n_patch, s->pixel.core.dim));
out:
    feature_shard_close(&shard);
    return rc;
}

/* Focal and dice on the upsampled map; leaves the gradient by y in grad_y. scale = 1 / batch. */
static double segment(struct ft_step *s, double scale)
{
    size_t n = s->side * s->side;
    double loss;
    core_upsample(s->y, s->tap, s->grid, s->side, s->map);
    memset(s->grad_map, 0, n * sizeof(float));
    loss = core_focal(s->map, s->sample.mask, n, scale / (double)n, s->grad_map);
    loss += core_dice(s->map, s->sample.mask, n, 0, scale, s->grad_map);
    core_upsample_grad(s->grad_map, s->tap, s->grid, s->side, s->grad_y);
    return loss;
}

static double classify(struct ft_step *s, double scale)
{
    const struct train_options *o = &s->place->options;
    float grad;
    double loss = o->is_binary
                      ? core_class_binary(s->y[0], s->sample.label, scale, &grad)
                      : core_class_softmax(s->y[0], s->sample.label, o->class_tau, scale, &grad);
    s->grad_y[0] = (double)grad;
    return loss;
}

static int level_forward(struct ft_step *s, struct level *l, const struct head *h)
{
    return core_forward(&s->engine, &l->core, h->tensor[l->wq], h->tensor[l->bq]);
}

static int level_backward(struct ft_step *s, struct level *l, struct part out)
{
    return core_backward(&s->engine, &l->core, s->grad_y, out.wq, out.bq, out.keys);
}

/* Loss of one item, its gradient in s->part. */
static int run_item(struct ft_step *s, const struct head *h, size_t item, double scale,
                    double *loss)
{
    int rc = ERR_OK;
    TRY(load_sample(s, item));
    TRY(level_forward(s, &s->pixel, h));
    *loss = segment(s, scale);
    TRY(level_backward(s, &s->pixel, part_of(&s->pixel, s->part)));
    TRY(level_forward(s, &s->image, h));
    *loss += classify(s, scale);
    TRY(level_backward(s, &s->image, part_of(&s->image, s->part + level_part(&s->pixel))));
out:
    return rc;
}

/* ---- the batch ---- */

static int multiply(void *state, const struct core_product *p)
{
    return ops_product(state, &(struct product){.m = p->m,
                                                .n = p->n,
                                                .k = p->k,
                                                .a = p->a,
                                                .b = p->b,
                                                .c = p->c,
                                                .lda = p->lda,
                                                .ldb = p->ldb,
                                                .ldc = p->ldc,
                                                .a_turned = p->a_turned != 0,
                                                .b_turned = p->b_turned != 0,
                                                .adds = p->adds != 0});
}

struct core_engine engine_of(struct ops *ops)
{
    return (struct core_engine){.multiply = multiply, .state = ops};
}

int gather_round(struct comm *comm, const void *mine, size_t bytes, size_t count, void *all)
{
    int rc = ERR_OK;
    const struct gather_method *method;
    size_t *n_rows = NULL;
    TRY(gather_find(&method, "mpi"));
    TRY(MEM_NEW(n_rows, (size_t)comm_size(comm)));
    for (size_t r = 0; r < count; r++)
        n_rows[r] = 1;
    TRY(method->rows(comm, mine, n_rows, bytes, all));
out:
    MEM_FREE(n_rows);
    return rc;
}

/* Gather one round (places first .. first + size - 1 of the batch) and add it in item order. */
static int add_round(struct ft_step *s, size_t first, size_t n)
{
    int rc = ERR_OK;
    size_t size = (size_t)comm_size(s->comm);
    size_t count = n - first < size ? n - first : size;
    TRY(gather_round(s->comm, s->part, s->n_part * sizeof(float), count, s->all));
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < s->n_part; i++)
            s->sum[i] += s->all[r * s->n_part + i];
out:
    return rc;
}

/*
 * The maps of the keys: the gradient by W_k is (by projected keys)^T keys. That by b_k is zero: a bias
 * of the keys adds one number to all similarities of a query, which the softmax does not see. Sums
 * would give rounding noise, and Adam would make full steps of it.
 */
static int finish_level(struct ft_step *s, const struct level *l, float *sum, struct head *grad)
{
    size_t embed = l->core.embed;
    struct part p = part_of(l, sum);
    memcpy(grad->tensor[l->wq], p.wq, embed * l->core.dim * sizeof(float));
    memcpy(grad->tensor[l->bq], p.bq, embed * sizeof(float));
    memset(grad->tensor[l->bk], 0, embed * sizeof(float));
    return core_key_map_grad(&s->engine, &l->core, p.keys, grad->tensor[l->wk]);
}

/* All keys of a level through the key map. */
static int project_keys(struct ft_step *s, struct level *l, const struct head *h)
{
    return core_map(&s->engine, h->tensor[l->wk], h->tensor[l->bk], l->core.keys,
                    (size_t[]){l->core.m, l->core.dim, l->core.embed}, l->projected);
}

int ft_step_project(struct ft_step *s, const struct head *head)
{
    int rc = ERR_OK;
    TRY(project_keys(s, &s->pixel, head));
    TRY(project_keys(s, &s->image, head));
out:
    return rc;
}

int ft_step_load(struct ft_step *s, size_t item, const struct sample **sample)
{
    *sample = &s->sample;
    return load_sample(s, item);
}

int ft_step_masses(struct ft_step *s, const struct head *head, const float **mass)
{
    *mass = s->y;
    return level_forward(s, &s->pixel, head);
}

static int ft_step_run(void *state, const struct head *head, const int64_t *item, size_t n,
                       struct head *grad, double *loss)
{
    int rc = ERR_OK;
    struct ft_step *s = state;
    size_t size = (size_t)comm_size(s->comm);
    size_t rank = (size_t)comm_rank(s->comm);
    double *losses = NULL;
    TRY(MEM_NEW(losses, size));
    memset(s->sum, 0, s->n_part * sizeof(float));
    *loss = 0;
    TRY(ft_step_project(s, head));
    for (size_t first = 0; first < n; first += size) {
        double mine = 0;
        if (first + rank < n)
            rc = run_item(s, head, (size_t)item[first + rank], 1.0 / (double)n, &mine);
        TRY_ALL(s->comm, rc);
        TRY(add_round(s, first, n));
        TRY(comm_allgather(s->comm, &mine, sizeof mine, losses));
        for (size_t r = 0; r < size; r++)
            *loss += losses[r];
    }
    TRY(finish_level(s, &s->pixel, s->sum, grad));
    TRY(finish_level(s, &s->image, s->sum + level_part(&s->pixel), grad));
out:
    MEM_FREE(losses);
    return rc;
}

static void free_state(void **state)
{
    struct ft_step *s = *state;
    ft_step_free(&s);
    *state = NULL;
}

const struct step_method ft_method = {.free = free_state, .run = ft_step_run};
