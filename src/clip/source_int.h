/*
 * source_int.h - named tensors in a file, whatever its format: safetensors, a file of torch.save or
 * torch.jit.save, or the index of several such files. The content decides, not the name.
 */
#ifndef CLIP_SOURCE_INT_H
#define CLIP_SOURCE_INT_H

#include "base/file.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>

enum { SOURCE_MAX_RANK = 8 };

struct source_tensor {
    char *name;    /* owned; keys of nested dicts and modules are joined by dots */
    bool is_float; /* of a type that source_read reads */
    int rank;
    size_t dim[SOURCE_MAX_RANK];
    const void *own; /* the format's own description of it */
};

struct source;

/* What a format must do. */
struct source_format {
    bool (*fits)(const void *bytes, size_t n);       /* does the content begin so? */
    int (*open)(struct source *s, const char *path); /* s->map to s->own and the list */
    int (*read)(const struct source *s, const struct source_tensor *t, size_t first, size_t n,
                float *out);
    struct hash (*hash)(const struct source *s); /* NULL: that of the file's bytes */
    void (*close)(struct source *s);             /* frees s->own */
};

struct source {
    struct file_map map;
    const struct source_format *format;
    void *own;                    /* the format's object */
    struct source_tensor *tensor; /* [n], sorted by name, no two alike */
    size_t n;
    size_t cap;
};

/* The index of a model in several files: source_parts.c. */
extern const struct source_format source_parts;

/* Map and check a file. Messages begin with path. Free with source_close. */
int source_open(struct source *out, const char *path);

/* The same for a file that must hold the tensors itself. */
int source_open_one(struct source *out, const char *path);
void source_close(struct source *s);

/* Hash of the whole content, of all files. Reads it all. */
struct hash source_hash(const struct source *s);

/* Add a tensor while the format opens; the name is copied. */
int source_add(struct source *s, const char *name, const struct source_tensor *t);

/* The tensor of that name, or NULL. */
const struct source_tensor *source_find(const struct source *s, const char *name);

/* All elements in row-major order, as float32. t must be one that is_float. */
int source_read(const struct source *s, const struct source_tensor *t, float *out);

/* Entries [first, first + n) of the first dimension alone, which must exist. */
int source_read_rows(const struct source *s, const struct source_tensor *t, size_t first, size_t n,
                     float *out);

#endif /* CLIP_SOURCE_INT_H */
