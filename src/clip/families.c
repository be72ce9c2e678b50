/*
 * families.c - the kinds of files that users hold: by what each is known, what it calls the canonical
 * tensors (OpenAI's names), and what its architecture does otherwise. To add a kind: a row and its names.
 */
#include "base/err.h"
#include "base/str.h"
#include "clip/names_int.h"

#include <stdio.h>
#include <string.h>

static const struct rule hugging_face_clip[] = {
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
    {"token_embedding.weight", "text_model.embeddings.token_embedding.weight", SAME},
    {"positional_embedding", "text_model.embeddings.position_embedding.weight", SAME},
    {"ln_final.weight", "text_model.final_layer_norm.weight", SAME},
    {"ln_final.bias", "text_model.final_layer_norm.bias", SAME},
    {"text_projection", "text_projection.weight", TRANSPOSED},
    {"transformer.resblocks.#.ln_1.weight", "text_model.encoder.layers.#.layer_norm1.weight", SAME},
    {"transformer.resblocks.#.ln_1.bias", "text_model.encoder.layers.#.layer_norm1.bias", SAME},
    {"transformer.resblocks.#.ln_2.weight", "text_model.encoder.layers.#.layer_norm2.weight", SAME},
    {"transformer.resblocks.#.ln_2.bias", "text_model.encoder.layers.#.layer_norm2.bias", SAME},
    {"transformer.resblocks.#.attn.in_proj_weight",
     "text_model.encoder.layers.#.self_attn.{}_proj.weight", JOINED},
    {"transformer.resblocks.#.attn.in_proj_bias",
     "text_model.encoder.layers.#.self_attn.{}_proj.bias", JOINED},
    {"transformer.resblocks.#.attn.out_proj.weight",
     "text_model.encoder.layers.#.self_attn.out_proj.weight", SAME},
    {"transformer.resblocks.#.attn.out_proj.bias",
     "text_model.encoder.layers.#.self_attn.out_proj.bias", SAME},
    {"transformer.resblocks.#.mlp.c_fc.weight", "text_model.encoder.layers.#.mlp.fc1.weight", SAME},
    {"transformer.resblocks.#.mlp.c_fc.bias", "text_model.encoder.layers.#.mlp.fc1.bias", SAME},
    {"transformer.resblocks.#.mlp.c_proj.weight", "text_model.encoder.layers.#.mlp.fc2.weight",
     SAME},
    {"transformer.resblocks.#.mlp.c_proj.bias", "text_model.encoder.layers.#.mlp.fc2.bias", SAME},
};

static const struct rule hugging_face_dinov2[] = {
    {"visual.class_embedding", "embeddings.cls_token", FLAT},
    {"visual.registers", "embeddings.register_tokens", FLAT},
    {"visual.conv1.weight", "embeddings.patch_embeddings.projection.weight", SAME},
    {"visual.conv1.bias", "embeddings.patch_embeddings.projection.bias", SAME},
    {"visual.positional_embedding", "embeddings.position_embeddings", FLAT},
    {"visual.ln_post.weight", "layernorm.weight", SAME},
    {"visual.ln_post.bias", "layernorm.bias", SAME},
    {"visual.transformer.resblocks.#.ln_1.weight", "encoder.layer.#.norm1.weight", SAME},
    {"visual.transformer.resblocks.#.ln_1.bias", "encoder.layer.#.norm1.bias", SAME},
    {"visual.transformer.resblocks.#.ln_2.weight", "encoder.layer.#.norm2.weight", SAME},
    {"visual.transformer.resblocks.#.ln_2.bias", "encoder.layer.#.norm2.bias", SAME},
    {"visual.transformer.resblocks.#.attn.in_proj_weight",
     "encoder.layer.#.attention.attention.{}.weight", JOINED},
    {"visual.transformer.resblocks.#.attn.in_proj_bias",
     "encoder.layer.#.attention.attention.{}.bias", JOINED},
    {"visual.transformer.resblocks.#.attn.out_proj.weight",
     "encoder.layer.#.attention.output.dense.weight", SAME},
    {"visual.transformer.resblocks.#.attn.out_proj.bias",
     "encoder.layer.#.attention.output.dense.bias", SAME},
    {"visual.transformer.resblocks.#.attn.scale", "encoder.layer.#.layer_scale1.lambda1", SAME},
    {"visual.transformer.resblocks.#.mlp.c_fc.weight", "encoder.layer.#.mlp.fc1.weight", SAME},
    {"visual.transformer.resblocks.#.mlp.c_fc.bias", "encoder.layer.#.mlp.fc1.bias", SAME},
    {"visual.transformer.resblocks.#.mlp.c_proj.weight", "encoder.layer.#.mlp.fc2.weight", SAME},
    {"visual.transformer.resblocks.#.mlp.c_proj.bias", "encoder.layer.#.mlp.fc2.bias", SAME},
    {"visual.transformer.resblocks.#.mlp.scale", "encoder.layer.#.layer_scale2.lambda1", SAME},
};

/* OpenAI's names are the canonical ones; open_clip has this beyond them. */
static const struct rule open_clip[] = {
    {"visual.transformer.resblocks.#.attn.scale", "visual.transformer.resblocks.#.ls_1.gamma",
     SAME},
    {"visual.transformer.resblocks.#.mlp.scale", "visual.transformer.resblocks.#.ls_2.gamma", SAME},
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

static const char *const letters[] = {"q", "k", "v"};
static const char *const words[] = {"query", "key", "value"};

static const struct family families[] = {
    {.name = "OpenAI or open_clip",
     .mark = "visual.class_embedding",
     .rules = open_clip,
     .n_rules = COUNT(open_clip),
     .is_clip = true,
     .epsilon = CLIP_EPSILON,
     .scale = IMAGE_SCALE_CLIP},
    {.name = "Hugging Face",
     .mark = "vision_model.embeddings.class_embedding",
     .rules = hugging_face_clip,
     .n_rules = COUNT(hugging_face_clip),
     .part = letters,
     .is_clip = true,
     .epsilon = CLIP_EPSILON,
     .scale = IMAGE_SCALE_CLIP},
    {.name = "Hugging Face DINOv2",
     .mark = "encoder.layer.0.layer_scale1.lambda1",
     .rules = hugging_face_dinov2,
     .n_rules = COUNT(hugging_face_dinov2),
     .part = words,
     .epsilon = 1e-6,
     .scale = IMAGE_SCALE_IMAGENET},
};

enum { N_FAMILIES = sizeof families / sizeof *families };

const struct family *family_by_tensor(const char *name)
{
    for (size_t f = 0; f < N_FAMILIES; f++)
        if (str_ends(name, families[f].mark))
            return &families[f];
    return NULL;
}

int family_marks(struct str *out)
{
    int rc = ERR_OK;
    for (size_t f = 0; f < N_FAMILIES; f++)
        TRY(str_addf(out, "%s'%s' (%s)", f ? ", " : "", families[f].mark, families[f].name));
out:
    return rc;
}

const struct rule *family_rule(const struct family *family, const char *name, char block[16])
{
    block[0] = '\0';
    for (size_t i = 0; i < family->n_rules; i++) {
        const struct rule *rule = &family->rules[i];
        const char *mark = strchr(rule->canonical, '#');
        size_t head = mark ? (size_t)(mark - rule->canonical) : 0;
        size_t digits;
        if (!mark && strcmp(rule->canonical, name) == 0)
            return rule;
        if (!mark || strncmp(rule->canonical, name, head) != 0)
            continue;
        digits = strspn(name + head, "0123456789");
        if (digits == 0 || digits > 8 || strcmp(name + head + digits, mark + 1) != 0)
            continue;
        (void)snprintf(block, 16, "%.*s", (int)digits, name + head);
        return rule;
    }
    return NULL;
}
