/* bank_io.c - banks and parts of banks as files. */
#include "bank/bank_int.h"
#include "base/err.h"
#include "base/mem.h"
#include "tensor/h5.h"

#include <math.h>

int bank_new(struct bank **out, size_t embed, size_t width, size_t n_image, size_t n_pixel)
{
    int rc = ERR_OK;
    struct bank *b = NULL;
    TRY(MEM_NEW(b, 1));
    *b = (struct bank){.embed = embed, .width = width, .n_image = n_image, .n_pixel = n_pixel};
    TRY(MEM_NEW(b->image_keys, n_image * embed));
    TRY(MEM_NEW(b->image_labels, n_image));
    TRY(MEM_NEW(b->image_item, n_image));
    TRY(MEM_NEW(b->pixel_keys, n_pixel * width));
    TRY(MEM_NEW(b->pixel_labels, n_pixel));
    TRY(MEM_NEW(b->source_item, n_pixel));
out:
    if (rc)
        bank_free(&b);
    *out = b;
    return rc;
}

void bank_free(struct bank **bank)
{
    struct bank *b = *bank;
    if (!b)
        return;
    MEM_FREE(b->image_keys);
    MEM_FREE(b->image_labels);
    MEM_FREE(b->image_item);
    MEM_FREE(b->pixel_keys);
    MEM_FREE(b->pixel_labels);
    MEM_FREE(b->source_item);
    MEM_FREE(*bank);
}

size_t bank_anomalous(const uint8_t *labels, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += labels[i];
    return sum;
}

static int write_array(struct h5 *f, const char *name, enum dtype dtype, const void *data,
                       const size_t *dim, const char *meaning)
{
    struct tensor t = tensor_view(dtype, dim[1] ? 2 : 1, dim, data);
    return h5_write(f, name, &t, meaning);
}

int bank_write_of(const struct bank *b, const char *path, const struct bank_origin *origin,
                  int64_t shard)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    const size_t image[2] = {b->n_image, b->embed};
    const size_t pixel[2] = {b->n_pixel, b->width};
    const size_t image_list[2] = {b->n_image, 0};
    const size_t pixel_list[2] = {b->n_pixel, 0};
    TRY(h5_create(&f, path, BANK_SCHEMA, BANK_VERSION));
    TRY(h5_put_text(f, "/", "key", origin->key));
    TRY(h5_put_text(f, "/", "features", origin->features));
    TRY(h5_put_text(f, "/", "weights", origin->weights));
    TRY(h5_put_text(f, "/", "options", origin->options));
    TRY(h5_put_text(f, "/", "dataset", origin->dataset));
    TRY(h5_put_i64(f, "/", "shard", shard));
    if (origin->reduction) {
        TRY(h5_put_text(f, "/", "reduction", origin->reduction));
        TRY(h5_put_text(f, "/", "full", origin->full));
    }
    TRY(write_array(f, "image_keys", DTYPE_F32, b->image_keys, image,
                    "class tokens, unit rows, in item order"));
    TRY(write_array(f, "image_labels", DTYPE_U8, b->image_labels, image_list,
                    "1: anomalous image, 0: normal"));
    TRY(write_array(f, "image_item", DTYPE_I32, b->image_item, image_list,
                    "item of the data set each image key came from"));
    TRY(write_array(f, "pixel_keys", DTYPE_F32, b->pixel_keys, pixel,
                    "regional prototypes, unit rows; per item the anomalous one first"));
    TRY(write_array(f, "pixel_labels", DTYPE_U8, b->pixel_labels, pixel_list,
                    "1: anomalous region, 0: normal"));
    TRY(write_array(f, "source_item", DTYPE_I32, b->source_item, pixel_list,
                    "item of the data set each prototype came from"));
    TRY(h5_commit(&f));
out:
    h5_close(&f);
    return rc;
}

/* A given file, or what was reduced from it, is of that file's making. */
static int write_from_file(const struct bank *b, const char *path, struct bank_origin *origin,
                           const char *file)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    static const char *const name[] = {"features", "weights", "options", "dataset"};
    const char **const to[] = {&origin->features, &origin->weights, &origin->options,
                               &origin->dataset};
    char *text[4] = {NULL};
    TRY(h5_open_schema(&f, file, BANK_SCHEMA, BANK_VERSION));
    for (size_t i = 0; i < 4; i++) {
        TRY(h5_get_text(f, "/", name[i], &text[i]));
        *to[i] = text[i];
    }
    TRY(bank_write_of(b, path, origin, -1));
out:
    h5_close(&f);
    for (size_t i = 0; i < 4; i++)
        MEM_FREE(text[i]);
    return rc;
}

int bank_write(const struct bank *b, const char *path, const struct bank_place *place,
               int64_t shard)
{
    struct bank_origin origin = {.key = place->key,
                                 .features = place->features->key,
                                 .weights = place->features->model.hash,
                                 .options = place->options,
                                 .dataset = place->features->manifest->name,
                                 .reduction = place->reduction_text,
                                 .full = place->full ? place->full->key : NULL};
    const struct bank_place *whole = place->full ? place->full : place;
    if (whole->file)
        return write_from_file(b, path, &origin, whole->file);
    return bank_write_of(b, path, &origin, shard);
}

int bank_reduction_of(char **out, const char *path)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    *out = NULL;
    TRY(h5_open_schema(&f, path, BANK_SCHEMA, BANK_VERSION));
    if (h5_has(f, "/", "reduction"))
        TRY(h5_get_text(f, "/", "reduction", out));
out:
    h5_close(&f);
    return rc;
}

static int read_keys(struct h5 *f, const char *name, size_t *n, size_t *dim)
{
    int rc = ERR_OK;
    int rank = 0;
    size_t shape[TENSOR_MAX_RANK];
    TRY(h5_expect_shape(f, name, 2, (size_t[]){H5_ANY, H5_ANY}));
    TRY(h5_shape(f, name, &rank, shape));
    *n = shape[0];
    *dim = shape[1];
out:
    return rc;
}

int bank_add_counts(const char *path, size_t *n_image, size_t *n_pixel)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    size_t n[2];
    size_t dim;
    TRY(h5_open_schema(&f, path, BANK_SCHEMA, BANK_VERSION));
    TRY(read_keys(f, "image_keys", &n[0], &dim));
    TRY(read_keys(f, "pixel_keys", &n[1], &dim));
    *n_image += n[0];
    *n_pixel += n[1];
out:
    h5_close(&f);
    return rc;
}

static int read_list(struct h5 *f, const char *name, enum dtype dtype, size_t n, void *out)
{
    int rc = ERR_OK;
    TRY(h5_expect_shape(f, name, 1, &n));
    TRY(h5_read_rows(f, name, 0, n, dtype, out));
out:
    return rc;
}

/* Rounding moves a norm by far less than 1e-3; NaN and infinity fail as well. */
static int check_unit(const float *keys, size_t n, size_t dim, const char *name, const char *path)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t d = 0; d < dim; d++)
            sum += (double)keys[i * dim + d] * (double)keys[i * dim + d];
        if (!(fabs(sqrt(sum) - 1) <= 1e-3))
            FAIL(ERR_FORMAT, "%s: %s[%zu] is not a unit vector: its norm is %g", path, name, i,
                 sqrt(sum));
    }
out:
    return rc;
}

int bank_check(const struct bank *b, const char *path)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < b->n_image; i++)
        if (b->image_labels[i] > 1)
            FAIL(ERR_FORMAT, "%s: image_labels[%zu] is %d, wanted 0 or 1", path, i,
                 b->image_labels[i]);
    for (size_t i = 0; i < b->n_pixel; i++)
        if (b->pixel_labels[i] > 1)
            FAIL(ERR_FORMAT, "%s: pixel_labels[%zu] is %d, wanted 0 or 1", path, i,
                 b->pixel_labels[i]);
    TRY(check_unit(b->image_keys, b->n_image, b->embed, "image_keys", path));
    TRY(check_unit(b->pixel_keys, b->n_pixel, b->width, "pixel_keys", path));
out:
    return rc;
}

static int read_arrays(struct bank **out, struct h5 *f, const char *path)
{
    int rc = ERR_OK;
    size_t n_image, embed, n_pixel, width;
    struct bank *b;
    *out = NULL;
    TRY(read_keys(f, "image_keys", &n_image, &embed));
    TRY(read_keys(f, "pixel_keys", &n_pixel, &width));
    TRY(bank_new(out, embed, width, n_image, n_pixel));
    b = *out;
    TRY(h5_read_rows(f, "image_keys", 0, n_image, DTYPE_F32, b->image_keys));
    TRY(h5_read_rows(f, "pixel_keys", 0, n_pixel, DTYPE_F32, b->pixel_keys));
    TRY(read_list(f, "image_labels", DTYPE_U8, n_image, b->image_labels));
    TRY(read_list(f, "pixel_labels", DTYPE_U8, n_pixel, b->pixel_labels));
    TRY(read_list(f, "image_item", DTYPE_I32, n_image, b->image_item));
    TRY(read_list(f, "source_item", DTYPE_I32, n_pixel, b->source_item));
    TRY(bank_check(b, path));
out:
    if (rc)
        bank_free(out);
    return rc;
}

int bank_load(struct bank **out, const char *path)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    *out = NULL;
    TRY(h5_open_schema(&f, path, BANK_SCHEMA, BANK_VERSION));
    TRY(read_arrays(out, f, path));
out:
    h5_close(&f);
    return rc;
}

int bank_read(struct bank **out, const char *path, const struct bank_place *place, int64_t shard)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    int64_t stored = 0;
    *out = NULL;
    TRY(h5_open_schema(&f, path, BANK_SCHEMA, BANK_VERSION));
    TRY(h5_expect_text(f, "key", place->key, "bank options and features"));
    TRY(h5_get_i64(f, "/", "shard", &stored));
    if (stored != shard)
        FAIL(ERR_FORMAT, "%s: is part %lld, wanted %lld", path, (long long)stored,
             (long long)shard);
    TRY(read_arrays(out, f, path));
    if ((*out)->embed != place->features->model.shape.embed ||
        (*out)->width != place->features->model.shape.width)
        FAIL(ERR_SHAPE, "%s: keys of %zu and %zu columns, the model has %zu and %zu", path,
             (*out)->embed, (*out)->width, place->features->model.shape.embed,
             place->features->model.shape.width);
out:
    h5_close(&f);
    if (rc)
        bank_free(out);
    return rc;
}
