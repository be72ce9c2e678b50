/*
 * vision.c - the vision tower with the V-V path, in the order of the paper.
 *
 * Two paths share a state of 2 T rows (T = N + 1 tokens, and registers between class token and patches
 * where the model has any): rows 0..T-1 are CLIP's own path, rows T..2T-1
 * the V-V path, which begins as a copy of the original one and then only adds the V-V attention output
 * of each block, computed from the ORIGINAL path's normalised input. Both outputs of a block go through
 * one output projection of 2 T rows whose residual is the state itself.
 *
 * In the last block the original path is needed for the class token alone, so its queries, projection
 * and MLP run on one row.
 */
#include "base/err.h"
#include "clip/vision_int.h"
#include "ops/ops.h"

#include <string.h>

size_t encoder_grid(const struct encoder *encoder)
{
    return encoder->options.image_size / encoder->shape.patch;
}

size_t vision_first_patch(const struct encoder *e)
{
    return 1 + e->shape.registers;
}

bool vision_is_short(const struct encoder *e, size_t block)
{
    return block + 1 == e->shape.layers && block >= e->options.vv_start;
}

static int norm(struct encoder *e, const float *x, float *const affine[2], size_t n_rows, float *y)
{
    return ops_layer_norm(e->ops, &(struct norm){.x = x,
                                                 .weight = affine[0],
                                                 .bias = affine[1],
                                                 .y = y,
                                                 .n_rows = n_rows,
                                                 .dim = e->shape.width,
                                                 .epsilon = e->shape.epsilon});
}

static int embed(struct encoder *e, const float *input)
{
    int rc = ERR_OK;
    size_t side = e->options.image_size;
    size_t d = e->shape.width;
    size_t first = vision_first_patch(e);
    TRY(ops_upload(e->ops, e->input, input, 3 * side * side));
    TRY(ops_patches(e->ops, e->input, side, e->shape.patch, e->patches));
    TRY(ops_copy(e->ops, e->state, e->position, e->n_tokens * d));
    TRY(linear_run(e->ops, e->conv, e->patches, e->n_tokens - first, e->state + first * d));
    if (e->ln_pre[0])
        TRY(norm(e, e->state, e->ln_pre, e->n_tokens, e->state));
out:
    return rc;
}

/* MLP of the first n_rows of the original path. */
static int run_mlp(struct encoder *e, const struct block *b, size_t n_rows)
{
    int rc = ERR_OK;
    TRY(norm(e, e->state, b->ln_2, n_rows, e->normed));
    TRY(linear_run(e->ops, b->fc, e->normed, n_rows, e->hidden));
    TRY(linear_run(e->ops, b->proj, e->hidden, n_rows, e->state));
out:
    return rc;
}

static int run_block(struct encoder *e, size_t i)
{
    int rc = ERR_OK;
    struct block *b = &e->block[i];
    size_t t = e->n_tokens;
    size_t d = e->shape.width;
    bool has_vv = i >= e->options.vv_start;
    struct attention a = {.query = e->qkv,
                          .key = e->qkv + d,
                          .value = e->qkv + 2 * d,
                          .out = e->attended,
                          .stride = 3 * d,
                          .out_stride = d,
                          .n_query = t,
                          .n_key = t,
                          .n_heads = e->shape.heads,
                          .head_dim = d / e->shape.heads};
    TRY(norm(e, e->state, b->ln_1, t, e->normed));
    TRY(linear_run(e->ops, b->qkv, e->normed, t, e->qkv));
    TRY(ops_attend(e->ops, &a));
    if (has_vv) {
        a.query = a.key = a.value;
        a.out = e->attended + t * d;
        TRY(ops_attend(e->ops, &a));
    }
    TRY(linear_run(e->ops, b->out, e->attended, has_vv ? 2 * t : t, e->state));
    TRY(run_mlp(e, b, t));
    if (i + 1 == e->options.vv_start)
        TRY(ops_copy(e->ops, e->state + t * d, e->state, t * d));
out:
    return rc;
}

/* The last block: all of the V-V path, the class token alone of the original one. */
static int run_last_block(struct encoder *e)
{
    int rc = ERR_OK;
    struct block *b = &e->block[e->shape.layers - 1];
    size_t t = e->n_tokens;
    size_t d = e->shape.width;
    struct attention a = {.query = e->row,
                          .key = e->qkv,
                          .value = e->qkv + d,
                          .out = e->attended,
                          .stride = 2 * d,
                          .out_stride = d,
                          .n_query = 1,
                          .n_key = t,
                          .n_heads = e->shape.heads,
                          .head_dim = d / e->shape.heads};
    TRY(norm(e, e->state, b->ln_1, t, e->normed));
    TRY(linear_run(e->ops, b->key_value, e->normed, t, e->qkv));
    TRY(linear_run(e->ops, b->query, e->normed, 1, e->row));
    TRY(ops_attend(e->ops, &a));
    a.query = a.key = a.value;
    a.n_query = t;
    a.out = e->attended + t * d;
    TRY(ops_attend(e->ops, &a));
    TRY(linear_run(e->ops, b->out, e->attended, 1, e->state));
    TRY(linear_run(e->ops, b->out, e->attended + t * d, t, e->state + t * d));
    TRY(run_mlp(e, b, 1));
out:
    return rc;
}

/* The class token of the original path, as the model gives it. */
static int find_class(struct encoder *e, float *cls)
{
    int rc = ERR_OK;
    const float *token = e->state;
    if (e->options.class_ln_post || !e->proj) {
        TRY(norm(e, e->state, e->ln_post, 1, e->normed));
        token = e->normed;
    }
    if (e->proj) {
        TRY(linear_run(e->ops, e->proj, token, 1, e->row));
        token = e->row;
    }
    TRY(ops_download(e->ops, cls, token, e->shape.embed));
out:
    return rc;
}

int encoder_run(struct encoder *e, const float *input, float *cls, float *patch)
{
    int rc = ERR_OK;
    size_t t = e->n_tokens;
    size_t d = e->shape.width;
    size_t first = vision_first_patch(e);
    TRY(embed(e, input));
    for (size_t i = 0; i < e->shape.layers; i++)
        TRY(vision_is_short(e, i) ? run_last_block(e) : run_block(e, i));
    TRY(find_class(e, cls));
    TRY(norm(e, e->state + (t + first) * d, e->ln_post, t - first, e->attended));
    TRY(ops_download(e->ops, patch, e->attended, (t - first) * d));
out:
    return rc;
}

int encoder_project(struct encoder *e, const float *patch, size_t n, float *out)
{
    int rc = ERR_OK;
    float *x = NULL;
    float *y = NULL;
    if (!e->proj) {
        memcpy(out, patch, n * e->shape.width * sizeof *out);
        return ERR_OK;
    }
    TRY(ops_alloc(e->ops, &x, n * e->shape.width));
    TRY(ops_alloc(e->ops, &y, n * e->shape.embed));
    TRY(ops_upload(e->ops, x, patch, n * e->shape.width));
    TRY(linear_run(e->ops, e->proj, x, n, y));
    TRY(ops_download(e->ops, out, y, n * e->shape.embed));
out:
    ops_drop(e->ops, &x);
    ops_drop(e->ops, &y);
    return rc;
}

double encoder_flop(const struct clip_shape *s, const struct encoder_options *o)
{
    double d = (double)s->width;
    double h = (double)s->hidden;
    double grid = (double)(o->image_size / s->patch);
    double t = grid * grid + 1 + (double)s->registers;
    double attention = 4 * t * t * d;
    double sum = 2 * grid * grid * 3 * (double)(s->patch * s->patch) * d;
    for (size_t i = 0; i < s->layers; i++) {
        bool has_vv = i >= o->vv_start;
        bool is_last = i + 1 == s->layers && has_vv;
        if (is_last) /* keys and values of all tokens, V-V path of all, the rest of one */
            sum += 4 * t * d * d + attention + 2 * t * d * d + 4 * d * d + 4 * d * h + 4 * t * d;
        else
            sum += 6 * t * d * d + (has_vv ? 2 : 1) * (attention + 2 * t * d * d) + 4 * t * d * h;
    }
    return sum + (s->is_clip ? 2 * d * (double)s->embed : 0);
}
