/*
 * clip.h - the frozen CLIP encoders: weights from a file, image to features, text to token ids, prompts
 * to embeddings.
 *
 *     struct weights *weights = NULL;
 *     struct encoder *encoder = NULL;
 *     TRY(weights_open(&weights, "model.safetensors"));
 *     TRY(encoder_new(&encoder, weights, ops, &options));
 *     TRY(encoder_run(encoder, input, cls, patch));
 *
 * Beside CLIP's, vision towers of DINOv2 (class token from ln_post, E = D, no text tower).
 *
 * Sizes: S image side, P patch, G = S / P grid side, N = G * G patches, D vision width, E joint
 * embedding width. T text width, R prompts (rows) of a batch, P positions computed of each.
 */
#ifndef CLIP_CLIP_H
#define CLIP_CLIP_H

#include "base/hash.h"
#include "config/config.h"
#include "images/images.h"
#include "ops/ops.h"
#include "tensor/tensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weights;
struct encoder;

/* Sizes of the two towers, read off the shapes of their tensors. */
struct clip_shape {
    size_t patch;       /* P */
    size_t native_grid; /* side of the stored positional embedding */
    size_t width;       /* D */
    size_t hidden;      /* width of the MLP, usually 4 D */
    size_t layers;
    size_t heads;
    size_t embed;     /* E */
    size_t registers; /* tokens after the class token that are no patches */
    bool is_clip;     /* ln_pre and a projection; else the class token is that after ln_post */
    enum activation activation; /* of both towers */
    double epsilon;             /* of the vision tower's layer norms */
    enum image_scale scale;     /* of the pixels it wants */
    /* text tower; all 0 in a file that has none of a known form */
    size_t text_width;  /* T, a multiple of 64 */
    size_t text_hidden; /* width of the MLP, usually 4 T */
    size_t text_layers;
    size_t text_heads; /* of 64 columns each */
    size_t context;    /* positions of the stored positional embedding, usually 77 */
    size_t vocab;      /* rows of the token embedding, usually 49408 */
};

/*
 * Map a safetensors file, OpenAI's TorchScript archive, a state dict of torch.save (F32, F16, BF16), or
 * the index of a model in several such files (NAME.index.json), with tensor names of OpenAI CLIP, open_clip,
 * or Hugging Face's CLIPModel, Dinov2Model or Dinov2WithRegistersModel, and read off its sizes. The content
 * decides about the format; entries that are not asked for are ignored. Everything in the header is
 * checked against the file before it is used. What tensors cannot tell, the activation and the size of
 * heads, says config.json or open_clip_config.json beside the file, or else what is usual for such models.
 * ERR_FORMAT names the file and the missing or mis-shaped tensor, or what is wrong with the index or the
 * configuration file (ERR_CONFIG: no JSON). Free with weights_free.
 */
int weights_open(struct weights **out, const char *path);

/* The same for model.weights, with model.activation, model.head_size and model.normalise where they are set. */
int weights_open_chosen(struct weights **out, const struct config *config);
void weights_free(struct weights **weights);

const struct clip_shape *weights_shape(const struct weights *weights);
const char *weights_path(const struct weights *weights);

/* "OpenAI or open_clip", "Hugging Face", ...; static. */
const char *weights_family(const struct weights *weights);

/* Activation, size of heads and scale of pixels, each with who says so, for people. MEM_FREE(*out). */
int weights_about(char **out, const struct weights *weights);

/* Hash of the whole content, of all its files. Reads it all. */
struct hash weights_hash(const struct weights *weights);

/*
 * Read one tensor by OpenAI's name as float32, whatever the file calls it: Hugging Face's three
 * attention matrices are joined, its projections transposed. The shape must be as given.
 */
int weights_read(const struct weights *weights, const char *name, int rank, const size_t *dim,
                 float *out);

/*
 * Rows of the token embedding -> out [n, T], without converting the others. ERR_FORMAT when the file
 * has no text tower, ERR_SHAPE when an id is not among its rows.
 */
int weights_embed(const struct weights *weights, const int32_t *ids, size_t n, float *out);

struct encoder_options {
    size_t image_size; /* S, a multiple of P */
    size_t vv_start;   /* first block with the V-V path; published: 1; the number of blocks: none */
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
 * projection (without one: after ln_post), and patch [N, D], ln_post of the V-V path. Host memory. Section "phi_cls, phi_vv" of
 * the paper; facts: without ln_post for cls, V-V path without MLP.
 */
int encoder_run(struct encoder *encoder, const float *input, float *cls, float *patch);

/* patch [n, D] times the visual projection, if there is one -> out [n, E]. Host memory. */
int encoder_project(struct encoder *encoder, const float *patch, size_t n, float *out);

/* Floating-point operations of encoder_run: products only, two a multiply-add. */
double encoder_flop(const struct clip_shape *shape, const struct encoder_options *options);

struct text_tower;

struct text_options {
    size_t
        n_positions;   /* P: the largest end position + 1; later ones cannot matter (causal mask) */
    size_t n_deep;     /* layers 1..n_deep get deep prompts; below the number of layers */
    size_t deep_len;   /* positions 1..deep_len of such a layer are replaced */
    size_t max_rows;   /* the largest R */
    bool forward_only; /* no text_backward; half the weights, activations of one layer */
    bool exact_deep;   /* deep prompts and their gradients unrounded; published: false */
};

/*
 * Pack the text tower for a variant of the kernels. weights may be freed afterwards; ops must live as
 * long as the tower. Free with text_tower_free. ERR_FORMAT when the file has no text tower of a known
 * form, ERR_CONFIG when the options do not fit the model.
 */
int text_tower_new(struct text_tower **out, const struct weights *weights, struct ops *ops,
                   const struct text_options *options);
void text_tower_free(struct text_tower **tower);

/*
 * prompt [R, P, T], token embeddings with the learnable ones in place, position NOT yet added; end
 * [R], position of each end token; deep [n_deep, deep_len, T] -> out [R, E]. Host memory.
 *
 * x = prompt + position; at layers 1..n_deep, rows 1..deep_len of x are replaced by deep prompts
 * rounded to fp16; each layer x += attention(LN x), x += MLP(LN x); out = LN_final(x[end]) projection.
 * Not normalised. Unless forward_only, what text_backward needs is kept until the next call.
 * ERR_SHAPE when n_rows exceeds max_rows or an end is not within P.
 */
int text_forward(struct text_tower *tower, const real *prompt, const int32_t *end, size_t n_rows,
                 const real *deep, real *out);

/*
 * Gradients of the last text_forward: grad_out [R, E] -> grad_prompt [R, P, T] and grad_deep
 * [R, n_deep, deep_len, T]. Host memory; both are overwritten.
 *
 * grad_deep is kept apart for each row because the published program rounds it to fp16 (by its type
 * conversion) before it sums over rows. So is done here: zero at 2^-25 and below, infinite from 65520
 * on. What a deep prompt replaced gets no gradient from later layers. Can be repeated.
 */
int text_backward(struct text_tower *tower, const real *grad_out, real *grad_prompt,
                  real *grad_deep);

/*
 * CLIP's tokenizer: byte-pair encoding of cleaned, lower-cased text; ids equal those of OpenAI's
 * SimpleTokenizer for text that ftfy would not change. Not done: ftfy's repairs (curly quotes, full
 * width letters, ligatures, composition, control characters) and names of HTML characters other than
 * amp, lt, gt, quot, apos and nbsp. See docs/TOKENIZER.md. Never changes once open; share it freely.
 */
struct tokenizer;

/*
 * From a folder (tokenizer.json, else vocab.json with merges.txt, else bpe_simple_vocab_16e6.txt.gz)
 * or one of these files; the merges may also be unpacked text. Everything is checked: ERR_FORMAT (for
 * the syntax of JSON ERR_CONFIG) names file and line or entry, ERR_CONFIG a folder without such files.
 * Free with tokenizer_free.
 */
int tokenizer_open(struct tokenizer **out, const char *folder_or_file);

/* The same from the bytes of a file other than vocab.json or merges.txt; name is for messages. */
int tokenizer_parse(struct tokenizer **out, const char *name, const void *bytes, size_t n);

/* Free and set to NULL. NULL is fine. */
void tokenizer_free(struct tokenizer **tokenizer);

/* Number of tokens; ids are below it. */
size_t tokenizer_size(const struct tokenizer *tokenizer);

/* Ids of <|startoftext|> and <|endoftext|>. */
int32_t tokenizer_start(const struct tokenizer *tokenizer);
int32_t tokenizer_end(const struct tokenizer *tokenizer);

/*
 * Ids of a text without start and end -> ids, at most cap; *n is how many there are. ERR_SHAPE when
 * that is more than cap (*n is set). ERR_CONFIG for a text that is not valid UTF-8, with the offset of
 * the byte, or longer than 64 KiB.
 */
int tokenizer_encode(const struct tokenizer *tokenizer, const char *text, int32_t *ids, size_t cap,
                     size_t *n);

/*
 * Start, tokens, end, zeros -> ids [context], as clip.tokenize does. ERR_CONFIG when the text does not
 * fit, with the text and the count: nothing is cut.
 */
int tokenizer_prompt(const struct tokenizer *tokenizer, const char *text, size_t context,
                     int32_t *ids);

/*
 * Text of ids, a blank after each word; free with MEM_FREE. Ids that cut a character leave broken
 * UTF-8. ERR_SHAPE for an id that is not in the vocabulary.
 */
int tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids, size_t n, char **out);

#endif /* CLIP_CLIP_H */
