/*
 * weights.c - one canonical set of tensor names (OpenAI's) over the files that users hold; see families.c.
 * Any name may stand behind a prefix, such as "module.".
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "clip/clip.h"
#include "clip/names_int.h"
#include "clip/source_int.h"

#include <stdio.h>
#include <string.h>

enum { MAX_NAME = 256 };

struct weights {
    struct source file;
    char *path;
    const struct family *family;
    char prefix[MAX_NAME];   /* what stands before every name in this file, often "" */
    const char *text_prefix; /* what follows it before names of the text tower: "" or "text." */
    struct clip_shape shape;
    struct declared declared;
    const char *activation_from, *heads_from; /* who says so; static, or declared.file */
};

/* Put text in place of mark; the result is cut at MAX_NAME, longer names cannot be in the file. */
static void substitute(char out[MAX_NAME], const char *pattern, const char *mark, const char *text)
{
    const char *at = strstr(pattern, mark);
    if (at)
        (void)snprintf(out, MAX_NAME, "%.*s%s%s", (int)(at - pattern), pattern, text,
                       at + strlen(mark));
    else
        (void)snprintf(out, MAX_NAME, "%s", pattern);
}

/* The file's own name for a canonical one; part is the family's word for q, k or v of joined tensors. */
static void name_in_file(char out[MAX_NAME], const struct weights *w, const char *name,
                         const char *part)
{
    char block[16];
    char plain[MAX_NAME];
    char full[MAX_NAME];
    bool is_text = !str_starts(name, "visual.");
    const struct rule *rule = family_rule(w->family, name, block);
    if (!rule) {
        (void)snprintf(plain, sizeof plain, "%s", name);
    } else {
        substitute(full, rule->own, "#", block);
        substitute(plain, full, "{}", part ? part : "");
    }
    (void)snprintf(out, MAX_NAME, "%.120s%s%.130s", w->prefix,
                   is_text && w->text_prefix ? w->text_prefix : "", plain);
}

static enum form form_of(const struct weights *w, const char *name)
{
    char block[16];
    const struct rule *rule = family_rule(w->family, name, block);
    return rule ? rule->form : SAME;
}

/* Dimensions as they count: those of a FLAT tensor without leading ones, down to `rank`. */
static const size_t *dims_of(const struct source_tensor *t, enum form form, int rank, int *n)
{
    const size_t *dim = t->dim;
    *n = t->rank;
    while (form == FLAT && *n > rank && *dim == 1) {
        dim++;
        (*n)--;
    }
    return dim;
}

static void shape_text(char *out, size_t n, int rank, const size_t *dim)
{
    size_t used = (size_t)snprintf(out, n, "(");
    for (int i = 0; i < rank && used < n; i++)
        used += (size_t)snprintf(out + used, n - used, "%s%zu", i ? "," : "", dim[i]);
    if (used < n)
        (void)snprintf(out + used, n - used, ")");
}

static int find_tensor(const struct source_tensor **out, const struct weights *w, const char *name,
                       const char *part)
{
    int rc = ERR_OK;
    char own[MAX_NAME];
    name_in_file(own, w, name, part);
    *out = source_find(&w->file, own);
    if (!*out)
        FAIL(ERR_FORMAT, "%s: tensor '%s' is missing", w->path, own);
    if (!(*out)->is_float)
        FAIL(ERR_FORMAT, "%s: tensor '%s' is not of type F32, F16 or BF16", w->path, own);
out:
    return rc;
}

static int expect_shape(const struct weights *w, const struct source_tensor *t, enum form form,
                        int rank, const size_t *dim)
{
    int rc = ERR_OK;
    char found[96];
    char wanted[96];
    int n;
    const size_t *own = dims_of(t, form, rank, &n);
    if (n != rank || (rank && memcmp(own, dim, (size_t)rank * sizeof *dim) != 0)) {
        shape_text(found, sizeof found, t->rank, t->dim);
        shape_text(wanted, sizeof wanted, rank, dim);
        FAIL(ERR_FORMAT, "%s: tensor '%s' has shape %s, wanted %s", w->path, t->name, found,
             wanted);
    }
out:
    return rc;
}

static int read_joined(const struct weights *w, const char *name, int rank, const size_t *dim,
                       float *out)
{
    int rc = ERR_OK;
    size_t part[SOURCE_MAX_RANK];
    size_t count = 1;
    const struct source_tensor *t;
    for (int i = 0; i < rank; i++) {
        part[i] = i ? dim[i] : dim[0] / 3;
        count *= part[i];
    }
    for (size_t i = 0; i < 3; i++) {
        TRY(find_tensor(&t, w, name, w->family->part[i]));
        TRY(expect_shape(w, t, JOINED, rank, part));
        TRY(source_read(&w->file, t, out + i * count));
    }
out:
    return rc;
}

static int read_transposed(const struct weights *w, const char *name, const size_t *dim, float *out)
{
    int rc = ERR_OK;
    const size_t turned[2] = {dim[1], dim[0]};
    float *copy = NULL;
    const struct source_tensor *t;
    TRY(find_tensor(&t, w, name, NULL));
    TRY(expect_shape(w, t, TRANSPOSED, 2, turned));
    TRY(MEM_NEW(copy, dim[0] * dim[1]));
    TRY(source_read(&w->file, t, copy));
    for (size_t r = 0; r < dim[0]; r++)
        for (size_t c = 0; c < dim[1]; c++)
            out[r * dim[1] + c] = copy[c * dim[0] + r];
out:
    MEM_FREE(copy);
    return rc;
}

int weights_read(const struct weights *w, const char *name, int rank, const size_t *dim, float *out)
{
    int rc = ERR_OK;
    size_t count = 1;
    const struct source_tensor *t;
    enum form form = form_of(w, name);
    if (form == JOINED)
        return read_joined(w, name, rank, dim, out);
    if (form == TRANSPOSED)
        return read_transposed(w, name, dim, out);
    for (int i = 0; i < rank; i++)
        count *= dim[i];
    TRY(find_tensor(&t, w, name, NULL));
    TRY(expect_shape(w, t, form, rank, dim));
    TRY(source_read(&w->file, t, out));
out:
    return rc;
}

/* Whose names these are, and what stands before them. */
static int find_family(struct weights *w)
{
    int rc = ERR_OK;
    struct str marks = {0};
    for (size_t i = 0; i < w->file.n; i++) {
        const char *name = w->file.tensor[i].name;
        const struct family *family = family_by_tensor(name);
        size_t before = family ? strlen(name) - strlen(family->mark) : 0;
        if (!family || before >= 120)
            continue;
        w->family = family;
        (void)snprintf(w->prefix, sizeof w->prefix, "%.*s", (int)before, name);
        return ERR_OK;
    }
    TRY(family_marks(&marks));
    FAIL(ERR_FORMAT,
         "%s: no CLIP model and no other that is known: none of %s is among its %zu tensors (the "
         "first is '%s')",
         w->path, marks.text, w->file.n, w->file.tensor[0].name);
out:
    str_free(&marks);
    return rc;
}

/* Dimensions of a tensor whose sizes are not known yet, in canonical order. */
static int look(size_t *dim, const struct weights *w, const char *name, int rank)
{
    int rc = ERR_OK;
    const struct source_tensor *t;
    int n;
    enum form form = form_of(w, name);
    TRY(find_tensor(&t, w, name, NULL));
    (void)dims_of(t, form, rank, &n);
    if (n != rank)
        FAIL(ERR_FORMAT, "%s: tensor '%s' has %d dimensions, wanted %d", w->path, t->name, t->rank,
             rank);
    if (!weights_dims(w, name, rank, dim))
        FAIL(ERR_FORMAT, "%s: tensor '%s' has an impossible size", w->path, t->name);
out:
    return rc;
}

static size_t count_layers(const struct weights *w)
{
    size_t n = 0;
    for (;; n++) {
        char name[MAX_NAME];
        char own[MAX_NAME];
        (void)snprintf(name, sizeof name, "visual.transformer.resblocks.%zu.ln_1.weight", n);
        name_in_file(own, w, name, NULL);
        if (!source_find(&w->file, own))
            return n;
    }
}

static int infer_grid(struct weights *w)
{
    int rc = ERR_OK;
    struct clip_shape *s = &w->shape;
    char own[MAX_NAME];
    size_t dim[2];
    TRY(look(dim, w, "visual.positional_embedding", 2));
    s->native_grid = 1; /* the class token alone is no model */
    while ((s->native_grid + 1) * (s->native_grid + 1) < dim[0])
        s->native_grid++;
    name_in_file(own, w, "visual.positional_embedding", NULL);
    if (s->native_grid * s->native_grid + 1 != dim[0])
        FAIL(ERR_FORMAT, "%s: tensor '%s' has %zu rows, which is no square plus one", w->path, own,
             dim[0]);
out:
    return rc;
}

/* Tensors of architectures that look alike and are not: without them results would be wrong. */
static int refuse_others(const struct weights *w)
{
    static const struct {
        const char *ending, *what;
    } others[] = {{"encoder.layer.0.mlp.weights_in.weight", "gated MLPs (SwiGLU, as DINOv2-giant)"},
                  {"visual.attn_pool.query", "an attention pool (as CoCa)"}};
    int rc = ERR_OK;
    for (size_t i = 0; i < w->file.n; i++)
        for (size_t k = 0; k < sizeof others / sizeof *others; k++)
            if (str_ends(w->file.tensor[i].name, others[k].ending))
                FAIL(ERR_FORMAT, "%s: has %s, not supported: tensor '%s'", w->path, others[k].what,
                     w->file.tensor[i].name);
out:
    return rc;
}

static int infer_shape(struct weights *w)
{
    int rc = ERR_OK;
    struct clip_shape *s = &w->shape;
    const struct source_tensor *conv;
    size_t dim[4];
    TRY(look(&s->width, w, "visual.class_embedding", 1));
    TRY(look(dim, w, "visual.conv1.weight", 4));
    s->patch = dim[2];
    TRY(find_tensor(&conv, w, "visual.conv1.weight", NULL));
    TRY(expect_shape(w, conv, SAME, 4, (size_t[]){s->width, 3, s->patch, s->patch}));
    TRY(infer_grid(w));
    s->embed = s->width;
    if (w->family->is_clip) {
        TRY(look(dim, w, "visual.proj", 2));
        s->embed = dim[1];
    }
    if (weights_dims(w, "visual.registers", 2, dim))
        s->registers = dim[0];
    s->layers = count_layers(w);
    if (!s->layers)
        FAIL(ERR_FORMAT, "%s: has no blocks of a vision transformer", w->path);
    TRY(look(dim, w, "visual.transformer.resblocks.0.mlp.c_fc.weight", 2));
    s->hidden = dim[0];
    s->is_clip = w->family->is_clip;
    s->epsilon = w->family->epsilon;
out:
    return rc;
}

/* ---- what tensors cannot tell ---- */

/* Columns of a head where nobody says: those of the published models of that width. */
static size_t usual_head_size(size_t width)
{
    static const struct {
        size_t width, head_size;
    } known[] = {{1280, 80}, {1408, 88}, {1664, 104}}; /* ViT-H, g and bigG of open_clip */
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].width == width)
            return known[i].head_size;
    return 64;
}

/* OpenAI's models have QuickGELU; it made none this wide, and vision-only ones never have it. */
static enum activation usual_activation(const struct weights *w)
{
    return w->family->is_clip && w->shape.width < 1280 ? ACT_QUICK_GELU : ACT_GELU;
}

/* What the configuration says, else the file beside the weights, else what such models usually have. */
static void settle_activation(struct weights *w, const struct config *config)
{
    static const enum activation chosen[] = {
        [MODEL_QUICK_GELU] = ACT_QUICK_GELU, [MODEL_GELU] = ACT_GELU};
    if (config && config->activation != MODEL_ACTIVATION_AUTO) {
        w->shape.activation = chosen[config->activation];
        w->activation_from = "model.activation";
    } else if (w->declared.activation) {
        w->shape.activation = w->declared.activation;
        w->activation_from = w->declared.file;
    } else {
        w->shape.activation = usual_activation(w);
        w->activation_from = "usual for this kind";
    }
}

static void settle_scale(struct weights *w, const struct config *config)
{
    static const enum image_scale chosen[] = {
        [MODEL_SCALE_CLIP] = IMAGE_SCALE_CLIP, [MODEL_SCALE_IMAGENET] = IMAGE_SCALE_IMAGENET};
    w->shape.scale = w->family->scale;
    if (config && config->normalise != MODEL_SCALE_AUTO)
        w->shape.scale = chosen[config->normalise];
}

static int settle_heads(struct weights *w, const struct config *config)
{
    int rc = ERR_OK;
    const struct declared *d = &w->declared;
    size_t width = w->shape.width;
    size_t head_size = usual_head_size(width);
    w->heads_from = "usual for this width";
    if (config && config->head_size) {
        head_size = config->head_size;
        w->heads_from = "model.head_size";
    } else if (d->heads || d->head_size) {
        head_size = d->head_size;
        w->heads_from = d->file;
        if (d->heads && width % d->heads == 0)
            head_size = width / d->heads;
        else if (d->heads)
            FAIL(ERR_FORMAT, "%s: %zu heads do not divide the vision width of %zu", d->file,
                 d->heads, width);
    }
    if (width % head_size)
        FAIL(config && config->head_size ? ERR_CONFIG : ERR_FORMAT,
             "%s: heads of %zu columns (%s) do not divide the vision width of %zu; "
             "model.head_size tells what the model has",
             w->path, head_size, w->heads_from, width);
    w->shape.heads = width / head_size;
out:
    return rc;
}

int weights_about(char **out, const struct weights *w)
{
    const struct clip_shape *s = &w->shape;
    return str_make(out, "%s (%s), heads of %zu columns (%s), %s's mean and deviation",
                    s->activation == ACT_GELU ? "GELU" : "QuickGELU", w->activation_from,
                    s->width / s->heads, w->heads_from,
                    s->scale == IMAGE_SCALE_CLIP ? "CLIP" : "ImageNet");
}

bool weights_dims(const struct weights *w, const char *name, int rank, size_t *dim)
{
    char own[MAX_NAME];
    enum form form = form_of(w, name);
    const struct source_tensor *t;
    const size_t *stored;
    int n;
    name_in_file(own, w, name, form == JOINED ? w->family->part[0] : NULL);
    t = source_find(&w->file, own);
    if (!t || !t->is_float)
        return false;
    stored = dims_of(t, form, rank, &n);
    if (n != rank)
        return false;
    for (int i = 0; i < rank; i++) {
        dim[i] = stored[form == TRANSPOSED ? 1 - i : i];
        if (dim[i] == 0 || dim[i] > (size_t)1 << 24)
            return false;
    }
    if (form == JOINED)
        dim[0] *= 3;
    return true;
}

/* open_clip writes the text tower of some models behind "text." */
static void find_text_tower(struct weights *w)
{
    size_t dim[2];
    w->text_prefix = "text.";
    if (!weights_dims(w, "token_embedding.weight", 2, dim))
        w->text_prefix = "";
    text_shape_infer(w, &w->shape);
}

int weights_embed(const struct weights *w, const int32_t *ids, size_t n, float *out)
{
    int rc = ERR_OK;
    const size_t width = w->shape.text_width;
    const struct source_tensor *t;
    TRY(find_tensor(&t, w, "token_embedding.weight", NULL));
    TRY(expect_shape(w, t, SAME, 2, (size_t[]){w->shape.vocab, width}));
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= w->shape.vocab)
            FAIL(ERR_SHAPE, "%s: token %d is not among the %zu rows of '%s'", w->path, ids[i],
                 w->shape.vocab, t->name);
        TRY(source_read_rows(&w->file, t, (size_t)ids[i], 1, out + i * width));
    }
out:
    return rc;
}

static int open_file(struct weights **out, const char *path, const struct config *config)
{
    int rc = ERR_OK;
    struct weights *w = NULL;
    TRY(MEM_NEW(w, 1));
    TRY(str_dup(&w->path, path));
    TRY(source_open(&w->file, path));
    TRY(find_family(w));
    TRY(refuse_others(w));
    TRY(infer_shape(w));
    TRY(declared_read(&w->declared, path));
    settle_activation(w, config);
    settle_scale(w, config);
    TRY(settle_heads(w, config));
    if (w->family->is_clip)
        find_text_tower(w);
out:
    if (rc)
        weights_free(&w);
    *out = w;
    return rc;
}

int weights_open(struct weights **out, const char *path)
{
    return open_file(out, path, NULL);
}

int weights_open_chosen(struct weights **out, const struct config *config)
{
    return open_file(out, config->weights, config);
}

void weights_free(struct weights **weights)
{
    if (!*weights)
        return;
    source_close(&(*weights)->file);
    declared_release(&(*weights)->declared);
    MEM_FREE((*weights)->path);
    MEM_FREE(*weights);
}

const struct clip_shape *weights_shape(const struct weights *weights)
{
    return &weights->shape;
}

const char *weights_path(const struct weights *weights)
{
    return weights->path;
}

const char *weights_family(const struct weights *weights)
{
    return weights->family->name;
}

struct hash weights_hash(const struct weights *weights)
{
    return source_hash(&weights->file);
}
