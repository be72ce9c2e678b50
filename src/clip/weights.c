/*
 * weights.c - one canonical set of tensor names (OpenAI's) over the files that users hold.
 *
 * OpenAI and open_clip share their names, open_clip's sometimes behind a prefix such as "module.".
 * Hugging Face's CLIPModel has other names, splits the attention matrices and transposes projections.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "clip/clip.h"
#include "clip/names_int.h"
#include "clip/source_int.h"

#include <stdio.h>
#include <string.h>

enum { MAX_NAME = 256, HEAD = 64 };

static const struct rule vision_rules[] = {
    {"visual.class_embedding", "vision_model.embeddings.class_embedding", SAME},
    {"visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight", SAME},
    {"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight", SAME},
    {"visual.ln_pre.weight", "vision_model.pre_layrnorm.weight", SAME},
    {"visual.ln_pre.bias", "vision_model.pre_layrnorm.bias", SAME},
    {"visual.ln_post.weight", "vision_model.post_layernorm.weight", SAME},
    {"visual.ln_post.bias", "vision_model.post_layernorm.bias", SAME},
    {"visual.proj", "visual_projection.weight", TRANSPOSED},
    {"visual.transformer.resblocks.#.ln_1.weight",
     "vision_model.encoder.layers.#.layer_norm1.weight", SAME},
    {"visual.transformer.resblocks.#.ln_1.bias", "vision_model.encoder.layers.#.layer_norm1.bias",
     SAME},
    {"visual.transformer.resblocks.#.ln_2.weight",
     "vision_model.encoder.layers.#.layer_norm2.weight", SAME},
    {"visual.transformer.resblocks.#.ln_2.bias", "vision_model.encoder.layers.#.layer_norm2.bias",
     SAME},
    {"visual.transformer.resblocks.#.attn.in_proj_weight",
     "vision_model.encoder.layers.#.self_attn.{}_proj.weight", JOINED},
    {"visual.transformer.resblocks.#.attn.in_proj_bias",
     "vision_model.encoder.layers.#.self_attn.{}_proj.bias", JOINED},
    {"visual.transformer.resblocks.#.attn.out_proj.weight",
     "vision_model.encoder.layers.#.self_attn.out_proj.weight", SAME},
    {"visual.transformer.resblocks.#.attn.out_proj.bias",
     "vision_model.encoder.layers.#.self_attn.out_proj.bias", SAME},
    {"visual.transformer.resblocks.#.mlp.c_fc.weight",
     "vision_model.encoder.layers.#.mlp.fc1.weight", SAME},
    {"visual.transformer.resblocks.#.mlp.c_fc.bias", "vision_model.encoder.layers.#.mlp.fc1.bias",
     SAME},
    {"visual.transformer.resblocks.#.mlp.c_proj.weight",
     "vision_model.encoder.layers.#.mlp.fc2.weight", SAME},
    {"visual.transformer.resblocks.#.mlp.c_proj.bias", "vision_model.encoder.layers.#.mlp.fc2.bias",
     SAME},
};

struct weights {
    struct source file;
    char *path;
    bool is_hugging_face;
    char prefix[MAX_NAME];   /* what stands before every name in this file, often "" */
    const char *text_prefix; /* what follows it before names of the text tower: "" or "text." */
    struct clip_shape shape;
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

/* The rule for a canonical name out of n; block receives its number as text, or "". */
static const struct rule *find_rule_in(const struct rule *rules, size_t n, const char *name,
                                       char block[16])
{
    for (size_t i = 0; i < n; i++) {
        const char *mark = strchr(rules[i].canonical, '#');
        size_t head;
        size_t digits;
        block[0] = '\0';
        if (!mark && strcmp(rules[i].canonical, name) == 0)
            return &rules[i];
        head = mark ? (size_t)(mark - rules[i].canonical) : 0;
        if (!mark || strncmp(rules[i].canonical, name, head) != 0)
            continue;
        digits = strspn(name + head, "0123456789");
        if (digits == 0 || digits > 8 || strcmp(name + head + digits, mark + 1) != 0)
            continue;
        (void)snprintf(block, 16, "%.*s", (int)digits, name + head);
        return &rules[i];
    }
    return NULL;
}

static const struct rule *find_rule(const char *name, char block[16], bool *is_text)
{
    size_t n;
    const struct rule *text = text_rules(&n);
    const struct rule *rule = find_rule_in(text, n, name, block);
    *is_text = rule != NULL;
    if (!rule)
        rule = find_rule_in(vision_rules, sizeof vision_rules / sizeof *vision_rules, name, block);
    return rule;
}

/* The file's own name for a canonical one; part is 'q', 'k', 'v' for joined tensors, else 0. */
static void name_in_file(char out[MAX_NAME], const struct weights *w, const char *name, char part)
{
    char block[16];
    char plain[MAX_NAME];
    char full[MAX_NAME];
    const char letter[2] = {part, '\0'};
    bool is_text;
    const struct rule *rule = find_rule(name, block, &is_text);
    if (!w->is_hugging_face || !rule) {
        (void)snprintf(plain, sizeof plain, "%s", name);
    } else {
        substitute(full, rule->hugging_face, "#", block);
        substitute(plain, full, "{}", letter);
    }
    (void)snprintf(out, MAX_NAME, "%.120s%s%.130s", w->prefix,
                   is_text && w->text_prefix ? w->text_prefix : "", plain);
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
                       char part)
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

static int expect_shape(const struct weights *w, const struct source_tensor *t, int rank,
                        const size_t *dim)
{
    int rc = ERR_OK;
    char found[96];
    char wanted[96];
    if (t->rank != rank || (rank && memcmp(t->dim, dim, (size_t)rank * sizeof *dim) != 0)) {
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
        TRY(find_tensor(&t, w, name, "qkv"[i]));
        TRY(expect_shape(w, t, rank, part));
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
    TRY(find_tensor(&t, w, name, 0));
    TRY(expect_shape(w, t, 2, turned));
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
    char block[16];
    size_t count = 1;
    const struct source_tensor *t;
    bool is_text;
    const struct rule *rule = find_rule(name, block, &is_text);
    enum form form = w->is_hugging_face && rule ? rule->form : SAME;
    if (form == JOINED)
        return read_joined(w, name, rank, dim, out);
    if (form == TRANSPOSED)
        return read_transposed(w, name, dim, out);
    for (int i = 0; i < rank; i++)
        count *= dim[i];
    TRY(find_tensor(&t, w, name, 0));
    TRY(expect_shape(w, t, rank, dim));
    TRY(source_read(&w->file, t, out));
out:
    return rc;
}

/* Whose names these are, and what stands before them. */
static int find_family(struct weights *w)
{
    static const char *const marks[2] = {"visual.class_embedding",
                                         "vision_model.embeddings.class_embedding"};
    int rc = ERR_OK;
    for (size_t i = 0; i < w->file.n; i++)
        for (int family = 0; family < 2; family++) {
            const char *name = w->file.tensor[i].name;
            size_t before = strlen(name);
            if (!str_ends(name, marks[family]))
                continue;
            before -= strlen(marks[family]);
            if (before >= 120)
                continue;
            w->is_hugging_face = family == 1;
            (void)snprintf(w->prefix, sizeof w->prefix, "%.*s", (int)before, name);
            return ERR_OK;
        }
    FAIL(ERR_FORMAT,
         "%s: no CLIP model: neither '%s' (OpenAI, open_clip) nor '%s' (Hugging Face) is among its "
         "%zu tensors (the first is '%s')",
         w->path, marks[0], marks[1], w->file.n, w->file.tensor[0].name);
out:
    return rc;
}

/* Dimensions of a tensor whose sizes are not known yet. */
static int look(const struct source_tensor **out, const struct weights *w, const char *name,
                int rank)
{
    int rc = ERR_OK;
    TRY(find_tensor(out, w, name, 0));
    if ((*out)->rank != rank)
        FAIL(ERR_FORMAT, "%s: tensor '%s' has %d dimensions, wanted %d", w->path, (*out)->name,
             (*out)->rank, rank);
    for (int i = 0; i < rank; i++)
        if ((*out)->dim[i] == 0 || (*out)->dim[i] > (size_t)1 << 24)
            FAIL(ERR_FORMAT, "%s: tensor '%s' has an impossible size", w->path, (*out)->name);
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
        name_in_file(own, w, name, 0);
        if (!source_find(&w->file, own))
            return n;
    }
}

static int infer_shape(struct weights *w)
{
    int rc = ERR_OK;
    struct clip_shape *s = &w->shape;
    const struct source_tensor *t;
    TRY(look(&t, w, "visual.class_embedding", 1));
    s->width = t->dim[0];
    TRY(look(&t, w, "visual.conv1.weight", 4));
    s->patch = t->dim[2];
    TRY(expect_shape(w, t, 4, (size_t[]){s->width, 3, s->patch, s->patch}));
    TRY(look(&t, w, "visual.positional_embedding", 2));
    s->native_grid = 1; /* the class token alone is no model */
    while ((s->native_grid + 1) * (s->native_grid + 1) < t->dim[0])
        s->native_grid++;
    if (s->native_grid * s->native_grid + 1 != t->dim[0])
        FAIL(ERR_FORMAT, "%s: tensor '%s' has %zu rows, which is no square plus one", w->path,
             t->name, t->dim[0]);
    TRY(look(&t, w, "visual.proj", 2));
    s->embed = t->dim[w->is_hugging_face ? 0 : 1];
    s->layers = count_layers(w);
    if (!s->layers)
        FAIL(ERR_FORMAT, "%s: has no blocks of a vision transformer", w->path);
    TRY(look(&t, w, "visual.transformer.resblocks.0.mlp.c_fc.weight", 2));
    s->hidden = t->dim[0];
    /* ViT-H/14, g/14 and bigG/14 have heads of 80, 88 and 104 columns and the exact GELU */
    if (s->width % HEAD || s->width >= 1280)
        FAIL(ERR_FORMAT, "%s: a vision width of %zu is not supported: heads of 64 columns wanted",
             w->path, s->width);
    s->heads = s->width / HEAD;
out:
    return rc;
}

bool weights_dims(const struct weights *w, const char *name, int rank, size_t *dim)
{
    char own[MAX_NAME];
    char block[16];
    bool is_text;
    const struct rule *rule = find_rule(name, block, &is_text);
    enum form form = w->is_hugging_face && rule ? rule->form : SAME;
    const struct source_tensor *t;
    name_in_file(own, w, name, form == JOINED ? 'q' : 0);
    t = source_find(&w->file, own);
    if (!t || !t->is_float || t->rank != rank)
        return false;
    for (int i = 0; i < rank; i++) {
        dim[i] = t->dim[form == TRANSPOSED ? 1 - i : i];
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
    TRY(find_tensor(&t, w, "token_embedding.weight", 0));
    TRY(expect_shape(w, t, 2, (size_t[]){w->shape.vocab, width}));
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= w->shape.vocab)
            FAIL(ERR_SHAPE, "%s: token %d is not among the %zu rows of '%s'", w->path, ids[i],
                 w->shape.vocab, t->name);
        TRY(source_read_rows(&w->file, t, (size_t)ids[i], 1, out + i * width));
    }
out:
    return rc;
}

int weights_open(struct weights **out, const char *path)
{
    int rc = ERR_OK;
    struct weights *w = NULL;
    TRY(MEM_NEW(w, 1));
    TRY(str_dup(&w->path, path));
    TRY(source_open(&w->file, path));
    TRY(find_family(w));
    TRY(infer_shape(w));
    find_text_tower(w);
out:
    if (rc)
        weights_free(&w);
    *out = w;
    return rc;
}

void weights_free(struct weights **weights)
{
    if (!*weights)
        return;
    source_close(&(*weights)->file);
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
    return weights->is_hugging_face ? "Hugging Face" : "OpenAI or open_clip";
}

struct hash weights_hash(const struct weights *weights)
{
    return hash_bytes(weights->file.map.data, weights->file.map.size);
}
