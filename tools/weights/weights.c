/*
 * weights.c - mrad-weights: a safetensors file of generated weights of a CLIP or a DINOv2.
 *
 * In:  a seed, the sizes of the model, the naming of its tensors, the element type.
 * Out: the file that `random_weights` and `save_safetensors` of the executable specification write:
 *      tensor number k of put_model() is base + sqrt(3) * std * u, where u is SplitMix64 number i of
 *      seed 1000 * SEED + k; formed in double, rounded to float, then to the element type.
 * Tensors are generated while they are written, so memory does not grow with the model.
 */
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "tensor/tensor.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 16, NAME_MAX_BYTES = 128, MAX_RANK = 4 };

enum names { NAMES_OPENAI, NAMES_HF, NAMES_OPEN_CLIP, NAMES_DINOV2, N_NAMES };

static const char *const names_text[N_NAMES] = {"openai", "hf", "open_clip", "dinov2"};

struct shape {
    size_t image, patch, native_grid, width, layers, embed;
    size_t text_width, text_layers, context, vocab;
    size_t hidden, registers;
};

/* The keys of --shape; the defaults are ViT-L/14. The image side changes no weight; it is accepted so
 * that one text describes a run. */
static const struct shape_key {
    const char *name;
    size_t offset, preset, lo, hi;
} shape_keys[] = {
    {"image", offsetof(struct shape, image), 518, 1, 8192},
    {"patch", offsetof(struct shape, patch), 14, 1, 256},
    {"native_grid", offsetof(struct shape, native_grid), 24, 1, 1024},
    {"width", offsetof(struct shape, width), 1024, 1, 16384},
    {"layers", offsetof(struct shape, layers), 24, 0, 256},
    {"embed", offsetof(struct shape, embed), 768, 1, 16384},
    {"text_width", offsetof(struct shape, text_width), 768, 1, 16384},
    {"text_layers", offsetof(struct shape, text_layers), 12, 0, 256},
    {"context", offsetof(struct shape, context), 77, 1, 4096},
    {"vocab", offsetof(struct shape, vocab), 49408, 1, 1000000},
    {"hidden", offsetof(struct shape, hidden), 0, 0, 65536},    /* of the vision MLP; 0: 4 width */
    {"registers", offsetof(struct shape, registers), 0, 0, 64}, /* of dinov2 */
};

enum { N_SHAPE_KEYS = sizeof shape_keys / sizeof shape_keys[0] };

/* One tensor of the file: elements of the generated tensor `seed` from number `first` on. */
struct part {
    char name[NAME_MAX_BYTES];
    int rank;
    size_t dim[MAX_RANK];
    uint64_t seed;
    size_t first;
    bool transposed; /* the generated tensor has the two sides exchanged */
    double scale, base;
};

struct plan {
    struct shape shape;
    enum names names;
    enum dtype dtype;
    uint64_t seed; /* of the latest tensor */
    struct part *part;
    size_t n, cap;
};

/* ---- names ---- */

static const struct {
    const char *openai, *hf;
    bool transposed;
} hf_names[] = {
    {"logit_scale", "logit_scale", false},
    {"visual.class_embedding", "vision_model.embeddings.class_embedding", false},
    {"visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight", false},
    {"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight", false},
    /* the misspelling is Hugging Face's */
    {"visual.ln_pre.", "vision_model.pre_layrnorm.", false},
    {"visual.ln_post.", "vision_model.post_layernorm.", false},
    {"visual.proj", "visual_projection.weight", true},
    {"token_embedding.weight", "text_model.embeddings.token_embedding.weight", false},
    {"positional_embedding", "text_model.embeddings.position_embedding.weight", false},
    {"ln_final.", "text_model.final_layer_norm.", false},
    {"text_projection", "text_projection.weight", true},
    {"visual.transformer.resblocks.", "vision_model.encoder.layers.", false},
    {"transformer.resblocks.", "text_model.encoder.layers.", false},
};

static const char *const hf_leaves[][2] = {
    {"attn.out_proj.", "self_attn.out_proj."},
    {"ln_1.", "layer_norm1."},
    {"ln_2.", "layer_norm2."},
    {"mlp.c_fc.", "mlp.fc1."},
    {"mlp.c_proj.", "mlp.fc2."},
};

/* Replace the first occurrence of `from` in name; false when there is none. */
static bool swap_text(char name[NAME_MAX_BYTES], const char *from, const char *to)
{
    char old[NAME_MAX_BYTES];
    memcpy(old, name, sizeof old);
    const char *at = strstr(old, from);
    if (!at)
        return false;
    (void)snprintf(name, NAME_MAX_BYTES, "%.*s%s%s", (int)(at - old), old, to, at + strlen(from));
    return true;
}

/* Whether an entry of hf_names covers the name: ends in a dot for a prefix, else the whole name. */
static bool covers(const char *entry, const char *name)
{
    return str_ends(entry, ".") ? str_starts(name, entry) : strcmp(entry, name) == 0;
}

static int add_part(struct plan *p, const struct part *part)
{
    int rc = ERR_OK;
    TRY(MEM_GROW(p->part, &p->cap, p->n + 1));
    p->part[p->n++] = *part;
out:
    return rc;
}

/* The input projection as three tensors. */
static int add_hf_qkv(struct plan *p, const struct part *whole)
{
    int rc = ERR_OK;
    static const char *const side[] = {"self_attn.q_proj.", "self_attn.k_proj.",
                                       "self_attn.v_proj."};
    for (size_t i = 0; i < 3; i++) {
        struct part third = *whole;
        third.dim[0] = whole->dim[0] / 3;
        third.first = i * third.dim[0] * (whole->rank > 1 ? whole->dim[1] : 1);
        (void)swap_text(third.name, "attn.in_proj_", side[i]);
        TRY(add_part(p, &third));
    }
out:
    return rc;
}

static int add_hf(struct plan *p, struct part part)
{
    size_t i = 0;
    while (!covers(hf_names[i].openai, part.name))
        i++;
    (void)swap_text(part.name, hf_names[i].openai, hf_names[i].hf);
    if (hf_names[i].transposed) {
        size_t rows = part.dim[0];
        part.dim[0] = part.dim[1];
        part.dim[1] = rows;
        part.transposed = true;
    }
    if (strstr(part.name, "attn.in_proj_"))
        return add_hf_qkv(p, &part);
    for (size_t k = 0; k < sizeof hf_leaves / sizeof hf_leaves[0]; k++)
        if (swap_text(part.name, hf_leaves[k][0], hf_leaves[k][1]))
            break;
    return add_part(p, &part);
}

/* ---- the model ---- */

/* The next tensor of the model; dim ends in a zero unless all four are used. */
static int put(struct plan *p, const char *name, const size_t dim[MAX_RANK], double std,
               double base)
{
    struct part part = {.seed = ++p->seed, .scale = sqrt(3.0) * std, .base = base};
    while (part.rank < MAX_RANK && dim[part.rank])
        part.rank++;
    memcpy(part.dim, dim, sizeof part.dim);
    bool is_text = !str_starts(name, "visual.") && strcmp(name, "logit_scale") != 0;
    (void)snprintf(part.name, sizeof part.name, "%s%s",
                   is_text && p->names == NAMES_OPEN_CLIP ? "text." : "", name);
    return p->names == NAMES_HF ? add_hf(p, part) : add_part(p, &part);
}

#define DIM(...) ((const size_t[MAX_RANK]){__VA_ARGS__})

static double inv_sqrt(size_t n)
{
    return pow((double)n, -0.5); /* the specification says n ** -0.5, not 1 / sqrt(n) */
}

/* hidden: width of the MLP. */
static int put_block(struct plan *p, const char *prefix, size_t index, size_t w, size_t hidden)
{
    int rc = ERR_OK;
    const struct {
        const char *leaf;
        size_t rows, cols;
        double std, base;
    } leaves[] = {
        {"attn.in_proj_weight", 3 * w, w, 1.6 * inv_sqrt(w), 0},
        {"attn.in_proj_bias", 3 * w, 0, 0.02, 0},
        {"attn.out_proj.weight", w, w, inv_sqrt(w), 0},
        {"attn.out_proj.bias", w, 0, 0.02, 0},
        {"ln_1.weight", w, 0, 0.1, 1},
        {"ln_1.bias", w, 0, 0.05, 0},
        {"mlp.c_fc.weight", hidden, w, inv_sqrt(w), 0},
        {"mlp.c_fc.bias", hidden, 0, 0.05, 0},
        {"mlp.c_proj.weight", w, hidden, inv_sqrt(hidden), 0},
        {"mlp.c_proj.bias", w, 0, 0.02, 0},
        {"ln_2.weight", w, 0, 0.1, 1},
        {"ln_2.bias", w, 0, 0.05, 0},
    };
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
        char name[NAME_MAX_BYTES];
        (void)snprintf(name, sizeof name, "%s.%zu.%s", prefix, index, leaves[i].leaf);
        TRY(put(p, name, DIM(leaves[i].rows, leaves[i].cols), leaves[i].std, leaves[i].base));
    }
out:
    return rc;
}

static int put_dinov2_block(struct plan *p, size_t index)
{
    int rc = ERR_OK;
    size_t w = p->shape.width;
    size_t h = p->shape.hidden ? p->shape.hidden : 4 * w;
    const struct {
        const char *leaf;
        size_t rows, cols;
        double std, base;
    } leaves[] = {
        {"norm1.weight", w, 0, 0.1, 1},
        {"norm1.bias", w, 0, 0.05, 0},
        {"attention.attention.query.weight", w, w, 1.6 * inv_sqrt(w), 0},
        {"attention.attention.query.bias", w, 0, 0.02, 0},
        {"attention.attention.key.weight", w, w, 1.6 * inv_sqrt(w), 0},
        {"attention.attention.key.bias", w, 0, 0.02, 0},
        {"attention.attention.value.weight", w, w, 1.6 * inv_sqrt(w), 0},
        {"attention.attention.value.bias", w, 0, 0.02, 0},
        {"attention.output.dense.weight", w, w, inv_sqrt(w), 0},
        {"attention.output.dense.bias", w, 0, 0.02, 0},
        {"layer_scale1.lambda1", w, 0, 0.3, 0.7},
        {"norm2.weight", w, 0, 0.1, 1},
        {"norm2.bias", w, 0, 0.05, 0},
        {"mlp.fc1.weight", h, w, inv_sqrt(w), 0},
        {"mlp.fc1.bias", h, 0, 0.05, 0},
        {"mlp.fc2.weight", w, h, inv_sqrt(h), 0},
        {"mlp.fc2.bias", w, 0, 0.02, 0},
        {"layer_scale2.lambda1", w, 0, 0.3, 0.7},
    };
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
        char name[NAME_MAX_BYTES];
        (void)snprintf(name, sizeof name, "encoder.layer.%zu.%s", index, leaves[i].leaf);
        TRY(put(p, name, DIM(leaves[i].rows, leaves[i].cols), leaves[i].std, leaves[i].base));
    }
out:
    return rc;
}

/* The vision model of Hugging Face's Dinov2Model, or with registers. */
static int put_dinov2(struct plan *p)
{
    int rc = ERR_OK;
    const struct shape *s = &p->shape;
    size_t d = s->width;
    TRY(put(p, "embeddings.cls_token", DIM(1, 1, d), 0.1, 0));
    TRY(put(p, "embeddings.mask_token", DIM(1, d), 0.1, 0));
    if (s->registers)
        TRY(put(p, "embeddings.register_tokens", DIM(1, s->registers, d), 0.1, 0));
    TRY(put(p, "embeddings.position_embeddings", DIM(1, s->native_grid * s->native_grid + 1, d),
            0.1, 0));
    TRY(put(p, "embeddings.patch_embeddings.projection.weight", DIM(d, 3, s->patch, s->patch),
            inv_sqrt(3 * s->patch * s->patch), 0));
    TRY(put(p, "embeddings.patch_embeddings.projection.bias", DIM(d), 0.05, 0));
    for (size_t i = 0; i < s->layers; i++)
        TRY(put_dinov2_block(p, i));
    TRY(put(p, "layernorm.weight", DIM(d), 0.1, 1));
    TRY(put(p, "layernorm.bias", DIM(d), 0.05, 0));
out:
    return rc;
}

/* Every tensor of a CLIP, in the order that fixes the seeds. */
static int put_model(struct plan *p)
{
    int rc = ERR_OK;
    const struct shape *s = &p->shape;
    size_t d = s->width, e = s->embed, t = s->text_width;
    size_t n_pos = s->native_grid * s->native_grid + 1;
    TRY(put(p, "visual.conv1.weight", DIM(d, 3, s->patch, s->patch),
            inv_sqrt(3 * s->patch * s->patch), 0));
    TRY(put(p, "visual.class_embedding", DIM(d), 0.1, 0));
    TRY(put(p, "visual.positional_embedding", DIM(n_pos, d), 0.1, 0));
    TRY(put(p, "visual.ln_pre.weight", DIM(d), 0.1, 1));
    TRY(put(p, "visual.ln_pre.bias", DIM(d), 0.05, 0));
    for (size_t i = 0; i < s->layers; i++)
        TRY(put_block(p, "visual.transformer.resblocks", i, d, s->hidden ? s->hidden : 4 * d));
    TRY(put(p, "visual.ln_post.weight", DIM(d), 0.1, 1));
    TRY(put(p, "visual.ln_post.bias", DIM(d), 0.05, 0));
    TRY(put(p, "visual.proj", DIM(d, e), inv_sqrt(d), 0));
    TRY(put(p, "token_embedding.weight", DIM(s->vocab, t), 0.02, 0));
    TRY(put(p, "positional_embedding", DIM(s->context, t), 0.01, 0));
    for (size_t i = 0; i < s->text_layers; i++)
        TRY(put_block(p, "transformer.resblocks", i, t, 4 * t));
    TRY(put(p, "ln_final.weight", DIM(t), 0.1, 1));
    TRY(put(p, "ln_final.bias", DIM(t), 0.05, 0));
    TRY(put(p, "text_projection", DIM(t, e), inv_sqrt(t), 0));
    TRY(put(p, "logit_scale", DIM(1), 0, log(100.0)));
out:
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct part *)a)->name, ((const struct part *)b)->name);
}

static size_t part_count(const struct part *part)
{
    size_t n = 1;
    for (int i = 0; i < part->rank; i++)
        n *= part->dim[i];
    return n;
}

/* ---- the file ---- */

/* The header as Python's json.dumps writes it, padded with blanks to a multiple of 8. */
static int make_header(struct str *out, const struct plan *p)
{
    int rc = ERR_OK;
    static const char *const dtype_text[] = {
        [DTYPE_F32] = "F32", [DTYPE_F16] = "F16", [DTYPE_BF16] = "BF16"};
    size_t offset = 0;
    TRY(str_add(out, "{"));
    for (size_t i = 0; i < p->n; i++) {
        const struct part *part = &p->part[i];
        size_t end = offset + part_count(part) * dtype_size(p->dtype);
        TRY(str_addf(out, "%s\"%s\": {\"dtype\": \"%s\", \"shape\": [", i ? ", " : "", part->name,
                     dtype_text[p->dtype]));
        for (int k = 0; k < part->rank; k++)
            TRY(str_addf(out, "%s%zu", k ? ", " : "", part->dim[k]));
        TRY(str_addf(out, "], \"data_offsets\": [%zu, %zu]}", offset, end));
        offset = end;
    }
    TRY(str_add(out, "}"));
    while (out->len % 8)
        TRY(str_add(out, " "));
out:
    return rc;
}

static float element(const struct part *part, size_t i)
{
    if (part->transposed)
        i = i % part->dim[1] * part->dim[0] + i / part->dim[1];
    return (float)(part->base + part->scale * (double)rng_uniform(part->seed, part->first + i));
}

static int write_bytes(FILE *f, const void *bytes, size_t n, const char *path)
{
    int rc = ERR_OK;
    if (fwrite(bytes, 1, n, f) != n)
        FAIL(ERR_IO, "cannot write %s: %s", path, strerror(errno));
out:
    return rc;
}

static int write_part(FILE *f, const struct part *part, enum dtype dtype, const char *path)
{
    int rc = ERR_OK;
    static float value[CHUNK];
    static unsigned char bytes[CHUNK * sizeof(float)];
    size_t n = part_count(part);
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t m = n - at < CHUNK ? n - at : CHUNK;
        for (size_t i = 0; i < m; i++)
            value[i] = element(part, at + i);
        TRY(floats_to(bytes, value, dtype, m));
        TRY(write_bytes(f, bytes, m * dtype_size(dtype), path));
    }
out:
    return rc;
}

static int write_model(const struct plan *p, const char *path)
{
    int rc = ERR_OK;
    struct atomic_file file = {0};
    struct str header = {0};
    unsigned char length[8];
    FILE *f = NULL;
    TRY(make_header(&header, p));
    TRY(atomic_begin(&file, path));
    f = fopen(file.temp, "wb");
    if (!f)
        FAIL(ERR_IO, "cannot create %s: %s", file.temp, strerror(errno));
    for (size_t i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)header.len >> (8 * i));
    TRY(write_bytes(f, length, sizeof length, path));
    TRY(write_bytes(f, header.text, header.len, path));
    for (size_t i = 0; i < p->n; i++)
        TRY(write_part(f, &p->part[i], p->dtype, path));
    rc = fclose(f);
    f = NULL;
    if (rc != 0)
        FAIL(ERR_IO, "cannot write %s: %s", path, strerror(errno));
    TRY(atomic_commit(&file));
out:
    if (f)
        (void)fclose(f);
    atomic_abort(&file);
    str_free(&header);
    return rc;
}

/* ---- the command line ---- */

static int parse_number(uint64_t *out, const char *text, uint64_t lo, uint64_t hi, const char *what)
{
    int rc = ERR_OK;
    char *end = NULL;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || *out < lo || *out > hi)
        FAIL(ERR_USAGE, "%s: \"%s\" is not a whole number from %" PRIu64 " to %" PRIu64, what, text,
             lo, hi);
out:
    return rc;
}

static int parse_shape(struct shape *shape, char *text)
{
    int rc = ERR_OK;
    char *rest = NULL;
    for (char *item = strtok_r(text, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) {
        uint64_t value = 0;
        size_t k = 0;
        char *equals = strchr(item, '=');
        if (!equals)
            FAIL(ERR_USAGE, "--shape: \"%s\" is not key=number", item);
        *equals = '\0';
        while (k < N_SHAPE_KEYS && strcmp(shape_keys[k].name, item) != 0)
            k++;
        if (k == N_SHAPE_KEYS)
            FAIL(ERR_USAGE, "--shape: there is no key \"%s\"; see --help", item);
        TRY(parse_number(&value, equals + 1, shape_keys[k].lo, shape_keys[k].hi, item));
        *(size_t *)((char *)shape + shape_keys[k].offset) = (size_t)value;
    }
out:
    return rc;
}

/* The position of word among n names. */
static int parse_choice(int *out, const char *word, const char *const *names, int n)
{
    int rc = ERR_OK;
    for (int i = 0; i < n; i++)
        if (strcmp(word, names[i]) == 0) {
            *out = i;
            return ERR_OK;
        }
    FAIL(ERR_USAGE, "\"%s\" is none of %s, %s, %s%s%s", word, names[0], names[1], names[2],
         n > 3 ? ", " : "", n > 3 ? names[3] : "");
out:
    return rc;
}

static void print_help(void)
{
    (void)printf(
        "usage: mrad-weights --out FILE [options]\n"
        "Write generated weights of a CLIP or a DINOv2: sane in scale, without meaning, the same everywhere.\n\n"
        "  --out FILE       safetensors file to write\n"
        "  --seed N         0 to 2^53 (1)\n"
        "  --names NAMING   openai, hf, open_clip with its own text tower, or dinov2 (openai)\n"
        "  --dtype TYPE     f32, f16 or bf16 (f32)\n"
        "  --shape K=N,...  sizes; without it ViT-L/14:\n");
    for (size_t i = 0; i < N_SHAPE_KEYS; i++)
        (void)printf("                   %s=%zu\n", shape_keys[i].name, shape_keys[i].preset);
}

static int parse_options(struct plan *p, const char **path, int argc, char **argv)
{
    int rc = ERR_OK;
    int option = 0;
    int choice = 0;
    static const char *const dtypes[] = {"f32", "f16", "bf16"}; /* the order of enum dtype */
    static const struct option options[] = {
        {"out", required_argument, NULL, 'o'},
        {"seed", required_argument, NULL, 's'},
        {"names", required_argument, NULL, 'n'},
        {"dtype", required_argument, NULL, 'd'},
        {"shape", required_argument, NULL, 'x'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'o':
            *path = optarg;
            break;
        case 's':
            TRY(parse_number(&p->seed, optarg, 0, UINT64_C(1) << 53, "--seed"));
            break;
        case 'n':
            TRY(parse_choice(&choice, optarg, names_text, N_NAMES));
            p->names = (enum names)choice;
            break;
        case 'd':
            TRY(parse_choice(&choice, optarg, dtypes, 3));
            p->dtype = (enum dtype)choice;
            break;
        case 'x':
            TRY(parse_shape(&p->shape, optarg));
            break;
        case 'h':
            print_help();
            exit(0);
        default:
            FAIL(ERR_USAGE, "see mrad-weights --help");
        }
    }
    if (!*path || optind != argc)
        FAIL(ERR_USAGE, "%s; see mrad-weights --help", *path ? argv[optind] : "--out is missing");
out:
    return rc;
}

int main(int argc, char **argv)
{
    int rc = ERR_OK;
    struct plan plan = {.seed = 1};
    const char *path = NULL;
    for (size_t i = 0; i < N_SHAPE_KEYS; i++)
        *(size_t *)((char *)&plan.shape + shape_keys[i].offset) = shape_keys[i].preset;
    TRY(parse_options(&plan, &path, argc, argv));
    plan.seed *= 1000;
    TRY(plan.names == NAMES_DINOV2 ? put_dinov2(&plan) : put_model(&plan));
    qsort(plan.part, plan.n, sizeof *plan.part, by_name);
    TRY(write_model(&plan, path));
out:
    if (rc != ERR_OK)
        log_error();
    MEM_FREE(plan.part);
    return err_exit_status(rc);
}
