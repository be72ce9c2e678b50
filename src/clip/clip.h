/*
 * clip.h - the frozen CLIP encoder: weights from a file, image to features.
 *
 *     struct weights *weights = NULL;
 *     struct encoder *encoder = NULL;
 *     TRY(weights_open(&weights, "model.safetensors"));
 *     TRY(encoder_new(&encoder, weights, ops, &options));
 *     TRY(encoder_run(encoder, input, cls, patch));
 *
 * Sizes: S image side, P patch, G = S / P grid side, N = G * G patches, D vision width, E joint
 * embedding width.
 */
#ifndef CLIP_CLIP_H
#define CLIP_CLIP_H

#include "base/hash.h"
#include "ops/ops.h"
#include "tensor/tensor.h"

#include <stdbool.h>
#include <stddef.h>

struct weights;
struct encoder;

/* Sizes of the vision tower, read off the shapes of its tensors. */
struct clip_shape {
    size_t patch;       /* P */
    size_t native_grid; /* side of the stored positional embedding */
    size_t width;       /* D */
    size_t hidden;      /* width of the MLP, usually 4 D */
    size_t layers;
    size_t heads; /* of 64 columns each */
    size_t embed; /* E */
};

/*
 * Map a safetensors file, OpenAI's TorchScript archive or a state dict of torch.save (F32, F16, BF16)
 * with tensor names of OpenAI CLIP, open_clip or Hugging Face CLIPModel and read off its sizes. The
 * content decides about the format; entries that are not asked for are ignored. Everything in the header is checked against the file before it is
 * used. ERR_FORMAT names the file and the missing or mis-shaped tensor. Free with weights_free.
 */
int weights_open(struct weights **out, const char *path);
void weights_free(struct weights **weights);

const struct clip_shape *weights_shape(const struct weights *weights);
const char *weights_path(const struct weights *weights);

/* "OpenAI or open_clip", "Hugging Face"; static. */
const char *weights_family(const struct weights *weights);

/* Hash of the whole file. Reads it all. */
struct hash weights_hash(const struct weights *weights);

/*
 * Read one tensor by OpenAI's name as float32, whatever the file calls it: Hugging Face's three
 * attention matrices are joined, its projections transposed. The shape must be as given.
 */
int weights_read(const struct weights *weights, const char *name, int rank, const size_t *dim,
                 float *out);

struct encoder_options {
    size_t image_size;  /* S, a multiple of P */
    size_t vv_start;    /* first block with the V-V path; published: 1 */
    bool class_ln_post; /* ln_post on the class token before the projection; published: false */
};

/*
 * Pack the vision tower for a variant of the kernels. weights may be freed afterwards; ops must live
 * as long as the encoder. ERR_CONFIG when image_size is no multiple of the patch.
 */
int encoder_new(struct encoder **out, const struct weights *weights, struct ops *ops,
                const struct encoder_options *options);
void encoder_free(struct encoder **encoder);

/* G, so that N = G * G. */
size_t encoder_grid(const struct encoder *encoder);

/*
 * One image: input [3, S, S] normalised -> cls [E], the original path's class token times the
 * projection, and patch [N, D], ln_post of the V-V path. Host memory. Section "phi_cls, phi_vv" of
 * the paper; facts: without ln_post for cls, V-V path without MLP.
 */
int encoder_run(struct encoder *encoder, const float *input, float *cls, float *patch);

/* patch [n, D] times the visual projection -> out [n, E]. Host memory. */
int encoder_project(struct encoder *encoder, const float *patch, size_t n, float *out);

/* Floating-point operations of encoder_run: products only, two a multiply-add. */
double encoder_flop(const struct clip_shape *shape, const struct encoder_options *options);

#endif /* CLIP_CLIP_H */
