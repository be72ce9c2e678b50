/* text_shape.c - the text tower's tensors in the files that users hold, and its sizes. */
#include "clip/names_int.h"

#include <stdio.h>

enum { HEAD = 64 };

static const struct rule rules[] = {
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

const struct rule *text_rules(size_t *n)
{
    *n = sizeof rules / sizeof *rules;
    return rules;
}

static size_t count_layers(const struct weights *w)
{
    size_t n = 0;
    size_t dim;
    char name[64];
    for (;; n++) {
        (void)snprintf(name, sizeof name, "transformer.resblocks.%zu.ln_1.weight", n);
        if (!weights_dims(w, name, 1, &dim))
            return n;
    }
}

void text_shape_infer(const struct weights *w, struct clip_shape *s)
{
    size_t token[2], position[2], hidden[2], out[2];
    size_t layers = count_layers(w);
    if (layers == 0 || !weights_dims(w, "token_embedding.weight", 2, token) ||
        !weights_dims(w, "positional_embedding", 2, position) ||
        !weights_dims(w, "transformer.resblocks.0.mlp.c_fc.weight", 2, hidden) ||
        !weights_dims(w, "text_projection", 2, out))
        return;
    if (token[1] % HEAD || position[1] != token[1] || hidden[1] != token[1] || out[0] != token[1] ||
        out[1] != s->embed)
        return;
    s->text_width = token[1];
    s->text_hidden = hidden[0];
    s->text_layers = layers;
    s->text_heads = token[1] / HEAD;
    s->context = position[0];
    s->vocab = token[0];
}
