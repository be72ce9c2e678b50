/* names_int.h - the canonical tensor names and what Hugging Face calls them. */
#ifndef CLIP_NAMES_INT_H
#define CLIP_NAMES_INT_H

#include "clip/clip.h"

#include <stdbool.h>
#include <stddef.h>

enum form { SAME, TRANSPOSED, JOINED /* of q, k and v: "{}" stands for the letter */ };

/* '#' stands for the number of a block. */
struct rule {
    const char *canonical;
    const char *hugging_face;
    enum form form;
};

/* Tensors of the text tower; *n is their number. */
const struct rule *text_rules(size_t *n);

/*
 * Dimensions of a tensor by its canonical name, in canonical order. False when the file has no such
 * tensor of floats with `rank` dimensions, or one of them is 0 or above 2^24.
 */
bool weights_dims(const struct weights *weights, const char *name, int rank, size_t *dim);

/*
 * Fill the text sizes of a shape; all 0 when one of the tensors that tell them is missing or does not
 * fit the others, so that a file with a vision tower alone, or beside another text tower, is valid.
 */
void text_shape_infer(const struct weights *weights, struct clip_shape *shape);

#endif /* CLIP_NAMES_INT_H */
