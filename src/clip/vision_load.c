/* vision_load.c - the vision tower from a file: layouts of the kernels, positions of another grid. */
#include "base/err.h"
#include "base/mem.h"
#include "clip/names_int.h"
#include "clip/vision_int.h"
#include "ops/ops.h"

#include <stdio.h>
#include <string.h>

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

/* Layer scale: every row of a map, and its bias, times a number. A CLIP need not have it. */
static int scale_rows(float *weight, float *bias, const struct weights *w, const char *name,
                      const struct linear_spec *spec)
{
    int rc = ERR_OK;
    float *scale = NULL;
    size_t n;
    if (!name || (weights_shape(w)->is_clip && !weights_dims(w, name, 1, &n)))
        return ERR_OK;
    TRY(fetch(&scale, w, name, 1, &spec->n_out));
    for (size_t r = 0; r < spec->n_out; r++) {
        bias[r] *= scale[r];
        for (size_t i = 0; i < spec->n_in; i++)
            weight[r * spec->n_in + i] *= scale[r];
    }
out:
    MEM_FREE(scale);
    return rc;
}

/* Names of a map's tensors. */
enum part { WEIGHT, BIAS, SCALE, N_PARTS };

/*
 * A linear map from rows [rows[0], rows[0] + spec.n_out) of a stored [rows[1], n_in] matrix and its bias.
 * name[SCALE] is NULL where only a part of the rows is taken.
 */
static int load_linear(struct encoder *e, struct linear **out, const struct weights *w,
                       const char *const name[N_PARTS], struct linear_spec spec,
                       const size_t rows[2])
{
    int rc = ERR_OK;
    float *weight = NULL;
    float *bias = NULL;
    TRY(fetch(&weight, w, name[WEIGHT], 2, (size_t[]){rows[1], spec.n_in}));
    TRY(fetch(&bias, w, name[BIAS], 1, &rows[1]));
    TRY(scale_rows(weight, bias, w, name[SCALE], &spec));
    spec.weight = weight + rows[0] * spec.n_in;
    spec.bias = bias + rows[0];
    TRY(linear_pack(e->ops, out, &spec));
out:
    MEM_FREE(weight);
    MEM_FREE(bias);
    return rc;
}

struct layer_name {
    char text[N_PARTS][128];
    const char *name[N_PARTS];
};

/* scale: NULL where there can be none. */
static void name_layer(struct layer_name *out, size_t block, const char *weight, const char *bias,
                       const char *scale)
{
    const char *part[N_PARTS] = {weight, bias, scale};
    for (int i = 0; i < N_PARTS; i++) {
        (void)snprintf(out->text[i], sizeof out->text[i], "visual.transformer.resblocks.%zu.%s",
                       block, part[i] ? part[i] : "");
        out->name[i] = part[i] ? out->text[i] : NULL;
    }
}

static int load_attention(struct encoder *e, size_t i, const struct weights *w)
{
    int rc = ERR_OK;
    struct block *b = &e->block[i];
    size_t d = e->shape.width;
    struct layer_name in, out;
    struct linear_spec spec = {.n_in = d, .n_out = 3 * d};
    name_layer(&in, i, "attn.in_proj_weight", "attn.in_proj_bias", NULL);
    name_layer(&out, i, "attn.out_proj.weight", "attn.out_proj.bias", "attn.scale");
    if (vision_is_short(e, i)) {
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
    struct linear_spec up = {.n_in = d, .n_out = h, .act = e->shape.activation};
    struct linear_spec down = {.n_in = h, .n_out = d, .adds = true};
    name_layer(&norm, i, "ln_1", "ln_2", NULL);
    name_layer(&fc, i, "mlp.c_fc.weight", "mlp.c_fc.bias", NULL);
    name_layer(&proj, i, "mlp.c_proj.weight", "mlp.c_proj.bias", "mlp.scale");
    TRY(load_norm(e, b->ln_1, w, norm.name[0]));
    TRY(load_norm(e, b->ln_2, w, norm.name[1]));
    TRY(load_attention(e, i, w));
    TRY(load_linear(e, &b->fc, w, fc.name, up, (size_t[]){0, h}));
    TRY(load_linear(e, &b->proj, w, proj.name, down, (size_t[]){0, d}));
out:
    return rc;
}

/* The published code resamples CLIP's grid bilinearly, where other CLIP programs do it bicubically. */
static int resample_planes(struct encoder *e, const float *grid, size_t to, float *out)
{
    int rc = ERR_OK;
    size_t d = e->shape.width;
    size_t from = e->shape.native_grid;
    float *plane = NULL;
    float *fine = NULL;
    TRY(MEM_NEW(plane, from * from));
    TRY(MEM_NEW(fine, to * to));
    for (size_t c = 0; c < d; c++) {
        for (size_t i = 0; i < from * from; i++)
            plane[i] = grid[i * d + c];
        TRY(ops_upsample(e->ops, plane, 1, from, to, fine));
        for (size_t i = 0; i < to * to; i++)
            out[i * d + c] = fine[i];
    }
out:
    MEM_FREE(plane);
    MEM_FREE(fine);
    return rc;
}

/*
 * Rows of class token and patches of full [T, D]. DINOv2's own program resamples bicubically, and for
 * models with registers antialiased, as they were trained.
 */
static int fill_position(struct encoder *e, const struct weights *w, float *full)
{
    int rc = ERR_OK;
    const struct clip_shape *s = &e->shape;
    size_t d = s->width;
    size_t from = s->native_grid;
    size_t to = encoder_grid(e);
    float *patch = full + vision_first_patch(e) * d;
    float *stored = NULL;
    TRY(fetch(&stored, w, "visual.positional_embedding", 2, (size_t[]){from * from + 1, d}));
    memcpy(full, stored, d * sizeof *full);
    if (from == to)
        memcpy(patch, stored + d, to * to * d * sizeof *full);
    else if (s->is_clip)
        TRY(resample_planes(e, stored + d, to, patch));
    else
        TRY(position_bicubic(stored + d, from, to, d, s->registers > 0, patch));
out:
    MEM_FREE(stored);
    return rc;
}

/* Class embedding, registers and the bias of the patch embedding are added once and for all. */
static int load_position(struct encoder *e, const struct weights *w)
{
    int rc = ERR_OK;
    size_t d = e->shape.width;
    size_t r = e->shape.registers;
    size_t n;
    float *full = NULL;
    float *token = NULL;
    float *registers = NULL;
    float *bias = NULL;
    TRY(MEM_NEW(full, e->n_tokens * d));
    TRY(fill_position(e, w, full));
    TRY(fetch(&token, w, "visual.class_embedding", 1, &d));
    for (size_t c = 0; c < d; c++)
        full[c] += token[c];
    if (r) {
        TRY(fetch(&registers, w, "visual.registers", 2, (size_t[]){r, d}));
        memcpy(full + d, registers, r * d * sizeof *full);
    }
    if (!e->shape.is_clip || weights_dims(w, "visual.conv1.bias", 1, &n)) {
        TRY(fetch(&bias, w, "visual.conv1.bias", 1, &d));
        for (size_t i = (1 + r) * d; i < e->n_tokens * d; i++)
            full[i] += bias[i % d];
    }
    TRY(ops_alloc(e->ops, &e->position, e->n_tokens * d));
    TRY(ops_upload(e->ops, e->position, full, e->n_tokens * d));
out:
    MEM_FREE(full);
    MEM_FREE(token);
    MEM_FREE(registers);
    MEM_FREE(bias);
    return rc;
}

/* The map without bias from patches to tokens: a convolution of stride P. */
static int load_conv(struct encoder *e, const struct weights *w)
{
    int rc = ERR_OK;
    size_t d = e->shape.width;
    size_t p = e->shape.patch;
    float *conv = NULL;
    struct linear_spec spec = {.n_in = 3 * p * p, .n_out = d, .adds = true};
    TRY(fetch(&conv, w, "visual.conv1.weight", 4, (size_t[]){d, 3, p, p}));
    spec.weight = conv;
    TRY(linear_pack(e->ops, &e->conv, &spec));
out:
    MEM_FREE(conv);
    return rc;
}

static int load_projection(struct encoder *e, const struct weights *w)
{
    int rc = ERR_OK;
    size_t d = e->shape.width;
    size_t n = e->shape.embed;
    float *proj = NULL;
    float *turned = NULL;
    struct linear_spec spec = {.n_in = d, .n_out = n};
    TRY(fetch(&proj, w, "visual.proj", 2, (size_t[]){d, n}));
    TRY(MEM_NEW(turned, d * n));
    for (size_t r = 0; r < d; r++)
        for (size_t c = 0; c < n; c++)
            turned[c * d + r] = proj[r * n + c];
    spec.weight = turned;
    TRY(linear_pack(e->ops, &e->proj, &spec));
out:
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
    TRY(ops_alloc(e->ops, &e->patches, (t - vision_first_patch(e)) * 3 * s->patch * s->patch));
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
    e->n_tokens = vision_first_patch(e) + encoder_grid(e) * encoder_grid(e);
    TRY(MEM_NEW(e->block, e->shape.layers));
    TRY(load_conv(e, weights));
    TRY(load_position(e, weights));
    if (e->shape.is_clip) {
        TRY(load_projection(e, weights));
        TRY(load_norm(e, e->ln_pre, weights, "visual.ln_pre"));
    }
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
