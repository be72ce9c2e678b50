/* names_int.h - kinds of files, what they call the canonical tensors, and what they leave open. */
#ifndef CLIP_NAMES_INT_H
#define CLIP_NAMES_INT_H

#include "clip/clip.h"

#include <stdbool.h>
#include <stddef.h>

struct str;

/* Layer norms of CLIP. */
#define CLIP_EPSILON 1e-5

enum form {
    SAME,
    TRANSPOSED,
    JOINED, /* of q, k and v: "{}" stands for the family's word for each */
    FLAT,   /* without leading dimensions of 1 */
};

/* '#' stands for the number of a block. */
struct rule {
    const char *canonical; /* OpenAI's name, or one of ours for what CLIP does not have */
    const char *own;
    enum form form;
};

/* A kind of file. */
struct family {
    const char *name;
    const char *mark; /* a tensor that no other family has; what stands before it is the prefix */
    const struct rule *rules; /* [n_rules]; a name that has none is the canonical one */
    size_t n_rules;
    const char *const *part; /* [3] words of q, k and v */
    bool
        is_clip; /* ln_pre, projection, text tower; else E = D, and the class token comes from ln_post */
    double epsilon;
    enum image_scale scale;
};

/* The family that a tensor's name is the mark of, or NULL. */
const struct family *family_by_tensor(const char *name);

/* All marks, for messages. */
int family_marks(struct str *out);

/* The rule for a canonical name, or NULL; block receives its number as text, or "". */
const struct rule *family_rule(const struct family *family, const char *name, char block[16]);

/* What a configuration file beside the weights says; 0 and ACT_NONE where it says nothing. */
struct declared {
    enum activation activation;
    size_t heads;
    size_t head_size;
    char *file; /* its path, or NULL: there is none; owned */
};

/*
 * Read config.json (Hugging Face) or open_clip_config.json in the folder of a weights file. ERR_FORMAT for
 * an activation that is not known; ERR_CONFIG for what is no JSON. Release with declared_release.
 */
int declared_read(struct declared *out, const char *weights_path);
void declared_release(struct declared *declared);

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
