/*
 * vision.c - the vision tower with the V-V path, in the order of the paper.
 *
 * Two paths share a state of 2 T rows (T = N + 1 tokens): rows 0..T-1 are CLIP's own path, rows T..2T-1
 * the V-V path, which begins as a copy of the original one and then only adds the V-V attention output
 * of each block, computed from the ORIGINAL path's normalised input. Both outputs of a block go through
 * one output projection of 2 T rows whose residual is the state itself.
 *
 * In the last block the original path is needed for the class token alone, so its queries, projection
 * and MLP run on one row.
 */
#include "base/err.h"
#include "base/mem.h"
#include "clip/clip.h"
#include "ops/ops.h"

#include <stdio.h>
#include <string.h>

struct block {
    float *ln_1[2], *ln_2[2]; /* weight and bias, [D] */
    struct linear *query;     /* [D -> D], last block only */
    struct linear *key_value; /* [D -> 2D], last block only */
    struct linear *qkv;       /* [D -> 3D], all others */
    struct linear *out;       /* [D -> D], adds */
    struct linear *fc;        /* [D -> hidden], QuickGELU */
    struct linear *proj;      /* [hidden -> D], adds */
};

struct encoder {
    struct ops *ops;
    struct clip_shape shape;
    struct encoder_options options;
    size_t n_tokens;     /* T */
    float *position;     /* [T, D], class embedding already added to row 0 */
    float *ln_pre[2];    /* [D] */
    float *ln_post[2];   /* [D] */
    struct linear *conv; /* patch embedding [3PP -> D], adds onto the position */
    struct linear *proj; /* [D -> E] */
    struct block *block; /* [layers] */
    float *input;        /* [3, S, S] */
    float *patches;      /* [N, 3PP] */
    float *state;        /* [2T, D] */
    float *normed;       /* [T, D] */
    float *qkv;          /* [T, 3D] */
    float *attended;     /* [2T, D] */
    float *hidden;       /* [T, hidden] */
    float *row;          /* [max(D, E)] */
};

/* ---- building ---- */

/* A tensor's values in host memory; the caller frees them. */
static int fetch(float **out, const struct weights *w, const char *name, int rank,
                 const size_t *dim)
{
    int rc = ERR_OK;
    size_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= dim[i];
    TRY(MEM_NEW(*out, count));
    TRY(weights_read(w, name, rank, dim, *out));
out:
    if (rc)
        MEM_FREE(*out);
    return rc;
}

/* Weight and bias of a layer norm, where the kernels compute. */
static int load_norm(struct encoder *e, float *out[2], const struct weights *w, const char *name)
{
    static const char *const part[2] = {"weight", "bias"};
    int rc = ERR_OK;
    float *host = NULL;
    char full[128];
    for (int i = 0; i < 2; i++) {
        (void)snprintf(full, sizeof full, "%s.%s", name, part[i]);
        TRY(fetch(&host, w, full, 1, &e->shape.width));
        TRY(ops_alloc(e->ops, &out[i], e->shape.width));
        TRY(ops_upload(e->ops, out[i], host, e->shape.width));
        MEM_FREE(host);
    }
out:
    MEM_FREE(host);
    return rc;
}

/* A linear map from rows [first, first + spec->n_out) of a stored [n_rows, n_in] matrix and its bias. */
static int load_linear(struct encoder *e, struct linear **out, const struct weights *w,
                       const char *const name[2], struct linear_spec spec, const size_t rows[2])
{
    int rc = ERR_OK;
    float *weight = NULL;
    float *bias = NULL;
    TRY(fetch(&weight, w, name[0], 2, (size_t[]){rows[1], spec.n_in}));
    TRY(fetch(&bias, w, name[1], 1, &rows[1]));
    spec.weight = weight + rows[0] * spec.n_in;
    spec.bias = bias + rows[0];
    TRY(linear_pack(e->ops, out, &spec));
out:
    MEM_FREE(weight);
    MEM_FREE(bias);
    return rc;
}

struct layer_name {
    char text[2][128];
    const char *name[2];
};

static void name_layer(struct layer_name *out, size_t block, const char *weight, const char *bias)
{
    const char *part[2] = {weight, bias};
    for (int i = 0; i < 2; i++) {
        (void)snprintf(out->text[i], sizeof out->text[i], "visual.transformer.resblocks.%zu.%s",
                       block, part[i]);
        out->name[i] = out->text[i];
    }
}

static bool is_short(const struct encoder *e, size_t i)
{
    return i + 1 == e->shape.layers && i >= e->options.vv_start;
}

static int load_attention(struct encoder *e, size_t i, const struct weights *w)
{
    int rc = ERR_OK;
    struct block *b = &e->block[i];
    size_t d = e->shape.width;
    struct layer_name in, out;
    struct linear_spec spec = {.n_in = d, .n_out = 3 * d};
    name_layer(&in, i, "attn.in_proj_weight", "attn.in_proj_bias");
    name_layer(&out, i, "attn.out_proj.weight", "attn.out_proj.bias");
    if (is_short(e, i)) {
        spec.n_out = d;
        TRY(load_linear(e, &b->query, w, in.name, spec, (size_t[]){0, 3 * d}));
        spec.n_out = 2 * d;
        TRY(load_linear(e, &b->key_value, w, in.name, spec, (size_t[]){d, 3 * d}));
    } else {
        TRY(load_linear(e, &b->qkv, w, in.name, spec, (size_t[]){0, 3 * d}));
    }
    spec = (struct linear_spec){.n_in = d, .n_out = d, .adds = true};
    TRY(load_linear(e, &b->out, w, out.name, spec, (size_t[]){0, d}));
out:
    return rc;
}

static int load_block(struct encoder *e, size_t i, const struct weights *w)
{
    int rc = ERR_OK;
    struct block *b = &e->block[i];
    size_t d = e->shape.width;
    size_t h = e->shape.hidden;
    struct layer_name fc, proj, norm;
    struct linear_spec up = {.n_in = d, .n_out = h, .act = ACT_QUICK_GELU};
    struct linear_spec down = {.n_in = h, .n_out = d, .adds = true};
    name_layer(&norm, i, "ln_1", "ln_2");
    name_layer(&fc, i, "mlp.c_fc.weight", "mlp.c_fc.bias");
    name_layer(&proj, i, "mlp.c_proj.weight", "mlp.c_proj.bias");
    TRY(load_norm(e, b->ln_1, w, norm.name[0]));
    TRY(load_norm(e, b->ln_2, w, norm.name[1]));
    TRY(load_attention(e, i, w));
    TRY(load_linear(e, &b->fc, w, fc.name, up, (size_t[]){0, h}));
    TRY(load_linear(e, &b->proj, w, proj.name, down, (size_t[]){0, d}));
out:
    return rc;
}

/*
 * The stored grid resampled bilinearly (align_corners=False), as the published code does, where other
 * CLIP programs use bicubic. The class embedding is added to row 0 once and for all.
 */
static int load_position(struct encoder *e, const struct weights *w)
{
    int rc = ERR_OK;
    size_t d = e->shape.width;
    size_t from = e->shape.native_grid;
    size_t to = encoder_grid(e);
    float *stored = NULL;
    float *token = NULL;
    float *plane = NULL;
    float *fine = NULL;
    float *full = NULL;
    TRY(fetch(&stored, w, "visual.positional_embedding", 2, (size_t[]){from * from + 1, d}));
    TRY(fetch(&token, w, "visual.class_embedding", 1, &d));
    TRY(MEM_NEW(plane, from * from));
    TRY(MEM_NEW(fine, to * to));
    TRY(MEM_NEW(full, e->n_tokens * d));
    for (size_t c = 0; c < d; c++) {
        full[c] = stored[c] + token[c];
        for (size_t i = 0; i < from * from; i++)
            plane[i] = stored[(i + 1) * d + c];
        if (from == to)
            memcpy(fine, plane, to * to * sizeof *fine);
        else
            TRY(ops_upsample(e->ops, plane, 1, from, to, fine));
        for (size_t i = 0; i < to * to; i++)
            full[(i + 1) * d + c] = fine[i];
    }
    TRY(ops_alloc(e->ops, &e->position, e->n_tokens * d));
    TRY(ops_upload(e->ops, e->position, full, e->n_tokens * d));
out:
    MEM_FREE(stored);
    MEM_FREE(token);
    MEM_FREE(plane);
    MEM_FREE(fine);
    MEM_FREE(full);
    return rc;
}

/* The two maps without bias: patch embedding (a convolution of stride P) and visual projection. */
static int load_ends(struct encoder *e, const struct weights *w)
{
    int rc = ERR_OK;
    size_t d = e->shape.width;
    size_t p = e->shape.patch;
    size_t n = e->shape.embed;
    float *conv = NULL;
    float *proj = NULL;
    float *turned = NULL;
    struct linear_spec spec = {.n_in = 3 * p * p, .n_out = d, .adds = true};
    TRY(fetch(&conv, w, "visual.conv1.weight", 4, (size_t[]){d, 3, p, p}));
    spec.weight = conv;
    TRY(linear_pack(e->ops, &e->conv, &spec));
    TRY(fetch(&proj, w, "visual.proj", 2, (size_t[]){d, n}));
    TRY(MEM_NEW(turned, d * n));
    for (size_t r = 0; r < d; r++)
        for (size_t c = 0; c < n; c++)
            turned[c * d + r] = proj[r * n + c];
    spec = (struct linear_spec){.n_in = d, .n_out = n, .weight = turned};
    TRY(linear_pack(e->ops, &e->proj, &spec));
out:
    MEM_FREE(conv);
    MEM_FREE(proj);
    MEM_FREE(turned);
    return rc;
}

static int make_room(struct encoder *e)
{
    int rc = ERR_OK;
    const struct clip_shape *s = &e->shape;
    size_t side = e->options.image_size;
    size_t t = e->n_tokens;
    TRY(ops_alloc(e->ops, &e->input, 3 * side * side));
    TRY(ops_alloc(e->ops, &e->patches, (t - 1) * 3 * s->patch * s->patch));
    TRY(ops_alloc(e->ops, &e->state, 2 * t * s->width));
    TRY(ops_alloc(e->ops, &e->normed, t * s->width));
    TRY(ops_alloc(e->ops, &e->qkv, t * 3 * s->width));
    TRY(ops_alloc(e->ops, &e->attended, 2 * t * s->width));
    TRY(ops_alloc(e->ops, &e->hidden, t * s->hidden));
    TRY(ops_alloc(e->ops, &e->row, s->width > s->embed ? s->width : s->embed));
out:
    return rc;
}

static int check_options(const struct clip_shape *s, const struct encoder_options *o)
{
    int rc = ERR_OK;
    if (o->image_size == 0 || o->image_size % s->patch)
        FAIL(ERR_CONFIG, "model.image_size: %zu is no multiple of the model's patch of %zu pixels",
             o->image_size, s->patch);
    if (o->vv_start < 1 || o->vv_start > s->layers)
        FAIL(ERR_CONFIG, "encoder.vv_start: %zu is not within 1 and %zu, the model's blocks",
             o->vv_start, s->layers);
out:
    return rc;
}

int encoder_new(struct encoder **out, const struct weights *weights, struct ops *ops,
                const struct encoder_options *options)
{
    int rc = ERR_OK;
    struct encoder *e = NULL;
    TRY(MEM_NEW(e, 1));
    e->ops = ops;
    e->shape = *weights_shape(weights);
    e->options = *options;
    TRY(check_options(&e->shape, options));
    e->n_tokens = encoder_grid(e) * encoder_grid(e) + 1;
    TRY(MEM_NEW(e->block, e->shape.layers));
    TRY(load_ends(e, weights));
    TRY(load_position(e, weights));
    TRY(load_norm(e, e->ln_pre, weights, "visual.ln_pre"));
    TRY(load_norm(e, e->ln_post, weights, "visual.ln_post"));
    for (size_t i = 0; i < e->shape.layers; i++)
        TRY(load_block(e, i, weights));
    TRY(make_room(e));
out:
    if (rc)
        encoder_free(&e);
    *out = e;
    return rc;
}

static void free_block(struct encoder *e, struct block *b)
{
    struct linear **maps[] = {&b->query, &b->key_value, &b->qkv, &b->out, &b->fc, &b->proj};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        linear_free(e->ops, maps[i]);
    for (int i = 0; i < 2; i++) {
        ops_drop(e->ops, &b->ln_1[i]);
        ops_drop(e->ops, &b->ln_2[i]);
    }
}

void encoder_free(struct encoder **encoder)
{
    struct encoder *e = *encoder;
    if (!e)
        return;
    float **arrays[] = {&e->position, &e->ln_pre[0], &e->ln_pre[1], &e->ln_post[0], &e->ln_post[1],
                        &e->input,    &e->patches,   &e->state,     &e->normed,     &e->qkv,
                        &e->attended, &e->hidden,    &e->row};
    for (size_t i = 0; e->block && i < e->shape.layers; i++)
        free_block(e, &e->block[i]);
    MEM_FREE(e->block);
    linear_free(e->ops, &e->conv);
    linear_free(e->ops, &e->proj);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        ops_drop(e->ops, arrays[i]);
    MEM_FREE(*encoder);
}

size_t encoder_grid(const struct encoder *encoder)
{
    return encoder->options.image_size / encoder->shape.patch;
}

/* ---- running ---- */

static int embed(struct encoder *e, const float *input)
{
    int rc = ERR_OK;
    size_t side = e->options.image_size;
    size_t d = e->shape.width;
    TRY(ops_upload(e->ops, e->input, input, 3 * side * side));
    TRY(ops_patches(e->ops, e->input, side, e->shape.patch, e->patches));
    TRY(ops_copy(e->ops, e->state, e->position, e->n_tokens * d));
    TRY(linear_run(e->ops, e->conv, e->patches, e->n_tokens - 1, e->state + d));
    TRY(ops_layer_norm(e->ops, e->state, e->ln_pre[0], e->ln_pre[1], e->n_tokens, d, e->state));
out:
    return rc;
}

/* MLP of the first n_rows of the original path. */
static int run_mlp(struct encoder *e, const struct block *b, size_t n_rows)
{
    int rc = ERR_OK;
    size_t d = e->shape.width;
    TRY(ops_layer_norm(e->ops, e->state, b->ln_2[0], b->ln_2[1], n_rows, d, e->normed));
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
    TRY(ops_layer_norm(e->ops, e->state, b->ln_1[0], b->ln_1[1], t, d, e->normed));
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
    TRY(ops_layer_norm(e->ops, e->state, b->ln_1[0], b->ln_1[1], t, d, e->normed));
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

int encoder_run(struct encoder *e, const float *input, float *cls, float *patch)
{
    int rc = ERR_OK;
    size_t t = e->n_tokens;
    size_t d = e->shape.width;
    const float *token = e->state;
    TRY(embed(e, input));
    for (size_t i = 0; i < e->shape.layers; i++)
        TRY(is_short(e, i) ? run_last_block(e) : run_block(e, i));
    if (e->options.class_ln_post) {
        TRY(ops_layer_norm(e->ops, e->state, e->ln_post[0], e->ln_post[1], 1, d, e->normed));
        token = e->normed;
    }
    TRY(linear_run(e->ops, e->proj, token, 1, e->row));
    TRY(ops_download(e->ops, cls, e->row, e->shape.embed));
    TRY(ops_layer_norm(e->ops, e->state + (t + 1) * d, e->ln_post[0], e->ln_post[1], t - 1, d,
                       e->attended));
    TRY(ops_download(e->ops, patch, e->attended, (t - 1) * d));
out:
    return rc;
}

int encoder_project(struct encoder *e, const float *patch, size_t n, float *out)
{
    int rc = ERR_OK;
    float *x = NULL;
    float *y = NULL;
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
    double t = grid * grid + 1;
    double attention = 4 * t * t * d;
    double sum = 2 * (t - 1) * 3 * (double)(s->patch * s->patch) * d;
    for (size_t i = 0; i < s->layers; i++) {
        bool has_vv = i >= o->vv_start;
        bool is_last = i + 1 == s->layers && has_vv;
        if (is_last) /* keys and values of all tokens, V-V path of all, the rest of one */
            sum += 4 * t * d * d + attention + 2 * t * d * d + 4 * d * d + 4 * d * h + 4 * t * d;
        else
            sum += 6 * t * d * d + (has_vv ? 2 : 1) * (attention + 2 * t * d * d) + 4 * t * d * h;
    }
    return sum + 2 * d * (double)s->embed;
}
