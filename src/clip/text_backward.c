/*
 * text_backward.c - gradients of the text tower with respect to its prompts and deep prompts.
 *
 * One array of N rows carries the gradient of the state downwards; the residuals are the identity, so
 * each part of a layer only adds to it. The weights are frozen and get no gradient. A linear map
 * y = x W^T + b is followed backwards by x' = y' W, another linear map with its own packed weights.
 */
#include "base/err.h"
#include "clip/text_int.h"

#include <string.h>

/* grad_out to the gradient of the last layer's output, which is zero but at the end tokens. */
static int start(struct text_tower *t, const real *grad_out)
{
    int rc = ERR_OK;
    size_t d = t->shape.text_width;
    size_t p = t->options.n_positions;
    const struct norm_grad norm = {.x = t->end_row,
                                   .weight = t->ln_final[0],
                                   .y = t->end_normed,
                                   .sum = t->end_slope,
                                   .n_rows = t->n_rows,
                                   .dim = d,
                                   .epsilon = CLIP_EPSILON};
    memset(t->host, 0, t->n_rows * p * d * sizeof *t->host);
    TRY(ops_upload(t->ops, t->end_slope, t->host, t->n_rows * d));
    TRY(ops_upload(t->ops, t->out, grad_out, t->n_rows * t->shape.embed));
    TRY(linear_run(t->ops, t->back, t->out, t->n_rows, t->end_normed));
    TRY(ops_layer_norm_grad(t->ops, &norm));
    TRY(ops_upload(t->ops, t->state, t->host, t->n_rows * p * d));
    for (size_t r = 0; r < t->n_rows; r++)
        TRY(ops_copy(t->ops, t->state + (r * p + t->end[r]) * d, t->end_slope + r * d, d));
out:
    return rc;
}

/* state += gradient through a layer norm of x; `normed` holds the gradient of its result. */
static int add_norm(struct text_tower *t, const real *x, const real *weight)
{
    const struct norm_grad g = {.x = x,
                                .weight = weight,
                                .y = t->normed,
                                .sum = t->state,
                                .n_rows = t->n_rows * t->options.n_positions,
                                .dim = t->shape.text_width,
                                .epsilon = CLIP_EPSILON};
    return ops_layer_norm_grad(t->ops, &g);
}

static int back_layer(struct text_tower *t, const struct text_block *b, const struct text_saved *s)
{
    int rc = ERR_OK;
    size_t d = t->shape.text_width;
    size_t n = t->n_rows * t->options.n_positions;
    const struct attention a = text_attention(t, s);
    const struct attention_grad g = {
        .out = t->attended, .query = t->slope, .key = t->slope + d, .value = t->slope + 2 * d};
    TRY(linear_run(t->ops, b->back[MAP_PROJ], t->state, n, t->active));
    TRY(ops_activate_grad(t->ops, t->shape.activation, s->hidden, n * t->shape.text_hidden,
                          t->active));
    TRY(linear_run(t->ops, b->back[MAP_FC], t->active, n, t->normed));
    TRY(add_norm(t, s->mid, b->ln_2[0]));
    TRY(linear_run(t->ops, b->back[MAP_OUT], t->state, n, t->attended));
    TRY(ops_attend_grad(t->ops, &a, &g));
    TRY(linear_run(t->ops, b->back[MAP_QKV], t->slope, n, t->normed));
    TRY(add_norm(t, s->x, b->ln_1[0]));
out:
    return rc;
}

/* Hand out the gradient of layer i's deep prompts and stop it there: they replaced what came before. */
static int take_deep(struct text_tower *t, size_t i, real *grad_deep)
{
    int rc = ERR_OK;
    size_t d = t->shape.text_width;
    size_t n = t->options.deep_len * d;
    for (size_t r = 0; r < t->n_rows; r++) {
        real *rows = t->state + (r * t->options.n_positions + 1) * d;
        real *to = grad_deep + (r * t->options.n_deep + i - 1) * n;
        TRY(ops_download(t->ops, to, rows, n));
        text_round_deep(t, to, n, to);
        TRY(ops_copy(t->ops, rows, t->zero, n));
    }
out:
    return rc;
}

int text_backward(struct text_tower *t, const real *grad_out, real *grad_prompt, real *grad_deep)
{
    int rc = ERR_OK;
    BUG_ON(t->options.forward_only || t->n_rows == 0);
    TRY(start(t, grad_out));
    for (size_t i = t->shape.text_layers; i-- > 0;) {
        TRY(back_layer(t, &t->block[i], text_saved_of(t, i)));
        if (i > 0 && i <= t->options.n_deep)
            TRY(take_deep(t, i, grad_deep));
    }
    TRY(ops_download(t->ops, grad_prompt, t->state,
                     t->n_rows * t->options.n_positions * t->shape.text_width));
out:
    return rc;
}
