/* text_load.c - the text tower's weights in place, and room for a batch. See clip.h. */
#include "base/err.h"
#include "base/mem.h"
#include "clip/text_int.h"

#include <stdio.h>

/* One linear map of a layer. */
struct map_spec {
    const char *weight, *bias; /* names within the layer */
    size_t n_in, n_out;
    bool adds;
};

/* A tensor's values in host memory; the caller frees them. */
static int fetch(real **out, const struct weights *w, const char *name, int rank, const size_t *dim)
{
    int rc = ERR_OK;
    float *stored = NULL;
    size_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= dim[i];
    TRY(MEM_NEW(stored, count));
    TRY(MEM_NEW(*out, count));
    TRY(weights_read(w, name, rank, dim, stored));
    for (size_t i = 0; i < count; i++)
        (*out)[i] = (real)stored[i];
out:
    if (rc)
        MEM_FREE(*out);
    MEM_FREE(stored);
    return rc;
}

static int load_norm(struct text_tower *t, real *out[2], const struct weights *w, const char *name)
{
    static const char *const part[2] = {"weight", "bias"};
    int rc = ERR_OK;
    real *host = NULL;
    char full[128];
    for (int i = 0; i < 2; i++) {
        (void)snprintf(full, sizeof full, "%s.%s", name, part[i]);
        TRY(fetch(&host, w, full, 1, &t->shape.text_width));
        TRY(ops_alloc(t->ops, &out[i], t->shape.text_width));
        TRY(ops_upload(t->ops, out[i], host, t->shape.text_width));
        MEM_FREE(host);
    }
out:
    MEM_FREE(host);
    return rc;
}

/* Pack a map whose weight is given the other way round, [n_in, n_out]. */
static int pack_turned(struct text_tower *t, struct linear **out, const real *weight, size_t n_in,
                       size_t n_out)
{
    int rc = ERR_OK;
    real *turned = NULL;
    struct linear_spec spec = {.n_in = n_in, .n_out = n_out};
    TRY(MEM_NEW(turned, n_in * n_out));
    for (size_t r = 0; r < n_in; r++)
        for (size_t c = 0; c < n_out; c++)
            turned[c * n_in + r] = weight[r * n_out + c];
    spec.weight = turned;
    TRY(linear_pack(t->ops, out, &spec));
out:
    MEM_FREE(turned);
    return rc;
}

static int load_map(struct text_tower *t, size_t i, enum text_map map, const struct weights *w,
                    const struct map_spec *m)
{
    int rc = ERR_OK;
    struct text_block *b = &t->block[i];
    real *weight = NULL;
    real *bias = NULL;
    char name[128];
    struct linear_spec spec = {.n_in = m->n_in, .n_out = m->n_out, .adds = m->adds};
    (void)snprintf(name, sizeof name, "transformer.resblocks.%zu.%s", i, m->weight);
    TRY(fetch(&weight, w, name, 2, (size_t[]){m->n_out, m->n_in}));
    (void)snprintf(name, sizeof name, "transformer.resblocks.%zu.%s", i, m->bias);
    TRY(fetch(&bias, w, name, 1, &m->n_out));
    spec.weight = weight;
    spec.bias = bias;
    TRY(linear_pack(t->ops, &b->map[map], &spec));
    if (!t->options.forward_only)
        TRY(pack_turned(t, &b->back[map], weight, m->n_out, m->n_in));
out:
    MEM_FREE(weight);
    MEM_FREE(bias);
    return rc;
}

static int load_block(struct text_tower *t, size_t i, const struct weights *w)
{
    int rc = ERR_OK;
    size_t d = t->shape.text_width;
    size_t h = t->shape.text_hidden;
    char name[64];
    const struct map_spec maps[N_MAPS] = {
        [MAP_QKV] = {"attn.in_proj_weight", "attn.in_proj_bias", d, 3 * d, false},
        [MAP_OUT] = {"attn.out_proj.weight", "attn.out_proj.bias", d, d, true},
        [MAP_FC] = {"mlp.c_fc.weight", "mlp.c_fc.bias", d, h, false},
        [MAP_PROJ] = {"mlp.c_proj.weight", "mlp.c_proj.bias", h, d, true}};
    (void)snprintf(name, sizeof name, "transformer.resblocks.%zu.ln_1", i);
    TRY(load_norm(t, t->block[i].ln_1, w, name));
    (void)snprintf(name, sizeof name, "transformer.resblocks.%zu.ln_2", i);
    TRY(load_norm(t, t->block[i].ln_2, w, name));
    for (enum text_map m = 0; m < N_MAPS; m++)
        TRY(load_map(t, i, m, w, &maps[m]));
out:
    return rc;
}

/* Positions, the last layer norm and the projection, which is stored as [T, E]. */
static int load_ends(struct text_tower *t, const struct weights *w)
{
    int rc = ERR_OK;
    size_t d = t->shape.text_width;
    size_t e = t->shape.embed;
    real *proj = NULL;
    struct linear_spec back = {.n_in = e, .n_out = d};
    TRY(fetch(&t->position, w, "positional_embedding", 2, (size_t[]){t->shape.context, d}));
    TRY(load_norm(t, t->ln_final, w, "ln_final"));
    TRY(fetch(&proj, w, "text_projection", 2, (size_t[]){d, e}));
    TRY(pack_turned(t, &t->proj, proj, d, e));
    back.weight = proj;
    if (!t->options.forward_only)
        TRY(linear_pack(t->ops, &t->back, &back));
out:
    MEM_FREE(proj);
    return rc;
}

static int make_saved(struct text_tower *t)
{
    int rc = ERR_OK;
    size_t d = t->shape.text_width;
    size_t n = t->options.max_rows * t->options.n_positions;
    t->n_saved = t->options.forward_only ? 1 : t->shape.text_layers;
    TRY(MEM_NEW(t->saved, t->n_saved));
    for (size_t i = 0; i < t->n_saved; i++) {
        TRY(ops_alloc(t->ops, &t->saved[i].x, n * d));
        TRY(ops_alloc(t->ops, &t->saved[i].qkv, n * 3 * d));
        TRY(ops_alloc(t->ops, &t->saved[i].mid, n * d));
        TRY(ops_alloc(t->ops, &t->saved[i].hidden, n * t->shape.text_hidden));
    }
out:
    return rc;
}

static int make_room(struct text_tower *t)
{
    int rc = ERR_OK;
    size_t d = t->shape.text_width;
    size_t rows = t->options.max_rows;
    size_t n = rows * t->options.n_positions;
    TRY(make_saved(t));
    TRY(ops_alloc(t->ops, &t->state, n * d));
    TRY(ops_alloc(t->ops, &t->normed, n * d));
    TRY(ops_alloc(t->ops, &t->attended, n * d));
    TRY(ops_alloc(t->ops, &t->active, n * t->shape.text_hidden));
    if (!t->options.forward_only)
        TRY(ops_alloc(t->ops, &t->slope, n * 3 * d));
    TRY(ops_alloc(t->ops, &t->end_row, rows * d));
    TRY(ops_alloc(t->ops, &t->end_normed, rows * d));
    TRY(ops_alloc(t->ops, &t->end_slope, rows * d));
    TRY(ops_alloc(t->ops, &t->out, rows * t->shape.embed));
    TRY(ops_alloc(t->ops, &t->deep, t->options.deep_len * d + 1));
    TRY(ops_alloc(t->ops, &t->zero, t->options.deep_len * d + 1));
    TRY(MEM_NEW(t->host, n * d));
    TRY(MEM_NEW(t->end, rows));
out:
    return rc;
}

static int check_options(const struct text_tower *t, const char *path)
{
    int rc = ERR_OK;
    const struct clip_shape *s = &t->shape;
    const struct text_options *o = &t->options;
    if (s->text_width == 0)
        FAIL(ERR_FORMAT,
             "%s: no text tower of a known form: token_embedding.weight, positional_embedding, "
             "text_projection and transformer.resblocks must be there, agree on a width that is a "
             "multiple of 64 and lead to the vision tower's %zu columns",
             path, s->embed);
    if (o->n_positions == 0 || o->n_positions > s->context)
        FAIL(ERR_CONFIG, "%s: prompts of %zu positions; the model has 1 to %zu", path,
             o->n_positions, s->context);
    if (o->max_rows == 0)
        FAIL(ERR_CONFIG, "%s: a batch of no prompts", path);
    if (o->n_deep >= s->text_layers)
        FAIL(ERR_CONFIG, "%s: deep prompts for %zu layers; the text tower has %zu after its first",
             path, o->n_deep, s->text_layers - 1);
    if (o->n_deep && o->deep_len >= o->n_positions)
        FAIL(ERR_CONFIG,
             "%s: %zu deep tokens after the start token do not fit prompts of %zu positions", path,
             o->deep_len, o->n_positions);
out:
    return rc;
}

int text_tower_new(struct text_tower **out, const struct weights *weights, struct ops *ops,
                   const struct text_options *options)
{
    int rc = ERR_OK;
    struct text_tower *t = NULL;
    TRY(MEM_NEW(t, 1));
    t->ops = ops;
    t->shape = *weights_shape(weights);
    t->options = *options;
    TRY(check_options(t, weights_path(weights)));
    TRY(MEM_NEW(t->block, t->shape.text_layers));
    TRY(load_ends(t, weights));
    for (size_t i = 0; i < t->shape.text_layers; i++)
        TRY(load_block(t, i, weights));
    TRY(make_room(t));
out:
    if (rc)
        text_tower_free(&t);
    *out = t;
    return rc;
}

static void free_block(struct text_tower *t, struct text_block *b)
{
    for (enum text_map m = 0; m < N_MAPS; m++) {
        linear_free(t->ops, &b->map[m]);
        linear_free(t->ops, &b->back[m]);
    }
    for (int i = 0; i < 2; i++) {
        ops_drop(t->ops, &b->ln_1[i]);
        ops_drop(t->ops, &b->ln_2[i]);
    }
}

static void free_saved(struct text_tower *t, struct text_saved *s)
{
    ops_drop(t->ops, &s->x);
    ops_drop(t->ops, &s->qkv);
    ops_drop(t->ops, &s->mid);
    ops_drop(t->ops, &s->hidden);
}

void text_tower_free(struct text_tower **tower)
{
    struct text_tower *t = *tower;
    if (!t)
        return;
    real **arrays[] = {&t->ln_final[0], &t->ln_final[1], &t->state,   &t->normed,     &t->attended,
                       &t->active,      &t->slope,       &t->end_row, &t->end_normed, &t->end_slope,
                       &t->out,         &t->deep,        &t->zero};
    for (size_t i = 0; t->block && i < t->shape.text_layers; i++)
        free_block(t, &t->block[i]);
    for (size_t i = 0; t->saved && i < t->n_saved; i++)
        free_saved(t, &t->saved[i]);
    linear_free(t->ops, &t->proj);
    linear_free(t->ops, &t->back);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        ops_drop(t->ops, arrays[i]);
    MEM_FREE(t->block);
    MEM_FREE(t->saved);
    MEM_FREE(t->position);
    MEM_FREE(t->host);
    MEM_FREE(t->end);
    MEM_FREE(*tower);
}
