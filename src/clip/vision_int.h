/* vision_int.h - the vision tower's memory, shared by loading and running. */
#ifndef CLIP_VISION_INT_H
#define CLIP_VISION_INT_H

#include "clip/clip.h"

#include <stdbool.h>
#include <stddef.h>

struct block {
    float *ln_1[2], *ln_2[2]; /* weight and bias, [D] */
    struct linear *query;     /* [D -> D], last block only */
    struct linear *key_value; /* [D -> 2D], last block only */
    struct linear *qkv;       /* [D -> 3D], all others */
    struct linear *out;       /* [D -> D], adds; layer scale is part of it, as of proj */
    struct linear *fc;        /* [D -> hidden], with the model's activation */
    struct linear *proj;      /* [hidden -> D], adds */
};

struct encoder {
    struct ops *ops;
    struct clip_shape shape;
    struct encoder_options options;
    size_t n_tokens;   /* T = 1 + registers + N */
    float *position;   /* [T, D], class embedding, registers and the patches' bias already added */
    float *ln_pre[2];  /* [D] */
    float *ln_post[2]; /* [D] */
    struct linear *conv; /* patch embedding [3PP -> D], adds onto the position */
    struct linear *proj; /* [D -> E], or NULL: E = D */
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

/* Row of the first patch: class token and registers stand before it. */
size_t vision_first_patch(const struct encoder *e);

/* Is this the last block, of which the original path needs the class token alone? */
bool vision_is_short(const struct encoder *e, size_t block);

/*
 * grid [from, from, width] -> out [to, to, width], as torch resamples bicubically without aligned corners:
 * a = -0.75, or, when `smooth`, antialiased with a = -0.5. Host memory.
 */
int position_bicubic(const float *grid, size_t from, size_t to, size_t width, bool smooth,
                     float *out);

#endif /* CLIP_VISION_INT_H */
