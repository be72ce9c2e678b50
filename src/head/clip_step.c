/*
 * clip_step.c - one step of MRAD-CLIP: loss and gradient of a batch.
 *
 * Ranks share the items of a batch for what is done per image (retrieval by the frozen metric, priors,
 * text map and its losses) and gather small results; the text tower runs over the whole batch on every
 * rank, so that its products have the same sizes, and hence the same bits, for any number of ranks.
 * The metric is frozen, so an item's prior is computed once, unless it depends on parameters itself. Prompts
 * without a bias are the same for all images: the text tower then runs over one pair.
 */
#include "base/err.h"
#include "base/mem.h"
#include "head/head_int.h"

#include <string.h>

/* An item of this rank during one step. */
struct slot {
    float *projected; /* [N, E] unit patches in the joint embedding */
    uint8_t *mask;    /* [S, S] */
    float *weight;    /* [N, 2] of the patches in the priors, if they are learnt */
};

struct clip_step {
    const struct head_place *place; /* borrowed */
    const struct bias_source *bias; /* static */
    struct core_engine engine;
    struct comm *comm; /* borrowed */
    struct ft_step *metric_step;
    struct head *metric; /* frozen */
    struct prompter *prompter;
    size_t n_patch, grid, side, embed;
    size_t most;       /* items in a batch */
    struct slot *slot; /* [slots of this rank] */
    size_t n_slots;
    float *prior;       /* [n_items, 2, E] */
    uint8_t *has_prior; /* [n_items] on this rank */
    float *priors;      /* [batch, 2, E] */
    float *text;        /* [batch, 2, E] */
    float *grad_text;   /* [batch, 2, E] */
    float *grad_prior;  /* [batch, 2, E] */
    float *grad_query;  /* [2, E] of one item */
    float *round;       /* [size, 2, E] */
    float *logit, *y, *map, *grad_map;
    double *grad_y;
    struct core_tap *tap;
};

static int make_slots(struct clip_step *s)
{
    int rc = ERR_OK;
    size_t size = (size_t)comm_size(s->comm);
    s->n_slots = (s->most + size - 1) / size;
    TRY(MEM_NEW(s->slot, s->n_slots));
    for (size_t i = 0; i < s->n_slots; i++) {
        TRY(MEM_NEW(s->slot[i].projected, s->n_patch * s->embed));
        TRY(MEM_NEW(s->slot[i].mask, s->side * s->side));
        TRY(MEM_NEW(s->slot[i].weight, 2 * s->n_patch));
    }
out:
    return rc;
}

static int make_room(struct clip_step *s)
{
    int rc = ERR_OK;
    size_t pair = 2 * s->embed;
    size_t n_items = s->place->bank->features->manifest->n_items;
    TRY(make_slots(s));
    TRY(MEM_NEW(s->prior, n_items * pair));
    TRY(MEM_NEW(s->has_prior, n_items));
    TRY(MEM_NEW(s->priors, s->most * pair));
    TRY(MEM_NEW(s->text, s->most * pair));
    TRY(MEM_NEW(s->grad_text, s->most * pair));
    TRY(MEM_NEW(s->grad_prior, s->most * pair));
    TRY(MEM_NEW(s->grad_query, pair));
    TRY(MEM_NEW(s->round, (size_t)comm_size(s->comm) * pair));
    TRY(MEM_NEW(s->logit, 2 * s->n_patch));
    TRY(MEM_NEW(s->y, s->n_patch));
    TRY(MEM_NEW(s->grad_y, s->n_patch));
    TRY(MEM_NEW(s->map, s->side * s->side));
    TRY(MEM_NEW(s->grad_map, s->side * s->side));
    TRY(MEM_NEW(s->tap, s->side));
    core_taps(s->tap, s->grid, s->side);
out:
    return rc;
}

static void clip_step_free(struct clip_step **step)
{
    struct clip_step *s = *step;
    if (!s)
        return;
    void *arrays[] = {s->prior,      s->has_prior,  s->priors,   s->text,  s->grad_text,
                      s->grad_prior, s->grad_query, s->round,    s->logit, s->y,
                      s->map,        s->grad_y,     s->grad_map, s->tap};
    ft_step_free(&s->metric_step);
    head_free(&s->metric);
    prompter_free(&s->prompter);
    for (size_t i = 0; s->slot && i < s->n_slots; i++) {
        MEM_FREE(s->slot[i].projected);
        MEM_FREE(s->slot[i].mask);
        MEM_FREE(s->slot[i].weight);
    }
    MEM_FREE(s->slot);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        mem_release(arrays[i]);
    MEM_FREE(*step);
}

int clip_step_new(struct clip_step **out, const struct head_place *place, const struct bank *bank,
                  struct ops *ops, struct comm *comm)
{
    int rc = ERR_OK;
    struct clip_step *s = NULL;
    const struct features *f = place->bank->features;
    TRY(MEM_NEW(s, 1));
    s->place = place;
    s->bias = place->bias;
    s->engine = engine_of(ops);
    s->comm = comm;
    s->grid = f->grid;
    s->n_patch = f->grid * f->grid;
    s->side = f->image_size;
    s->embed = bank->embed;
    s->most = place->order ? place->order_batch : place->options.batch;
    TRY(head_open(&s->metric, place->metric));
    TRY(ft_step_new(&s->metric_step, place->metric, bank, ops, comm));
    TRY(ft_step_project(s->metric_step, s->metric));
    TRY(prompter_new(&s->prompter, place, ops, s->bias->prior ? s->most : 1, true));
    TRY(make_room(s));
out:
    if (rc)
        clip_step_free(&s);
    *out = s;
    return rc;
}

void clip_step_forget(struct clip_step *s)
{
    memset(s->has_prior, 0, s->place->bank->features->manifest->n_items);
}

static struct bias_view view_of(const struct clip_step *s, const struct slot *slot)
{
    return (struct bias_view){
        .n_patch = s->n_patch, .embed = s->embed, .projected = slot->projected};
}

/* Load an item into a slot; a prior that no parameter changes is computed the first time. */
static int load_item(struct clip_step *s, const struct head *head, struct slot *slot, size_t item)
{
    int rc = ERR_OK;
    const struct sample *sample;
    struct bias_view view = view_of(s, slot);
    TRY(ft_step_load(s->metric_step, item, &sample));
    view.image = sample->image;
    TRY(prompter_project(s->prompter, sample->query, slot->projected));
    memcpy(slot->mask, sample->mask, s->side * s->side);
    if (s->has_prior[item] || !s->bias->prior)
        goto out;
    if (s->bias->needs_mass)
        TRY(ft_step_masses(s->metric_step, s->metric, &view.mass));
    TRY(s->bias->prior(&s->engine, head, &view, slot->weight, s->prior + item * 2 * s->embed));
    s->has_prior[item] = s->bias->grad == NULL;
out:
    return rc;
}

/* Losses of one item's map, focal and dice of both channels; gradient by the text features. */
static int run_item(struct clip_step *s, const struct slot *slot, const float *text, double scale,
                    float *grad_text, double *loss)
{
    int rc = ERR_OK;
    size_t n = s->side * s->side;
    const size_t size[2] = {s->n_patch, s->embed};
    TRY(core_text_map(&s->engine, slot->projected, text, size, s->place->text_tau, s->logit, s->y));
    core_upsample(s->y, s->tap, s->grid, s->side, s->map);
    memset(s->grad_map, 0, n * sizeof(float));
    *loss = core_focal(s->map, slot->mask, n, scale / (double)n, s->grad_map);
    *loss += core_dice(s->map, slot->mask, n, 0, scale, s->grad_map);
    *loss += core_dice(s->map, slot->mask, n, 1, scale, s->grad_map);
    core_upsample_grad(s->grad_map, s->tap, s->grid, s->side, s->grad_y);
    TRY(core_text_map_grad(&s->engine, slot->projected, size, s->place->text_tau, s->y, s->grad_y,
                           grad_text));
out:
    return rc;
}

/* Load this rank's items and gather the priors of the whole batch, if any, in item order. */
static int gather_priors(struct clip_step *s, const struct head *head, const int64_t *item,
                         size_t n)
{
    int rc = ERR_OK;
    size_t size = (size_t)comm_size(s->comm);
    size_t rank = (size_t)comm_rank(s->comm);
    size_t pair = 2 * s->embed;
    for (size_t first = 0; first < n; first += size) {
        size_t count = n - first < size ? n - first : size;
        const float *mine = s->round;
        if (first + rank < n) {
            size_t id = (size_t)item[first + rank];
            rc = load_item(s, head, &s->slot[first / size], id);
            mine = s->prior + id * pair;
        }
        TRY_ALL(s->comm, rc);
        if (s->bias->prior)
            TRY(gather_round(s->comm, mine, pair * sizeof(float), count, s->priors + first * pair));
    }
out:
    return rc;
}

/* Losses of all items; gradients by the text features of the whole batch, on every rank. */
static int run_items(struct clip_step *s, size_t n, double *loss)
{
    int rc = ERR_OK;
    size_t size = (size_t)comm_size(s->comm);
    size_t rank = (size_t)comm_rank(s->comm);
    size_t pair = 2 * s->embed;
    size_t to_next = s->bias->prior ? pair : 0; /* all images share the text features, or not */
    double *losses = NULL;
    float *mine = NULL;
    TRY(MEM_NEW(losses, size));
    TRY(MEM_NEW(mine, pair));
    for (size_t first = 0; first < n; first += size) {
        size_t count = n - first < size ? n - first : size;
        double own = 0;
        if (first + rank < n)
            rc = run_item(s, &s->slot[first / size], s->text + (first + rank) * to_next,
                          1.0 / (double)n, mine, &own);
        TRY_ALL(s->comm, rc);
        TRY(gather_round(s->comm, mine, pair * sizeof(float), count, s->grad_text + first * pair));
        TRY(comm_allgather(s->comm, &own, sizeof own, losses));
        for (size_t r = 0; r < size; r++)
            *loss += losses[r];
    }
out:
    MEM_FREE(losses);
    MEM_FREE(mine);
    return rc;
}

/* One pair of prompts for all images: the sum of their gradients, in item order. */
static void add_up(struct clip_step *s, size_t n)
{
    size_t pair = 2 * s->embed;
    for (size_t i = 1; i < n; i++)
        for (size_t c = 0; c < pair; c++)
            s->grad_text[c] += s->grad_text[i * pair + c];
}

/* Gradient by the queries of priors that are learnt: each item's by its rank, summed in item order. */
static int collect_query(struct clip_step *s, const struct head *head, size_t n, struct head *grad)
{
    int rc = ERR_OK;
    size_t size = (size_t)comm_size(s->comm);
    size_t rank = (size_t)comm_rank(s->comm);
    size_t pair = 2 * s->embed;
    float *sum = grad->tensor[CLIP_QUERY];
    TRY(prompter_prior_grad(s->prompter, head, n, s->grad_prior));
    memset(sum, 0, pair * sizeof *sum);
    for (size_t first = 0; first < n; first += size) {
        size_t count = n - first < size ? n - first : size;
        const struct slot *slot = &s->slot[first / size];
        const struct bias_view view = view_of(s, slot);
        if (first + rank < n)
            rc = s->bias->grad(&s->engine, &view, slot->weight,
                               s->grad_prior + (first + rank) * pair, s->logit, s->grad_query);
        TRY_ALL(s->comm, rc);
        TRY(gather_round(s->comm, s->grad_query, pair * sizeof(float), count, s->round));
        for (size_t i = 0; i < count * pair; i++)
            sum[i % pair] += s->round[i];
    }
out:
    return rc;
}

static int clip_step_run(void *state, const struct head *head, const int64_t *item, size_t n,
                         struct head *grad, double *loss)
{
    int rc = ERR_OK;
    struct clip_step *s = state;
    size_t n_texts = s->bias->prior ? n : 1;
    *loss = 0;
    TRY(gather_priors(s, head, item, n));
    TRY(prompter_text(s->prompter, head, s->priors, n_texts, s->text));
    TRY(run_items(s, n, loss));
    if (!s->bias->prior)
        add_up(s, n);
    TRY(prompter_grad(s->prompter, s->priors, s->grad_text, n_texts, grad));
    if (s->bias->grad)
        TRY(collect_query(s, head, n, grad));
out:
    return rc;
}

static void free_state(void **state)
{
    struct clip_step *s = *state;
    clip_step_free(&s);
    *state = NULL;
}

const struct step_method clip_method = {.free = free_state, .run = clip_step_run};
