/* tiny_model.c - see tiny.h: the tower as a safetensors file. */
#include "tiny.h"

#include "check.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

/* A dimension is a letter: D width, H hidden, E embed, P patch, R rows of the position, 3, T 3 D. */
static const struct part {
    const char *name; /* '#': number of the block */
    const char *hugging_face;
    const char *dims;
} parts[] = {
    {"visual.class_embedding", "vision_model.embeddings.class_embedding", "D"},
    {"visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight", "D3PP"},
    {"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight", "RD"},
    {"visual.ln_pre.weight", "vision_model.pre_layrnorm.weight", "D"},
    {"visual.ln_pre.bias", "vision_model.pre_layrnorm.bias", "D"},
    {"visual.ln_post.weight", "vision_model.post_layernorm.weight", "D"},
    {"visual.ln_post.bias", "vision_model.post_layernorm.bias", "D"},
    {"visual.proj", "visual_projection.weight", "DE"},
    {"visual.transformer.resblocks.#.ln_1.weight",
     "vision_model.encoder.layers.#.layer_norm1.weight", "D"},
    {"visual.transformer.resblocks.#.ln_1.bias", "vision_model.encoder.layers.#.layer_norm1.bias",
     "D"},
    {"visual.transformer.resblocks.#.ln_2.weight",
     "vision_model.encoder.layers.#.layer_norm2.weight", "D"},
    {"visual.transformer.resblocks.#.ln_2.bias", "vision_model.encoder.layers.#.layer_norm2.bias",
     "D"},
    {"visual.transformer.resblocks.#.attn.in_proj_weight",
     "vision_model.encoder.layers.#.self_attn.?_proj.weight", "TD"},
    {"visual.transformer.resblocks.#.attn.in_proj_bias",
     "vision_model.encoder.layers.#.self_attn.?_proj.bias", "T"},
    {"visual.transformer.resblocks.#.attn.out_proj.weight",
     "vision_model.encoder.layers.#.self_attn.out_proj.weight", "DD"},
    {"visual.transformer.resblocks.#.attn.out_proj.bias",
     "vision_model.encoder.layers.#.self_attn.out_proj.bias", "D"},
    {"visual.transformer.resblocks.#.mlp.c_fc.weight",
     "vision_model.encoder.layers.#.mlp.fc1.weight", "HD"},
    {"visual.transformer.resblocks.#.mlp.c_fc.bias", "vision_model.encoder.layers.#.mlp.fc1.bias",
     "H"},
    {"visual.transformer.resblocks.#.mlp.c_proj.weight",
     "vision_model.encoder.layers.#.mlp.fc2.weight", "DH"},
    {"visual.transformer.resblocks.#.mlp.c_proj.bias", "vision_model.encoder.layers.#.mlp.fc2.bias",
     "D"},
};

/* The file as it grows: header and data apart until both are whole. */
struct writer {
    const struct tiny_model *m;
    struct str header;
    struct str data;
};

struct tiny_model tiny_model(void)
{
    return (struct tiny_model){.prefix = "",
                               .dtype = DTYPE_F32,
                               .width = TINY_WIDTH,
                               .layers = TINY_LAYERS,
                               .patch = TINY_PATCH,
                               .position_rows = TINY_GRID * TINY_GRID + 1,
                               .embed = TINY_EMBED,
                               .hidden = TINY_HIDDEN,
                               .seed = 1};
}

static size_t letter(const struct tiny_model *m, char dim)
{
    switch (dim) {
    case 'D':
        return m->width;
    case 'H':
        return m->hidden;
    case 'E':
        return m->embed;
    case 'P':
        return m->patch;
    case 'R':
        return m->position_rows;
    case 'T':
        return 3 * m->width;
    default:
        return 3;
    }
}

/* Text in place of a mark, "" when there is no mark to take. */
static void replace(char out[160], const char *pattern, char mark, const char *text)
{
    const char *at = strchr(pattern, mark);
    if (at)
        (void)snprintf(out, 160, "%.*s%s%s", (int)(at - pattern), pattern, text, at + 1);
    else
        (void)snprintf(out, 160, "%s", pattern);
}

/* Scales of layer norms are near 1, all else near 0. */
float tiny_value(const struct tiny_model *m, const char *name, size_t i)
{
    bool is_scale = strstr(name, "ln_") && str_ends(name, "weight");
    uint64_t seed = m->seed;
    for (const char *p = name; *p; p++)
        seed = seed * 31 + (uint8_t)*p;
    return (is_scale ? 1.0F : 0.0F) + 0.125F * rng_uniform(seed, i);
}

static void put_value(struct writer *w, enum dtype dtype, float value)
{
    uint8_t bytes[4];
    CHECK_OK(floats_to(bytes, &value, dtype, 1));
    CHECK_OK(str_add_bytes(&w->data, (char *)bytes, dtype_size(dtype)));
}

static const char *dtype_text(enum dtype dtype)
{
    return dtype == DTYPE_F32 ? "F32" : dtype == DTYPE_F16 ? "F16" : "BF16";
}

static bool is_it(const char *wanted, const char *name)
{
    return wanted && strcmp(wanted, name) == 0;
}

/* One entry of the file: elements [first, ...) of a canonical tensor, the sides exchanged or not. */
static void put_entry(struct writer *w, const char *name, const char *own, const size_t *dim,
                      size_t rank, size_t first, bool is_turned)
{
    bool is_whole = is_it(w->m->whole, name);
    enum dtype dtype = is_whole ? DTYPE_F32 : w->m->dtype;
    size_t extra = is_it(w->m->bend, name);
    size_t begin = w->data.len;
    size_t count = 1;
    CHECK_OK(str_addf(&w->header, "%s\"%s%s\":{\"dtype\":\"%s\",\"shape\":[",
                      w->header.len ? "," : "{", w->m->prefix, own,
                      is_whole ? "I32" : dtype_text(dtype)));
    for (size_t i = 0; i < rank; i++) {
        size_t n = dim[i] + (i + 1 == rank ? extra : 0);
        CHECK_OK(str_addf(&w->header, "%s%zu", i ? "," : "", n));
        count *= n;
    }
    for (size_t i = 0; i < count; i++)
        put_value(
            w, dtype,
            tiny_value(w->m, name, first + (is_turned ? i % dim[1] * dim[0] + i / dim[1] : i)));
    CHECK_OK(str_addf(&w->header, "],\"data_offsets\":[%zu,%zu]}", begin, w->data.len));
}

static void put_part(struct writer *w, const struct part *part, const char *block)
{
    char name[160], own[160], half[160];
    size_t rank = strlen(part->dims);
    size_t dim[4] = {0};
    bool is_turned = w->m->is_hugging_face && strcmp(part->dims, "DE") == 0;
    replace(name, part->name, '#', block);
    if (is_it(w->m->leave_out, name))
        return;
    for (size_t i = 0; i < rank; i++)
        dim[i] = letter(w->m, part->dims[is_turned ? 1 - i : i]);
    replace(half, w->m->is_hugging_face ? part->hugging_face : part->name, '#', block);
    if (!strchr(half, '?')) {
        put_entry(w, name, half, dim, rank, 0, is_turned);
        return;
    }
    dim[0] /= 3;
    for (size_t i = 0; i < 3; i++) {
        replace(own, half, '?', i == 0 ? "q" : i == 1 ? "k" : "v");
        put_entry(w, name, own, dim, rank, i * dim[0] * (rank > 1 ? dim[1] : 1), false);
    }
}

void tiny_raw_write(const char *path, const char *header, const uint8_t *data, size_t n_data)
{
    struct str file = {0};
    char length[8] = {0};
    uint8_t *zeros = NULL;
    size_t n = strlen(header);
    for (size_t i = 0; i < 8; i++)
        length[i] = (char)(n >> (8 * i));
    CHECK_OK(MEM_NEW(zeros, n_data + 1));
    CHECK_OK(str_add_bytes(&file, length, 8));
    CHECK_OK(str_add(&file, header));
    CHECK_OK(str_add_bytes(&file, (const char *)(data ? data : zeros), n_data));
    CHECK_OK(file_write(path, file.text, file.len));
    MEM_FREE(zeros);
    str_free(&file);
}

void tiny_model_write(const struct tiny_model *m, const char *path)
{
    struct writer w = {.m = m};
    char block[24];
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t n = strchr(parts[i].name, '#') ? m->layers : 1;
        for (size_t k = 0; k < n; k++) {
            (void)snprintf(block, sizeof block, "%zu", k);
            put_part(&w, &parts[i], block);
        }
    }
    CHECK_OK(str_add(&w.header, "}"));
    tiny_raw_write(path, w.header.text, (const uint8_t *)w.data.text, w.data.len);
    str_free(&w.header);
    str_free(&w.data);
}
