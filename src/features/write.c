/* write.c - a feature shard, item by item. See features.h. */
#include "base/err.h"
#include "base/mem.h"
#include "features/features_int.h"
#include "tensor/h5.h"

#include <stdio.h>
#include <string.h>

struct feature_writer {
    const struct features *features; /* borrowed */
    struct h5 *file;
    size_t first, n;
    uint8_t *skipped;  /* [n] */
    uint8_t *bits;     /* packed mask */
    float *mask_patch; /* [N] */
    void *stored;      /* cls or patch in the stored number format */
};

static int define_arrays(struct h5 *file, const struct features *f, size_t n)
{
    int rc = ERR_OK;
    size_t tokens = f->grid * f->grid;
    size_t d = f->model.shape.width;
    size_t e = f->model.shape.embed;
    TRY(h5_define(file, "cls", f->dtype, 2, (size_t[]){n, e}, 0,
                  "class token times projection, not normalised, per item"));
    TRY(h5_define(file, "patch", f->dtype, 3, (size_t[]){n, tokens, d}, 0,
                  "patch tokens of the V-V path after ln_post, row-major grid, per item"));
    TRY(h5_define(file, "mask_patch", DTYPE_F32, 2, (size_t[]){n, tokens}, 0,
                  "mask resized bilinearly to the patch grid: 1 defect, 0 normal, else mixed"));
    TRY(h5_define(file, "mask", DTYPE_U8, 2, (size_t[]){n, features_mask_bytes(f)}, 0,
                  "mask at the encoder's size, one bit a pixel, most significant bit first"));
out:
    return rc;
}

static int write_head(struct h5 *file, const struct features *f, size_t first)
{
    int rc = ERR_OK;
    TRY(h5_put_text(file, "/", "key", f->key));
    TRY(h5_put_text(file, "/", "weights", f->model.hash));
    TRY(h5_put_text(file, "/", "manifest", f->manifest_hash));
    TRY(h5_put_text(file, "/", "options", f->options));
    TRY(h5_put_text(file, "/", "dataset", f->manifest->name));
    TRY(h5_put_i64(file, "/", "first_item", (int64_t)first));
    TRY(h5_put_i64(file, "/", "image_size", (int64_t)f->image_size));
    TRY(h5_put_i64(file, "/", "grid", (int64_t)f->grid));
out:
    return rc;
}

static int make_room(struct feature_writer *w)
{
    int rc = ERR_OK;
    const struct features *f = w->features;
    size_t tokens = f->grid * f->grid;
    size_t patch = tokens * f->model.shape.width;
    size_t embed = f->model.shape.embed;
    TRY(MEM_NEW(w->skipped, w->n));
    TRY(MEM_NEW(w->bits, features_mask_bytes(f)));
    TRY(MEM_NEW(w->mask_patch, tokens));
    TRY(mem_get(&w->stored, patch > embed ? patch : embed, sizeof(float)));
out:
    return rc;
}

int feature_writer_open(struct feature_writer **out, const struct features *f, size_t shard)
{
    int rc = ERR_OK;
    struct feature_writer *w = NULL;
    char *path = NULL;
    TRY(MEM_NEW(w, 1));
    w->features = f;
    features_range(f, shard, &w->first, &w->n);
    TRY(make_room(w));
    TRY(features_shard_path(&path, f, shard));
    TRY(h5_create(&w->file, path, FEATURES_SCHEMA, FEATURES_VERSION));
    TRY(write_head(w->file, f, w->first));
    TRY(define_arrays(w->file, f, w->n));
out:
    MEM_FREE(path);
    if (rc)
        feature_writer_free(&w);
    *out = w;
    return rc;
}

void feature_writer_free(struct feature_writer **writer)
{
    struct feature_writer *w = *writer;
    if (!w)
        return;
    h5_close(&w->file);
    MEM_FREE(w->skipped);
    MEM_FREE(w->bits);
    MEM_FREE(w->mask_patch);
    MEM_FREE(w->stored);
    MEM_FREE(*writer);
}

/*
 * The mask on the patch grid, bilinear without antialiasing as torch's interpolate does it: with a
 * whole ratio P = S / G every output reads the middle of its cell, for even P the mean of 2 x 2.
 */
static void shrink_mask(struct feature_writer *w, const uint8_t *mask)
{
    size_t side = w->features->image_size;
    size_t grid = w->features->grid;
    size_t p = side / grid;
    size_t low = (p - 1) / 2;
    size_t high = p / 2;
    for (size_t r = 0; r < grid; r++)
        for (size_t c = 0; c < grid; c++) {
            const uint8_t *top = mask + (r * p + low) * side + c * p;
            const uint8_t *bottom = mask + (r * p + high) * side + c * p;
            w->mask_patch[r * grid + c] =
                0.25F * (float)(top[low] + top[high] + bottom[low] + bottom[high]);
        }
}

/* Most significant bit first, as numpy.unpackbits expects. */
static void pack_mask(struct feature_writer *w, const uint8_t *mask)
{
    size_t n = w->features->image_size * w->features->image_size;
    memset(w->bits, 0, (n + 7) / 8);
    for (size_t i = 0; i < n; i++)
        w->bits[i / 8] |= (uint8_t)(mask[i] << (7 - i % 8));
}

static int write_floats(struct feature_writer *w, const char *name, size_t row, const float *values,
                        size_t n)
{
    int rc = ERR_OK;
    TRY(floats_to(w->stored, values, w->features->dtype, n));
    TRY(h5_write_rows(w->file, name, row, 1, w->stored));
out:
    return rc;
}

int feature_writer_add(struct feature_writer *w, size_t row, const float *cls, const float *patch,
                       const uint8_t *mask)
{
    int rc = ERR_OK;
    const struct features *f = w->features;
    shrink_mask(w, mask);
    pack_mask(w, mask);
    TRY(write_floats(w, "cls", row, cls, f->model.shape.embed));
    TRY(write_floats(w, "patch", row, patch, f->grid * f->grid * f->model.shape.width));
    TRY(h5_write_rows(w->file, "mask_patch", row, 1, w->mask_patch));
    TRY(h5_write_rows(w->file, "mask", row, 1, w->bits));
out:
    return rc;
}

int feature_writer_skip(struct feature_writer *w, size_t row, const char *why)
{
    int rc = ERR_OK;
    char key[48];
    (void)snprintf(key, sizeof key, "skipped.%zu", row);
    TRY(h5_put_text(w->file, "/", key, why));
    w->skipped[row] = 1;
out:
    return rc;
}

static int write_bytes(struct h5 *file, const char *name, const uint8_t *value, size_t n,
                       const char *meaning)
{
    struct tensor t = tensor_view(DTYPE_U8, 1, &n, value);
    return h5_write(file, name, &t, meaning);
}

/* What the manifest says of the items, beside their features. */
static int write_labels(struct feature_writer *w)
{
    int rc = ERR_OK;
    size_t n = w->n;
    uint8_t *flag = NULL;
    int32_t *class_id = NULL;
    struct tensor t;
    const struct item *item = w->features->manifest->item + w->first;
    TRY(MEM_NEW(flag, n * sizeof(struct hash)));
    TRY(MEM_NEW(class_id, n));
    for (size_t i = 0; i < n; i++)
        flag[i] = item[i].is_anomalous;
    TRY(write_bytes(w->file, "label", flag, n, "1: anomalous, 0: normal"));
    for (size_t i = 0; i < n; i++)
        flag[i] = item[i].mask[0] != '\0';
    TRY(write_bytes(w->file, "has_mask", flag, n, "1: the item names a mask file"));
    TRY(write_bytes(w->file, "skipped", w->skipped, n,
                    "1: the item could not be read; the reason is attribute skipped.ROW"));
    for (size_t i = 0; i < n; i++)
        class_id[i] = (int32_t)item[i].class_id;
    t = tensor_view(DTYPE_I32, 1, &n, class_id);
    TRY(h5_write(w->file, "class", &t, "index of the item's class in the manifest"));
    for (size_t i = 0; i < n; i++)
        memcpy(flag + i * sizeof(struct hash), &w->features->item_hash[w->first + i],
               sizeof(struct hash));
    t = tensor_view(DTYPE_U8, 2, (size_t[]){n, sizeof(struct hash)}, flag);
    TRY(h5_write(w->file, "item_hash", &t, "hash of image and mask content"));
out:
    MEM_FREE(flag);
    MEM_FREE(class_id);
    return rc;
}

int feature_writer_commit(struct feature_writer *w)
{
    int rc = ERR_OK;
    TRY(write_labels(w));
    TRY(h5_commit(&w->file));
out:
    return rc;
}
