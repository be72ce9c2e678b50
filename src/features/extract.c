/* extract.c - images through the encoder into a shard. See features.h. */
#include "base/err.h"
#include "base/mem.h"
#include "features/features_int.h"
#include "images/images.h"
#include "par/cores.h"
#include "tensor/h5.h"

#include <stdio.h>
#include <string.h>

struct extractor {
    struct ops *ops; /* borrowed */
    struct encoder *encoder;
    struct clip_shape shape;
    size_t side;       /* S */
    size_t grid;       /* G */
    uint8_t *rgb;      /* [S, S, 3] */
    float *input;      /* [3, S, S] */
    uint8_t *mask;     /* [S, S] */
    uint8_t *bits;     /* packed mask */
    float *cls;        /* [E] */
    float *patch;      /* [N, D] */
    float *mask_patch; /* [N] */
    void *stored;      /* cls or patch in the stored number format */
};

int extractor_new(struct extractor **out, struct ops *ops, const struct config *config)
{
    int rc = ERR_OK;
    struct weights *weights = NULL;
    struct extractor *x = NULL;
    const struct encoder_options options = {.image_size = config->image_size,
                                            .vv_start = config->vv_start,
                                            .class_ln_post = config->class_ln_post};
    size_t n_patch;
    TRY(MEM_NEW(x, 1));
    TRY(config_need_weights(config));
    TRY(weights_open(&weights, config->weights));
    TRY(encoder_new(&x->encoder, weights, ops, &options));
    x->ops = ops;
    x->shape = *weights_shape(weights);
    x->side = config->image_size;
    x->grid = encoder_grid(x->encoder);
    n_patch = x->grid * x->grid * x->shape.width;
    TRY(MEM_NEW(x->rgb, x->side * x->side * 3));
    TRY(MEM_NEW(x->input, x->side * x->side * 3));
    TRY(MEM_NEW(x->mask, x->side * x->side));
    TRY(MEM_NEW(x->bits, (x->side * x->side + 7) / 8));
    TRY(MEM_NEW(x->cls, x->shape.embed));
    TRY(MEM_NEW(x->patch, n_patch));
    TRY(MEM_NEW(x->mask_patch, x->grid * x->grid));
    TRY(mem_get(&x->stored, n_patch > x->shape.embed ? n_patch : x->shape.embed, sizeof(float)));
out:
    weights_free(&weights);
    if (rc)
        extractor_free(&x);
    *out = x;
    return rc;
}

void extractor_free(struct extractor **extractor)
{
    struct extractor *x = *extractor;
    if (!x)
        return;
    encoder_free(&x->encoder);
    MEM_FREE(x->rgb);
    MEM_FREE(x->input);
    MEM_FREE(x->mask);
    MEM_FREE(x->bits);
    MEM_FREE(x->cls);
    MEM_FREE(x->patch);
    MEM_FREE(x->mask_patch);
    MEM_FREE(x->stored);
    MEM_FREE(*extractor);
}

static int load_mask(struct extractor *x, const char *path, const struct image *of)
{
    int rc = ERR_OK;
    struct image image = {0};
    TRY(image_load(&image, path));
    if (image.width != of->width || image.height != of->height)
        FAIL(ERR_SHAPE, "%s: the mask has %zu x %zu pixels, its image %zu x %zu", path, image.width,
             image.height, of->width, of->height);
    TRY(image_mask(x->mask, &image, x->side));
out:
    image_free(&image);
    return rc;
}

/* Image and mask of an item into x->input and x->mask. */
static int load_item(struct extractor *x, const struct manifest *m, size_t item)
{
    int rc = ERR_OK;
    char *image_path = NULL;
    char *mask_path = NULL;
    struct image image = {0};
    memset(x->mask, 0, x->side * x->side);
    TRY(manifest_image_path(&image_path, m, item));
    TRY(manifest_mask_path(&mask_path, m, item));
    TRY(image_load(&image, image_path));
    TRY(image_resize_rgb(x->rgb, &image, x->side));
    image_normalise(x->input, x->rgb, x->side);
    if (m->item[item].is_anomalous && mask_path[0])
        TRY(load_mask(x, mask_path, &image));
out:
    image_free(&image);
    MEM_FREE(image_path);
    MEM_FREE(mask_path);
    return rc;
}

/*
 * The mask on the patch grid, bilinear without antialiasing as torch's interpolate does it: with a
 * whole ratio P = S / G every output reads the middle of its cell, for even P the mean of 2 x 2.
 */
static void shrink_mask(struct extractor *x)
{
    size_t p = x->side / x->grid;
    size_t low = (p - 1) / 2;
    size_t high = p / 2;
    for (size_t r = 0; r < x->grid; r++)
        for (size_t c = 0; c < x->grid; c++) {
            const uint8_t *top = x->mask + (r * p + low) * x->side + c * p;
            const uint8_t *bottom = x->mask + (r * p + high) * x->side + c * p;
            x->mask_patch[r * x->grid + c] =
                0.25F * (float)(top[low] + top[high] + bottom[low] + bottom[high]);
        }
}

/* Most significant bit first, as numpy.unpackbits expects. */
static void pack_mask(struct extractor *x)
{
    size_t n = x->side * x->side;
    memset(x->bits, 0, (n + 7) / 8);
    for (size_t i = 0; i < n; i++)
        x->bits[i / 8] |= (uint8_t)(x->mask[i] << (7 - i % 8));
}

static int write_floats(struct h5 *file, const char *name, size_t row, struct extractor *x,
                        const float *values, size_t n, enum dtype dtype)
{
    int rc = ERR_OK;
    TRY(floats_to(x->stored, values, dtype, n));
    TRY(h5_write_rows(file, name, row, 1, x->stored));
out:
    return rc;
}

static int write_item(struct extractor *x, struct h5 *file, const struct features *f, size_t row)
{
    int rc = ERR_OK;
    size_t n = x->grid * x->grid;
    shrink_mask(x);
    pack_mask(x);
    TRY(write_floats(file, "cls", row, x, x->cls, x->shape.embed, f->dtype));
    TRY(write_floats(file, "patch", row, x, x->patch, n * x->shape.width, f->dtype));
    TRY(h5_write_rows(file, "mask_patch", row, 1, x->mask_patch));
    TRY(h5_write_rows(file, "mask", row, 1, x->bits));
out:
    return rc;
}

/* A bad item under on_bad_item=skip: its rows stay zero and the reason is kept. */
static int skip_item(struct h5 *file, size_t row, uint8_t *skipped)
{
    int rc = ERR_OK;
    char key[48];
    (void)snprintf(key, sizeof key, "skipped.%zu", row);
    TRY(h5_put_text(file, "/", key, err_message()));
    skipped[row] = 1;
    err_clear();
out:
    return rc;
}

static int run_item(struct extractor *x, struct h5 *file, const struct features *f, size_t row,
                    size_t item, uint8_t *skipped)
{
    int rc = load_item(x, f->manifest, item);
    if (rc && rc != ERR_MEMORY && f->skips)
        return skip_item(file, row, skipped);
    if (rc)
        err_prefix("data set %s, item %zu: ", f->manifest->name, item);
    TRY(rc);
    TRY(encoder_run(x->encoder, x->input, x->cls, x->patch));
    TRY(write_item(x, file, f, row));
out:
    return rc;
}

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

static int write_bytes(struct h5 *file, const char *name, const uint8_t *value, size_t n,
                       const char *meaning)
{
    struct tensor t = tensor_view(DTYPE_U8, 1, &n, value);
    return h5_write(file, name, &t, meaning);
}

/* What the manifest says of the items, beside their features. */
static int write_labels(struct h5 *file, const struct features *f, size_t first, size_t n,
                        const uint8_t *skipped)
{
    int rc = ERR_OK;
    uint8_t *flag = NULL;
    int32_t *class_id = NULL;
    struct tensor t;
    const struct item *item = f->manifest->item + first;
    TRY(MEM_NEW(flag, n * sizeof(struct hash)));
    TRY(MEM_NEW(class_id, n));
    for (size_t i = 0; i < n; i++)
        flag[i] = item[i].is_anomalous;
    TRY(write_bytes(file, "label", flag, n, "1: anomalous, 0: normal"));
    for (size_t i = 0; i < n; i++)
        flag[i] = item[i].mask[0] != '\0';
    TRY(write_bytes(file, "has_mask", flag, n, "1: the item names a mask file"));
    TRY(write_bytes(file, "skipped", skipped, n,
                    "1: the item could not be read; the reason is attribute skipped.ROW"));
    for (size_t i = 0; i < n; i++)
        class_id[i] = (int32_t)item[i].class_id;
    t = tensor_view(DTYPE_I32, 1, &n, class_id);
    TRY(h5_write(file, "class", &t, "index of the item's class in the manifest"));
    for (size_t i = 0; i < n; i++)
        memcpy(flag + i * sizeof(struct hash), &f->item_hash[first + i], sizeof(struct hash));
    t = tensor_view(DTYPE_U8, 2, (size_t[]){n, sizeof(struct hash)}, flag);
    TRY(h5_write(file, "item_hash", &t, "hash of image and mask content"));
out:
    MEM_FREE(flag);
    MEM_FREE(class_id);
    return rc;
}

int extractor_run(struct extractor *x, const struct features *f, size_t shard)
{
    int rc = ERR_OK;
    struct h5 *file = NULL;
    char *path = NULL;
    uint8_t *skipped = NULL;
    size_t first;
    size_t n;
    features_range(f, shard, &first, &n);
    TRY(MEM_NEW(skipped, n));
    TRY(features_shard_path(&path, f, shard));
    TRY(h5_create(&file, path, FEATURES_SCHEMA, FEATURES_VERSION));
    TRY(write_head(file, f, first));
    TRY(define_arrays(file, f, n));
    for (size_t i = 0; i < n; i++) {
        if (stop_requested())
            FAIL(ERR_STOPPED, "stopped before item %zu of data set %s", first + i,
                 f->manifest->name);
        TRY(run_item(x, file, f, i, first + i, skipped));
    }
    TRY(write_labels(file, f, first, n, skipped));
    TRY(h5_commit(&file));
out:
    h5_close(&file);
    MEM_FREE(path);
    MEM_FREE(skipped);
    return rc;
}
