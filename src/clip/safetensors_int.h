/*
 * safetensors_int.h - the container format: 8 bytes header length, JSON header, tensor bytes.
 *
 * https://huggingface.co/docs/safetensors: names map to dtype, shape and data_offsets; offsets are
 * relative to the end of the header, in order, without holes or overlaps.
 */
#ifndef CLIP_SAFETENSORS_INT_H
#define CLIP_SAFETENSORS_INT_H

#include "tensor/tensor.h"

#include <stdbool.h>
#include <stddef.h>

enum { SAFE_MAX_RANK = 8 };

struct safe_tensor {
    char *name;
    bool is_float; /* one of F32, F16, BF16: dtype is valid */
    enum dtype dtype;
    int rank;
    size_t dim[SAFE_MAX_RANK];
    size_t first, last;        /* byte range within the file's data part */
    const unsigned char *data; /* inside the file's bytes */
};

struct safetensors {
    const unsigned char *bytes; /* [size], borrowed */
    size_t size;
    struct safe_tensor *tensor; /* [n], sorted by name */
    size_t n;
};

/*
 * Check a file's content, which must outlive *out; name stands for it in messages. Free with
 * safetensors_close.
 */
int safetensors_open(struct safetensors *out, const char *name, const void *bytes, size_t n);
void safetensors_close(struct safetensors *s);

#endif /* CLIP_SAFETENSORS_INT_H */
