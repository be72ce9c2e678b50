/* source.c - see source_int.h. */
#include "clip/source_int.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "clip/safetensors_int.h"
#include "tensor/torch.h"

#include <stdlib.h>
#include <string.h>

static int safe_open(struct source *s, const char *path)
{
    int rc = ERR_OK;
    struct safetensors *file = NULL;
    TRY(MEM_NEW(file, 1));
    s->own = file;
    TRY(safetensors_open(file, path, s->map.data, s->map.size));
    for (size_t i = 0; i < file->n; i++) {
        const struct safe_tensor *from = &file->tensor[i];
        struct source_tensor t = {.is_float = from->is_float, .rank = from->rank, .own = from};
        memcpy(t.dim, from->dim, sizeof t.dim);
        TRY(source_add(s, from->name, &t));
    }
out:
    return rc;
}

static int safe_read(const struct source *s, const struct source_tensor *t, size_t first, size_t n,
                     float *out)
{
    const struct safe_tensor *from = t->own;
    size_t per_row = 1;
    (void)s;
    for (int i = 1; i < t->rank; i++)
        per_row *= t->dim[i];
    return floats_from(out, from->data + first * per_row * dtype_size(from->dtype), from->dtype,
                       n * per_row);
}

static void safe_close(struct source *s)
{
    if (s->own)
        safetensors_close(s->own);
    MEM_FREE(s->own);
}

/* Its first bytes are a number; what is nothing else is taken for it. */
static bool safe_fits(const void *bytes, size_t n)
{
    (void)bytes;
    (void)n;
    return true;
}

static int add_torch(void *user, const char *name, const struct torch_value *value)
{
    struct source_tensor t = {.is_float = value->is_float, .rank = value->rank, .own = value};
    memcpy(t.dim, value->dim, sizeof t.dim);
    return source_add(user, name, &t);
}

static int torch_source_open(struct source *s, const char *path)
{
    int rc = ERR_OK;
    struct torch_file *file = NULL;
    TRY(torch_open_bytes(&file, path, s->map.data, s->map.size));
    s->own = file;
    rc = torch_walk(torch_root(file), add_torch, s);
    if (rc)
        err_prefix("%s: ", path);
    TRY(rc);
    if (!s->n)
        FAIL(ERR_FORMAT, "%s: holds no tensors", path);
out:
    return rc;
}

static int torch_source_read(const struct source *s, const struct source_tensor *t, size_t first,
                             size_t n, float *out)
{
    struct torch_value part = *(const struct torch_value *)t->own;
    if (part.rank > 0) {
        part.offset += first * part.stride[0];
        part.dim[0] = n;
    }
    return torch_read(s->own, &part, DTYPE_F32, out);
}

static void torch_source_close(struct source *s)
{
    struct torch_file *file = s->own;
    torch_close(&file);
    s->own = NULL;
}

_Static_assert((int)SOURCE_MAX_RANK == (int)SAFE_MAX_RANK &&
                   (int)SOURCE_MAX_RANK == (int)TORCH_MAX_RANK,
               "shapes are copied as they are");

static const struct source_format source_torch = {.fits = torch_is_file,
                                                  .open = torch_source_open,
                                                  .read = torch_source_read,
                                                  .close = torch_source_close};

static const struct source_format source_safe = {
    .fits = safe_fits, .open = safe_open, .read = safe_read, .close = safe_close};

/* The first that fits counts; those from FIRST_OF_ONE on are files that hold the tensors themselves. */
static const struct source_format *const formats[] = {&source_parts, &source_torch, &source_safe};
enum { FIRST_OF_ONE = 1, N_FORMATS = sizeof formats / sizeof *formats };

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct source_tensor *)a)->name, ((const struct source_tensor *)b)->name);
}

static int open_as(struct source *s, const char *path, size_t first_format)
{
    int rc = ERR_OK;
    *s = (struct source){0};
    TRY(file_map_open(&s->map, path));
    for (size_t i = first_format; i < N_FORMATS && !s->format; i++)
        if (formats[i]->fits(s->map.data, s->map.size))
            s->format = formats[i];
    TRY(s->format->open(s, path));
    qsort(s->tensor, s->n, sizeof *s->tensor, by_name);
    for (size_t i = 1; i < s->n; i++)
        if (by_name(&s->tensor[i - 1], &s->tensor[i]) == 0)
            FAIL(ERR_FORMAT, "%s: two tensors are called '%s'", path, s->tensor[i].name);
out:
    if (rc)
        source_close(s);
    return rc;
}

int source_open(struct source *s, const char *path)
{
    return open_as(s, path, 0);
}

int source_open_one(struct source *s, const char *path)
{
    return open_as(s, path, FIRST_OF_ONE);
}

struct hash source_hash(const struct source *s)
{
    return s->format->hash ? s->format->hash(s) : hash_bytes(s->map.data, s->map.size);
}

void source_close(struct source *s)
{
    if (s->format)
        s->format->close(s);
    for (size_t i = 0; i < s->n; i++)
        MEM_FREE(s->tensor[i].name);
    MEM_FREE(s->tensor);
    file_map_close(&s->map);
    *s = (struct source){0};
}

int source_add(struct source *s, const char *name, const struct source_tensor *t)
{
    int rc = ERR_OK;
    TRY(MEM_GROW(s->tensor, &s->cap, s->n + 1));
    s->tensor[s->n] = *t;
    TRY(str_dup(&s->tensor[s->n].name, name));
    s->n++;
out:
    return rc;
}

const struct source_tensor *source_find(const struct source *s, const char *name)
{
    const struct source_tensor key = {.name = (char *)(uintptr_t)name};
    return s->n ? bsearch(&key, s->tensor, s->n, sizeof *s->tensor, by_name) : NULL;
}

int source_read(const struct source *s, const struct source_tensor *t, float *out)
{
    return source_read_rows(s, t, 0, t->rank > 0 ? t->dim[0] : 1, out);
}

int source_read_rows(const struct source *s, const struct source_tensor *t, size_t first, size_t n,
                     float *out)
{
    size_t rows = t->rank > 0 ? t->dim[0] : 1;
    BUG_ON(!t->is_float || first > rows || n > rows - first);
    return s->format->read(s, t, first, n, out);
}
