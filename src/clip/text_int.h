/*
 * text_int.h - the text tower's memory, shared by loading, forward and backward.
 *
 * N = R * P rows of a batch: row r * P + p is position p of prompt r. All linear maps take the N rows
 * at once. H is the width of the MLP.
 */
#ifndef CLIP_TEXT_INT_H
#define CLIP_TEXT_INT_H

#include "clip/clip.h"
#include "clip/names_int.h"
#include "ops/ops.h"

#include <stddef.h>

/* The linear maps of a layer. */
enum text_map {
    MAP_QKV /* T -> 3T */,
    MAP_OUT /* T -> T */,
    MAP_FC /* T -> H */,
    MAP_PROJ,
    N_MAPS
};

/*
 * Backward has its own packed weights: packed ones cannot be read back, and a plain copy for
 * ops_product would be as large and, at 272 rows, as fast.
 */
struct text_block {
    real *ln_1[2], *ln_2[2];     /* weight and bias, [T] */
    struct linear *map[N_MAPS];  /* MAP_OUT and MAP_PROJ add */
    struct linear *back[N_MAPS]; /* the same weights turned, without bias; NULL when forward_only */
};

/* What backward needs of a layer; one set for all layers when forward_only. */
struct text_saved {
    real *x;      /* [N, T] input, deep prompts in place */
    real *qkv;    /* [N, 3T] */
    real *mid;    /* [N, T] after the attention's residual */
    real *hidden; /* [N, H] before the activation */
};

struct text_tower {
    struct ops *ops;
    struct clip_shape shape;
    struct text_options options;
    real *position;           /* [P, T], host */
    real *ln_final[2];        /* [T] */
    struct linear *proj;      /* T -> E */
    struct linear *back;      /* E -> T */
    struct text_block *block; /* [text_layers] */
    struct text_saved *saved; /* [n_saved] */
    size_t n_saved;
    real *state;      /* [N, T] output of the last layer; in backward the gradient */
    real *normed;     /* [N, T] */
    real *attended;   /* [N, T] */
    real *active;     /* [N, H] */
    real *slope;      /* [N, 3T] gradient of qkv; NULL when forward_only */
    real *end_row;    /* [R, T] rows of `state` at the end tokens */
    real *end_normed; /* [R, T] */
    real *end_slope;  /* [R, T] */
    real *out;        /* [R, E] */
    real *deep;       /* [deep_len, T] */
    real *zero;       /* [deep_len, T] */
    real *host;       /* [N, T], host */
    size_t *end;      /* [R] of the last text_forward */
    size_t n_rows;    /* R of the last text_forward; 0: there was none */
};

/* The attention of one layer over the rows of the last text_forward. */
struct attention text_attention(const struct text_tower *t, const struct text_saved *s);

/* The memory of layer i. */
struct text_saved *text_saved_of(const struct text_tower *t, size_t i);

/* n deep values as the tower uses them: rounded to fp16 unless exact_deep. dst may be src. */
void text_round_deep(const struct text_tower *t, const real *src, size_t n, real *dst);

#endif /* CLIP_TEXT_INT_H */
