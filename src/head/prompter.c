/*
 * prompter.c - dynamic prompts through the text tower: from priors to text features, and back.
 *
 * prior -> bias of each prompt (one linear map each) -> added to all its context tokens -> text tower ->
 * unit text features. The rows of a batch are image-major: normal and anomalous prompt of image 0, then
 * of image 1, and so on.
 */
#include "base/err.h"
#include "base/mem.h"
#include "clip/clip.h"
#include "head/head_int.h"
#include "head/pooling_int.h"

#include <math.h>
#include <string.h>

struct prompter {
    const struct head_place *place; /* borrowed */
    struct ops *ops;                /* borrowed */
    struct core_engine engine;
    struct text_tower *tower;
    size_t n_patch, width, embed, text_width;
    size_t n_positions; /* P */
    struct prompt_sizes sizes;
    float *projection; /* [D, E] visual projection */
    float *tokens;     /* [2, P, T] embeddings of the fixed tokens */
    float *prompt;     /* [2 R, P, T] */
    float *bias;       /* [R, 2, T] */
    int32_t *end;      /* [2 R] */
    float *raw;        /* [2 R, E] text features before normalisation */
    float *norm;       /* [2 R] their norms */
    float *unit;       /* [2 R, E] */
    float *grad_raw, *grad_prompt, *grad_deep, *grad_bias;
    float *one_projected, *one_text, *one_prior; /* room for prompter_map */
    float *logit; /* [N, 2] the same; before the logits a prior's weights */
};

static int load_model(struct prompter *p, size_t max_images, bool trains)
{
    int rc = ERR_OK;
    struct weights *w = NULL;
    const struct prompt_tokens *t = &p->place->tokens;
    const struct text_options options = {.n_positions = p->n_positions,
                                         .n_deep = p->sizes.n_deep,
                                         .deep_len = p->sizes.deep_len,
                                         .max_rows = 2 * max_images,
                                         .forward_only = !trains};
    TRY(weights_open_chosen(&w, p->place->model));
    TRY(text_tower_new(&p->tower, w, p->ops, &options));
    TRY(MEM_NEW(p->projection, p->width * p->embed));
    TRY(weights_read(w, "visual.proj", 2, (size_t[]){p->width, p->embed}, p->projection));
    TRY(MEM_NEW(p->tokens, 2 * p->n_positions * p->text_width));
    for (size_t r = 0; r < 2; r++)
        TRY(weights_embed(w, t->ids + r * t->context, p->n_positions,
                          p->tokens + r * p->n_positions * p->text_width));
out:
    weights_free(&w);
    return rc;
}

static int make_room(struct prompter *p, size_t max_images, bool trains)
{
    int rc = ERR_OK;
    size_t rows = 2 * max_images;
    size_t prompt = p->n_positions * p->text_width;
    TRY(MEM_NEW(p->prompt, rows * prompt));
    TRY(MEM_NEW(p->bias, rows * p->text_width));
    TRY(MEM_NEW(p->end, rows));
    TRY(MEM_NEW(p->raw, rows * p->embed));
    TRY(MEM_NEW(p->norm, rows));
    TRY(MEM_NEW(p->unit, rows * p->embed));
    TRY(MEM_NEW(p->one_projected, p->n_patch * p->embed));
    TRY(MEM_NEW(p->one_text, 2 * p->embed));
    TRY(MEM_NEW(p->one_prior, 2 * p->embed));
    TRY(MEM_NEW(p->logit, 2 * p->n_patch));
    if (!trains)
        goto out;
    TRY(MEM_NEW(p->grad_raw, rows * p->embed));
    TRY(MEM_NEW(p->grad_prompt, rows * prompt));
    TRY(MEM_NEW(p->grad_deep, rows * p->sizes.n_deep * p->sizes.deep_len * p->text_width));
    TRY(MEM_NEW(p->grad_bias, rows * p->text_width));
out:
    return rc;
}

int prompter_new(struct prompter **out, const struct head_place *place, struct ops *ops,
                 size_t max_images, bool trains)
{
    int rc = ERR_OK;
    struct prompter *p = NULL;
    const struct features *f = place->bank->features;
    const struct clip_shape *shape = &f->model.shape;
    TRY(MEM_NEW(p, 1));
    p->place = place;
    p->ops = ops;
    p->engine = engine_of(ops);
    p->n_patch = f->grid * f->grid;
    p->width = shape->width;
    p->embed = shape->embed;
    p->text_width = shape->text_width;
    p->sizes = (struct prompt_sizes){place->form.dim[CLIP_CTX][1], place->form.dim[CLIP_DEEP][0],
                                     place->form.dim[CLIP_DEEP][1]};
    for (int r = 0; r < 2; r++)
        if ((size_t)place->tokens.end[r] + 1 > p->n_positions)
            p->n_positions = (size_t)place->tokens.end[r] + 1;
    TRY(load_model(p, max_images, trains));
    TRY(make_room(p, max_images, trains));
out:
    if (rc)
        prompter_free(&p);
    *out = p;
    return rc;
}

void prompter_free(struct prompter **prompter)
{
    struct prompter *p = *prompter;
    if (!p)
        return;
    void *arrays[] = {p->projection, p->tokens,      p->prompt,    p->bias,
                      p->end,        p->raw,         p->norm,      p->unit,
                      p->grad_raw,   p->grad_prompt, p->grad_deep, p->grad_bias,
                      p->one_text,   p->one_prior,   p->logit,     p->one_projected};
    text_tower_free(&p->tower);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        mem_release(arrays[i]);
    MEM_FREE(*prompter);
}

int prompter_project(struct prompter *p, const float *query, float *out)
{
    int rc = ERR_OK;
    TRY(ops_product(p->ops, &(struct product){.m = p->n_patch,
                                              .n = p->embed,
                                              .k = p->width,
                                              .a = query,
                                              .b = p->projection,
                                              .c = out,
                                              .lda = p->width,
                                              .ldb = p->embed,
                                              .ldc = p->embed}));
    TRY(ops_unit(p->ops, out, p->n_patch, p->embed));
out:
    return rc;
}

/* One bias: map [T, E] of a prior [E], plus its own bias [T]. */
static void map_prior(const struct prompter *p, const float *map, const float *bias,
                      const float *prior, float *out)
{
    for (size_t t = 0; t < p->text_width; t++) {
        double sum = (double)bias[t];
        for (size_t c = 0; c < p->embed; c++)
            sum += (double)map[t * p->embed + c] * (double)prior[c];
        out[t] = (float)sum;
    }
}

/* The prompt of row r: fixed tokens, with context plus bias in the places 1 .. n_ctx. */
static void fill_prompt(struct prompter *p, const struct head *h, size_t row)
{
    size_t t = p->text_width;
    size_t prompt = p->n_positions * t;
    size_t kind = row % 2;
    float *to = p->prompt + row * prompt;
    const float *ctx = h->tensor[CLIP_CTX] + kind * p->sizes.n_ctx * t;
    const float *bias = p->bias + row * t;
    memcpy(to, p->tokens + kind * prompt, prompt * sizeof *to);
    for (size_t i = 0; i < p->sizes.n_ctx; i++)
        for (size_t c = 0; c < t; c++)
            to[(i + 1) * t + c] = ctx[i * t + c] + bias[c];
    p->end[row] = p->place->tokens.end[kind];
}

int prompter_text(struct prompter *p, const struct head *h, const float *prior, size_t n,
                  float *text)
{
    int rc = ERR_OK;
    size_t e = p->embed;
#pragma omp parallel for
    for (size_t row = 0; row < 2 * n; row++) {
        size_t map = row % 2 ? CLIP_PA : CLIP_PN;
        if (h->count[map]) /* else its bias stays zero */
            map_prior(p, h->tensor[map], h->tensor[map + 1], prior + row * e,
                      p->bias + row * p->text_width);
        fill_prompt(p, h, row);
    }
    TRY(text_forward(p->tower, p->prompt, p->end, 2 * n, h->tensor[CLIP_DEEP], p->raw));
    for (size_t row = 0; row < 2 * n; row++) {
        double sum = 0;
        for (size_t c = 0; c < e; c++)
            sum += (double)p->raw[row * e + c] * (double)p->raw[row * e + c];
        p->norm[row] = (float)sqrt(sum);
        for (size_t c = 0; c < e; c++)
            p->unit[row * e + c] = p->raw[row * e + c] / p->norm[row];
    }
    memcpy(text, p->unit, 2 * n * e * sizeof *text);
out:
    return rc;
}

/* Gradients by the context tokens and the biases, summed over images in order. */
static void collect_context(struct prompter *p, size_t n, struct head *grad)
{
    size_t t = p->text_width;
    memset(grad->tensor[CLIP_CTX], 0, grad->count[CLIP_CTX] * sizeof(float));
    memset(p->grad_bias, 0, 2 * n * t * sizeof(float));
    for (size_t row = 0; row < 2 * n; row++) {
        const float *from = p->grad_prompt + row * p->n_positions * t;
        float *ctx = grad->tensor[CLIP_CTX] + row % 2 * p->sizes.n_ctx * t;
        for (size_t i = 0; i < p->sizes.n_ctx; i++)
            for (size_t c = 0; c < t; c++) {
                float g = from[(i + 1) * t + c];
                ctx[i * t + c] += g;
                p->grad_bias[row * t + c] += g;
            }
    }
}

/* Gradients of one prompt projection: sum over images of bias gradient times prior. */
static int collect_map(struct prompter *p, const float *prior, size_t kind, size_t n,
                       struct head *grad)
{
    int rc = ERR_OK;
    size_t map = kind ? CLIP_PA : CLIP_PN;
    size_t t = p->text_width;
    size_t e = p->embed;
    if (!grad->count[map])
        return ERR_OK;
    memset(grad->tensor[map + 1], 0, t * sizeof(float));
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < t; c++)
            grad->tensor[map + 1][c] += p->grad_bias[(2 * i + kind) * t + c];
    TRY(ops_product(p->ops, &(struct product){.m = t,
                                              .n = e,
                                              .k = n,
                                              .a = p->grad_bias + kind * t,
                                              .b = prior + kind * e,
                                              .c = grad->tensor[map],
                                              .lda = 2 * t,
                                              .ldb = 2 * e,
                                              .ldc = e,
                                              .a_turned = true}));
out:
    return rc;
}

int prompter_grad(struct prompter *p, const float *prior, const float *grad_text, size_t n,
                  struct head *grad)
{
    int rc = ERR_OK;
    size_t e = p->embed;
    size_t deep = grad->count[CLIP_DEEP];
    memcpy(p->grad_raw, grad_text, 2 * n * e * sizeof(float));
    for (size_t row = 0; row < 2 * n; row++)
        core_unit_grad(p->unit + row * e, p->norm[row], e, p->grad_raw + row * e);
    TRY(text_backward(p->tower, p->grad_raw, p->grad_prompt, p->grad_deep));
    collect_context(p, n, grad);
    memset(grad->tensor[CLIP_DEEP], 0, deep * sizeof(float));
    for (size_t row = 0; row < 2 * n; row++)
        for (size_t i = 0; i < deep; i++)
            grad->tensor[CLIP_DEEP][i] += p->grad_deep[row * deep + i];
    TRY(collect_map(p, prior, 0, n, grad));
    TRY(collect_map(p, prior, 1, n, grad));
out:
    return rc;
}

int prompter_prior_grad(struct prompter *p, const struct head *head, size_t n, float *grad_prior)
{
    int rc = ERR_OK;
    const int map[2] = {CLIP_PN, CLIP_PA};
    for (size_t kind = 0; kind < 2; kind++)
        TRY(core_prior_grad(&p->engine, head->tensor[map[kind]],
                            p->grad_bias + kind * p->text_width,
                            (size_t[]){n, p->text_width, p->embed}, grad_prior + kind * p->embed));
out:
    return rc;
}

bool prompter_needs_mass(const struct prompter *p)
{
    return p->place->bias->needs_mass;
}

int prompter_map(struct prompter *p, const struct head *head, const struct prompt_view *view,
                 float *map)
{
    int rc = ERR_OK;
    const struct bias_source *bias = p->place->bias;
    const struct bias_view seen = {.n_patch = p->n_patch,
                                   .embed = p->embed,
                                   .projected = p->one_projected,
                                   .mass = view->mass,
                                   .image = view->image};
    TRY(prompter_project(p, view->query, p->one_projected));
    if (bias->prior)
        TRY(bias->prior(&p->engine, head, &seen, p->logit, p->one_prior));
    TRY(prompter_text(p, head, p->one_prior, 1, p->one_text));
    TRY(core_text_map(&p->engine, p->one_projected, p->one_text, (size_t[]){p->n_patch, p->embed},
                      p->place->text_tau, p->logit, map));
out:
    return rc;
}
