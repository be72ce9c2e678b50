/* scores.c - retrieval, maps and image scores. See scores.h. */
#include "scores/scores.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "par/cores.h"
#include "scores/scores_int.h"

#include <string.h>

/* One level of the bank: packed keys, their labels as numbers, and the query map of a head. */
struct level {
    struct linear *query_map; /* NULL without a head */
    struct linear *keys;
    float *anomalous; /* [n] */
};

struct retriever {
    struct ops *ops; /* borrowed */
    struct level image;
    struct level pixel;
    struct prompter *prompter; /* mrad-clip: makes the map from what the metric retrieves */
    struct head *prompts;      /* mrad-clip */
};

/* What a level is made of. */
struct source {
    const float *keys;
    const uint8_t *labels;
    size_t n, dim;
    int wq, wk; /* enum ft_tensor; biases follow */
};

static int pack_map(struct linear **out, struct ops *ops, const struct head *h, int which)
{
    const struct linear_spec spec = {.n_in = h->form.dim[which][1],
                                     .n_out = h->form.dim[which][0],
                                     .weight = h->tensor[which],
                                     .bias = h->tensor[which + 1]};
    return linear_pack(ops, out, &spec);
}

/* Keys through the head's key map: host memory [n, E], freed by the caller. */
static int project_keys(float **out, struct ops *ops, const struct source *s, const struct head *h)
{
    int rc = ERR_OK;
    struct linear *map = NULL;
    float *x = NULL;
    float *y = NULL;
    size_t embed = h->form.dim[s->wk][0];
    TRY(pack_map(&map, ops, h, s->wk));
    TRY(ops_alloc(ops, &x, s->n * s->dim));
    TRY(ops_alloc(ops, &y, s->n * embed));
    TRY(ops_upload(ops, x, s->keys, s->n * s->dim));
    TRY(linear_run(ops, map, x, s->n, y));
    TRY(MEM_NEW(*out, s->n * embed));
    TRY(ops_download(ops, *out, y, s->n * embed));
out:
    linear_free(ops, &map);
    ops_drop(ops, &x);
    ops_drop(ops, &y);
    return rc;
}

static int pack_level(struct level *out, struct ops *ops, const struct source *s,
                      const struct head *head)
{
    int rc = ERR_OK;
    float *host = NULL;
    float *projected = NULL;
    struct linear_spec spec = {.n_in = s->dim, .n_out = s->n, .weight = s->keys};
    if (head) {
        TRY(pack_map(&out->query_map, ops, head, s->wq));
        TRY(project_keys(&projected, ops, s, head));
        spec.weight = projected;
        spec.n_in = head->form.dim[s->wk][0];
    }
    TRY(MEM_NEW(host, s->n));
    for (size_t i = 0; i < s->n; i++)
        host[i] = s->labels[i] ? 1.0F : 0.0F;
    TRY(linear_pack(ops, &out->keys, &spec));
    TRY(ops_alloc(ops, &out->anomalous, s->n));
    TRY(ops_upload(ops, out->anomalous, host, s->n));
out:
    MEM_FREE(host);
    MEM_FREE(projected);
    return rc;
}

/* The metric a place's scores go through: its own for mrad-ft, the one below for mrad-clip. */
static int open_metric(struct head **out, const struct head_place *place)
{
    *out = NULL;
    return place ? head_open(out, place->metric ? place->metric : place) : ERR_OK;
}

static int open_prompts(struct retriever *r, const struct head_place *place)
{
    int rc = ERR_OK;
    if (!place || !place->metric)
        return ERR_OK;
    TRY(head_open(&r->prompts, place));
    TRY(prompter_new(&r->prompter, place, r->ops, 1, false));
out:
    return rc;
}

int retriever_new(struct retriever **out, struct ops *ops, const struct bank *bank,
                  const struct head_place *place)
{
    int rc = ERR_OK;
    struct retriever *r = NULL;
    struct head *head = NULL;
    const struct source image = {
        bank->image_keys, bank->image_labels, bank->n_image, bank->embed, FT_IQ, FT_IK};
    const struct source pixel = {
        bank->pixel_keys, bank->pixel_labels, bank->n_pixel, bank->width, FT_WQ, FT_WK};
    if (!bank->n_image || !bank->n_pixel)
        FAIL(ERR_SHAPE, "a memory bank with %zu image and %zu pixel entries cannot be searched",
             bank->n_image, bank->n_pixel);
    TRY(MEM_NEW(r, 1));
    r->ops = ops;
    TRY(open_metric(&head, place));
    TRY(open_prompts(r, place));
    TRY(pack_level(&r->image, ops, &image, head));
    TRY(pack_level(&r->pixel, ops, &pixel, head));
out:
    head_free(&head);
    if (rc)
        retriever_free(&r);
    *out = r;
    return rc;
}

void retriever_free(struct retriever **retriever)
{
    struct retriever *r = *retriever;
    if (!r)
        return;
    struct level *levels[] = {&r->image, &r->pixel};
    prompter_free(&r->prompter);
    head_free(&r->prompts);
    for (size_t i = 0; i < 2; i++) {
        linear_free(r->ops, &levels[i]->query_map);
        linear_free(r->ops, &levels[i]->keys);
        ops_drop(r->ops, &levels[i]->anomalous);
    }
    MEM_FREE(*retriever);
}

/* Masses of n unit queries at one level; mapped [n, E] is room for the mapped queries. */
static int search(struct retriever *r, const struct level *l, const float *query, size_t n,
                  float *mapped, const struct score_options *o, float *mass)
{
    int rc = ERR_OK;
    if (l->query_map) {
        TRY(linear_run(r->ops, l->query_map, query, n, mapped));
        query = mapped;
    }
    if (o->by == RETRIEVE_NEAREST)
        TRY(ops_retrieve_nearest(r->ops, l->keys, query, n, l->anomalous, o->tau, mass));
    else
        TRY(ops_retrieve(r->ops, l->keys, query, n, l->anomalous, o->tau, mass));
out:
    return rc;
}

int scores_plan(struct score_place **out, const struct config *config,
                const struct bank_place *train, const struct head_place *head,
                const struct features *test)
{
    int rc = ERR_OK;
    struct hasher *h = NULL;
    struct score_place *p = NULL;
    TRY(MEM_NEW(p, 1));
    p->variant = head ? head->variant : "mrad-tf";
    p->train = train;
    p->head = head;
    p->test = test;
    p->options = (struct score_options){.tau = (float)config->tau,
                                        .by = config->retrieve_by,
                                        .top = config->top,
                                        .k = config->k,
                                        .is_sum = config->fusion == FUSION_SUM,
                                        .sigma = config->sigma,
                                        .pools = config->neighbour_pool};
    TRY(config_stage_text(&p->options_text, config, IN_SCORES));
    TRY(hasher_new(&h));
    hasher_add_text(h, SCORES_SCHEMA);
    hasher_add(h, &(int){SCORES_VERSION}, sizeof(int));
    hasher_add_text(h, p->variant);
    hasher_add_text(h, head ? head->key : train->key);
    hasher_add_text(h, test->key);
    hasher_add_text(h, p->options_text);
    hash_hex(p->key, hasher_finish(&h));
    TRY(str_make(&p->dir, "%s/scores/%s/%s/%s/%s", config->store, p->variant,
                 train->features->manifest->name, test->manifest->name, p->key));
out:
    if (rc)
        score_place_free(&p);
    *out = p;
    return rc;
}

void score_place_free(struct score_place **place)
{
    if (!*place)
        return;
    MEM_FREE((*place)->dir);
    MEM_FREE((*place)->options_text);
    MEM_FREE(*place);
}

int score_map(struct ops *ops, const float *mass, size_t grid, size_t side, double sigma,
              float *map)
{
    int rc = ERR_OK;
    TRY(ops_upsample(ops, mass, 1, grid, side, map));
    TRY(ops_smooth(ops, map, 1, side, sigma));
out:
    return rc;
}

/* Put the k-th largest value at place k-1 and all larger ones before it (Hoare's selection). */
static void select_largest(float *x, size_t n, size_t k)
{
    size_t low = 0;
    size_t high = n - 1;
    while (low < high) {
        float pivot = x[low + (high - low) / 2];
        size_t i = low;
        size_t j = high;
        for (;;) {
            float swap;
            while (x[i] > pivot)
                i++;
            while (x[j] < pivot)
                j--;
            if (i >= j)
                break;
            swap = x[i];
            x[i++] = x[j];
            x[j--] = swap;
        }
        if (k - 1 <= j)
            high = j;
        else
            low = j + 1;
    }
}

float score_image(const struct score_options *o, float y_cls, const float *map, size_t n,
                  float *scratch)
{
    size_t k = (size_t)((double)n * o->top);
    double sum = 0;
    double top;
    k = k < 1 ? 1 : k; /* a share under one pixel: the largest alone */
    memcpy(scratch, map, n * sizeof *map);
    select_largest(scratch, n, k);
    for (size_t i = 0; i < k; i++)
        sum += (double)scratch[i];
    top = sum / (double)k;
    return (float)(o->is_sum ? top + (double)y_cls : (1 - o->k) * top + o->k * (double)y_cls);
}

/* Memory for one item at a time. */
struct bench {
    float *cls, *patch, *pooled, *mapped, *retrieved, *map, *scratch;
};

static int score_item(const struct score_place *p, struct feature_shard *s, size_t row,
                      struct retriever *r, struct bench *w, struct scores *out)
{
    int rc = ERR_OK;
    const struct clip_shape *shape = &p->test->model.shape;
    size_t grid = p->test->grid;
    size_t side = p->test->image_size;
    float *mass = out->mass + row * out->n_patch;
    float *query = p->options.pools ? w->pooled : w->patch;
    struct score_options of_patches = p->options;
    float *retrieved = r->prompter ? w->retrieved : mass; /* else they are the map itself */
    out->skipped[row] = s->skipped[row];
    if (s->skipped[row])
        return ERR_OK;
    TRY(feature_shard_read(s, row, w->cls, w->patch));
    TRY(ops_unit(r->ops, w->cls, 1, shape->embed));
    TRY(search(r, &r->image, w->cls, 1, w->mapped, &p->options, &out->y_cls[row]));
    if (p->options.pools)
        TRY(ops_pool(r->ops, w->patch, grid, shape->width, w->pooled));
    TRY(ops_unit(r->ops, query, grid * grid, shape->width));
    if (r->prompter)
        of_patches.by = RETRIEVE_MASS; /* the prompts were trained on priors formed by mass */
    if (!r->prompter || prompter_needs_mass(r->prompter))
        TRY(search(r, &r->pixel, query, grid * grid, w->mapped, &of_patches, retrieved));
    if (r->prompter)
        TRY(prompter_map(r->prompter, r->prompts,
                         &(struct prompt_view){.query = query, .mass = retrieved, .image = w->cls},
                         mass));
    TRY(score_map(r->ops, mass, grid, side, p->options.sigma, w->map));
    out->score[row] = score_image(&p->options, out->y_cls[row], w->map, side * side, w->scratch);
out:
    return rc;
}

int scores_build_shard(const struct score_place *place, size_t shard, struct retriever *retriever)
{
    int rc = ERR_OK;
    const struct features *f = place->test;
    size_t n_patch = f->grid * f->grid;
    size_t n_px = f->image_size * f->image_size;
    struct feature_shard s = {0};
    struct scores *out = NULL;
    struct bench w = {0};
    char *path = NULL;
    TRY(feature_shard_open(&s, f, shard));
    TRY(scores_new(&out, s.n, n_patch));
    TRY(MEM_NEW(w.cls, f->model.shape.embed));
    TRY(MEM_NEW(w.patch, n_patch * f->model.shape.width));
    TRY(MEM_NEW(w.pooled, n_patch * f->model.shape.width));
    TRY(MEM_NEW(w.mapped, n_patch * f->model.shape.embed));
    TRY(MEM_NEW(w.retrieved, n_patch));
    TRY(MEM_NEW(w.map, n_px));
    TRY(MEM_NEW(w.scratch, n_px));
    for (size_t i = 0; i < s.n; i++) {
        if (stop_requested())
            FAIL(ERR_STOPPED, "stopped while scoring");
        TRY(score_item(place, &s, i, retriever, &w, out));
    }
    TRY(scores_shard_path(&path, place, shard));
    TRY(scores_write(out, path, place, (int64_t)shard));
out:
    feature_shard_close(&s);
    scores_free(&out);
    MEM_FREE(w.cls);
    MEM_FREE(w.patch);
    MEM_FREE(w.pooled);
    MEM_FREE(w.mapped);
    MEM_FREE(w.retrieved);
    MEM_FREE(w.map);
    MEM_FREE(w.scratch);
    MEM_FREE(path);
    return rc;
}
