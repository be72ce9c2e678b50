/* text_shape.c - sizes of the text tower, read off its tensors. */
#include "clip/names_int.h"

#include <stdio.h>

enum { HEAD = 64 };

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
