/*
 * text.c - the text tower forward: prompts of token embeddings to joint embeddings.
 *
 * Positions behind the largest end token are not computed: with a causal mask they change nothing
 * before them. Each layer leaves its input, its queries, keys and values, the state between attention
 * and MLP, and the MLP's values before QuickGELU; text_backward.c finds all else again from these.
 */
#include "base/err.h"
#include "clip/text_int.h"
#include "tensor/tensor.h"

#include <string.h>

struct text_saved *text_saved_of(const struct text_tower *t, size_t i)
{
    return &t->saved[t->options.forward_only ? 0 : i];
}

struct attention text_attention(const struct text_tower *t, const struct text_saved *s)
{
    size_t d = t->shape.text_width;
    return (struct attention){.query = s->qkv,
                              .key = s->qkv + d,
                              .value = s->qkv + 2 * d,
                              .out = t->attended,
                              .stride = 3 * d,
                              .out_stride = d,
                              .n_query = t->options.n_positions,
                              .n_key = t->options.n_positions,
                              .n_heads = t->shape.text_heads,
                              .head_dim = d / t->shape.text_heads,
                              .n_items = t->n_rows,
                              .causal = true};
}

void text_round_deep(const struct text_tower *t, const real *src, size_t n, real *dst)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = t->options.exact_deep ? src[i] : (real)f16_to_f32(f32_to_f16((float)src[i]));
}

static int keep_ends(struct text_tower *t, const int32_t *end, size_t n_rows)
{
    int rc = ERR_OK;
    t->n_rows = 0;
    if (n_rows == 0 || n_rows > t->options.max_rows)
        FAIL(ERR_SHAPE, "text tower: %zu prompts; it was made for 1 to %zu", n_rows,
             t->options.max_rows);
    for (size_t r = 0; r < n_rows; r++) {
        if (end[r] < 0 || (size_t)end[r] >= t->options.n_positions)
            FAIL(ERR_SHAPE,
                 "text tower: the end token of prompt %zu is at %d, not within 0 and %zu", r,
                 end[r], t->options.n_positions - 1);
        t->end[r] = (size_t)end[r];
    }
    t->n_rows = n_rows;
out:
    return rc;
}

/* prompt + position. */
static int embed(struct text_tower *t, const real *prompt)
{
    size_t per_row = t->options.n_positions * t->shape.text_width;
    for (size_t r = 0; r < t->n_rows; r++)
        for (size_t i = 0; i < per_row; i++)
            t->host[r * per_row + i] = prompt[r * per_row + i] + t->position[i];
    return ops_upload(t->ops, text_saved_of(t, 0)->x, t->host, t->n_rows * per_row);
}

/* Put a layer's deep prompts into rows 1..deep_len of every prompt. */
static int place_deep(struct text_tower *t, const real *deep, real *x)
{
    int rc = ERR_OK;
    size_t d = t->shape.text_width;
    size_t n = t->options.deep_len * d;
    text_round_deep(t, deep, n, t->host);
    TRY(ops_upload(t->ops, t->deep, t->host, n));
    for (size_t r = 0; r < t->n_rows; r++)
        TRY(ops_copy(t->ops, x + (r * t->options.n_positions + 1) * d, t->deep, n));
out:
    return rc;
}

static int text_norm(struct text_tower *t, const real *x, real *const affine[2], size_t n_rows,
                     real *y)
{
    return ops_layer_norm(t->ops, &(struct norm){.x = x,
                                                 .weight = affine[0],
                                                 .bias = affine[1],
                                                 .y = y,
                                                 .n_rows = n_rows,
                                                 .dim = t->shape.text_width,
                                                 .epsilon = CLIP_EPSILON});
}

/* One layer: s->x is its input, `next` receives its output (and may be s->x). */
static int run_layer(struct text_tower *t, const struct text_block *b, const struct text_saved *s,
                     real *next)
{
    int rc = ERR_OK;
    size_t d = t->shape.text_width;
    size_t n = t->n_rows * t->options.n_positions;
    const struct attention a = text_attention(t, s);
    TRY(text_norm(t, s->x, b->ln_1, n, t->normed));
    TRY(linear_run(t->ops, b->map[MAP_QKV], t->normed, n, s->qkv));
    TRY(ops_attend(t->ops, &a));
    TRY(ops_copy(t->ops, s->mid, s->x, n * d));
    TRY(linear_run(t->ops, b->map[MAP_OUT], t->attended, n, s->mid));
    TRY(text_norm(t, s->mid, b->ln_2, n, t->normed));
    TRY(linear_run(t->ops, b->map[MAP_FC], t->normed, n, s->hidden));
    TRY(ops_activate(t->ops, t->shape.activation, s->hidden, n * t->shape.text_hidden, t->active));
    TRY(ops_copy(t->ops, next, s->mid, n * d));
    TRY(linear_run(t->ops, b->map[MAP_PROJ], t->active, n, next));
out:
    return rc;
}

/* ln_final and projection of the rows at the end tokens. */
static int finish(struct text_tower *t, real *out)
{
    int rc = ERR_OK;
    size_t d = t->shape.text_width;
    for (size_t r = 0; r < t->n_rows; r++)
        TRY(ops_copy(t->ops, t->end_row + r * d,
                     t->state + (r * t->options.n_positions + t->end[r]) * d, d));
    TRY(text_norm(t, t->end_row, t->ln_final, t->n_rows, t->end_normed));
    TRY(linear_run(t->ops, t->proj, t->end_normed, t->n_rows, t->out));
    TRY(ops_download(t->ops, out, t->out, t->n_rows * t->shape.embed));
out:
    return rc;
}

int text_forward(struct text_tower *t, const real *prompt, const int32_t *end, size_t n_rows,
                 const real *deep, real *out)
{
    int rc = ERR_OK;
    size_t layers = t->shape.text_layers;
    size_t n_deep = t->options.deep_len * t->shape.text_width;
    TRY(keep_ends(t, end, n_rows));
    TRY(embed(t, prompt));
    for (size_t i = 0; i < layers; i++) {
        struct text_saved *s = text_saved_of(t, i);
        real *next = i + 1 < layers ? text_saved_of(t, i + 1)->x : t->state;
        if (i > 0 && i <= t->options.n_deep)
            TRY(place_deep(t, deep + (i - 1) * n_deep, s->x));
        TRY(run_layer(t, &t->block[i], s, next));
    }
    TRY(finish(t, out));
out:
    if (rc)
        t->n_rows = 0;
    return rc;
}
