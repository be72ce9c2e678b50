/* extract.c - images through the encoder into a shard. See features.h. */
#include "base/err.h"
#include "base/mem.h"
#include "features/features_int.h"
#include "images/images.h"
#include "par/cores.h"

#include <string.h>

struct extractor {
    struct ops *ops; /* borrowed */
    struct encoder *encoder;
    struct clip_shape shape;
    size_t side;   /* S */
    size_t grid;   /* G */
    uint8_t *rgb;  /* [S, S, 3] */
    float *input;  /* [3, S, S] */
    uint8_t *mask; /* [S, S] */
    float *cls;    /* [E] */
    float *patch;  /* [N, D] */
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
    TRY(weights_open_chosen(&weights, config));
    TRY(encoder_new(&x->encoder, weights, ops, &options));
    x->ops = ops;
    x->shape = *weights_shape(weights);
    x->side = config->image_size;
    x->grid = encoder_grid(x->encoder);
    n_patch = x->grid * x->grid * x->shape.width;
    TRY(MEM_NEW(x->rgb, x->side * x->side * 3));
    TRY(MEM_NEW(x->input, x->side * x->side * 3));
    TRY(MEM_NEW(x->mask, x->side * x->side));
    TRY(MEM_NEW(x->cls, x->shape.embed));
    TRY(MEM_NEW(x->patch, n_patch));
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
    MEM_FREE(x->cls);
    MEM_FREE(x->patch);
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
    image_normalise(x->input, x->rgb, x->side, x->shape.scale);
    if (m->item[item].is_anomalous && mask_path[0])
        TRY(load_mask(x, mask_path, &image));
out:
    image_free(&image);
    MEM_FREE(image_path);
    MEM_FREE(mask_path);
    return rc;
}

/* A bad item under on_bad_item=skip is recorded. */
static int run_item(struct extractor *x, struct feature_writer *w, const struct features *f,
                    size_t row, size_t item)
{
    int rc = load_item(x, f->manifest, item);
    if (rc && rc != ERR_MEMORY && f->skips) {
        rc = feature_writer_skip(w, row, err_message());
        if (!rc)
            err_clear();
        return rc;
    }
    if (rc)
        err_prefix("data set %s, item %zu: ", f->manifest->name, item);
    TRY(rc);
    TRY(encoder_run(x->encoder, x->input, x->cls, x->patch));
    TRY(feature_writer_add(w, row, x->cls, x->patch, x->mask));
out:
    return rc;
}

int extractor_run(struct extractor *x, const struct features *f, size_t shard)
{
    int rc = ERR_OK;
    struct feature_writer *writer = NULL;
    size_t first;
    size_t n;
    features_range(f, shard, &first, &n);
    TRY(feature_writer_open(&writer, f, shard));
    for (size_t i = 0; i < n; i++) {
        if (stop_requested())
            FAIL(ERR_STOPPED, "stopped before item %zu of data set %s", first + i,
                 f->manifest->name);
        TRY(run_item(x, writer, f, i, first + i));
    }
    TRY(feature_writer_commit(writer));
out:
    feature_writer_free(&writer);
    return rc;
}
