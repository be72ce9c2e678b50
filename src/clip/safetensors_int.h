/*
 * safetensors_int.h - the container format: 8 bytes header length, JSON header, tensor bytes.
 *
 * https://huggingface.co/docs/safetensors: names map to dtype, shape and data_offsets; offsets are
 * relative to the end of the header, in order, without holes or overlaps.
 */
#ifndef CLIP_SAFETENSORS_INT_H
#define CLIP_SAFETENSORS_INT_H

#include "base/file.h"
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
    const unsigned char *data; /* inside the map */
};

struct safetensors {
    struct file_map map;
    struct safe_tensor *tensor; /* [n], sorted by name */
    size_t n;
};

/* Map and check a file. Free with safetensors_close. */
int safetensors_open(struct safetensors *out, const char *path);
void safetensors_close(struct safetensors *s);

/* The tensor of that name, or NULL. */
const struct safe_tensor *safetensors_find(const struct safetensors *s, const char *name);

#endif /* CLIP_SAFETENSORS_INT_H */
